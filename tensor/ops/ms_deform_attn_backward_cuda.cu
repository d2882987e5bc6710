// Who owns what. Gradients of weights and locations: a group of 8 lanes (32 for wide heads) owns one (image, query,
// head); its lanes share the channels, and the sums of a point are joined by exchanges. Gradient of value: a thread
// owns one channel of one (image, query, head) and adds its points to the pixels they touch, which belong to nobody:
// by atomics. So that the order does not matter, what is added are whole numbers (tensor/cuda/whole_sums.h): three
// launches more, for the largest product, zeroes, and the way back to T. See the header for what this means for the
// bits.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"
#include "tensor/cuda/whole_sums.h"
#include "tensor/ops/ms_deform_attn_cuda.h"
#include "tensor/ops/ms_deform_attn_points_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 128;

template <int lanes, class T>
__device__ T group_sum(T value) {
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}

template <class T, int lanes>
__global__ void points_kernel(DeformInput<T> in, DeformLevels levels, const T* grad_out, T* grad_locations,
                              T* grad_weights) {
  const std::int64_t channels = in.heads * in.width, per_head = in.levels * in.points;
  const std::int64_t owner = global_thread() / lanes, owners = in.images * in.queries * in.heads;
  const int lane = threadIdx.x % lanes;
  const bool real = owner < owners;  // the others only lend their lanes to the exchanges
  const std::int64_t row = real ? owner / in.heads : 0, head = real ? owner % in.heads : 0;
  const T* g = grad_out + row * channels + head * in.width;
  const T* value = in.value + row / in.queries * in.tokens * channels + head * in.width;
  std::int64_t i = (row * in.heads + head) * per_head;
  for (int l = 0; l < static_cast<int>(in.levels); ++l) {
    const DeformLevel& level = levels.at[l];
    for (std::int64_t p = 0; p < in.points; ++p, ++i) {
      DeformCell<T> cell{};
      T grad_a = 0, grad_x = 0, grad_y = 0;
      const bool found = find_cell(in.locations + 2 * i, level, cell);
      T dot[4] = {};
      for (int k = 0; k < 4; ++k) {
        if (found && cell.inside[k]) {
          const T* from = value + cell.pixel[k] * channels;
          for (std::int64_t c = lane; c < in.width; c += lanes) dot[k] = fma(g[c], from[c], dot[k]);
        }
      }
      for (int k = 0; k < 4; ++k) dot[k] = group_sum<lanes>(dot[k]);
      if (found) {
        const T a = in.weights[i];
        T b[4];
        cell.weights(b);
        grad_a = (b[0] * dot[0] + b[1] * dot[1]) + (b[2] * dot[2] + b[3] * dot[3]);
        grad_x = (T(1) - cell.fy) * (dot[1] - dot[0]) + cell.fy * (dot[3] - dot[2]);
        grad_y = (T(1) - cell.fx) * (dot[2] - dot[0]) + cell.fx * (dot[3] - dot[1]);
        grad_x *= a * static_cast<T>(level.width), grad_y *= a * static_cast<T>(level.height);
      }
      if (!real || lane != 0) continue;
      if (grad_weights != nullptr) grad_weights[i] = grad_a;
      if (grad_locations != nullptr) grad_locations[2 * i] = grad_x, grad_locations[2 * i + 1] = grad_y;
    }
  }
}

// top = the largest |weight of a point| * |gradient of a channel|, over all heads; a thread owns a head of a query.
// Coordinates count too: a NaN there makes NaN products.
template <class T>
__global__ void largest_product_kernel(DeformInput<T> in, const T* grad_out, Whole* top) {
  const std::int64_t owner = global_thread();
  if (owner >= in.images * in.queries * in.heads) return;
  const std::int64_t per_head = in.levels * in.points;
  double weight = 0, grad = 0;
  bool nan = false;
  for (std::int64_t p = 0; p < per_head; ++p) {
    const std::int64_t i = owner * per_head + p;
    weight = larger(weight, in.weights[i]);
    nan = nan || in.locations[2 * i] != in.locations[2 * i] || in.locations[2 * i + 1] != in.locations[2 * i + 1];
  }
  for (std::int64_t c = 0; c < in.width; ++c) grad = larger(grad, grad_out[owner * in.width + c]);
  double product = weight * grad;
  if (nan || product != product) product = static_cast<double>(NAN);
  atomicMax(top, bits_of(fabs(product)));
}

template <class T, bool whole>
__global__ void value_kernel(DeformInput<T> in, DeformLevels levels, const T* grad_out, const Whole* top,
                             int points_log2, Whole* sums, T* grad_value) {
  const std::int64_t channels = in.heads * in.width, per_head = in.levels * in.points;
  const std::int64_t count = in.images * in.queries * channels;
  double unit = 1;
  if constexpr (whole) unit = unit_of(from_bits(*top), points_log2);
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t row = i / channels, channel = i % channels, head = channel / in.width;
    const std::int64_t base = row / in.queries * in.tokens * channels + channel;
    std::int64_t point = (row * in.heads + head) * per_head;
    const T g = grad_out[i];
    for (int l = 0; l < static_cast<int>(in.levels); ++l) {
      const DeformLevel& level = levels.at[l];
      for (std::int64_t p = 0; p < in.points; ++p, ++point) {
        DeformCell<T> cell{};
        if (!find_cell(in.locations + 2 * point, level, cell)) continue;
        T b[4];
        cell.weights(b);
        for (int k = 0; k < 4; ++k) {
          if (!cell.inside[k]) continue;
          const T w = b[k] * in.weights[point];
          const std::int64_t at = base + cell.pixel[k] * channels;
          if constexpr (whole) {
            add_whole(sums + at, static_cast<double>(w) * static_cast<double>(g), unit);
          } else {
            atomicAdd(grad_value + at, w * g);
          }
        }
      }
    }
  }
}

template <class T, int lanes>
void run_points(const DeformInput<T>& in, const DeformLevels& levels, const T* grad_out, T* grad_locations,
                T* grad_weights) {
  launch("ms_deform_attn_backward", points_kernel<T, lanes>,
         blocks_for(in.images * in.queries * in.heads * lanes, threads, std::int64_t{1} << 31), threads, 0, in, levels,
         grad_out, grad_locations, grad_weights);
}

template <class T>
void run_value(const DeformInput<T>& in, const DeformLevels& levels, const T* grad_out, T* grad_value, bool atomics) {
  const char* const name = "ms_deform_attn_backward";
  const std::int64_t count = in.images * in.tokens * in.heads * in.width;
  const std::int64_t adders = in.images * in.queries * in.heads * in.width;
  if (count == 0) return;
  if (atomics) {
    fill_bytes(grad_value, 0, static_cast<std::size_t>(count) * sizeof(T), current_device());
    launch(name, value_kernel<T, false>, blocks_for(adders, threads), threads, 0, in, levels, grad_out, nullptr, 0,
           nullptr, grad_value);
    return;
  }
  const int points_log2 = log2_above(in.queries * in.points);
  Scratch<Whole> memory(count + 1);
  fill_bytes(memory.data(), 0, static_cast<std::size_t>(count + 1) * sizeof(Whole), current_device());
  Whole* const top = memory.data() + count;
  launch(name, largest_product_kernel<T>, blocks_for(in.images * in.queries * in.heads, threads, std::int64_t{1} << 31),
         threads, 0, in, grad_out, top);
  launch(name, value_kernel<T, true>, blocks_for(adders, threads), threads, 0, in, levels, grad_out, top, points_log2,
         memory.data(), nullptr);
  launch(name, from_whole_kernel<T>, blocks_for(count, threads), threads, 0, memory.data(), top, points_log2, count,
         grad_value);
}

}  // namespace

template <class T>
void ms_deform_attn_backward(const DeformInput<T>& in, const T* grad_out, T* grad_value, T* grad_locations,
                             T* grad_weights, bool atomics) {
  const DeformLevels levels = deform_levels(in.level, in.levels, in.points);
  if (grad_locations != nullptr || grad_weights != nullptr)
    (in.width > 64 ? run_points<T, 32> : run_points<T, 8>)(in, levels, grad_out, grad_locations, grad_weights);
  if (grad_value != nullptr) run_value(in, levels, grad_out, grad_value, atomics);
}

template void ms_deform_attn_backward(const DeformInput<float>&, const float*, float*, float*, float*, bool);
template void ms_deform_attn_backward(const DeformInput<double>&, const double*, double*, double*, double*, bool);

}  // namespace rein::ops::cuda
