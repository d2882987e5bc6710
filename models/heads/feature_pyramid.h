// From four maps of one size to a pyramid: bilinear resize with a given factor (x4, x2, x1, x0.5; floor(n f) outputs).
// A 1x1 projection commutes with the resize (both linear, the taps sum to one, so the bias commutes too): for
// enlargement we project first, 16 and 4 times fewer products. REIN_KERNEL=feature_pyramid:reference keeps the official
// order.
#pragma once

#include <vector>

#include "autograd/variable.h"
#include "nn/conv.h"

namespace rein::models {

// x (N, h, w, C) -> (N, floor(h f), floor(w f), C). A factor of 1 returns x.
Variable resize_by_factor(const Variable& x, double factor);
// The official backbone output: each map resized by its factor.
std::vector<Variable> feature_pyramid(const std::vector<Variable>& features, const std::vector<double>& factors);

// projection(resize(x, factor)) in the cheaper order.
Variable resize_and_project(const Variable& x, double factor, const nn::Conv2d& projection);

}  // namespace rein::models
