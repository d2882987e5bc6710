// From a label PNG's raw samples to train ids.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "data/images/image_io.h"
#include "data/sets/description.h"

namespace rein::data {

// The table form of a RawMap. Safe to use from several threads.
class LabelDecoder {
 public:
  explicit LabelDecoder(const RawMap& map);

  // Throws std::runtime_error with `file` when the PNG is not of the map's encoding, or holds an id (with its place)
  // that the map neither lists nor lets pass.
  LabelMap decode(const RawPng& png, const std::string& file) const;
  void check(const RawPng& png, const std::string& file) const;  // only whether it is of the encoding

 private:
  template <class T>
  LabelMap decode_ids(const RawPng& png, const std::vector<T>& samples, const std::string& file) const;
  LabelMap decode_colours(const RawPng& png, const std::string& file) const;
  int colour_id(Rgb colour) const;

  Encoding encoding_;
  std::vector<std::int16_t> table_;  // by raw id; -1: not in the map
  std::unordered_map<std::uint32_t, std::uint8_t> colours_;
  bool ignore_others_;
};

}  // namespace rein::data
