// A short look at a set before a run or an evaluation depends on it (data/survey).
#pragma once

#include <string>
#include <vector>

#include "data/sets/dataset.h"

namespace rein::train {

// Of what is seen within a few seconds: warnings, one line each. HintedError when photos and labels differ in size, a
// label cannot be read, or holds an id that the set's map lacks; all such pairs that were seen are named. Nothing of
// rendered scenes.
std::vector<std::string> look_at_set(const data::Dataset& set);

}  // namespace rein::train
