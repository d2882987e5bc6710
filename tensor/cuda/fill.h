// Setting every element of a block on a device.
#pragma once

#include <cstdint>

namespace rein::cuda {

// T: any dtype's element.
template <class T>
void fill(T* data, T value, std::int64_t count);

}  // namespace rein::cuda
