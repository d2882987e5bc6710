// Who owns what: the table of up to 256 parameters travels as the kernel's argument. A block owns 4096 neighbouring
// elements of one parameter and finds out which by bisection over the parameters' first blocks; a thread owns 16 bytes
// at a time, or single elements where a parameter does not start at a multiple of 16 bytes.
#include "tensor/ops/optim/adamw_kernels.h"

#include "tensor/cuda/packed.h"

namespace rein::ops::cuda {
namespace {

using namespace rein::cuda;

constexpr int threads = 256, most_slots = 256, per_block = 4096;

template <class T>
struct Table {
  AdamWSlot<T> slot[most_slots];
  unsigned first_block[most_slots];
  bool packed[most_slots];
  int count;
  AdamWRule<T> rule;
};

template <class T>
__device__ void update(const AdamWSlot<T>& s, const AdamWRule<T>& f, T g, T& param, T& m, T& v) {
  m = f.beta1 * m + f.one_minus_beta1 * g;
  v = f.beta2 * v + f.one_minus_beta2 * (g * g);
  param = s.keep * param - s.step_size * (m / (sqrt(v) / s.root + f.eps));
}

template <class T>
__global__ void adamw_kernel(const Table<T> table) {
  int low = 0, high = table.count;  // the block is one of slots [low, high)
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (table.first_block[middle] <= blockIdx.x ? low : high) = middle;
  }
  const AdamWSlot<T>& s = table.slot[low];
  constexpr int V = packed_count<T>;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - table.first_block[low]) * per_block;
  const std::int64_t end = begin + per_block < s.count ? begin + per_block : s.count;
  std::int64_t i = begin + static_cast<std::int64_t>(threadIdx.x) * V;
  if (table.packed[low]) {
    for (; i + V <= end; i += threads * V) {
      const Packed<T, V> g = load_packed<T, V>(s.grad + i);
      Packed<T, V> p = load_packed<T, V>(s.param + i), m = load_packed<T, V>(s.m + i), v = load_packed<T, V>(s.v + i);
      for (int e = 0; e < V; ++e) update(s, table.rule, g.at[e], p.at[e], m.at[e], v.at[e]);
      store_packed(p, s.param + i);
      store_packed(m, s.m + i);
      store_packed(v, s.v + i);
    }
    for (; i < end; ++i) update(s, table.rule, s.grad[i], s.param[i], s.m[i], s.v[i]);  // one thread's, at the very end
    return;
  }
  for (i = begin + threadIdx.x; i < end; i += threads) update(s, table.rule, s.grad[i], s.param[i], s.m[i], s.v[i]);
}

}  // namespace

template <class T>
void adamw(std::span<const AdamWSlot<T>> slots, const AdamWRule<T>& rule) {
  for (std::size_t next = 0; next < slots.size();) {
    Table<T> table{};
    table.rule = rule;
    unsigned blocks = 0;
    for (; next < slots.size() && table.count < most_slots; ++next) {
      const AdamWSlot<T>& s = slots[next];
      if (s.count == 0) continue;
      table.slot[table.count] = s;
      table.packed[table.count] = packable<packed_count<T>>(0, s.grad, s.param, s.m, s.v);
      table.first_block[table.count++] = blocks;
      blocks += blocks_for(s.count, per_block, std::int64_t{1} << 22);
      require(s.count <= std::int64_t{per_block} << 22, "adamw", "takes parameters of at most 2^34 elements on CUDA");
    }
    launch("adamw", adamw_kernel<T>, blocks, threads, 0, table);
  }
}

template void adamw(std::span<const AdamWSlot<float>>, const AdamWRule<float>&);
template void adamw(std::span<const AdamWSlot<double>>, const AdamWRule<double>&);

}  // namespace rein::ops::cuda
