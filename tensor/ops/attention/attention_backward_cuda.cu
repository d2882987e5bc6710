// Backward, with the probabilities recomputed from the log-sum-exp (derivation: autograd/ops/attention/attention.cpp).
// Who owns what: one kernel in two roles. In the first a block owns 64 keys (32 in f64) of a head and walks over the
// queries: it has the gradients of its keys and values alone. In the second it owns queries and walks over the keys,
// for their gradients and those of their relative terms. So the scores are computed twice, and in return nothing is
// added atomically: the same bits every time. (FlashAttention-2 has the first role alone and adds the queries'
// gradients atomically: Dao 2023, arXiv:2307.08691, section 3.2.) Beyond a width of 128 blocks own chunks of the
// columns as well. Where queries make few blocks, those of the second role share the keys out as parts, whose gradients
// are added in order.
#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/kernel.h"
#include "tensor/cuda/scratch.h"
#include "tensor/ops/attention/attention_kernels.h"
#include "tensor/ops/attention/attention_pairs_cuda.h"

namespace rein::ops::cuda {
namespace {

constexpr const char* kernel_name = "attention_backward";

template <class T>
struct Backward {
  AttentionArgs<T> a;
  AttentionGradArgs<T> g;
  const T* mean;  // (batches * heads, lq): grad_out . out
  RelativeTerms<T> relative;
  T* grad_terms;  // like relative.terms; null: not wanted
  std::int64_t first_head, tiles;
  std::int64_t part_rows, part_pitch;  // part z: other rows [z * part_rows, …); its gradients go z * part_pitch further
  bool q_packed, k_packed, v_packed, out_packed, mask_packed;
};

// A warp owns a query of a head.
template <class T>
__global__ void mean_kernel(AttentionArgs<T> a, AttentionRows<const T> grad_out, T* mean) {
  const std::int64_t at = global_thread() / warp_size;
  if (at >= a.batches * a.heads * a.lq) return;
  const std::int64_t query = at % a.lq, h = at / a.lq % a.heads, n = at / (a.lq * a.heads);
  const T* out = a.out.data + n * a.out.batch_pitch + query * a.out.row_pitch + h * a.dv;
  const T* grad = grad_out.data + n * grad_out.batch_pitch + query * grad_out.row_pitch + h * a.dv;
  T sum = 0;
  for (std::int64_t c = threadIdx.x % warp_size; c < a.dv; c += warp_size) sum = fma(grad[c], out[c], sum);
  sum = warp_sum(sum);
  if (threadIdx.x % warp_size == 0) mean[at] = sum;
}

// slopes (side queries, side keys) of this block's queries and one tile of keys, added to the queries' terms. A thread
// owns a term while it sums its keys.
template <class T>
__device__ void add_term_slopes(const Backward<T>& b, const T* slopes, std::int64_t head, std::int64_t query0,
                                std::int64_t key0) {
  constexpr int pitch = tile_pitch<T>(side<T>);
  const int height = b.relative.height, width = b.relative.width, first = static_cast<int>(key0);
  const int keys = static_cast<int>(b.a.lk - key0 < side<T> ? b.a.lk - key0 : side<T>);
  const int row0 = first / width, rows = (first + keys - 1) / width - row0 + 1, cols = keys < width ? keys : width;
  for (int i = threadIdx.x; i < side<T> * (rows + cols); i += attention_threads) {
    const int query = i % side<T>, target = i / side<T>;
    if (query0 + query >= b.a.lq) continue;
    const T* from = slopes + query * pitch;
    T sum = 0;
    int term = 0;
    if (target < rows) {
      term = row0 + target;
      const int begin = term * width - first, end = begin + width;
      for (int k = begin > 0 ? begin : 0; k < (end < keys ? end : keys); ++k) sum += from[k];
    } else {
      term = height + (first + target - rows) % width;
      for (int k = target - rows; k < keys; k += width) sum += from[k];
    }
    b.grad_terms[(head * b.a.lq + query0 + query) * (height + width) + term] += sum;
  }
}

// Own rows: keys and values (for_keys), or queries and gradients of out. Other rows: the other two.
template <class T, int owned, bool for_keys>
__global__ __launch_bounds__(attention_threads) void backward_kernel(Backward<T> b) {
  const AttentionArgs<T>& a = b.a;
  const std::int64_t head = blockIdx.x / b.tiles, own0 = blockIdx.x % b.tiles * side<T>, all = b.first_head + head;
  const std::int64_t n = all / a.heads, h = all % a.heads;
  const int chunk0 = static_cast<int>(blockIdx.y) * chunk_width;
  const Strip<T> q = strip_of(a.q, n, h, a.lq, a.d, b.q_packed), k = strip_of(a.k, n, h, a.lk, a.d, b.k_packed);
  const Strip<T> v = strip_of(a.v, n, h, a.lk, a.dv, b.v_packed);
  const Strip<T> grad = strip_of(b.g.out, n, h, a.lq, a.dv, b.out_packed);
  const Strip<T>&own = for_keys ? k : q, &own_v = for_keys ? v : grad;
  const Strip<T>&other = for_keys ? q : k, &other_v = for_keys ? grad : v;
  const bool keep = a.d <= chunk_width, keep_v = a.dv <= chunk_width;
  const int pitch = tile_pitch<T>(a.d), v_pitch = tile_pitch<T>(a.dv);
  T* const own_tile = dynamic_shared<T>();
  T* const other_tile = own_tile + tile_size<T>(a.d);
  T* const own_v_tile = other_tile + tile_size<T>(a.d);
  T* const other_v_tile = own_v_tile + tile_size<T>(a.dv);
  T* const square = other_v_tile + tile_size<T>(a.dv);
  T* const statistics = square + tile_size<T>(side<T>);  // of the queries here: log_sum_exp, then mean
  ClosedPairs<T, for_keys> closed{reinterpret_cast<std::uint8_t*>(statistics + 2 * side<T>)};
  T* const grad_own = for_keys ? b.g.k.data : b.g.q.data;
  const bool want = grad_own != nullptr && chunk0 < a.d, want_v = for_keys && b.g.v.data != nullptr && chunk0 < a.dv;
  const bool want_terms = !for_keys && b.grad_terms != nullptr && chunk0 == 0;
  const auto load_statistics = [&](std::int64_t query0) {
    const int query = static_cast<int>(threadIdx.x) % side<T>;
    if (threadIdx.x >= 2 * side<T> || query0 + query >= a.lq) return;
    statistics[threadIdx.x] = (threadIdx.x < side<T> ? a.log_sum_exp : b.mean)[all * a.lq + query0 + query];
  };
  if (keep) load_tile(own, own0, 0, own_tile);
  if (keep_v) load_tile(own_v, own0, 0, own_v_tile);
  if (!for_keys) load_statistics(own0);
  const std::int64_t begin = blockIdx.z * b.part_rows;
  const std::int64_t end = begin + b.part_rows < other.rows ? begin + b.part_rows : other.rows;
  Accumulator<T, owned> sums = {}, sums_v = {};
  for (std::int64_t other0 = begin; other0 < end; other0 += side<T>) {
    T scores[each<T>][each<T>] = {}, slopes[each<T>][each<T>] = {};
    if (keep) load_tile(other, other0, 0, other_tile);
    if (keep_v) load_tile(other_v, other0, 0, other_v_tile);
    if (for_keys) load_statistics(other0);
    closed.load(a, n, for_keys ? other0 : own0, for_keys ? own0 : other0, b.mask_packed);
    wait_for_tiles();
    for (int c0 = 0; c0 < a.d; c0 += chunk_width) {
      if (!keep) {
        load_tile(own, own0, c0, own_tile);
        load_tile(other, other0, c0, other_tile);
        wait_for_tiles();
      }
      add_products(own_tile, other_tile, pitch, q.width(c0), scores);
      if (!keep) __syncthreads();
    }
    for (int c0 = 0; c0 < a.dv; c0 += chunk_width) {
      if (!keep_v) {
        load_tile(own_v, own0, c0, own_v_tile);
        load_tile(other_v, other0, c0, other_v_tile);
        wait_for_tiles();
      }
      add_products(own_v_tile, other_v_tile, v_pitch, v.width(c0), slopes);
      if (!keep_v) __syncthreads();
    }
    for (int i = 0; i < each<T>; ++i)
      for (int j = 0; j < each<T>; ++j) scores[i][j] *= a.scale;
    b.relative.add(head, a.lq, own0, other0, closed, scores);
    for (int i = 0; i < each<T>; ++i) {
      for (int j = 0; j < each<T>; ++j) {
        const T* of_query = statistics + (for_keys ? other_place(j) : own_place<T>(i));
        const T p = exp(scores[i][j] - of_query[0]), slope = p * (slopes[i][j] - of_query[side<T>]);
        const bool open = !closed(i, j);
        scores[i][j] = open ? p : T(0);
        slopes[i][j] = open ? slope : T(0);
      }
    }
    if (want_v) {
      store_square(scores, square);
      if (!keep_v) load_tile(other_v, other0, chunk0, other_v_tile);
      wait_for_tiles();
      add_weighted<T, owned>(square, other_v_tile, v_pitch, v.width(chunk0), sums_v);
      __syncthreads();
    }
    if (want || want_terms) {
      store_square(slopes, square);
      if (!keep && want) load_tile(other, other0, chunk0, other_tile);
      wait_for_tiles();
      if (want) add_weighted<T, owned>(square, other_tile, pitch, q.width(chunk0), sums);
      if (want_terms) add_term_slopes(b, square, head, own0, other0);
    }
    __syncthreads();
  }
  T factor[each<T>];
  if (want) {
    for (int i = 0; i < each<T>; ++i) factor[i] = a.scale;
    const AttentionRows<T>& to = for_keys ? b.g.k : b.g.q;
    store_rows<T, owned>(sums, factor, grad_own + blockIdx.z * b.part_pitch + n * to.batch_pitch + h * a.d,
                         to.row_pitch, own0, own.rows, chunk0, static_cast<int>(a.d));
  }
  if (want_v) {
    for (int i = 0; i < each<T>; ++i) factor[i] = 1;
    store_rows<T, owned>(sums_v, factor, b.g.v.data + n * b.g.v.batch_pitch + h * a.dv, b.g.v.row_pitch, own0, own.rows,
                         chunk0, static_cast<int>(a.dv));
  }
}

// grad_q += gradients of the terms times the rows of the tables that made them; a thread owns a number of grad_q.
template <class T>
__global__ void relative_grad_q_kernel(Backward<T> b, std::int64_t count) {
  const AttentionArgs<T>& a = b.a;
  for (std::int64_t at = global_thread(); at < count * a.lq * a.d; at += global_threads()) {
    const std::int64_t c = at % a.d, query = at / a.d % a.lq, head = at / (a.d * a.lq), all = b.first_head + head;
    const T* slopes = b.grad_terms + (head * a.lq + query) * (a.height + a.width);
    const T* down = a.rel_height + (query / a.width + a.height - 1) * a.d + c;
    const T* across = a.rel_width + (query % a.width + a.width - 1) * a.d + c;
    T sum = 0;
    for (std::int64_t t = 0; t < a.height; ++t) sum = fma(slopes[t], down[-t * a.d], sum);
    for (std::int64_t t = 0; t < a.width; ++t) sum = fma(slopes[a.height + t], across[-t * a.d], sum);
    b.g.q.data[all / a.heads * b.g.q.batch_pitch + query * b.g.q.row_pitch + all % a.heads * a.d + c] += sum;
  }
}

// The share of one head in one row of a table: a block owns it, a thread a column. parts (heads, rows, d).
template <class T>
__global__ void relative_tables_kernel(Backward<T> b, bool for_height, T* parts) {
  const AttentionArgs<T>& a = b.a;
  const std::int64_t head = blockIdx.y, all = b.first_head + head, extent = for_height ? a.height : a.width;
  const std::int64_t shift = static_cast<std::int64_t>(blockIdx.x) - (extent - 1);  // place of query - place of key
  const T* q = a.q.data + all / a.heads * a.q.batch_pitch + all % a.heads * a.d;
  for (std::int64_t c = threadIdx.x; c < a.d; c += blockDim.x) {
    T sum = 0;
    for (std::int64_t query = 0; query < a.lq; ++query) {
      const std::int64_t term = (for_height ? query / a.width : query % a.width) - shift;
      if (term < 0 || term >= extent) continue;
      const T slope = b.grad_terms[(head * a.lq + query) * (a.height + a.width) + (for_height ? 0 : a.height) + term];
      sum = fma(slope, q[query * a.q.row_pitch + c], sum);
    }
    parts[(all * gridDim.x + blockIdx.x) * a.d + c] = sum;
  }
}

// grad_q = the sum of what its parts (parts, batches, lq, heads * d) have; a thread owns a number.
template <class T>
__global__ void add_parts_kernel(AttentionArgs<T> a, const T* parts, std::int64_t count, AttentionRows<T> grad_q) {
  const std::int64_t cols = a.heads * a.d, all = a.batches * a.lq * cols;
  for (std::int64_t at = global_thread(); at < all; at += global_threads()) {
    T sum = 0;
    for (std::int64_t p = 0; p < count; ++p) sum += parts[p * all + at];
    grad_q.data[at / (a.lq * cols) * grad_q.batch_pitch + at / cols % a.lq * grad_q.row_pitch + at % cols] = sum;
  }
}

template <class T, bool for_keys>
void run(Backward<T> b, std::int64_t count) {
  const AttentionArgs<T>& a = b.a;
  b.tiles = ((for_keys ? a.lk : a.lq) + side<T> - 1) / side<T>;
  if (count * b.tiles == 0) return;
  require(count * b.tiles < std::int64_t{1} << 31 && a.lq < std::int64_t{1} << 31 && a.lk < std::int64_t{1} << 31,
          kernel_name, "is too large for CUDA: ", count, " heads of ", a.lq, " queries and ", a.lk, " keys");
  const std::size_t shared =
      static_cast<std::size_t>(2 * tile_size<T>(a.d) + 2 * tile_size<T>(a.dv) + tile_size<T>(side<T>) + 2 * side<T>) *
          sizeof(T) +
      ClosedPairs<T, for_keys>::size;
  const std::int64_t widest = for_keys && a.dv > a.d ? a.dv : a.d;
  const std::int64_t chunks = chunks_of(widest), cols = a.heads * a.d;
  // Gradients of terms are added up in place, key tile after key tile: no parts then.
  const KeyParts parts = for_keys || b.grad_terms != nullptr ? KeyParts{1, for_keys ? a.lq : a.lk}
                                                             : key_parts<T>(count * b.tiles * chunks, a.lk);
  const AttentionRows<T> grad_q = b.g.q;
  b.part_rows = parts.keys;
  b.part_pitch = a.batches * a.lq * cols;
  Scratch<T> memory(parts.count > 1 ? parts.count * b.part_pitch : 0);
  if (parts.count > 1) b.g.q = {memory.data(), cols, a.lq * cols};
  const dim3 grid(static_cast<unsigned>(count * b.tiles), static_cast<unsigned>(chunks),
                  static_cast<unsigned>(parts.count));
  for_owned(widest, [&](auto owned) {
    launch(kernel_name, backward_kernel<T, owned, for_keys>, grid, attention_threads, shared, b);
  });
  if (parts.count > 1)
    launch(kernel_name, add_parts_kernel<T>, blocks_for(b.part_pitch, 256), 256, 0, a, memory.data(), parts.count,
           grad_q);
}

template <class T>
void run_relative(const Backward<T>& b, std::int64_t count, T* height_parts, T* width_parts) {
  const AttentionArgs<T>& a = b.a;
  if (b.g.q.data != nullptr)
    launch(kernel_name, relative_grad_q_kernel<T>, blocks_for(count * a.lq * a.d, 256), 256, 0, b, count);
  if (b.g.rel_height == nullptr) return;
  for (const bool for_height : {true, false}) {
    const std::int64_t rows = 2 * (for_height ? a.height : a.width) - 1;
    launch(kernel_name, relative_tables_kernel<T>, dim3(static_cast<unsigned>(rows), static_cast<unsigned>(count)), 64,
           0, b, for_height, for_height ? height_parts : width_parts);
  }
}

}  // namespace

template <class T>
void attention_backward(const AttentionArgs<T>& a, const AttentionGradArgs<T>& g) {
  const std::int64_t heads = a.batches * a.heads;
  const bool relative = a.rel_height != nullptr, tables = g.rel_height != nullptr;
  Scratch<T> mean(heads * a.lq);
  launch(kernel_name, mean_kernel<T>, blocks_for(heads * a.lq * warp_size, 256, std::int64_t{1} << 31), 256, 0, a,
         g.out, mean.data());
  std::int64_t group = heads_at_once(a, 2);
  if (group > 65535 && relative) group = 65535;
  const std::int64_t terms = relative ? group * a.lq * (a.height + a.width) : 0;
  const std::int64_t height_size = tables ? (2 * a.height - 1) * a.d : 0;
  const std::int64_t width_size = tables ? (2 * a.width - 1) * a.d : 0;
  Scratch<T> memory(2 * terms + heads * (height_size + width_size));
  T* const height_parts = memory.data() + 2 * terms;
  T* const width_parts = height_parts + heads * height_size;
  for (std::int64_t first = 0; first < heads; first += group) {
    const std::int64_t count = heads - first < group ? heads - first : group;
    Backward<T> b{a,
                  g,
                  mean.data(),
                  {},
                  nullptr,
                  first,
                  0,
                  0,
                  0,
                  packs(a.q, a.d),
                  packs(a.k, a.d),
                  packs(a.v, a.dv),
                  packs(g.out, a.dv),
                  packable<16>(a.lk, a.blocked)};
    if (relative) {
      relative_terms(a, first, count, memory.data());
      b.relative = {memory.data(), static_cast<int>(a.height), static_cast<int>(a.width)};
      if (g.q.data != nullptr || tables) {
        b.grad_terms = memory.data() + terms;
        fill_bytes(b.grad_terms, 0, static_cast<std::size_t>(terms) * sizeof(T), current_device());
      }
    }
    if (g.k.data != nullptr || g.v.data != nullptr) run<T, true>(b, count);
    if (g.q.data != nullptr || tables) run<T, false>(b, count);
    if (relative) run_relative(b, count, height_parts, width_parts);
  }
  if (!tables) return;
  add_lines<T, T>(kernel_name, height_parts, 1, heads, height_size, 1.0, g.rel_height);
  add_lines<T, T>(kernel_name, width_parts, 1, heads, width_size, 1.0, g.rel_width);
}

template void attention_backward(const AttentionArgs<float>&, const AttentionGradArgs<float>&);
template void attention_backward(const AttentionArgs<double>&, const AttentionGradArgs<double>&);

}  // namespace rein::ops::cuda
