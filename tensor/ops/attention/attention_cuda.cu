// Forward. Who owns what: a block owns 64 queries (32 in f64) of one head and, beyond a width of 128, 128 columns of
// the values; it walks over the keys 64 (32) at a time with a running maximum and sum per query (online softmax:
// Milakov and Gimelshein 2018, arXiv:1805.02867, section 3), so nothing of size Lq x Lk exists (FlashAttention: Dao et
// al. 2022, arXiv:2205.14135, section 3.1; queries outside, keys inside: Dao 2023, arXiv:2307.08691, section 3.1). The
// 16 threads that share rows of the scores are half a warp and exchange maxima and sums; each keeps them for its rows.
// Where that makes few blocks, each walks over a part of the keys, and a second kernel joins the parts. Sums run in the
// order of the keys, parts in theirs: the same bits every time.
#include "tensor/ops/attention/attention_kernels.h"

#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"
#include "tensor/ops/attention/attention_pairs_cuda.h"

namespace rein::ops::cuda {
namespace {

// What each part of the keys leaves of the queries, for join_kernel. Null where there is one part.
template <class T>
struct PartSums {
  T* sums = nullptr;                     // (parts, batches, lq, heads * dv), relative to exp(top)
  T *tops = nullptr, *totals = nullptr;  // (parts, batches * heads, lq)
};

template <class T>
struct Forward {
  AttentionArgs<T> a;
  RelativeTerms<T> relative;
  KeyParts parts;
  PartSums<T> left;
  std::int64_t first_head, tiles;
  bool q_packed, k_packed, v_packed, mask_packed;
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

template <class T>
__device__ T log_sum_exp(T top, T total) {
  return total == T(0) ? static_cast<T>(NAN) : top + static_cast<T>(log(total));
}

template <class T, int owned>
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
  ClosedPairs<T, false> closed{
      reinterpret_cast<std::uint8_t*>(kv_tile + side<T> * (pitch > v_pitch ? pitch : v_pitch))};
  const T lowest = -static_cast<T>(INFINITY);
  const std::int64_t begin = blockIdx.z * f.parts.keys, after = begin + f.parts.keys, end = after < a.lk ? after : a.lk;
  Accumulator<T, owned> sums = {};
  T top[each<T>], total[each<T>];
  for (int i = 0; i < each<T>; ++i) top[i] = lowest, total[i] = 0;
  if (keep_q) load_tile(q, row0, 0, q_tile);
  for (std::int64_t key0 = begin; key0 < end; key0 += side<T>) {
    closed.load(a, n, row0, key0, f.mask_packed);
    T scores[each<T>][each<T>] = {};
    for (int c0 = 0; c0 < a.d; c0 += chunk_width) {
      if (!keep_q) load_tile(q, row0, c0, q_tile);
      load_tile(k, key0, c0, kv_tile);
      wait_for_tiles();
      add_products(q_tile, kv_tile, pitch, q.width(c0), scores);
      __syncthreads();
    }
    load_tile(v, key0, v0, kv_tile);
    for (int i = 0; i < each<T>; ++i)
      for (int j = 0; j < each<T>; ++j) scores[i][j] *= a.scale;
    f.relative.add(head, a.lq, row0, key0, closed, scores);
    for (int i = 0; i < each<T>; ++i) {
      T most = lowest;
      for (int j = 0; j < each<T>; ++j) {
        if (closed(i, j)) scores[i][j] = lowest;
        most = scores[i][j] > most ? scores[i][j] : most;
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
      for (auto& group : sums[i])
        for (T& sum_of_column : group) sum_of_column *= keep;
    }
    store_square(scores, p_tile);
    wait_for_tiles();
    add_weighted<T, owned>(p_tile, kv_tile, v_pitch, v.width(v0), sums);
    __syncthreads();
  }
  const bool whole = f.left.sums == nullptr;
  T factor[each<T>];
  for (int i = 0; i < each<T>; ++i) {
    const std::int64_t row = row0 + ty * each<T> + i, at = (f.first_head + head) * a.lq + row;
    factor[i] = whole ? T(1) / total[i] : T(1);  // a query with all keys blocked: 0 * (1 / 0) is NaN
    if (blockIdx.y != 0 || tx != 0 || row >= a.lq) continue;
    if (whole) {
      a.log_sum_exp[at] = log_sum_exp(top[i], total[i]);
    } else {
      const std::int64_t place = blockIdx.z * a.batches * a.heads * a.lq + at;
      f.left.tops[place] = top[i], f.left.totals[place] = total[i];
    }
  }
  AttentionRows<T> to = a.out;
  if (!whole) {
    to = {f.left.sums, a.heads * a.dv, a.lq * a.heads * a.dv};
    to.data += blockIdx.z * a.batches * to.batch_pitch;
  }
  store_rows<T, owned>(sums, factor, to.data + n * to.batch_pitch + h * a.dv, to.row_pitch, row0, a.lq, v0,
                       static_cast<int>(a.dv));
}

// A warp owns a query of a head: its parts, in order, each made relative to the largest top of all. A part with nothing
// open weighs exp(-inf) = 0; where no part has anything, exp(-inf + inf) is NaN, and so is all that comes of it.
template <class T>
__global__ void join_kernel(AttentionArgs<T> a, PartSums<T> from, std::int64_t parts) {
  const std::int64_t at = global_thread() / warp_size, rows = a.batches * a.heads * a.lq;
  if (at >= rows) return;
  const std::int64_t query = at % a.lq, h = at / a.lq % a.heads, n = at / (a.lq * a.heads);
  T top = from.tops[at], total = 0;
  for (std::int64_t p = 1; p < parts; ++p) top = from.tops[p * rows + at] > top ? from.tops[p * rows + at] : top;
  const auto weight = [&](std::int64_t p) { return exp(from.tops[p * rows + at] - top); };
  for (std::int64_t p = 0; p < parts; ++p) total = fma(weight(p), from.totals[p * rows + at], total);
  for (std::int64_t c = threadIdx.x % warp_size; c < a.dv; c += warp_size) {
    const T* const sums = from.sums + ((n * a.lq + query) * a.heads + h) * a.dv + c;
    T sum = 0;
    for (std::int64_t p = 0; p < parts; ++p) sum = fma(weight(p), sums[p * rows * a.dv], sum);
    a.out.data[n * a.out.batch_pitch + query * a.out.row_pitch + h * a.dv + c] = sum * (T(1) / total);
  }
  if (threadIdx.x % warp_size == 0) a.log_sum_exp[at] = log_sum_exp(top, total);
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
  const std::size_t shared = static_cast<std::size_t>(tile_size<T>(a.d) + tile_size<T>(side<T>) + values) * sizeof(T) +
                             ClosedPairs<T, false>::size;
  Scratch<T> terms(a.rel_height != nullptr ? group * a.lq * (a.height + a.width) : 0);
  const std::int64_t chunks = chunks_of(a.dv), rows = heads * a.lq;
  const KeyParts parts = key_parts<T>(heads * tiles * chunks, a.lk);
  const std::int64_t places = parts.count > 1 ? parts.count * rows : 0;
  Scratch<T> memory(places * (a.dv + 2));
  PartSums<T> left;
  if (places > 0) left = {memory.data(), memory.data() + places * a.dv, memory.data() + places * (a.dv + 1)};
  for (std::int64_t first = 0; first < heads; first += group) {
    const std::int64_t count = heads - first < group ? heads - first : group;
    Forward<T> f{a,
                 {},
                 parts,
                 left,
                 first,
                 tiles,
                 packs(a.q, a.d),
                 packs(a.k, a.d),
                 packs(a.v, a.dv),
                 packable<16>(a.lk, a.blocked)};
    if (a.rel_height != nullptr) {
      relative_terms(a, first, count, terms.data());
      f.relative = {terms.data(), static_cast<int>(a.height), static_cast<int>(a.width)};
    }
    const dim3 grid(static_cast<unsigned>(count * tiles), static_cast<unsigned>(chunks),
                    static_cast<unsigned>(parts.count));
    for_owned(a.dv,
              [&](auto owned) { launch("attention", forward_kernel<T, owned>, grid, attention_threads, shared, f); });
  }
  if (parts.count > 1)
    launch("attention_join", join_kernel<T>, blocks_for(rows * warp_size, 256, std::int64_t{1} << 31), 256, 0, a, left,
           parts.count);
}

#define REIN_INSTANTIATE(T)                                                              \
  template void relative_terms(const AttentionArgs<T>&, std::int64_t, std::int64_t, T*); \
  template void attention(const AttentionArgs<T>&)
REIN_INSTANTIATE(float);
REIN_INSTANTIATE(double);

}  // namespace rein::ops::cuda
