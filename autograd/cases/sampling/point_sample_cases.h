// Plain readings and points that cases and tests of point sampling share.
#pragma once

#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace rein::testing {

// One bilinear reading, written from the rule: four pixels, those outside count as zero.
double bilinear_loops(const std::function<double(std::int64_t, std::int64_t)>& pixel, std::int64_t h, std::int64_t w,
                      double x, double y);

// A vector of i64.
Tensor ids_of(const std::vector<std::int64_t>& values);

// Random points, and among them corners, edges and points outside.
Tensor some_points(const Shape& shape);

}  // namespace rein::testing
