// Sizes and plain loops of a convolution that cases and tests share.
#pragma once

#include <span>
#include <string>

#include "tensor/error.h"
#include "tensor/tensor.h"

namespace rein::testing {

// x is (n, h, w, c), the weight (o, kh, kw, c).
struct ConvSetup {
  std::int64_t n, h, w, c, o, kh, kw, stride, padding;
  Shape x() const { return {n, h, w, c}; }
  Shape weight() const { return {o, kh, kw, c}; }
  std::string text() const { return concat_text(x(), " by ", weight(), ", stride ", stride, ", padding ", padding); }
};

// Calls body(y, x, weight) with the flat indices of every product of the convolution.
template <class F>
void for_each_product(const ConvSetup& s, F&& body) {
  const std::int64_t out_h = (s.h + 2 * s.padding - s.kh) / s.stride + 1;
  const std::int64_t out_w = (s.w + 2 * s.padding - s.kw) / s.stride + 1;
  for (std::int64_t y = 0; y < s.n * out_h * out_w * s.o; ++y) {
    const std::int64_t o = y % s.o, j = y / s.o % out_w, i = y / (s.o * out_w) % out_h, n = y / (s.o * out_w * out_h);
    for (std::int64_t ky = 0; ky < s.kh; ++ky)
      for (std::int64_t kx = 0; kx < s.kw; ++kx) {
        const std::int64_t row = i * s.stride + ky - s.padding, col = j * s.stride + kx - s.padding;
        if (row < 0 || row >= s.h || col < 0 || col >= s.w) continue;
        for (std::int64_t c = 0; c < s.c; ++c)
          body(y, ((n * s.h + row) * s.w + col) * s.c + c, ((o * s.kh + ky) * s.kw + kx) * s.c + c);
      }
  }
}

// bias may be null.
Tensor conv2d_loops(const ConvSetup& s, const Tensor& x, const Tensor& weight, const Tensor& bias);

// The small ones: every kernel size, stride and padding, widths around a vector.
std::span<const ConvSetup> conv_setups();

}  // namespace rein::testing
