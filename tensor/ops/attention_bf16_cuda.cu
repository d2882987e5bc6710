// Who owns what: as in attention_cuda.cu and attention_backward_cuda.cu, but a block of 4 warps owns 64 rows, a warp 16
// of them against 64 of the other side, and products are those of tensor cores (tensor/cuda/mma.h). A lane owns parts
// of rows g and g + 8 of its warp; the four lanes that share a row exchange maxima and sums. Scores become the next
// product's left operand in registers. Exponents are powers of two: log2(e) goes into the scale.
#include "tensor/ops/attention_bf16_cuda.h"

#include "tensor/cuda/mma.h"
#include "tensor/cuda/packed.h"
#include "tensor/cuda/scratch.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 128, side = 64, columns = side / 8;  // column blocks of a product of two tiles
constexpr float log2_e = 1.4426950408889634F, ln_2 = 0.6931471805599453F;

__host__ __device__ constexpr int padded(std::int64_t cols) {
  return static_cast<int>((cols + 15) / 16 * 16);
}
__host__ __device__ constexpr int pitch_of(std::int64_t cols) {
  return padded(cols) + 8;  // neighbouring rows lie 4 banks apart
}

struct Strip {
  const bf16_t* data;
  std::int64_t pitch, rows;
  int cols;
  bool packed;
};

__device__ Strip strip_of(const cpu::AttentionRows<const bf16_t>& rows, std::int64_t n, std::int64_t h,
                          std::int64_t count, std::int64_t cols, bool packed) {
  return {rows.data + n * rows.batch_pitch + h * cols, rows.row_pitch, count, static_cast<int>(cols), packed};
}
bool packs(const cpu::AttentionRows<const bf16_t>& rows, std::int64_t cols) {
  return packable<8>(rows.row_pitch, rows.data) && cols % 8 == 0 && rows.batch_pitch % 8 == 0;
}

// Rows [first, first + side) -> tile; zeros outside, and up to `padded` columns.
__device__ void load_tile(const Strip& from, std::int64_t first, bf16_t* tile) {
  const int pitch = pitch_of(from.cols), in_row = padded(from.cols) / 8;
  for (int i = threadIdx.x; i < side * in_row; i += threads) {
    const int row = i / in_row, col = i % in_row * 8;
    Packed<bf16_t, 8> value{};
    if (first + row < from.rows) {
      const bf16_t* at = from.data + (first + row) * from.pitch + col;
      if (from.packed && col < from.cols) {
        value = load_packed<bf16_t, 8>(at);
      } else {
        for (int e = 0; e < 8; ++e) value.at[e] = col + e < from.cols ? at[e] : bf16_t{};
      }
    }
    store_packed(value, tile + row * pitch + col);
  }
}

// The warp's 16 rows of `own` times the 64 rows of `other`.
__device__ void products(const bf16_t* own, const bf16_t* other, int cols, float (&out)[columns][4]) {
  const int pitch = pitch_of(cols), row = static_cast<int>(threadIdx.x) / warp_size * 16;
  for (int c = 0; c < cols; c += 16) {
    Word a[4], b[2];
    load_a(own, pitch, row, c, a);
#pragma unroll
    for (int j = 0; j < columns; ++j) {
      load_b_transposed(other, pitch, 8 * j, c, b);
      mma_bf16(out[j], a, b);
    }
  }
}

template <int blocks>
using Rows16 = float[blocks][4];  // the warp's 16 rows of 8 * blocks columns

// sums += weights (16 x 64, rounded to bf16) times the 64 rows of `other`.
template <int blocks>
__device__ void add_weighted(const float (&weights)[columns][4], const bf16_t* other, int cols, Rows16<blocks>& sums) {
  const int pitch = pitch_of(cols);
#pragma unroll
  for (int j = 0; j < columns; j += 2) {
    const Word a[4] = {pack_bf16(weights[j][0], weights[j][1]), pack_bf16(weights[j][2], weights[j][3]),
                       pack_bf16(weights[j + 1][0], weights[j + 1][1]),
                       pack_bf16(weights[j + 1][2], weights[j + 1][3])};
#pragma unroll
    for (int n = 0; n < blocks; ++n) {
      if (8 * n >= cols) continue;
      Word b[2];
      load_b(other, pitch, 8 * j, 8 * n, b);
      mma_bf16(sums[n], a, b);
    }
  }
}

// Rows `first` + 16 per warp + g (+ 8) of a head = factor of the row times sums.
template <int blocks>
__device__ void store_rows(const Rows16<blocks>& sums, const float (&factor)[2], bf16_t* to, std::int64_t pitch,
                           std::int64_t first, std::int64_t rows, std::int64_t cols) {
  const int lane = threadIdx.x % warp_size;
  const std::int64_t row0 = first + static_cast<int>(threadIdx.x) / warp_size * 16 + lane / 4;
#pragma unroll
  for (int n = 0; n < blocks; ++n) {
    for (int e = 0; e < 4; ++e) {
      const std::int64_t row = row0 + e / 2 * 8, col = 8 * n + lane % 4 * 2 + e % 2;
      if (row < rows && col < cols) to[row * pitch + col] = to_bf16(factor[e / 2] * sums[n][e]);
    }
  }
}

__device__ float four_max(float x) {
  for (int step = 1; step < 4; step *= 2) {
    const float other = __shfl_xor_sync(all_lanes, x, step);
    x = other > x ? other : x;
  }
  return x;
}
__device__ float four_sum(float x) {
  for (int step = 1; step < 4; step *= 2) x += __shfl_xor_sync(all_lanes, x, step);
  return x;
}

struct Launch {
  AttentionBf16 a;
  std::int64_t tiles;
  bool q_packed, k_packed, v_packed, grad_packed;
  const float* mean;  // backward: grad_out . out of each query

  __device__ bool open(std::int64_t n, std::int64_t query, std::int64_t key) const {
    return query < a.lq && key < a.lk && (a.blocked == nullptr || a.blocked[(n * a.lq + query) * a.lk + key] == 0);
  }
};

template <int blocks>
__global__ __launch_bounds__(threads) void forward_kernel(Launch f) {
  const AttentionBf16& a = f.a;
  const std::int64_t head = blockIdx.x / f.tiles, row0 = blockIdx.x % f.tiles * side;
  const std::int64_t n = head / a.heads, h = head % a.heads;
  const int lane = threadIdx.x % warp_size;
  const std::int64_t query0 = row0 + static_cast<int>(threadIdx.x) / warp_size * 16 + lane / 4;
  const Strip q = strip_of(a.q, n, h, a.lq, a.d, f.q_packed), k = strip_of(a.k, n, h, a.lk, a.d, f.k_packed);
  const Strip v = strip_of(a.v, n, h, a.lk, a.dv, f.v_packed);
  bf16_t* const q_tile = dynamic_shared<bf16_t>();
  bf16_t* const k_tile = q_tile + side * pitch_of(a.d);
  bf16_t* const v_tile = k_tile + side * pitch_of(a.d);
  const float lowest = -INFINITY, scale = a.scale * log2_e;
  Rows16<blocks> sums = {};
  float top[2] = {lowest, lowest}, total[2] = {0, 0};
  load_tile(q, row0, q_tile);
  for (std::int64_t key0 = 0; key0 < a.lk; key0 += side) {
    load_tile(k, key0, k_tile);
    load_tile(v, key0, v_tile);
    __syncthreads();
    float scores[columns][4] = {};
    products(q_tile, k_tile, padded(a.d), scores);
    float most[2] = {lowest, lowest}, base[2], keep[2], sum[2] = {0, 0};
#pragma unroll
    for (int j = 0; j < columns; ++j) {
      for (int e = 0; e < 4; ++e) {
        const std::int64_t key = key0 + 8 * j + lane % 4 * 2 + e % 2;
        scores[j][e] = f.open(n, query0 + e / 2 * 8, key) ? scale * scores[j][e] : lowest;
        most[e / 2] = scores[j][e] > most[e / 2] ? scores[j][e] : most[e / 2];
      }
    }
    for (int r = 0; r < 2; ++r) {
      most[r] = four_max(most[r]);
      most[r] = top[r] > most[r] ? top[r] : most[r];
      base[r] = most[r] == lowest ? 0.0F : most[r];  // nothing open so far: all weights are 0
      keep[r] = exp2f(top[r] - base[r]);
      top[r] = most[r];
    }
#pragma unroll
    for (int j = 0; j < columns; ++j) {
      for (int e = 0; e < 4; ++e) {
        scores[j][e] = exp2f(scores[j][e] - base[e / 2]);
        sum[e / 2] += scores[j][e];
      }
    }
    for (int r = 0; r < 2; ++r) total[r] = total[r] * keep[r] + four_sum(sum[r]);
#pragma unroll
    for (int b = 0; b < blocks; ++b)
      for (int e = 0; e < 4; ++e) sums[b][e] *= keep[e / 2];
    add_weighted<blocks>(scores, v_tile, padded(a.dv), sums);
    __syncthreads();
  }
  float factor[2];
  for (int r = 0; r < 2; ++r) {
    const std::int64_t query = query0 + 8 * r;
    factor[r] = 1.0F / total[r];
    if (lane % 4 == 0 && query < a.lq)
      a.log_sum_exp[head * a.lq + query] = total[r] == 0.0F ? static_cast<float>(NAN) : top[r] * ln_2 + logf(total[r]);
  }
  store_rows<blocks>(sums, factor, a.out.data + n * a.out.batch_pitch + h * a.dv, a.out.row_pitch, row0, a.lq, a.dv);
}

// A warp owns a query of a head.
__global__ void mean_kernel(AttentionBf16 a, float* mean) {
  const std::int64_t at = global_thread() / warp_size;
  if (at >= a.batches * a.heads * a.lq) return;
  const std::int64_t query = at % a.lq, h = at / a.lq % a.heads, n = at / (a.lq * a.heads);
  const bf16_t* out = a.out.data + n * a.out.batch_pitch + query * a.out.row_pitch + h * a.dv;
  const bf16_t* grad = a.grad_out.data + n * a.grad_out.batch_pitch + query * a.grad_out.row_pitch + h * a.dv;
  float sum = 0;
  for (std::int64_t c = threadIdx.x % warp_size; c < a.dv; c += warp_size)
    sum = fmaf(to_float(grad[c]), to_float(out[c]), sum);
  sum = warp_sum(sum);
  if (threadIdx.x % warp_size == 0) mean[at] = sum;
}

// Own rows: keys and values (for_keys), or queries and gradients of out. Other rows: the other two.
template <int blocks, bool for_keys>
__global__ __launch_bounds__(threads) void backward_kernel(Launch b) {
  const AttentionBf16& a = b.a;
  const std::int64_t head = blockIdx.x / b.tiles, own0 = blockIdx.x % b.tiles * side;
  const std::int64_t n = head / a.heads, h = head % a.heads;
  const int lane = threadIdx.x % warp_size;
  const std::int64_t mine0 = own0 + static_cast<int>(threadIdx.x) / warp_size * 16 + lane / 4;
  const Strip q = strip_of(a.q, n, h, a.lq, a.d, b.q_packed), k = strip_of(a.k, n, h, a.lk, a.d, b.k_packed);
  const Strip v = strip_of(a.v, n, h, a.lk, a.dv, b.v_packed);
  const Strip grad = strip_of(a.grad_out, n, h, a.lq, a.dv, b.grad_packed);
  const Strip &other = for_keys ? q : k, &other_v = for_keys ? grad : v;
  bf16_t* const own_tile = dynamic_shared<bf16_t>();
  bf16_t* const other_tile = own_tile + side * pitch_of(a.d);
  bf16_t* const own_v_tile = other_tile + side * pitch_of(a.d);
  bf16_t* const other_v_tile = own_v_tile + side * pitch_of(a.dv);
  const cpu::AttentionRows<bf16_t>& to = for_keys ? a.grad_k : a.grad_q;
  const bool want = to.data != nullptr, want_v = for_keys && a.grad_v.data != nullptr;
  load_tile(for_keys ? k : q, own0, own_tile);
  load_tile(for_keys ? v : grad, own0, own_v_tile);
  Rows16<blocks> sums = {}, sums_v = {};
  for (std::int64_t other0 = 0; other0 < other.rows; other0 += side) {
    load_tile(other, other0, other_tile);
    load_tile(other_v, other0, other_v_tile);
    __syncthreads();
    float scores[columns][4] = {}, slopes[columns][4] = {};
    products(own_tile, other_tile, padded(a.d), scores);
    products(own_v_tile, other_v_tile, padded(a.dv), slopes);
#pragma unroll
    for (int j = 0; j < columns; ++j) {
      for (int e = 0; e < 4; ++e) {
        const std::int64_t mine = mine0 + e / 2 * 8, theirs = other0 + 8 * j + lane % 4 * 2 + e % 2;
        const std::int64_t query = for_keys ? theirs : mine, key = for_keys ? mine : theirs;
        float p = 0, slope = 0;
        if (b.open(n, query, key)) {
          p = exp2f((a.scale * scores[j][e] - a.log_sum_exp[head * a.lq + query]) * log2_e);
          slope = p * (slopes[j][e] - b.mean[head * a.lq + query]);
        }
        scores[j][e] = p, slopes[j][e] = slope;
      }
    }
    if (want_v) add_weighted<blocks>(scores, other_v_tile, padded(a.dv), sums_v);
    if (want) add_weighted<blocks>(slopes, other_tile, padded(a.d), sums);
    __syncthreads();
  }
  const std::int64_t rows = for_keys ? a.lk : a.lq;
  const float scale[2] = {a.scale, a.scale}, one[2] = {1, 1};
  if (want) store_rows<blocks>(sums, scale, to.data + n * to.batch_pitch + h * a.d, to.row_pitch, own0, rows, a.d);
  if (want_v)
    store_rows<blocks>(sums_v, one, a.grad_v.data + n * a.grad_v.batch_pitch + h * a.dv, a.grad_v.row_pitch, own0, rows,
                       a.dv);
}

Launch launch_of(const AttentionBf16& a, std::int64_t rows, const float* mean) {
  const std::int64_t tiles = (rows + side - 1) / side;
  require(a.batches * a.heads * tiles < std::int64_t{1} << 31, "attention",
          "is too large for CUDA: ", a.batches * a.heads, " heads of ", a.lq, " queries and ", a.lk, " keys");
  return {a, tiles, packs(a.q, a.d), packs(a.k, a.d), packs(a.v, a.dv), packs(a.grad_out, a.dv), mean};
}

template <bool for_keys>
void run_backward(const AttentionBf16& a, const float* mean) {
  const Launch b = launch_of(a, for_keys ? a.lk : a.lq, mean);
  const std::size_t shared = static_cast<std::size_t>(2 * side * (pitch_of(a.d) + pitch_of(a.dv))) * sizeof(bf16_t);
  launch("attention_bf16_backward",
         a.d <= 64 && a.dv <= 64 ? backward_kernel<8, for_keys> : backward_kernel<16, for_keys>,
         static_cast<unsigned>(a.batches * a.heads * b.tiles), threads, shared, b);
}

}  // namespace

void attention_bf16(const AttentionBf16& a) {
  const Launch f = launch_of(a, a.lq, nullptr);
  const std::size_t shared = static_cast<std::size_t>(side * (2 * pitch_of(a.d) + pitch_of(a.dv))) * sizeof(bf16_t);
  launch("attention_bf16", a.dv <= 64 ? forward_kernel<8> : forward_kernel<16>,
         static_cast<unsigned>(a.batches * a.heads * f.tiles), threads, shared, f);
}

void attention_bf16_backward(const AttentionBf16& a) {
  const std::int64_t queries = a.batches * a.heads * a.lq;
  Scratch<float> mean(queries);
  launch("attention_bf16_backward", mean_kernel, blocks_for(queries * warp_size, 256, std::int64_t{1} << 31), 256, 0, a,
         mean.data());
  if (a.grad_k.data != nullptr || a.grad_v.data != nullptr) run_backward<true>(a, mean.data());
  if (a.grad_q.data != nullptr) run_backward<false>(a, mean.data());
}

}  // namespace rein::ops::cuda
