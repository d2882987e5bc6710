// What loading a backbone costs: time, and memory beside the weights themselves.
#pragma once

#include <cstddef>
#include <filesystem>

#include "models/zoo/zoo.h"

namespace rein::train {

struct LoadCost {
  double open_seconds = 0;   // names, shapes, recognition
  double bind_seconds = 0;   // every parameter has its value; pages of mapped ones may not be read yet
  double touch_seconds = 0;  // every byte of the weights read once
  std::size_t weights = 0;   // bytes of all bound parameters
  std::size_t own = 0;       // of these, in memory of our own; the rest is the mapped file
  std::size_t beyond = 0;    // peak of the process's anonymous memory (RssAnon) above start and `own`
  std::size_t largest = 0;   // bytes of the largest parameter
};

// Binds the file as f32: as constants (`trainable` false), else into memory of its own. Linux only (/proc/self/status).
LoadCost measure_load(const std::filesystem::path& path, const models::zoo::Hints& hints, bool trainable);

}  // namespace rein::train
