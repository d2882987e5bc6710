// Who owns what: slot_table_cuda.h gives a block 4096 neighbouring elements of one parameter; a thread owns 16 bytes at
// a time, or single elements where a parameter does not start at a multiple of 16 bytes.
#include "tensor/ops/optim/adamw_kernels.h"

#include "tensor/cuda/packed.h"
#include "tensor/ops/optim/slot_table_cuda.h"

namespace rein::ops::cuda {
namespace {

template <class T>
struct Update {
  SlotTable<AdamWSlot<T>> table;
  AdamWRule<T> rule;
  bool packed[most_slots];
};

template <class T>
__device__ void update(const AdamWSlot<T>& s, const AdamWRule<T>& f, T g, T& param, T& m, T& v) {
  m = f.beta1 * m + f.one_minus_beta1 * g;
  v = f.beta2 * v + f.one_minus_beta2 * (g * g);
  param = s.keep * param - s.step_size * (m / (sqrt(v) / s.root + f.eps));
}

template <class T>
__global__ void adamw_kernel(const Update<T> u) {
  const auto part = u.table.part();
  const AdamWSlot<T>& s = u.table.slot[part.slot];
  constexpr int V = packed_count<T>;
  std::int64_t i = part.begin + static_cast<std::int64_t>(threadIdx.x) * V;
  if (u.packed[part.slot]) {
    for (; i + V <= part.end; i += slot_threads * V) {
      const Packed<T, V> g = load_packed<T, V>(s.grad + i);
      Packed<T, V> p = load_packed<T, V>(s.param + i), m = load_packed<T, V>(s.m + i), v = load_packed<T, V>(s.v + i);
      for (int e = 0; e < V; ++e) update(s, u.rule, g.at[e], p.at[e], m.at[e], v.at[e]);
      store_packed(p, s.param + i);
      store_packed(m, s.m + i);
      store_packed(v, s.v + i);
    }
    for (; i < part.end; ++i)
      update(s, u.rule, s.grad[i], s.param[i], s.m[i], s.v[i]);  // one thread's, at the very end
    return;
  }
  for (i = part.begin + threadIdx.x; i < part.end; i += slot_threads)
    update(s, u.rule, s.grad[i], s.param[i], s.m[i], s.v[i]);
}

}  // namespace

template <class T>
void adamw(std::span<const AdamWSlot<T>> slots, const AdamWRule<T>& rule) {
  for_tables("adamw", slots, [&](const SlotTable<AdamWSlot<T>>& table, unsigned blocks) {
    Update<T> u{table, rule, {}};
    for (int i = 0; i < table.count; ++i) {
      const AdamWSlot<T>& s = table.slot[i];
      u.packed[i] = packable<packed_count<T>>(0, s.grad, s.param, s.m, s.v);
    }
    launch("adamw", adamw_kernel<T>, blocks, slot_threads, 0, u);
  });
}

template void adamw(std::span<const AdamWSlot<float>>, const AdamWRule<float>&);
template void adamw(std::span<const AdamWSlot<double>>, const AdamWRule<double>&);

}  // namespace rein::ops::cuda
