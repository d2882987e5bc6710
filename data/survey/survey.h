// What the files of a set really hold, looked at before hours depend on it: sizes and kinds from the files' first
// bytes, raw ids of every label with their pixels. findings.h says what is wrong with it.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/images/header.h"
#include "data/sets/dataset.h"
#include "data/sets/label_map.h"

namespace rein::data {

// A label PNG before its set's map is applied.
struct LabelFacts {
  Size size;
  std::uint64_t palette = 0;                                // a number for its colours; 0: none
  std::vector<std::pair<std::uint32_t, std::int64_t>> ids;  // raw id -> pixels, ascending; at most max_kept_ids
  bool more_ids = false;                                    // than are kept: no label map, or a wrong encoding
  bool operator==(const LabelFacts&) const = default;
};
inline constexpr std::size_t max_kept_ids = 4096;

struct PairFacts {
  PhotoHeader photo;
  std::string photo_fault, label_fault;  // why the file cannot be read; mostly empty
  LabelFacts label;                      // its size when `sized`, its ids when `counted`
  bool sized = false, counted = false;
};

struct SurveyOptions {
  double seconds = std::numeric_limits<double>::infinity();  // labels not counted by then stay so
  bool whole_photos = false;    // decode each photo; else its first and last bytes are looked at
  bool tails = true;            // the last bytes, too: is the file cut off?
  std::filesystem::path cache;  // what was counted, kept for files of the same size and time; empty: none
  bool write_cache = true;
  std::function<void(std::int64_t done, std::int64_t all)> progress{};  // one call at a time
};

struct Survey {
  std::vector<PairFacts> facts;  // one for each pair
  std::int64_t counted = 0;      // labels whose ids were counted
  std::int64_t from_cache = 0;   // of them
};

// Labels are counted in an order that spreads over the set, so that a survey cut short is a sample of it. Faults of
// files are facts, not exceptions. Works in parallel loops (tensor/parallel.h).
Survey look_at(std::span<const Pair> pairs, const RawMap& map, const SurveyOptions& options);

// Ids as the encoding reads them.
LabelFacts facts_of(const RawPng& png, Encoding encoding);

// A file of its own for this root and split, in XDG_CACHE_HOME or ~/.cache; empty where there is neither.
std::filesystem::path default_survey_cache(const std::filesystem::path& root, const Description& set,
                                           const std::string& split);

}  // namespace rein::data
