#include "train/hint.h"

#include <utility>

namespace rein::train {

std::string hint_for(const std::string& error) {
  // First match wins: the more particular text comes first.
  static const std::pair<const char*, const char*> hints[] = {
      {"git-lfs", "fetch the real file: git lfs pull, or download it from its page again"},
      {"HTML", "the download saved a web page; open the link in a browser and check that you are logged in"},
      {"SHA-256", "use the backbone file the checkpoint was trained with, or train again with this one"},
      {"unknown key", "every key and its default: rein train --keys"},
      {"out of memory", "lower train.micro_batch, or set train.recompute = true"},
      {"no CUDA backend", "build with cmake --preset cuda"},
      {"No space left", "free some space and call again; a run of rein train goes on with --resume"},
  };
  for (const auto& [text, hint] : hints)
    if (error.find(text) != std::string::npos) return hint;
  return "";
}

}  // namespace rein::train
