// Forward. Who owns what: a block owns 64 queries (32 in f64) of one head and, beyond a width of 128, 128 columns of
// the values; it walks over the keys 64 (32) at a time with a running maximum and sum per query (online softmax), so
// nothing of size Lq x Lk exists. The 16 threads that share rows of the scores are half a warp and exchange maxima and
// sums; each keeps them for its rows. Sums run in the order of the keys: the same bits every time.
#include "tensor/ops/attention_cuda.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"
#include "tensor/ops/attention_tiles_cuda.h"

namespace rein::ops::cuda {
namespace {

template <class T>
struct Forward {
  AttentionArgs<T> a;
  RelativeTerms<T> relative;
  std::int64_t first_head, tiles;
  bool q_packed, k_packed, v_packed;
};

template <class T>
__device__ T half_warp_max(T x) {
  for (int step = 8; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(all_lanes, x, step);
    x = other > x ? other : x;
  }
  return x;
}
template <class T>
__device__ T half_warp_sum(T x) {
  for (int step = 8; step > 0; step /= 2) x += __shfl_xor_sync(all_lanes, x, step);
  return x;
}

template <class T, int groups>
__global__ __launch_bounds__(attention_threads) void forward_kernel(Forward<T> f) {
  const AttentionArgs<T>& a = f.a;
  const std::int64_t head = blockIdx.x / f.tiles, row0 = blockIdx.x % f.tiles * side<T>;
  const std::int64_t n = (f.first_head + head) / a.heads, h = (f.first_head + head) % a.heads;
  const int v0 = static_cast<int>(blockIdx.y) * chunk_width, tx = threadIdx.x % 16, ty = threadIdx.x / 16;
  const Strip<T> q = strip_of(a.q, n, h, a.lq, a.d, f.q_packed), k = strip_of(a.k, n, h, a.lk, a.d, f.k_packed);
  const Strip<T> v = strip_of(a.v, n, h, a.lk, a.dv, f.v_packed);
  const bool keep_q = a.d <= chunk_width;
  const int pitch = tile_pitch<T>(a.d), v_pitch = tile_pitch<T>(a.dv);
  T* const q_tile = dynamic_shared<T>();
  T* const p_tile = q_tile + tile_size<T>(a.d);
  T* const kv_tile = p_tile + tile_size<T>(side<T>);  // keys, then values
  const T lowest = -static_cast<T>(INFINITY);
  Accumulator<T, groups> sums = {};
  T top[each<T>], total[each<T>];
  for (int i = 0; i < each<T>; ++i) top[i] = lowest, total[i] = 0;
  if (keep_q) load_tile(q, row0, 0, q_tile);
  for (std::int64_t key0 = 0; key0 < a.lk; key0 += side<T>) {
    T scores[each<T>][each<T>] = {};
    for (int c0 = 0; c0 < a.d; c0 += chunk_width) {
      if (!keep_q) load_tile(q, row0, c0, q_tile);
      load_tile(k, key0, c0, kv_tile);
      __syncthreads();
      add_products(q_tile, kv_tile, pitch, q.width(c0), scores);
      __syncthreads();
    }
    load_tile(v, key0, v0, kv_tile);
    typename RelativeTerms<T>::Place places[each<T>];
    for (int j = 0; j < each<T>; ++j) places[j] = f.relative.place(key0 + tx + 16 * j);
    for (int i = 0; i < each<T>; ++i) {
      const std::int64_t row = row0 + ty * each<T> + i;
      T most = lowest;
      for (int j = 0; j < each<T>; ++j) {
        const std::int64_t key = key0 + tx + 16 * j;
        T logit = lowest;
        if (row < a.lq && key < a.lk && (a.blocked == nullptr || a.blocked[(n * a.lq + row) * a.lk + key] == 0)) {
          logit = a.scale * scores[i][j];
          if (f.relative.terms != nullptr) logit += f.relative.of(head, a.lq, row, places[j]);
        }
        scores[i][j] = logit;
        most = logit > most ? logit : most;
      }
      most = half_warp_max(most);
      most = top[i] > most ? top[i] : most;
      // Nothing open so far: no maximum to subtract, all weights are exp(-inf) = 0.
      const T base = most == lowest ? T(0) : most, keep = exp(top[i] - base);
      T sum = 0;
      for (int j = 0; j < each<T>; ++j) {
        scores[i][j] = exp(scores[i][j] - base);
        sum += scores[i][j];
      }
      total[i] = total[i] * keep + half_warp_sum(sum);
      top[i] = most;
      for (int g = 0; g < groups; ++g)
        for (int u = 0; u < lanes_of<T>; ++u) sums[i][g][u] *= keep;
    }
    store_square(scores, p_tile);
    __syncthreads();
    add_weighted<T, groups>(p_tile, kv_tile, v_pitch, v.width(v0), sums);
    __syncthreads();
  }
  T factor[each<T>];
  for (int i = 0; i < each<T>; ++i) {
    const std::int64_t row = row0 + ty * each<T> + i;
    factor[i] = T(1) / total[i];  // a query with all keys blocked: 0 * (1 / 0) is NaN
    if (blockIdx.y == 0 && tx == 0 && row < a.lq)
      a.log_sum_exp[(f.first_head + head) * a.lq + row] =
          total[i] == T(0) ? static_cast<T>(NAN) : top[i] + static_cast<T>(log(total[i]));
  }
  store_rows<T, groups>(sums, factor, a.out.data + n * a.out.batch_pitch + h * a.dv, a.out.row_pitch, row0, a.lq, v0,
                        static_cast<int>(a.dv));
}

// A thread owns a term: query times a row of a table.
template <class T>
__global__ void terms_kernel(AttentionArgs<T> a, std::int64_t first, std::int64_t count, T* terms) {
  const std::int64_t per_query = a.height + a.width, all = count * a.lq * per_query;
  for (std::int64_t at = global_thread(); at < all; at += global_threads()) {
    const std::int64_t t = at % per_query, query = at / per_query % a.lq, head = first + at / (per_query * a.lq);
    const T* q = a.q.data + head / a.heads * a.q.batch_pitch + query * a.q.row_pitch + head % a.heads * a.d;
    const T* row = t < a.height ? a.rel_height + (query / a.width - t + a.height - 1) * a.d
                                : a.rel_width + (query % a.width - (t - a.height) + a.width - 1) * a.d;
    T sum = 0;
    for (std::int64_t c = 0; c < a.d; ++c) sum = fma(q[c], row[c], sum);
    terms[at] = sum;
  }
}

}  // namespace

template <class T>
void relative_terms(const AttentionArgs<T>& a, std::int64_t first, std::int64_t count, T* terms) {
  launch("attention_relative_terms", terms_kernel<T>, blocks_for(count * a.lq * (a.height + a.width), 256), 256, 0, a,
         first, count, terms);
}

template <class T>
void attention(const AttentionArgs<T>& a) {
  const std::int64_t heads = a.batches * a.heads, tiles = (a.lq + side<T> - 1) / side<T>;
  if (heads == 0 || tiles == 0) return;
  require(heads * tiles < std::int64_t{1} << 31 && a.lk < std::int64_t{1} << 31, "attention",
          "is too large for CUDA: ", heads, " heads of ", a.lq, " queries and ", a.lk, " keys");
  const std::int64_t group = heads_at_once(a, 1);
  const std::int64_t values = side<T> * (a.d > a.dv ? tile_pitch<T>(a.d) : tile_pitch<T>(a.dv));
  const std::size_t shared = static_cast<std::size_t>(tile_size<T>(a.d) + tile_size<T>(side<T>) + values) * sizeof(T);
  Scratch<T> terms(a.rel_height != nullptr ? group * a.lq * (a.height + a.width) : 0);
  for (std::int64_t first = 0; first < heads; first += group) {
    const std::int64_t count = heads - first < group ? heads - first : group;
    Forward<T> f{a, {}, first, tiles, packs(a.q, a.d), packs(a.k, a.d), packs(a.v, a.dv)};
    if (a.rel_height != nullptr) {
      relative_terms(a, first, count, terms.data());
      f.relative = {terms.data(), static_cast<int>(a.height), static_cast<int>(a.width)};
    }
    const dim3 grid(static_cast<unsigned>(count * tiles), static_cast<unsigned>(chunks_of(a.dv)));
    const bool narrow = a.dv <= 16 * lanes_of<T>;
    launch("attention", narrow ? forward_kernel<T, 1> : forward_kernel<T, most_groups<T>>, grid, attention_threads,
           shared, f);
  }
}

#define REIN_INSTANTIATE(T)                                                              \
  template void relative_terms(const AttentionArgs<T>&, std::int64_t, std::int64_t, T*); \
  template void attention(const AttentionArgs<T>&)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cuda
