// Forward. A block owns 64 queries of a head, or 128 where there are many, and walks over the keys with an online
// softmax (Milakov and Gimelshein 2018, "Online normalizer calculation for softmax", arXiv:1805.02867, section 3): sums
// and the total of a row are relative to 2^(its largest score so far) and shrink when a larger one comes. In whole this
// is FlashAttention-2's forward; papers: attention_bf16_tiles_cuda.h.
#include "tensor/ops/attention/attention_bf16_tiles_cuda.h"

namespace rein::ops::cuda {
namespace {

#ifdef __CUDACC__
constexpr std::int64_t many_queries = 512;
#else
constexpr std::int64_t many_queries = 129;  // so that the tests see them
#endif

__device__ float four_max(float x) {  // over the four lanes that share a row
  for (int step = 1; step < 4; step *= 2) x = fmaxf(x, __shfl_xor_sync(all_lanes, x, step));
  return x;
}
__device__ float four_sum(float x) {
  for (int step = 1; step < 4; step *= 2) x += __shfl_xor_sync(all_lanes, x, step);
  return x;
}

// Of this lane's two rows of a strip.
struct Softmax {
  float top[2] = {-INFINITY, -INFINITY};  // largest score so far
  float total[2] = {0, 0};                // this lane's part of the sum of the weights so far

  // Scores become weights; earlier sums and totals shrink to the new top. NaN goes on into its row's total.
  template <int groups>
  __device__ void next(float scale, Strip16<tile_groups>& scores, Strip16<groups>& sums) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float most = top[r];
#pragma unroll
      for (int j = 0; j < tile_groups; ++j) most = fmaxf(most, fmaxf(scores[j][2 * r], scores[j][2 * r + 1]));
      most = four_max(most);
      const float base = most == -INFINITY ? 0.0F : most * scale;  // nothing open so far: all weights are 0
      const float keep = exp2_fast(fmaf(top[r], scale, -base));
      top[r] = most;
      total[r] *= keep;
#pragma unroll
      for (int j = 0; j < tile_groups; ++j) {
#pragma unroll
        for (int e = 2 * r; e < 2 * r + 2; ++e) {
          scores[j][e] = exp2_fast(fmaf(scores[j][e], scale, -base));
          total[r] += scores[j][e];
        }
      }
#pragma unroll
      for (int g = 0; g < groups; ++g) sums[g][2 * r] *= keep, sums[g][2 * r + 1] *= keep;
    }
  }
};

// Blocks that a multiprocessor holds at once: while one waits, another multiplies. Registers say how many: of 65,536,
// three blocks leave a thread 168 and two 255. One block more, and the compiler spills (nvcc 13, sm_90a: 24 to 304
// bytes read back per thread), every tile anew. Shared memory would allow more: four tiles are 36, 44 or 68 KiB of 164
// or 228.
template <int groups, int strips>
inline constexpr int forward_blocks = strips == 2 || groups > 10 ? 2 : 3;

template <int groups, int strips>
__global__ __launch_bounds__(bf16_threads, forward_blocks<groups, strips>) void forward_kernel(AttentionLaunch f) {
  const AttentionArgs<bf16_t>& a = f.a;
  const int head = static_cast<int>(blockIdx.x) / f.tiles, tile = static_cast<int>(blockIdx.x) % f.tiles;
  const int own0 = tile * strips * bf16_side, lane = threadIdx.x % warp_size;
  const int warp_row = static_cast<int>(threadIdx.x) / warp_size * 16 * strips;
  const std::int64_t n = head / a.heads, h = head % a.heads;
  const int query0 = own0 + warp_row + lane / 4;
  const HeadRows q = f.q(n, h), k = f.k(n, h), v = f.v(n, h);
  bf16_t* const memory = dynamic_shared<bf16_t>();  // two pairs of tiles: keys and values
  constexpr int size = tile_size<groups>;
  const float scale = a.scale * log2_e;

  for (int s = 0; s < strips; ++s) fetch_tile<groups>(q, own0 + s * bf16_side, memory + (2 + s) * size);
  fetch_tile<groups>(k, 0, memory);
  fetch_tile<groups>(v, 0, memory + size);
  wait_for_copies();
  __syncthreads();
  Fragments<groups> own[strips];
#pragma unroll
  for (int s = 0; s < strips; ++s) load_fragments<groups>(shared_place(memory + 2 * size), warp_row + 16 * s, own[s]);

  Strip16<groups> sums[strips] = {};
  Softmax softmax[strips];
  for (int key0 = 0, stage = 0; key0 < a.lk; key0 += bf16_side, stage ^= 1) {
    wait_for_copies();
    __syncthreads();  // this tile is here, and nobody reads the other pair any more
    const SharedPlace<bf16_t> k_tile = shared_place(memory) + 2 * stage * size;
    if (key0 + bf16_side < a.lk) {
      bf16_t* const next = memory + 2 * (stage ^ 1) * size;
      fetch_tile<groups>(k, key0 + bf16_side, next);
      fetch_tile<groups>(v, key0 + bf16_side, next + size);
    }
    if (__all_sync(all_lanes, query0 >= q.rows)) continue;  // a last tile's warp without rows only helps to fetch
    Strip16<tile_groups> scores[strips] = {};
    add_products<groups, strips>(own, k_tile, scores);
    if (a.blocked != nullptr || key0 + bf16_side > a.lk) {
#pragma unroll
      for (int s = 0; s < strips; ++s) {
        const Word closed = f.closed<false>(n, query0 + 16 * s, key0);
#pragma unroll
        for (int i = 0; i < 4 * tile_groups; ++i)
          if ((closed >> i & 1u) != 0) scores[s][i / 4][i % 4] = -INFINITY;
      }
    }
#pragma unroll
    for (int s = 0; s < strips; ++s) softmax[s].template next<groups>(scale, scores[s], sums[s]);
    add_weighted<groups, strips>(scores, k_tile + size, sums);
  }

#pragma unroll
  for (int s = 0; s < strips; ++s) {
    const int row0 = query0 + 16 * s;
    float factor[2];
    for (int r = 0; r < 2; ++r) {
      const float total = four_sum(softmax[s].total[r]);
      factor[r] = 1.0F / total;
      if (lane % 4 == 0 && row0 + 8 * r < a.lq)
        a.log_sum_exp[static_cast<std::int64_t>(head) * a.lq + row0 + 8 * r] =
            total == 0.0F ? static_cast<float>(NAN) : softmax[s].top[r] * a.scale + logf(total);
    }
    store_rows<groups>(sums[s], factor, a.out.data + n * a.out.batch_pitch + h * a.dv, a.out.row_pitch, row0, a.lq,
                       a.dv, f.out_packed);
  }
}

template <int groups, int strips>
void run_forward(const AttentionArgs<bf16_t>& a) {
  const AttentionLaunch f = attention_launch(a, {}, a.lq, strips * bf16_side);
  launch("attention_bf16", forward_kernel<groups, strips>, static_cast<unsigned>(a.batches * a.heads * f.tiles),
         bf16_threads, 4 * tile_size<groups> * sizeof(bf16_t), f);
}

}  // namespace

AttentionLaunch attention_launch(const AttentionArgs<bf16_t>& a, const AttentionGradArgs<bf16_t>& g,
                                 std::int64_t own_rows, int rows_per_block) {
  constexpr std::int64_t limit = (std::int64_t{1} << 31) - 2 * bf16_side;
  const std::int64_t tiles = (own_rows + rows_per_block - 1) / rows_per_block;
  require(a.batches * a.heads * tiles < limit && a.lq < limit && a.lk < limit, "attention",
          "is too large for CUDA: ", a.batches * a.heads, " heads of ", a.lq, " queries and ", a.lk, " keys");
  return {a,
          g,
          static_cast<int>(tiles),
          packs(a.q, a.d),
          packs(a.k, a.d),
          packs(a.v, a.dv),
          packs(a.out, a.dv),
          packs(g.out, a.dv),
          packs(g.q, a.d),
          packs(g.k, a.d),
          packs(g.v, a.dv)};
}

void attention_bf16(const AttentionArgs<bf16_t>& a) {
  for_width(a.d, a.dv, [&](auto groups) {
    // Two strips read a tile's numbers from shared memory once for 32 rows, not 16; wider heads lack the registers.
    if constexpr (groups == 8) {
      if (a.lq >= many_queries) return run_forward<groups, 2>(a);
    }
    run_forward<groups, 1>(a);
  });
}

}  // namespace rein::ops::cuda
