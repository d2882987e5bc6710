// From a split's patterns to the pairs that lie on disk.
//
// A pattern's suffix stands for all spellings of its kind of picture: images/{}.jpg fits 1.jpg, 1.JPG and 1.jpeg. Where
// one folder has several of them, the pattern's own spelling is taken and the others are left out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/dataset.h"
#include "data/sets/listing.h"

namespace rein::data {

// * any run without '/', ** any run, ? one character but '/'.
bool glob_match(std::string_view pattern, std::string_view text);

// What the patterns find, whole or not.
struct Pairing {
  std::vector<Pair> pairs;  // sorted by name
  // Paths below the root: photos without a label, labels without a photo, entries of the list that are not there.
  std::vector<std::string> unlabelled, orphans, absent;
  // Photos in the patterns' folder that do not fit, hidden files, links to nothing.
  std::vector<LeftOut> left_out;
};

// std::runtime_error: no such folder or list file, a name listed twice.
Pairing look_for_pairs(const Description& set, const std::string& split, const std::filesystem::path& root);

// std::runtime_error when anything lacks its partner or there is no pair, with the files that lie where the missing
// ones were looked for, and the description that would read them.
void require_whole(const Pairing& found, const Description& set, const std::string& split,
                   const std::filesystem::path& root);

}  // namespace rein::data
