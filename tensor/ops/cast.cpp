#include "tensor/ops/cast.h"

#include <cstring>
#include <limits>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/half.h"
#include "tensor/parallel.h"

namespace rein::ops {
namespace {

template <class T>
inline constexpr bool is_half = std::is_same_v<T, bf16_t> || std::is_same_v<T, f16_t>;

// What the language converts by itself: a half as float, everything else as it is.
template <class T>
auto widened(T v) {
  if constexpr (is_half<T>)
    return to_float(v);
  else
    return v;
}

template <class To, class From>
To convert(From v) {
  if constexpr (std::is_same_v<To, bf16_t>) {
    return to_bf16(static_cast<float>(v));
  } else if constexpr (std::is_same_v<To, f16_t>) {
    return to_f16(static_cast<float>(v));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Outside of the range the conversion is undefined in C++. Both bounds are powers of two (or 0), exact in From.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From beyond = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From{2};
    if (!(v > low - From{1})) return v == v ? std::numeric_limits<To>::min() : To{0};
    if (v >= beyond) return std::numeric_limits<To>::max();
    return v < low ? std::numeric_limits<To>::min() : static_cast<To>(v);
  } else {
    return static_cast<To>(v);
  }
}

}  // namespace

Tensor cast(const Tensor& x, DType dtype) {
  require(static_cast<bool>(x), "cast", "needs a tensor, got null");
  require(x.device().is_cpu(), "cast", "runs on the CPU, got a tensor on ", x.device().text());
  if (x.dtype() == dtype) return x;
  Tensor out = Tensor::empty(x.shape(), dtype);
  cast_into(x, out);
  return out;
}

void cast_into(const Tensor& x, Tensor& out) {
  require(x && out && x.device().is_cpu() && out.device().is_cpu(), "cast", "needs two tensors on the CPU");
  require(x.shape() == out.shape(), "cast", "out must have shape ", x.shape(), ", got ", out.shape());
  if (x.dtype() == out.dtype()) {
    if (x.bytes() != 0) std::memcpy(out.mutable_raw(), x.raw(), x.bytes());
    return;
  }
  dispatch_any(x.dtype(), [&]<class From>() {
    const From* from = x.data<From>();
    dispatch_any(out.dtype(), [&]<class To>() {
      To* to = out.mutable_data<To>();
      parallel_ranges(x.count(), elementwise_grain, [=](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) to[i] = convert<To>(widened(from[i]));
      });
    });
  });
}

}  // namespace rein::ops
