// Matrix products against a triple loop in f64: all transposes, batches, and a shared second operand.
#include <array>

#include "autograd/cases/case.h"
#include "autograd/ops/matmul/matmul.h"
#include "tensor/error.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/random.h"

namespace {

using namespace rein;
using namespace rein::testing;

Tensor matmul_loops(const Tensor& a, const Tensor& b, bool trans_a, bool trans_b) {
  const bool batched = a.rank() == 3 || b.rank() == 3;
  const std::int64_t batches = a.rank() == 3 ? a.size(0) : b.rank() == 3 ? b.size(0) : 1;
  const std::int64_t m = a.size(trans_a ? -1 : -2), k = a.size(trans_a ? -2 : -1), n = b.size(trans_b ? -2 : -1);
  Tensor out = Tensor::zeros(batched ? Shape{batches, m, n} : Shape{m, n}, DType::f64);
  for (std::int64_t i = 0; i < batches * m * n; ++i) {
    const std::int64_t batch = i / (m * n), row = i / n % m, col = i % n;
    for (std::int64_t j = 0; j < k; ++j)
      out.mutable_data<double>()[i] +=
          a.at((a.rank() == 3 ? batch * m * k : 0) + (trans_a ? j * m + row : row * k + j)) *
          b.at((b.rank() == 3 ? batch * n * k : 0) + (trans_b ? col * k + j : j * n + col));
  }
  return out;
}

const Cases cases("gemm,matmul", [](CaseList& list) {
  const auto add = [&](const Shape& a, const Shape& b, bool trans_a, bool trans_b) {
    list.add({.label = concat_text(a, trans_a ? "^T x " : " x ", b, trans_b ? "^T" : ""),
              .inputs = {normal("a", a), normal("b", b)},
              .run = [=](Vars v) { return Outs{matmul(v[0], v[1], trans_a, trans_b)}; },
              .reference = [=](Refs t) { return std::vector{matmul_loops(t[0], t[1], trans_a, trans_b)}; },
              .f32_tolerance = 2e-6,
              .f32_grad_tolerance = 5e-6,
              .why = "sums of at most 33 products of order one in f32"});
  };
  add({1, 1}, {1, 1}, false, false);
  for (const bool trans_a : {false, true})
    for (const bool trans_b : {false, true}) {
      add(trans_a ? Shape{7, 5} : Shape{5, 7}, trans_b ? Shape{6, 7} : Shape{7, 6}, trans_a, trans_b);
      add(trans_a ? Shape{2, 3, 4} : Shape{2, 4, 3}, trans_b ? Shape{2, 5, 3} : Shape{2, 3, 5}, trans_a, trans_b);
      add(trans_a ? Shape{3, 4} : Shape{4, 3}, trans_b ? Shape{2, 5, 3} : Shape{2, 3, 5}, trans_a, trans_b);
      add(trans_a ? Shape{2, 3, 4} : Shape{2, 4, 3}, trans_b ? Shape{5, 3} : Shape{3, 5}, trans_a, trans_b);
    }
  add({33, 31}, {32, 31}, false, true);
  for (const auto& [m, n, k] : {std::array{1025, 768, 768}, std::array{1025, 3072, 768}, std::array{1025, 4096, 1024}})
    list.add({.label = concat_text("(", m, ", ", k, ") x (", n, ", ", k, ")^T"),
              .inputs = {normal("a", {m, k}), normal("b", {n, k})},
              .run = [](Vars v) { return Outs{matmul(v[0], v[1], false, true)}; },
              .bench_only = true,
              .flops = 2.0 * m * n * k,
              .bytes = 4.0 * (1.0 * m * k + 1.0 * n * k + 1.0 * m * n)});
});

}  // namespace
