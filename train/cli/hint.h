// The one line of advice under an error message, by what the message says. Empty when there is none to give.
#pragma once

#include <string>

namespace rein::train {

std::string hint_for(const std::string& error);

}  // namespace rein::train
