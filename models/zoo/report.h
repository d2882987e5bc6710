// What a file is when it is not what was asked for: the texts of recognition.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/zoo/layout.h"
#include "nn/bind.h"

namespace rein::models::zoo {

// "a, b, … (7 in all)"
std::string joined(const std::vector<std::string>& words, std::size_t limit);

// The marks of a layout that the file lacks (telltales only where the user has not said the family), and the names it
// has that the layout never has.
std::vector<std::string> missing_marks(const nn::TensorSource& theirs, const Layout& layout, bool family_said);
std::vector<std::string> foreign_names(const nn::TensorSource& theirs, const Layout& layout);

// "large" for 24 blocks of 1024; empty for a width and depth that no published model has.
std::string_view size_name(std::int64_t dim, std::int64_t depth);
// "dinov2-large" -> ("dinov2", "large"); a family alone has no size.
std::pair<std::string, std::string> split_family(const std::string& wanted);

// What the names of a file say when they are no backbone's: "a Rein checkpoint without the backbone: adapter …". Empty
// when they say nothing.
std::string other_contents(const std::vector<std::string>& names);

// No candidate fits. `fits`: a layout of another family that does, or null. Throws std::runtime_error: what the file
// is instead, else the nearest layout and what it lacks.
[[noreturn]] void fail_unrecognised(const nn::TensorSource& theirs, const std::vector<const Layout*>& candidates,
                                    bool family_said, const Layout* fits);

}  // namespace rein::models::zoo
