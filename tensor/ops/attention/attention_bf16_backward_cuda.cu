// Backward, with the probabilities recomputed from the log-sum-exp (derivation: autograd/ops/attention/attention.cpp).
// One kernel in two roles: own keys and values against the queries for the gradients of both, then own queries against
// the keys. So scores are computed twice, and in return nothing is added atomically. (FlashAttention-2 has the first
// role alone and adds the queries' gradients atomically: section 3.2; papers: attention_bf16_tiles_cuda.h.)
#include "tensor/cuda/scratch.h"
#include "tensor/ops/attention/attention_bf16_tiles_cuda.h"

namespace rein::ops::cuda {
namespace {

// Of each query, for heads of `padded` places each; zeros beyond the queries, whose rows are zeros as well.
struct Statistics {
  float* log2_sum_exp;
  float* mean;  // grad_out . out: D of the derivation
  std::int64_t padded;
};

// A block owns 64 queries of a head, eight lanes a query, `pack` neighbours in one access.
constexpr int query_lanes = 8, statistics_threads = query_lanes * bf16_side;
template <int pack>
__global__ void statistics_kernel(AttentionLaunch b, Statistics to) {
  const AttentionArgs<bf16_t>& a = b.a;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % query_lanes;
  const int head = static_cast<int>(blockIdx.x) / b.tiles, query0 = static_cast<int>(blockIdx.x) % b.tiles * bf16_side;
  const int query = query0 + thread / query_lanes, heads = static_cast<int>(a.heads);
  float sum = 0, exponent = 0;
  if (query < a.lq) {
    const HeadRows grads = b.grad_out(head / heads, head % heads);
    const bf16_t* const grad = grads.data + query * grads.pitch;
    const bf16_t* const out =
        a.out.data + head / heads * a.out.batch_pitch + query * a.out.row_pitch + head % heads * a.dv;
#pragma unroll 1
    for (int c = pack * lane; c < grads.cols; c += pack * query_lanes) {
      const Packed<bf16_t, pack> g = load_packed<bf16_t, pack>(grad + c), o = load_packed<bf16_t, pack>(out + c);
      for (int k = 0; k < pack; ++k) sum = fmaf(to_float(g.at[k]), to_float(o.at[k]), sum);
    }
    exponent = a.log_sum_exp[head * a.lq + query] * log2_e;
  }
  for (int step = query_lanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(all_lanes, sum, step);
  const std::int64_t at = head * to.padded + query;
  if (lane == 0) to.log2_sum_exp[at] = exponent, to.mean[at] = sum;
}

// Queries of narrow heads keep their own rows in registers; the others lack them and read shared memory again for each
// tile.
template <int groups, bool for_keys>
inline constexpr bool kept = !for_keys && groups <= 10;

template <int groups, bool kept>
struct OwnRows {
  SharedPlace<bf16_t> tile;
  int row;
  Fragments<groups> fragments[1];

  __device__ void load() {
    if constexpr (kept) load_fragments<groups>(tile, row, fragments[0]);
  }
  __device__ void add_products(SharedPlace<bf16_t> other, Strip16<tile_groups> (&sums)[1]) {
    if constexpr (!kept) load_fragments<groups>(tile, row, fragments[0]);
    cuda::add_products<groups, 1>(fragments, other, sums);
  }
};

// Blocks that a multiprocessor holds at once, as in forward: three leave a thread 168 registers, two 255. One more
// would spill (24 to 572 bytes read back, where today's keys of 8 and 16 groups have 48 and 68). Shared memory allows
// as many on sm_90; on sm_80 (164 KiB) one less where own rows are not kept, six tiles, with 8 and 16 groups.
template <int groups>
inline constexpr int backward_blocks = groups == 8 ? 3 : 2;

// Own rows: keys and values (for_keys), or queries and gradients of out. Other rows: the other two.
template <int groups, bool for_keys>
__global__ __launch_bounds__(bf16_threads, backward_blocks<groups>) void backward_kernel(AttentionLaunch b,
                                                                                         Statistics statistics) {
  const AttentionArgs<bf16_t>& a = b.a;
  const int head = static_cast<int>(blockIdx.x) / b.tiles, own0 = static_cast<int>(blockIdx.x) % b.tiles * bf16_side;
  const int lane = threadIdx.x % warp_size, warp_row = static_cast<int>(threadIdx.x) / warp_size * 16;
  const int mine0 = own0 + warp_row + lane / 4;
  const std::int64_t n = head / a.heads, h = head % a.heads;
  const HeadRows own = for_keys ? b.k(n, h) : b.q(n, h), own_v = for_keys ? b.v(n, h) : b.grad_out(n, h);
  const HeadRows other = for_keys ? b.q(n, h) : b.k(n, h), other_v = for_keys ? b.grad_out(n, h) : b.v(n, h);
  const float* const exponents = statistics.log2_sum_exp + head * statistics.padded;
  const float* const means = statistics.mean + head * statistics.padded;
  const AttentionRows<bf16_t>& to = for_keys ? b.g.k : b.g.q;
  const bool want = to.data != nullptr, want_v = for_keys && b.g.v.data != nullptr;
  const float scale = a.scale * log2_e;

  // Two pairs of tiles of the other side, then two pairs of 64 statistics, then own rows where they are read again.
  bf16_t* const memory = dynamic_shared<bf16_t>();
  constexpr int size = tile_size<groups>;
  float* const places = reinterpret_cast<float*>(memory + 4 * size);
  bf16_t* const own_tile =
      kept<groups, for_keys> ? memory + 2 * size : reinterpret_cast<bf16_t*>(places + 4 * bf16_side);
  // Where a thread's four statistics come from: 16 threads fetch exponents, 16 means. One pointer: registers are few.
  const float* const four = (threadIdx.x < bf16_side / 4 ? exponents : means) + threadIdx.x * 4 % bf16_side;
  const auto fetch = [&](int first, int stage) {
    if (first >= other.rows) return;
    fetch_tile<groups>(other, first, memory + 2 * stage * size);
    fetch_tile<groups>(other_v, first, memory + (2 * stage + 1) * size);
    if (for_keys && threadIdx.x < 2 * bf16_side / 4) {
      copy_async(shared_place(places) + (2 * bf16_side * stage + static_cast<int>(threadIdx.x) * 4), four + first,
                 true);
    }
  };
  fetch_tile<groups>(own, own0, own_tile);
  fetch_tile<groups>(own_v, own0, own_tile + size);
  fetch(0, 0);
  wait_for_copies();
  __syncthreads();
  OwnRows<groups, kept<groups, for_keys>> mine{shared_place(own_tile), warp_row, {}};
  OwnRows<groups, kept<groups, for_keys>> mine_v{mine.tile + size, warp_row, {}};
  mine.load(), mine_v.load();
  float own_exponent[2] = {0, 0}, own_mean[2] = {0, 0};
  if (!for_keys)
    for (int r = 0; r < 2; ++r) own_exponent[r] = exponents[mine0 + 8 * r], own_mean[r] = means[mine0 + 8 * r];

  Strip16<groups> sums[1] = {}, sums_v[1] = {};
  for (int other0 = 0, stage = 0; other0 < other.rows; other0 += bf16_side, stage ^= 1) {
    wait_for_copies();
    __syncthreads();  // this tile is here, and nobody reads the other pair any more
    fetch(other0 + bf16_side, stage ^ 1);
    if (own0 + warp_row >= own.rows) continue;  // a last tile's warp without rows only helps to fetch
    const SharedPlace<bf16_t> tile = shared_place(memory) + 2 * stage * size, tile_v = tile + size;
    const float* const stage_places = places + 2 * bf16_side * stage + lane % 4 * 2;
    Strip16<tile_groups> scores[1] = {}, slopes[1];
#pragma unroll
    for (int j = 0; j < tile_groups; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e)
        slopes[0][j][e] = for_keys ? -stage_places[bf16_side + 8 * j + e % 2] : -own_mean[e / 2];
    mine.add_products(tile, scores);
    mine_v.add_products(tile_v, slopes);
#pragma unroll
    for (int j = 0; j < tile_groups; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float exponent = for_keys ? stage_places[8 * j + e % 2] : own_exponent[e / 2];
        scores[0][j][e] = exp2_fast(fmaf(scores[0][j][e], scale, -exponent));
      }
    }
    if (a.blocked != nullptr || (!for_keys && other0 + bf16_side > a.lk)) {
      const Word closed = b.closed<for_keys>(n, mine0, other0);
#pragma unroll
      for (int i = 0; i < 4 * tile_groups; ++i)
        if ((closed >> i & 1u) != 0) scores[0][i / 4][i % 4] = 0, slopes[0][i / 4][i % 4] = 0;
    }
    if (want_v) add_weighted<groups, 1>(scores, tile_v, sums_v);
#pragma unroll
    for (int j = 0; j < tile_groups; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) slopes[0][j][e] *= scores[0][j][e];
    if (want) add_weighted<groups, 1>(slopes, tile, sums);
  }

  const float factor[2] = {a.scale, a.scale}, one[2] = {1, 1};
  if (want)
    store_rows<groups>(sums[0], factor, to.data + n * to.batch_pitch + h * a.d, to.row_pitch, mine0, own.rows, a.d,
                       for_keys ? b.grad_k_packed : b.grad_q_packed);
  if (want_v)
    store_rows<groups>(sums_v[0], one, b.g.v.data + n * b.g.v.batch_pitch + h * a.dv, b.g.v.row_pitch, mine0, own.rows,
                       a.dv, b.grad_v_packed);
}

template <int groups, bool for_keys>
void run_backward(const AttentionArgs<bf16_t>& a, const AttentionGradArgs<bf16_t>& g, const Statistics& statistics) {
  const AttentionLaunch b = attention_launch(a, g, for_keys ? a.lk : a.lq, bf16_side);
  const std::size_t shared =
      (kept<groups, for_keys> ? 4 : 6) * tile_size<groups> * sizeof(bf16_t) + 4 * bf16_side * sizeof(float);
  launch("attention_bf16_backward", backward_kernel<groups, for_keys>,
         static_cast<unsigned>(a.batches * a.heads * b.tiles), bf16_threads, shared, b, statistics);
}

}  // namespace

void attention_bf16_backward(const AttentionArgs<bf16_t>& a, const AttentionGradArgs<bf16_t>& g) {
  const std::int64_t heads = a.batches * a.heads, padded = (a.lq + bf16_side - 1) / bf16_side * bf16_side;
  Scratch<float> memory(2 * heads * padded);
  const Statistics statistics{memory.data(), memory.data() + heads * padded, padded};
  const AttentionLaunch b = attention_launch(a, g, a.lq, bf16_side);
  launch("attention_bf16_backward", b.out_packed && b.grad_out_packed ? statistics_kernel<8> : statistics_kernel<1>,
         static_cast<unsigned>(heads * b.tiles), statistics_threads, 0, b, statistics);
  for_width(a.d, a.dv, [&](auto groups) {
    if (g.k.data != nullptr || g.v.data != nullptr) run_backward<groups, true>(a, g, statistics);
    if (g.q.data != nullptr) run_backward<groups, false>(a, g, statistics);
  });
}

}  // namespace rein::ops::cuda
