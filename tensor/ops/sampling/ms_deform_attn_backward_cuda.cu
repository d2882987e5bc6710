// Who owns what. Gradients of weights and locations: a group of 8 lanes (32 for wide heads) owns one (image, query,
// head); its lanes share the channels, and the sums of a point are joined by exchanges. Gradient of value: a thread
// owns a channel of one (image, query, head), or four to find a point's cell once for them, and adds its points to the
// pixels they touch, which belong to nobody: by atomics. So that the order does not matter, what is added are whole
// numbers (tensor/cuda/whole_sums.h): three launches more, for the largest product, zeroes, and the way back to T. See
// the header for what this means for the bits.
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"
#include "tensor/cuda/whole_sums.h"
#include "tensor/ops/sampling/ms_deform_attn_kernels.h"
#include "tensor/ops/sampling/ms_deform_attn_points_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 128;
constexpr int group = 8;  // lanes that own a head of a query

template <int lanes, class T>
__device__ T group_sum(T value) {
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(all_lanes, value, step);
  return value;
}

__device__ inline double group_largest(double value) {
  for (int step = group / 2; step > 0; step /= 2) value = larger(value, __shfl_xor_sync(all_lanes, value, step));
  return value;
}

// packed: heads are 4 * lanes wide, and a lane owns four neighbouring channels, whose grad_out it keeps. per_image is
// tokens * channels. It comes from outside, as the compiler joins a product made here with that of every pixel, which
// makes a long way to each address.
template <class T, int lanes, bool packed>
__global__ void points_kernel(DeformInput<T> in, DeformLevels levels, std::int64_t per_image, const T* grad_out,
                              T* grad_locations, T* grad_weights) {
  const std::int64_t channels = in.heads * in.width, per_head = in.levels * in.points;
  const std::int64_t owner = global_thread() / lanes, owners = in.images * in.queries * in.heads;
  const int lane = threadIdx.x % lanes;
  const bool real = owner < owners;  // the others only lend their lanes to the exchanges
  const std::int64_t row = real ? owner / in.heads : 0, head = real ? owner % in.heads : 0;
  const T* g = grad_out + row * channels + head * in.width;
  const T* value = in.value + row / in.queries * per_image + head * in.width;
  [[maybe_unused]] Packed<T, 4> own{};
  if constexpr (packed) own = load_packed<T, 4>(g + 4 * lane);
  std::int64_t i = (row * in.heads + head) * per_head;
  for (int l = 0; l < static_cast<int>(in.levels); ++l) {
    const DeformLevel& level = levels.at[l];
    const T columns = static_cast<T>(level.width), rows = static_cast<T>(level.height);
    for (std::int64_t p = 0; p < in.points; ++p, ++i) {
      DeformCell<T> cell{};
      T grad_a = 0, grad_x = 0, grad_y = 0;
      const bool found = find_cell(in.locations + 2 * i, level, cell);
      T dot[4] = {};
      for (int k = 0; k < 4; ++k) {
        if (found && cell.inside[k]) {
          const T* from = value + cell.pixel[k] * channels;
          if constexpr (packed) {
            const Packed<T, 4> pixel = load_packed<T, 4>(from + 4 * lane);
            for (int e = 0; e < 4; ++e) dot[k] = fma(own.at[e], pixel.at[e], dot[k]);
          } else {
            for (std::int64_t c = lane; c < in.width; c += lanes) dot[k] = fma(g[c], from[c], dot[k]);
          }
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
        grad_x *= a * columns, grad_y *= a * rows;
      }
      if (!real || lane != 0) continue;
      if (grad_weights != nullptr) grad_weights[i] = grad_a;
      if (grad_locations != nullptr) grad_locations[2 * i] = grad_x, grad_locations[2 * i + 1] = grad_y;
    }
  }
}

// top = the largest |weight of a point| * |gradient of a channel|, over all heads; a group of lanes owns a head of a
// query. Coordinates count too: a NaN there makes NaN products.
template <class T>
__global__ void largest_product_kernel(DeformInput<T> in, const T* grad_out, Whole* top) {
  const std::int64_t owner = global_thread() / group, per_head = in.levels * in.points;
  const int lane = threadIdx.x % group;
  double weight = 0, grad = 0;
  if (owner < in.images * in.queries * in.heads) {
    for (std::int64_t i = owner * per_head + lane; i < (owner + 1) * per_head; i += group) {
      const T x = in.locations[2 * i], y = in.locations[2 * i + 1];
      weight = larger(weight, x == x && y == y ? in.weights[i] : static_cast<T>(NAN));
    }
    for (std::int64_t i = owner * in.width + lane; i < (owner + 1) * in.width; i += group)
      grad = larger(grad, grad_out[i]);
  }
  weight = group_largest(weight), grad = group_largest(grad);
  raise_top(top, fabs(weight * grad));  // NaN where one is infinite and the other zero
}

constexpr int side = 8;  // so many neighbouring threads own neighbouring channels: they add to whole sectors of memory

// A thread owns `many` channels of a head, `side` apart. Sum: Whole, or T to add in T. per_image: as in points_kernel.
template <class T, class Sum, int many>
__global__ void value_kernel(DeformInput<T> in, DeformLevels levels, std::int64_t per_image, const T* grad_out,
                             const Whole* top, int points_log2, Sum* sums) {
  constexpr bool whole = std::is_same_v<Sum, Whole>;
  const std::int64_t channels = in.heads * in.width, per_head = in.levels * in.points, per_row = channels / many;
  const std::int64_t count = in.images * in.queries * per_row;
  double unit = 1;
  if constexpr (whole) unit = unit_of(from_bits(*top), points_log2);
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t row = i / per_row, within = i % per_row;
    const std::int64_t channel = within / side * (side * many) + within % side, head = channel / in.width;
    std::int64_t point = (row * in.heads + head) * per_head;
    Sum* const image = sums + row / in.queries * per_image + channel;
    T g[many];
    for (int j = 0; j < many; ++j) g[j] = grad_out[row * channels + channel + j * side];
    for (int l = 0; l < static_cast<int>(in.levels); ++l) {
      const DeformLevel& level = levels.at[l];
      for (std::int64_t p = 0; p < in.points; ++p, ++point) {
        DeformCell<T> cell{};
        if (!find_cell(in.locations + 2 * point, level, cell)) continue;
        const T a = in.weights[point];  // read once: for all the compiler knows, the atomics may change it
        T b[4];
        cell.weights(b);
        for (int k = 0; k < 4; ++k) {
          if (!cell.inside[k]) continue;
          const T w = b[k] * a;
          Sum* const to = image + cell.pixel[k] * channels;
          for (int j = 0; j < many; ++j) {
            if constexpr (whole) {
              add_whole(to + j * side, static_cast<double>(w) * static_cast<double>(g[j]), unit);
            } else {
              atomicAdd(to + j * side, w * g[j]);
            }
          }
        }
      }
    }
  }
}

template <class T, int lanes>
void run_points(const DeformInput<T>& in, const DeformLevels& levels, const T* grad_out, T* grad_locations,
                T* grad_weights) {
  const bool packed = in.width == 4 * lanes && packable<4>(in.width, in.value, grad_out);
  launch("ms_deform_attn_backward", packed ? points_kernel<T, lanes, true> : points_kernel<T, lanes, false>,
         blocks_for(in.images * in.queries * in.heads * lanes, threads, std::int64_t{1} << 31), threads, 0, in, levels,
         in.tokens * in.heads * in.width, grad_out, grad_locations, grad_weights);
}

template <class T, class Sum>
void add_points(const DeformInput<T>& in, const DeformLevels& levels, const T* grad_out, const Whole* top,
                int points_log2, Sum* sums) {
  const std::int64_t channels = in.heads * in.width;
  const int many = in.width % (4 * side) == 0 ? 4 : 1;
  launch("ms_deform_attn_backward", many == 4 ? value_kernel<T, Sum, 4> : value_kernel<T, Sum, 1>,
         blocks_for(in.images * in.queries * channels / many, threads), threads, 0, in, levels, in.tokens * channels,
         grad_out, top, points_log2, sums);
}

template <class T>
void run_value(const DeformInput<T>& in, const DeformLevels& levels, const T* grad_out, T* grad_value, bool atomics) {
  const char* const name = "ms_deform_attn_backward";
  const std::int64_t count = in.images * in.tokens * in.heads * in.width;
  if (count == 0) return;
  if (atomics) {
    fill_bytes(grad_value, 0, static_cast<std::size_t>(count) * sizeof(T), current_device());
    add_points(in, levels, grad_out, nullptr, 0, grad_value);
    return;
  }
  const int points_log2 = log2_above(in.queries * in.points);
  Scratch<Whole> memory(count + 1);
  fill_bytes(memory.data(), 0, static_cast<std::size_t>(count + 1) * sizeof(Whole), current_device());
  Whole* const top = memory.data() + count;
  launch(name, largest_product_kernel<T>,
         blocks_for(in.images * in.queries * in.heads * group, threads, std::int64_t{1} << 31), threads, 0, in,
         grad_out, top);
  add_points(in, levels, grad_out, top, points_log2, memory.data());
  launch(name, from_whole_kernel<T>, blocks_for(count, threads), threads, 0, memory.data(), top, points_log2, count,
         grad_value);
}

}  // namespace

template <class T>
void ms_deform_attn_backward(const DeformInput<T>& in, const T* grad_out, T* grad_value, T* grad_locations,
                             T* grad_weights, bool atomics) {
  const DeformLevels levels = deform_levels(in.level, in.levels, in.points);
  if (grad_locations != nullptr || grad_weights != nullptr)
    (in.width > 64 ? run_points<T, 32> : run_points<T, group>)(in, levels, grad_out, grad_locations, grad_weights);
  if (grad_value != nullptr) run_value(in, levels, grad_out, grad_value, atomics);
}

template void ms_deform_attn_backward(const DeformInput<float>&, const float*, float*, float*, float*, bool);
template void ms_deform_attn_backward(const DeformInput<double>&, const double*, double*, double*, double*, bool);

}  // namespace rein::ops::cuda
