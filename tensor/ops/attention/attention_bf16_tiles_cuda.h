// What bf16 attention's kernels are made of. A block of 4 warps owns rows of one side (queries or keys), a warp
// `strips` times 16 of them; it walks over the other side in tiles of 64 rows that come to shared memory while the tile
// before is worked on. Products are those of tensor cores (tensor/cuda/mma.h): own rows are left operands in registers,
// and so are scores in the second product, straight from the first. Their unit is 8 columns, a group: heads are padded
// with zeros to `groups` of them, known at compile time, and scores against a tile have `tile_groups`. A lane owns
// parts of rows lane / 4 and lane / 4 + 8 of each strip. Included by .cu files.
//
// Algorithm: FlashAttention (Dao, Fu, Ermon, Rudra, Re 2022, arXiv:2205.14135), section 3.1 (tiles, scores recomputed
// in backward) and appendix B (the gradients). Which side is owned, and output divided by its total at the end alone:
// FlashAttention-2 (Dao 2023, arXiv:2307.08691), sections 3.1 and 3.2.
#pragma once

#include "tensor/cuda/async_copy.h"
#include "tensor/cuda/mma.h"
#include "tensor/ops/attention/attention_bf16_cuda.h"

namespace rein::ops::cuda {

using namespace rein::cuda;

inline constexpr int bf16_threads = 128, bf16_warps = bf16_threads / warp_size;
inline constexpr int bf16_side = 64;                                              // rows of a tile
inline constexpr int tile_groups = bf16_side / 8;                                 // of a strip's scores against a tile
inline constexpr float log2_e = 1.4426950408889634F, ln_2 = 0.6931471805599453F;  // exponents are powers of two

template <int groups>
inline constexpr int tile_pitch = 8 * groups + 8;  // eight neighbouring rows meet all banks once, 16 bytes each
template <int groups>
inline constexpr int tile_size = bf16_side* tile_pitch<groups>;

// A warp's 16 rows of 8 * groups columns, a lane's four numbers of each group: two of row lane / 4, two of 8 rows
// below; and the same as left operands of products, which take two groups at a time.
template <int groups>
using Strip16 = float[groups][4];
template <int groups>
using Fragments = Word[groups / 2][4];

// The rows of one head of an operand.
struct HeadRows {
  const bf16_t* data;
  std::int64_t pitch;
  int rows, cols;
  bool packed;  // 16 bytes at a time
};

template <class T>
bool packs(const AttentionRows<T>& rows, std::int64_t cols) {
  return packable<8>(rows.row_pitch, rows.data) && cols % 8 == 0 && rows.batch_pitch % 8 == 0;
}

struct AttentionLaunch {
  AttentionArgs<bf16_t> a;
  AttentionGradArgs<bf16_t> g;  // backward's
  int tiles;                    // of own rows, per head
  bool q_packed, k_packed, v_packed, out_packed, grad_out_packed, grad_q_packed, grad_k_packed, grad_v_packed;

  // Which of this lane's parts of a strip's scores are closed: bit 4 j + e for element [j][e]. own_row is the lane's
  // first; `for_keys` swaps the sides. Rare, so short.
  template <bool for_keys>
  __device__ Word closed(std::int64_t n, int own_row, int other0) const {
    Word bits = 0;
#pragma unroll 4
    for (int i = 0; i < 4 * tile_groups; ++i) {
      const int mine = own_row + i % 4 / 2 * 8,
                theirs = other0 + i / 4 * 8 + static_cast<int>(threadIdx.x) % 4 * 2 + i % 2;
      const std::int64_t query = for_keys ? theirs : mine, key = for_keys ? mine : theirs;
      const bool open =
          query < a.lq && key < a.lk && (a.blocked == nullptr || a.blocked[(n * a.lq + query) * a.lk + key] == 0);
      if (!open) bits |= Word{1} << i;
    }
    return bits;
  }
  __device__ static HeadRows head(const AttentionRows<const bf16_t>& rows, std::int64_t n, std::int64_t h,
                                  std::int64_t count, std::int64_t cols, bool packed) {
    return {rows.data + n * rows.batch_pitch + h * cols, rows.row_pitch, static_cast<int>(count),
            static_cast<int>(cols), packed};
  }
  __device__ HeadRows q(std::int64_t n, std::int64_t h) const {
    return head(a.q, n, h, a.lq, a.d, q_packed);
  }
  __device__ HeadRows k(std::int64_t n, std::int64_t h) const {
    return head(a.k, n, h, a.lk, a.d, k_packed);
  }
  __device__ HeadRows v(std::int64_t n, std::int64_t h) const {
    return head(a.v, n, h, a.lk, a.dv, v_packed);
  }
  __device__ HeadRows grad_out(std::int64_t n, std::int64_t h) const {
    return head(g.out, n, h, a.lq, a.dv, grad_out_packed);
  }
};

AttentionLaunch attention_launch(const AttentionArgs<bf16_t>& args, const AttentionGradArgs<bf16_t>& grads,
                                 std::int64_t own_rows, int rows_per_block);

// Starts to copy rows [first, first + 64) to a tile; zeros outside. For wait_for_copies and a barrier. Eight threads
// share a row, 16 bytes each.
template <int groups>
static __device__ void fetch_tile(const HeadRows& from, int first, bf16_t* tile) {
  if (from.packed) {
    constexpr int rows_at_once = bf16_threads / 8;
    const int row = static_cast<int>(threadIdx.x) / 8, col = static_cast<int>(threadIdx.x) % 8 * 8;
    const bf16_t* at = from.data + (first + row) * from.pitch + col;
    const SharedPlace<bf16_t> to = shared_place(tile) + (row * tile_pitch<groups> + col);
#pragma unroll
    for (int r = 0; r < bf16_side; r += rows_at_once) {
#pragma unroll
      for (int c = 0; c < 8 * groups; c += 64)
        if (c + 64 <= 8 * groups || c + col < 8 * groups)
          copy_async(to + (r * tile_pitch<groups> + c), at + c, first + row + r < from.rows && c + col < from.cols);
      at += rows_at_once * from.pitch;
    }
    return;
  }
#pragma unroll 1
  for (int i = threadIdx.x; i < bf16_side * 8 * groups; i += bf16_threads) {
    const int row = i / (8 * groups), col = i % (8 * groups);
    tile[row * tile_pitch<groups> + col] =
        first + row < from.rows && col < from.cols ? from.data[(first + row) * from.pitch + col] : bf16_t{};
  }
}

// 16 rows of a tile from `row` on.
template <int groups>
static __device__ void load_fragments(SharedPlace<bf16_t> tile, int row, Fragments<groups>& to) {
#pragma unroll
  for (int c = 0; c < groups / 2; ++c) load_a(tile, tile_pitch<groups>, row, 16 * c, to[c]);
}

// sums[s] += own[s] times the transpose of a tile.
template <int groups, int strips>
static __device__ void add_products(const Fragments<groups> (&own)[strips], SharedPlace<bf16_t> tile,
                                    Strip16<tile_groups> (&sums)[strips]) {
#pragma unroll
  for (int c = 0; c < groups / 2; ++c) {
#pragma unroll
    for (int j = 0; j < tile_groups; j += 2) {
      Word b[4];
      load_b_transposed(tile, tile_pitch<groups>, 8 * j, 16 * c, b);
#pragma unroll
      for (int s = 0; s < strips; ++s) {
        mma_bf16(sums[s][j], own[s][c], b[0], b[1]);
        mma_bf16(sums[s][j + 1], own[s][c], b[2], b[3]);
      }
    }
  }
}

// sums[s] += weights[s], rounded to bf16, times a tile.
template <int groups, int strips>
static __device__ void add_weighted(const Strip16<tile_groups> (&weights)[strips], SharedPlace<bf16_t> tile,
                                    Strip16<groups> (&sums)[strips]) {
#pragma unroll
  for (int j = 0; j < tile_groups; j += 2) {
    Word a[strips][4];
#pragma unroll
    for (int s = 0; s < strips; ++s) {
      a[s][0] = pack_bf16(weights[s][j][0], weights[s][j][1]);
      a[s][1] = pack_bf16(weights[s][j][2], weights[s][j][3]);
      a[s][2] = pack_bf16(weights[s][j + 1][0], weights[s][j + 1][1]);
      a[s][3] = pack_bf16(weights[s][j + 1][2], weights[s][j + 1][3]);
    }
#pragma unroll
    for (int g = 0; g < groups; g += 2) {
      Word b[4];
      load_b(tile, tile_pitch<groups>, 8 * j, 8 * g, b);
#pragma unroll
      for (int s = 0; s < strips; ++s) {
        mma_bf16(sums[s][g], a[s], b[0], b[1]);
        mma_bf16(sums[s][g + 1], a[s], b[2], b[3]);
      }
    }
  }
}

// Rows row0 (this lane's first) and row0 + 8 of a head = factor of the row times sums.
template <int groups>
static __device__ void store_rows(const Strip16<groups>& sums, const float (&factor)[2], bf16_t* to, std::int64_t pitch,
                                  int row0, std::int64_t rows, std::int64_t cols, bool packed) {
  const int lane = threadIdx.x % warp_size;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int row = row0 + 8 * r;
    if (row >= rows) continue;
#pragma unroll
    for (int g = 0; g < groups; ++g) {
      const int col = 8 * g + lane % 4 * 2;
      bf16_t* const at = to + row * pitch + col;
      const float low = factor[r] * sums[g][2 * r], high = factor[r] * sums[g][2 * r + 1];
      if (packed) {
        if (col < cols) *reinterpret_cast<Word*>(at) = pack_bf16(low, high);
      } else {
        if (col < cols) at[0] = to_bf16(low);
        if (col + 1 < cols) at[1] = to_bf16(high);
      }
    }
  }
}

// The kernel for a width: few that are known at compile time. `run` is called with an int_constant of groups.
template <class F>
void for_width(std::int64_t d, std::int64_t dv, const F& run) {
  const std::int64_t width = d > dv ? d : dv;
  if (width <= 64) return run(std::integral_constant<int, 8>{});
  if (width <= 80) return run(std::integral_constant<int, 10>{});
  return run(std::integral_constant<int, 16>{});
}

}  // namespace rein::ops::cuda
