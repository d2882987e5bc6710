// An op of one's own: the smooth ReLU y = log(1 + exp(x)), its gradient, and the proof that they belong together.
#include <cmath>
#include <cstdio>

#include "autograd/gradcheck.h"
#include "autograd/record.h"
#include "tensor/parallel.h"
#include "tensor/random.h"

using namespace rein;

namespace {

// The loops. f32 is what trains, f64 is what gradcheck asks. Work is cut the same way for any number of threads.
template <class T>
Tensor forward(const Tensor& x) {
  Tensor y = Tensor::empty_like(x);
  const T* in = x.data<T>();
  T* out = y.mutable_data<T>();
  parallel_ranges(x.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = std::max(in[i], T(0)) + std::log1p(std::exp(-std::abs(in[i])));
  });
  return y;
}

template <class T>
Tensor backward_of(const Tensor& grad_out, const Tensor& x) {
  Tensor grad_x = Tensor::empty_like(x);
  const T* g = grad_out.data<T>();
  const T* in = x.data<T>();
  T* out = grad_x.mutable_data<T>();
  parallel_ranges(x.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out[i] = g[i] / (1 + std::exp(-in[i]));
  });
  return grad_x;
}

// On the tape: what backward needs, the derivation, and one call of record().
//   dy/dx = exp(x) / (1 + exp(x)) = 1 / (1 + exp(-x))
struct SoftplusSaved {
  SavedTensor x;
};

void softplus_vjp(const SoftplusSaved& s, GradContext& g) {
  const Tensor& x = s.x.get();  // refuses to give it when somebody has written to it since
  g.set(0, x.dtype() == DType::f64 ? backward_of<double>(g.out(), x) : backward_of<float>(g.out(), x));
}

Variable softplus(const Variable& x) {
  const Tensor y = x.dtype() == DType::f64 ? forward<double>(x.value()) : forward<float>(x.value());
  return record("softplus", {x}, y, [&](Saver& save) { return SoftplusSaved{save(x.value())}; }, softplus_vjp);
}

}  // namespace

int main() {
  // The tape against central differences, for random directions, every element and the whole Jacobian.
  const Tensor x = random_normal(RandomKey(7), {3, 5}, 0, 2, DType::f64);
  const GradcheckReport report =
      gradcheck([](std::span<const Variable> in) { return std::vector{softplus(in[0])}; }, {{.name = "x", .value = x}});
  for (const GradcheckRow& row : report.rows)
    std::printf("%s  worst at %s: tape %.9f, differences %.9f, error %.1e of at most %.0e: %s\n", row.input.c_str(),
                row.where.c_str(), row.analytic, row.numeric, row.error, row.tolerance, row.ok ? "ok" : row.note.c_str());
  return report.ok ? 0 : 1;
}
