// From what a pickle built to the state dictionary inside. Internal to tensor/io.
#pragma once

#include <map>
#include <string>

#include "tensor/io/pickle.h"

namespace rein::pickle {

struct StateDict {
  std::map<std::string, const Value*> tensors;
  std::string under;  // "state_dict", "model.teacher"; empty at the top
};

// Throws std::runtime_error ([pth] FILE: …) when there is none, or several of which none has a usual name.
StateDict find_state_dict(const Value& root, const std::string& file);

}  // namespace rein::pickle
