// CUDA kernels behind tensor/ops/elementwise/cast.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

// From and To: different dtypes, any two.
template <class From, class To>
void cast(const From* from, std::int64_t count, To* to);

}  // namespace rein::ops::cuda
