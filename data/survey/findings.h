// What a survey means: sums per raw id and class, and everything that is wrong or should be known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/sets/pairing.h"
#include "data/survey/survey.h"

namespace rein::data {

struct Finding {
  enum class Weight { error, warning, note };  // error: training or evaluation would stop there
  Weight weight = Weight::note;
  std::string kind;                // one word or two for programs: "size", "unknown_id", …
  std::string text;                // one sentence
  std::vector<std::string> files;  // names of pairs, or paths; all of them
};

// "error", "warning", "note".
std::string name_of(Finding::Weight weight);

struct Amount {
  std::int64_t pixels = 0, photos = 0;
};

struct Summary {
  std::int64_t pairs = 0, counted = 0;
  std::map<std::uint32_t, Amount> raw;               // as stored
  std::vector<Amount> classes;                       // after the map
  Amount ignored;                                    // photos: those with any such pixel
  std::map<std::string, std::int64_t> sizes, kinds;  // "1052 x 1914" -> photos
  std::vector<Finding> findings;                     // errors first
  std::vector<std::size_t> good;                     // pairs without an error, in order

  bool has_errors() const { return !findings.empty() && findings.front().weight == Finding::Weight::error; }
};

// `pairing` is null when only its pairs were looked at.
Summary summary_of(const Survey& survey, const std::vector<Pair>& pairs, const Description& set,
                   const Pairing* pairing);

// "7", or "[70, 130, 180]" where ids are colours.
std::string raw_id_text(std::uint32_t id, Encoding encoding);

}  // namespace rein::data
