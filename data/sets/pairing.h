// From a split's patterns to the pairs that lie on disk.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/sets/dataset.h"

namespace rein::data {

// * any run without '/', ** any run, ? one character but '/'.
bool glob_match(std::string_view pattern, std::string_view text);

// Errors as in Dataset's constructor.
std::vector<Pair> find_pairs(const Split& split, const std::filesystem::path& root, const std::string& set_name);

}  // namespace rein::data
