// Who owns what, forward: a thread owns up to 16 bytes of channels of one (image, query, head) and walks all points;
// the threads of a head read the same locations (one load for all of them) and neighbouring channels of the same
// pixels. Sums run over points, then corners, as on the CPU. sampling_locations: a thread owns one (x, y) pair.
#include "tensor/ops/sampling/ms_deform_attn_kernels.h"

#include "tensor/cuda/packed.h"
#include "tensor/ops/sampling/ms_deform_attn_points_cuda.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256;

template <class T, int N>
__global__ void forward_kernel(DeformInput<T> in, DeformLevels levels, std::int64_t packs, T* out) {
  const std::int64_t channels = in.heads * in.width, per_row = channels / N, per_head = in.levels * in.points;
  for (std::int64_t i = global_thread(); i < packs; i += global_threads()) {
    const std::int64_t row = i / per_row, channel = i % per_row * N, head = channel / in.width;
    const T* value = in.value + row / in.queries * in.tokens * channels + channel;
    const T* location = in.locations + 2 * (row * in.heads + head) * per_head;
    const T* weight = in.weights + (row * in.heads + head) * per_head;
    Packed<T, N> sum{};
    for (int l = 0; l < static_cast<int>(in.levels); ++l) {
      const DeformLevel& level = levels.at[l];
      for (std::int64_t p = 0; p < in.points; ++p, location += 2, ++weight) {
        DeformCell<T> cell;
        if (!find_cell(location, level, cell)) continue;
        T b[4];
        cell.weights(b);
        for (int k = 0; k < 4; ++k) {
          if (!cell.inside[k]) continue;
          const T w = b[k] * *weight;
          const Packed<T, N> from = load_packed<T, N>(value + cell.pixel[k] * channels);
          for (int e = 0; e < N; ++e) sum.at[e] = fma(w, from.at[e], sum.at[e]);
        }
      }
    }
    store_packed(sum, out + i * N);
  }
}

template <class T, int N>
void run_forward(const DeformInput<T>& in, const DeformLevels& levels, T* out) {
  const std::int64_t packs = in.images * in.queries * in.heads * in.width / N;
  launch("ms_deform_attn", forward_kernel<T, N>, blocks_for(packs, threads), threads, 0, in, levels, packs, out);
}

struct LocationSizes {
  std::int64_t pairs, heads, levels, points;
};

template <class T>
__global__ void locations_kernel(const T* offsets, const T* reference, DeformLevels levels, LocationSizes s, T* out) {
  for (std::int64_t i = global_thread(); i < s.pairs; i += global_threads()) {
    const std::int64_t l = i / s.points % s.levels, row = i / (s.points * s.levels * s.heads);
    const T w = T(1) / static_cast<T>(levels.at[l].width), h = T(1) / static_cast<T>(levels.at[l].height);
    out[2 * i] = reference[(row * s.levels + l) * 2] + offsets[2 * i] * w;
    out[2 * i + 1] = reference[(row * s.levels + l) * 2 + 1] + offsets[2 * i + 1] * h;
  }
}

template <class T>
__global__ void offsets_backward_kernel(const T* grad_out, DeformLevels levels, LocationSizes s, T* grad_offsets) {
  for (std::int64_t i = global_thread(); i < s.pairs; i += global_threads()) {
    const std::int64_t l = i / s.points % s.levels;
    grad_offsets[2 * i] = grad_out[2 * i] * (T(1) / static_cast<T>(levels.at[l].width));
    grad_offsets[2 * i + 1] = grad_out[2 * i + 1] * (T(1) / static_cast<T>(levels.at[l].height));
  }
}

// A thread owns one number of grad_reference (rows, levels, 2).
template <class T>
__global__ void reference_backward_kernel(const T* grad_out, LocationSizes s, std::int64_t count, T* grad_reference) {
  for (std::int64_t i = global_thread(); i < count; i += global_threads()) {
    const std::int64_t l = i / 2 % s.levels, row = i / (2 * s.levels);
    T sum = 0;
    for (std::int64_t m = 0; m < s.heads; ++m) {
      const T* from = grad_out + ((row * s.heads + m) * s.levels + l) * s.points * 2 + i % 2;
      for (std::int64_t p = 0; p < s.points; ++p) sum += from[2 * p];
    }
    grad_reference[i] = sum;
  }
}

}  // namespace

template <class T>
void ms_deform_attn(const DeformInput<T>& in, T* out) {
  const DeformLevels levels = deform_levels(in.level, in.levels, in.points);
  if (packable<packed_count<T>>(in.width, in.value, out))
    run_forward<T, packed_count<T>>(in, levels, out);
  else
    run_forward<T, 1>(in, levels, out);
}

template <class T>
void sampling_locations(const T* offsets, const T* reference, const DeformLevel* level, std::int64_t rows,
                        std::int64_t heads, std::int64_t levels, std::int64_t points, T* out) {
  const LocationSizes s{rows * heads * levels * points, heads, levels, points};
  launch("sampling_locations", locations_kernel<T>, blocks_for(s.pairs, threads), threads, 0, offsets, reference,
         deform_levels(level, levels, 1), s, out);
}

template <class T>
void sampling_locations_backward(const T* grad_out, const DeformLevel* level, std::int64_t rows, std::int64_t heads,
                                 std::int64_t levels, std::int64_t points, T* grad_offsets, T* grad_reference) {
  const LocationSizes s{rows * heads * levels * points, heads, levels, points};
  const std::int64_t count = rows * levels * 2;
  if (grad_offsets != nullptr)
    launch("sampling_locations_backward", offsets_backward_kernel<T>, blocks_for(s.pairs, threads), threads, 0,
           grad_out, deform_levels(level, levels, 1), s, grad_offsets);
  if (grad_reference != nullptr)
    launch("sampling_locations_backward", reference_backward_kernel<T>, blocks_for(count, threads), threads, 0,
           grad_out, s, count, grad_reference);
}

#define REIN_INSTANTIATE(T)                                                                                          \
  template void ms_deform_attn(const DeformInput<T>&, T*);                                                           \
  template void sampling_locations(const T*, const T*, const DeformLevel*, std::int64_t, std::int64_t, std::int64_t, \
                                   std::int64_t, T*);                                                                \
  template void sampling_locations_backward(const T*, const DeformLevel*, std::int64_t, std::int64_t, std::int64_t,  \
                                            std::int64_t, T*, T*)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cuda
