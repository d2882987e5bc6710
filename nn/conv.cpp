#include "nn/conv.h"

#include <cmath>

#include "autograd/ops/conv/conv.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/shape/shape.h"

namespace rein::nn {

Conv2d::Conv2d(const Conv2dOptions& options) : options_(options) {
  weight_ = &declare("weight", Shape{options.out, options.kernel, options.kernel, options.in}, options.weight_init,
                     Layout::conv);
  if (options.bias) bias_ = &declare("bias", Shape{options.out}, options.bias_init);
}

Variable Conv2d::operator()(const Variable& x) const {
  if (options_.kernel == 1 && options_.stride == 1 && options_.padding == 0) {
    return linear(x, view(weight(), Shape{options_.out, options_.in}), bias(), weight_->products());
  }
  return conv2d(x, weight(), bias(),
                {.stride = options_.stride, .padding = options_.padding, .products = weight_->products()});
}

Init xavier_uniform(std::int64_t fan_in, std::int64_t fan_out) {
  return Init::uniform(std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
}

Init xavier_normal(std::int64_t fan_in, std::int64_t fan_out) {
  return Init::normal(std::sqrt(2.0 / static_cast<double>(fan_in + fan_out)));
}

Init kaiming_normal(std::int64_t fan) {
  return Init::normal(std::sqrt(2.0 / static_cast<double>(fan)));
}

Init pytorch_default(std::int64_t fan_in) {
  return Init::uniform(1.0 / std::sqrt(static_cast<double>(fan_in)));
}

// The start is that of timm and DINOv2: normal with deviation 0.02, biases 0.
PatchEmbed::PatchEmbed(std::int64_t patch, std::int64_t dim, bool bias)
    : patch_(patch),
      dim_(dim),
      proj_({.in = 3, .out = dim, .kernel = patch, .stride = patch, .bias = bias, .weight_init = Init::normal(0.02)}) {
  child("proj", proj_);
}

Variable PatchEmbed::operator()(const Variable& image) const {
  return linear(patchify(image, patch_), view(proj_.weight(), Shape{dim_, patch_ * patch_ * 3}), proj_.bias(),
                proj_.products());
}

}  // namespace rein::nn
