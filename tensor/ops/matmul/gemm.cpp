#include "tensor/ops/matmul/gemm.h"

#include <algorithm>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/matmul/gemm_cpu.h"
#include "tensor/ops/matmul/gemm_cuda.h"
#include "tensor/parallel.h"

namespace rein::ops {
namespace {

// op(x) as the product sees it.
struct Operand {
  std::int64_t rows, cols;
  bool shared;
};

Operand operand(const Rows& x, bool transposed) {
  return {transposed ? x.cols : x.rows, transposed ? x.rows : x.cols, x.batches == 1 || x.batch_pitch == 0};
}

// Rows made by hand may point outside of their tensor.
void check_inside(const Rows& x, const char* what) {
  if (x.batches == 0 || x.rows == 0 || x.cols == 0) return;
  const std::int64_t last = x.start + (x.batches - 1) * x.batch_pitch + (x.rows - 1) * x.row_pitch + x.cols;
  if (x.start < 0 || x.batch_pitch < 0 || x.row_pitch < (x.rows > 1 ? x.cols : 0) || last > x.tensor.count())
    fail("gemm", what, " reaches outside of its tensor or overlaps itself: ", x.text(), ", row pitch ", x.row_pitch,
         ", batch pitch ", x.batch_pitch, ", start ", x.start);
}

std::string described(const Rows& x, bool transposed) {
  return x.text() + (transposed ? " transposed" : "");
}

void check(const Rows& a, bool trans_a, const Rows& b, bool trans_b, const Rows& c, const Tensor& bias) {
  require(a && b && c, "gemm", "a, b and c must not be null");
  check_inside(a, "a");
  check_inside(b, "b");
  check_inside(c, "c");
  const Operand left = operand(a, trans_a), right = operand(b, trans_b);
  const auto all = [&] {
    return concat_text("; a is ", described(a, trans_a), ", b is ", described(b, trans_b), ", c is ", c.text());
  };
  if (left.cols != right.rows)
    fail("gemm", "a must have as many columns as b has rows, got ", left.cols, " and ", right.rows, all());
  if (c.rows != left.rows || c.cols != right.cols)
    fail("gemm", "c must be (", left.rows, ", ", right.cols, "), got (", c.rows, ", ", c.cols, ")", all());
  if ((!left.shared && a.batches != c.batches) || (!right.shared && b.batches != c.batches))
    fail("gemm", "a and b must have the ", c.batches, " batches of c or one, got ", a.batches, " and ", b.batches,
         all());
  if (c.batches > 1 && c.rows > 0 && c.batch_pitch < c.cols) fail("gemm", "batches of c must not share memory", all());
  if (a.dtype() != c.dtype() || b.dtype() != c.dtype())
    fail("gemm", "a, b and c must have one dtype, got ", name_of(a.dtype()), ", ", name_of(b.dtype()), ", ",
         name_of(c.dtype()));
  if (bias && (bias.shape() != Shape{c.cols} || bias.dtype() != c.dtype()))
    fail("gemm", "bias must have shape ", Shape{c.cols}, " ", name_of(c.dtype()), ", got ", bias.shape(), " ",
         name_of(bias.dtype()), all());
  require_one_device("gemm", "a, b, c and bias", a, b, c, bias);
}

template <class T>
void run_cuda(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows& c, Write write, const Tensor& bias,
              double alpha, Products products) {
  const Operand left = operand(a, trans_a), right = operand(b, trans_b);
  cuda::GemmProblem<T> p;
  p.a = a.data<T>(), p.b = b.data<T>(), p.c = c.mutable_data<T>();
  p.bias = data_or_null<T>(bias);
  p.m = c.rows, p.n = c.cols, p.k = left.cols, p.batches = c.batches;
  p.a_pitch = a.row_pitch, p.b_pitch = b.row_pitch, p.c_pitch = c.row_pitch;
  p.a_batch = left.shared ? 0 : a.batch_pitch, p.b_batch = right.shared ? 0 : b.batch_pitch, p.c_batch = c.batch_pitch;
  p.trans_a = trans_a, p.trans_b = trans_b, p.add = write == Write::add;
  p.alpha = static_cast<T>(alpha), p.products = products;
  if constexpr (rein::cuda::built) cuda::gemm<T>(p);
}

template <class T>
void run(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows& c, Write write, const Tensor& bias,
         double alpha) {
  const Operand left = operand(a, trans_a), right = operand(b, trans_b);
  const T* a_data = a.data<T>();
  const T* b_data = b.data<T>();
  T* c_data = c.mutable_data<T>();
  cpu::GemmProblem<T> problem;
  problem.m = c.rows;
  problem.n = c.cols;
  problem.k = left.cols;
  problem.c_pitch = c.row_pitch;
  problem.bias = data_or_null<T>(bias);
  problem.alpha = static_cast<T>(alpha);
  problem.add = write == Write::add;
  std::int64_t batches = c.batches;
  // One B for all batches of rows that follow each other: one tall product.
  if (batches > 1 && right.shared && !left.shared && !trans_a && a.batch_pitch == a.rows * a.row_pitch &&
      c.batch_pitch == c.rows * c.row_pitch) {
    problem.m *= batches;
    batches = 1;
  }
  const auto one = [&](std::int64_t batch) {
    const cpu::MatrixSource<T> a_source(a_data + (left.shared ? 0 : batch * a.batch_pitch), a.row_pitch, trans_a);
    const cpu::MatrixSource<T> b_source(b_data + (right.shared ? 0 : batch * b.batch_pitch), b.row_pitch, !trans_b);
    cpu::GemmProblem<T> part = problem;
    part.a = &a_source;
    part.b = &b_source;
    part.c = c_data + batch * c.batch_pitch;
    cpu::gemm(part);
  };
  // Many small products: a thread each. Few large ones: all threads on each.
  const std::int64_t products = problem.m * problem.n * std::max<std::int64_t>(1, problem.k);
  if (batches >= 4 && products < std::int64_t{1} << 25) {
    parallel_for(batches, one);
  } else {
    for (std::int64_t batch = 0; batch < batches; ++batch) one(batch);
  }
}

// out = op(a) op(b), summed over batches when out is 2-D and they are not.
void gemm_summed(const Tensor& a, bool trans_a, const Tensor& b, bool trans_b, const Tensor& out, Products products) {
  const std::int64_t batches = std::max(a.rank() == 3 ? a.size(0) : 1, b.rank() == 3 ? b.size(0) : 1);
  if (out.rank() == 3 || (a.rank() == 2 && b.rank() == 2)) {
    gemm(rows_of(a), trans_a, rows_of(b), trans_b, rows_of(out), Write::overwrite, {}, 1.0, products);
    return;
  }
  const auto batch_of = [](const Tensor& x, std::int64_t batch) {
    return rows_of(x.rank() == 3 ? x.rows(batch, batch + 1) : x);
  };
  if (batches == 0) Tensor(out).fill(0);
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    gemm(batch_of(a, batch), trans_a, batch_of(b, batch), trans_b, rows_of(out),
         batch == 0 ? Write::overwrite : Write::add, {}, 1.0, products);
  }
}

}  // namespace

void gemm(const Rows& a, bool trans_a, const Rows& b, bool trans_b, Rows c, Write write, const Tensor& bias,
          double alpha, Products products) {
  check(a, trans_a, b, trans_b, c, bias);
  dispatch_real("gemm", c.dtype(), [&]<class T>() {
    c.device().is_cuda() ? run_cuda<T>(a, trans_a, b, trans_b, c, write, bias, alpha, products)
                         : run<T>(a, trans_a, b, trans_b, c, write, bias, alpha);
  });
}

Tensor matmul(const Tensor& a, const Tensor& b, bool trans_a, bool trans_b, Products products) {
  require(a && b && (a.rank() == 2 || a.rank() == 3) && (b.rank() == 2 || b.rank() == 3), "matmul",
          "a and b must have rank 2 or 3, got ", a.shape(), " and ", b.shape());
  const std::int64_t rows = a.size(trans_a ? -1 : -2), cols = b.size(trans_b ? -2 : -1);
  const bool batched = a.rank() == 3 || b.rank() == 3;
  const std::int64_t batches = a.rank() == 3 ? a.size(0) : batched ? b.size(0) : 1;
  require(a.rank() != b.rank() || a.rank() != 3 || b.size(0) == batches, "matmul",
          "a and b must have as many batches, got ", a.shape(), " and ", b.shape());
  const std::int64_t a_depth = a.size(trans_a ? -2 : -1), b_depth = b.size(trans_b ? -1 : -2);
  require(a_depth == b_depth, "matmul", "a must have as many columns as b has rows, got ", a_depth, " and ", b_depth,
          "; a is ", a.shape(), trans_a ? " transposed" : "", ", b is ", b.shape(), trans_b ? " transposed" : "");
  const Tensor out = Tensor::empty(batched ? Shape{batches, rows, cols} : Shape{rows, cols}, a.dtype(), a.device());
  gemm(rows_of(a), trans_a, rows_of(b), trans_b, rows_of(out), Write::overwrite, {}, 1.0, products);
  return out;
}

MatmulGrads matmul_backward(const Tensor& grad_out, const Tensor& a, const Tensor& b, bool trans_a, bool trans_b,
                            const Shape& a_shape, const Shape& b_shape, bool want_a, bool want_b, Products products) {
  require(grad_out && (!want_a || b) && (!want_b || a), "matmul_backward",
          "needs grad_out, b for the gradient of a, and a for that of b");
  MatmulGrads grads;
  if (want_a) {  // a: grad_out op(b)^T, or its transpose op(b) grad_out^T when a is stored transposed
    grads.a = Tensor::empty(a_shape, grad_out.dtype(), grad_out.device());
    if (trans_a)
      gemm_summed(b, trans_b, grad_out, true, grads.a, products);
    else
      gemm_summed(grad_out, false, b, !trans_b, grads.a, products);
  }
  if (want_b) {  // b: op(a)^T grad_out, or grad_out^T op(a)
    grads.b = Tensor::empty(b_shape, grad_out.dtype(), grad_out.device());
    if (trans_b)
      gemm_summed(grad_out, true, a, trans_a, grads.b, products);
    else
      gemm_summed(a, !trans_a, grad_out, false, grads.b, products);
  }
  return grads;
}

}  // namespace rein::ops
