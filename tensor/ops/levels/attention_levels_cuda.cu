// Levels 1 to 3 of attention, to be read in this order with README.md. Who owns what is said at each kernel; nothing
// here is used by a model.
#include "tensor/ops/levels/attention_levels_cuda.h"

#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int width = 64, pack = 4, packs = width / pack;
constexpr float scale = 0.125F;  // 1 / sqrt(width)

using Vector = Packed<float, pack>;
using Row = Vector[packs];  // of q, k, v or out, in a thread's registers

__device__ float dot(const Row& a, const float* b) {
  float sum = 0;
#pragma unroll
  for (int i = 0; i < packs; ++i) {
    const Vector y = load_packed<float, pack>(b + pack * i);
    for (int e = 0; e < pack; ++e) sum = fmaf(a[i].at[e], y.at[e], sum);
  }
  return sum;
}
__device__ void add_times(float factor, const float* x, Row& sum) {
#pragma unroll
  for (int i = 0; i < packs; ++i) {
    const Vector y = load_packed<float, pack>(x + pack * i);
    for (int e = 0; e < pack; ++e) sum[i].at[e] = fmaf(factor, y.at[e], sum[i].at[e]);
  }
}
__device__ void multiply(Row& x, float factor) {
#pragma unroll
  for (int i = 0; i < packs; ++i)
    for (int e = 0; e < pack; ++e) x[i].at[e] *= factor;
}
__device__ void load_row(const float* from, Row& x) {
#pragma unroll
  for (int i = 0; i < packs; ++i) x[i] = load_packed<float, pack>(from + pack * i);
}
__device__ void store_row(const Row& x, float* to) {
#pragma unroll
  for (int i = 0; i < packs; ++i) store_packed(x[i], to + pack * i);
}

// ---- Level 1. Three kernels, as the formula reads; scores (heads, length, length) lie in memory between them.

constexpr int square = 16;

// A thread owns one score.
__global__ void scores_kernel(AttentionLevelArgs a, float* scores) {
  const std::int64_t key = static_cast<std::int64_t>(blockIdx.x) * square + threadIdx.x;
  const std::int64_t query = static_cast<std::int64_t>(blockIdx.y) * square + threadIdx.y;
  if (query >= a.length || key >= a.length) return;
  const std::int64_t head = blockIdx.z;
  const float* q = a.q + (head * a.length + query) * width;
  const float* k = a.k + (head * a.length + key) * width;
  float sum = 0;
  for (int c = 0; c < width; ++c) sum = fmaf(q[c], k[c], sum);
  scores[(head * a.length + query) * a.length + key] = scale * sum;
}

// A warp owns a row: its maximum, its sum, its quotients, each a pass over memory.
__global__ void softmax_kernel(float* scores, std::int64_t rows, std::int64_t cols) {
  const std::int64_t row = global_thread() / warp_size;
  if (row >= rows) return;
  float* const x = scores + row * cols;
  const int lane = threadIdx.x % warp_size;
  float most = -INFINITY, sum = 0;
  for (std::int64_t i = lane; i < cols; i += warp_size) most = x[i] > most ? x[i] : most;
  most = warp_max(most);
  for (std::int64_t i = lane; i < cols; i += warp_size) sum += expf(x[i] - most);
  sum = warp_sum(sum);
  for (std::int64_t i = lane; i < cols; i += warp_size) x[i] = expf(x[i] - most) / sum;
}

// A thread owns one element of out.
__global__ void weighted_kernel(AttentionLevelArgs a, const float* weights) {
  const std::int64_t at = global_thread();
  if (at >= a.heads * a.length * width) return;
  const std::int64_t row = at / width, column = at % width, head = row / a.length;
  const float* w = weights + row * a.length;
  const float* v = a.v + head * a.length * width + column;
  float sum = 0;
  for (std::int64_t key = 0; key < a.length; ++key) sum = fmaf(w[key], v[key * width], sum);
  a.out[at] = sum;
}

// ---- Level 2. A thread owns a query: its row of q, its sums and the softmax so far stay in registers. When a larger
// score comes, what was summed so far shrinks by exp(old maximum - new maximum).

__global__ __launch_bounds__(128) void online_kernel(AttentionLevelArgs a) {
  const std::int64_t row = global_thread();
  if (row >= a.heads * a.length) return;
  const std::int64_t first = row / a.length * a.length;  // of the head's rows
  Row q, sums = {};
  load_row(a.q + row * width, q);
  float most = -INFINITY, total = 0;
  for (std::int64_t key = first; key < first + a.length; ++key) {
    const float score = scale * dot(q, a.k + key * width);
    if (score > most) {
      const float keep = expf(most - score);
      multiply(sums, keep);
      total *= keep;
      most = score;
    }
    const float weight = expf(score - most);
    total += weight;
    add_times(weight, a.v + key * width, sums);
  }
  multiply(sums, 1.0F / total);
  store_row(sums, a.out + row * width);
}

// ---- Level 3. As level 2, but the 128 queries of a block belong to one head and meet keys and values in tiles of 32,
// which the block copies to shared memory together. A tile's maximum is found before its weights: sums shrink once per
// tile.

constexpr int queries = 128, tile = 32;

// Rows [first, first + tile) of `from` -> to; rows beyond `rows` are zero.
__device__ void copy_tile(const float* from, std::int64_t first, std::int64_t rows, float* to) {
  for (int i = threadIdx.x; i < tile * packs; i += queries) {
    const bool inside = first + i / packs < rows;
    store_packed(inside ? load_packed<float, pack>(from + first * width + pack * i) : Vector{}, to + pack * i);
  }
}

__global__ __launch_bounds__(queries) void shared_kernel(AttentionLevelArgs a) {
  float* const k_tile = dynamic_shared<float>();
  float* const v_tile = k_tile + tile * width;
  const std::int64_t head = blockIdx.y, query = static_cast<std::int64_t>(blockIdx.x) * queries + threadIdx.x;
  const float* const k = a.k + head * a.length * width;
  const float* const v = a.v + head * a.length * width;
  const std::int64_t row = head * a.length + (query < a.length ? query : a.length - 1);  // all threads reach barriers
  Row q, sums = {};
  load_row(a.q + row * width, q);
  float most = -INFINITY, total = 0;
  for (std::int64_t first = 0; first < a.length; first += tile) {
    copy_tile(k, first, a.length, k_tile);
    copy_tile(v, first, a.length, v_tile);
    __syncthreads();
    const int keys = a.length - first < tile ? static_cast<int>(a.length - first) : tile;
    float scores[tile], highest = most;
#pragma unroll
    for (int j = 0; j < tile; ++j) {
      scores[j] = j < keys ? scale * dot(q, k_tile + j * width) : -INFINITY;
      highest = scores[j] > highest ? scores[j] : highest;
    }
    const float keep = expf(most - highest);
    multiply(sums, keep);
    total *= keep;
    most = highest;
#pragma unroll
    for (int j = 0; j < tile; ++j) {
      const float weight = expf(scores[j] - most);
      total += weight;
      add_times(weight, v_tile + j * width, sums);
    }
    __syncthreads();
  }
  multiply(sums, 1.0F / total);
  if (query < a.length) store_row(sums, a.out + row * width);
}

unsigned blocks_of(std::int64_t count, int size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

}  // namespace

void attention_scores_in_memory(const AttentionLevelArgs& a) {
  require(a.heads <= 65535 && a.length <= 65535 * square, "attention_level", "level 1 takes at most 65535 heads of ",
          65535 * square, " tokens, got ", a.heads, " of ", a.length);
  Scratch<float> scores(a.heads * a.length * a.length);
  const dim3 grid(blocks_of(a.length, square), blocks_of(a.length, square), static_cast<unsigned>(a.heads));
  launch("attention_level_1_scores", scores_kernel, grid, dim3(square, square), 0, a, scores.data());
  const std::int64_t rows = a.heads * a.length;
  launch("attention_level_1_softmax", softmax_kernel, blocks_of(rows * warp_size, 256), 256, 0, scores.data(), rows,
         a.length);
  launch("attention_level_1_weighted", weighted_kernel, blocks_of(rows * width, 256), 256, 0, a, scores.data());
}

void attention_online(const AttentionLevelArgs& a) {
  launch("attention_level_2", online_kernel, blocks_of(a.heads * a.length, 128), 128, 0, a);
}

void attention_shared(const AttentionLevelArgs& a) {
  require(a.heads <= 65535, "attention_level", "level 3 takes at most 65535 heads, got ", a.heads);
  launch("attention_level_3", shared_kernel, dim3(blocks_of(a.length, queries), static_cast<unsigned>(a.heads)),
         queries, 2 * tile * width * sizeof(float), a);
}

}  // namespace rein::ops::cuda
