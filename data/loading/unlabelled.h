// Photos alone, for pretraining: labels are never looked at.
#pragma once

#include <cstdint>
#include <memory>

#include "data/sets/dataset.h"
#include "tensor/tensor.h"

namespace rein::data {

struct UnlabelledOptions {
  std::int64_t photos = 0;       // the first so many of the set; 0: all
  std::int64_t cache_bytes = 0;  // decoded or rendered photos kept in memory, the first that come
  // 2: samples 2 i and 2 i + 1 are photo i in its own style and in another of the set's, seen by the same camera. Only
  // of rendered scenes of two styles or more.
  int views = 1;
};

// Each sample's label map is 255 everywhere. std::invalid_argument for options that do not fit the set.
std::shared_ptr<const Source> unlabelled(std::shared_ptr<const Dataset> set, const UnlabelledOptions& options);

// Of a batch of two views each, (2 n, …): every image's other view, 1 0 3 2 … .
Tensor partners(const Tensor& images);

}  // namespace rein::data
