// Who computed this: version, instruction set, forced kernels.
#pragma once

#include <string>

namespace rein::train {

std::string version_text();         // "0.1.0"
std::string forced_kernels_text();  // REIN_KERNEL as given, or "default"
std::string about_text();           // several lines, for `rein --version`

}  // namespace rein::train
