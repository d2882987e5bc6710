// Mixed precision on a device: products with bf16 operands, what stands between them, and TF32. Each against the same
// thing in f64 on the CPU, from operands that were rounded beforehand.
#include <doctest/doctest.h>

#include <cmath>
#include <functional>

#include "autograd/cases/case.h"
#include "autograd/ops/attention/rope.h"
#include "autograd/ops/conv/conv.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/matmul/mixed.h"
#include "autograd/ops/norm/norm.h"
#include "tensor/cuda/runtime.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/ops/matmul/gemm_bf16.h"
#include "tensor/ops/matmul/linear.h"
#include "tensor/ops/norm/layer_norm.h"
#include "tensor/products.h"

using namespace rein;
using namespace rein::testing;

namespace {

const Device device{Device::Kind::cuda, 0};
constexpr double f32_sum = 5e-6;        // tensor cores add in an order of their own
constexpr double half_ulp = 1.0 / 256;  // of bf16, relative: a rounding, with room for the sum before it

Tensor numbers(std::uint64_t seed, const Shape& shape, DType dtype = DType::f32) {
  return ops::cast(random_normal(RandomKey(seed), shape, 0, 1, DType::f32), dtype);
}
Tensor wide(const Tensor& x) {
  return x ? ops::cast(x, DType::f64) : Tensor{};
}
Tensor kept(const Tensor& x) {  // what bf16 keeps of x
  return wide(ops::cast(x, DType::bf16));
}
Tensor tf32(const Tensor& x) {
  Tensor y = x.clone();
  for (std::int64_t i = 0; i < y.count(); ++i) y.mutable_data<float>()[i] = to_tf32(x.data<float>()[i]);
  return wide(y);
}

void check_near(const Tensor& got, const Tensor& expected, double tolerance) {
  REQUIRE(got);
  CHECK(got.device() == device);
  const Comparison c = compare(wide(got.to(Device{})), expected, tolerance);
  CHECK_MESSAGE(c.ok, "error ", c.error, " ", c.text);
}

// A column range of wider rows, on the device, and the same numbers densely in f64.
struct Operand {
  Tensor memory, dense;
  Rows rows;
  Operand(std::uint64_t seed, std::int64_t m, std::int64_t n, std::int64_t margin, DType dtype)
      : memory(numbers(seed, {m, n + margin}, dtype)), dense(Tensor::empty({m, n}, DType::f64)) {
    for (std::int64_t i = 0; i < dense.count(); ++i)
      dense.mutable_data<double>()[i] = memory.at(i / n * (n + margin) + margin / 2 + i % n);
    memory = memory.to(device);
    rows = rows_of(memory, {}, {margin / 2, margin / 2 + n});
  }
};

TEST_CASE("bf16 products on a device: transposes, biases, pitches and odd sizes, to f32 and to bf16") {
  for (const auto& [m, n, k] : {std::tuple{1, 1, 1}, std::tuple{3, 65, 17}, std::tuple{70, 5, 40}})
    for (const bool trans_a : {false, true})
      for (const bool trans_b : {false, true})
        for (const DType a_dtype : {DType::f32, DType::bf16})
          for (const DType c_dtype : {DType::f32, DType::bf16})
            for (const std::int64_t margin : {0, 3}) {
              CAPTURE(m);
              CAPTURE(trans_a);
              CAPTURE(trans_b);
              CAPTURE(std::string(name_of(a_dtype)));
              CAPTURE(std::string(name_of(c_dtype)));
              CAPTURE(margin);
              const Operand a(1, trans_a ? k : m, trans_a ? m : k, margin, a_dtype);
              const Operand b(2, trans_b ? n : k, trans_b ? k : n, margin, DType::bf16);
              const Tensor bias = margin == 0 ? numbers(3, {n}, c_dtype) : Tensor{};
              const Tensor before = Tensor::full({m, n + margin}, 7, c_dtype, device);
              ops::gemm_bf16(a.rows, trans_a, b.rows, trans_b, rows_of(before, {}, {margin, margin + n}),
                             bias ? bias.to(device) : Tensor{});
              Tensor product = ops::matmul(kept(a.dense), b.dense, trans_a, trans_b);
              if (bias) product = ops::add_broadcast(product, wide(bias));
              Tensor expected = Tensor::full({m, n + margin}, 7, DType::f64);
              for (std::int64_t i = 0; i < product.count(); ++i)
                expected.mutable_data<double>()[i / n * (n + margin) + margin + i % n] = product.at(i);
              check_near(before, expected, c_dtype == DType::f32 ? f32_sum : half_ulp);
            }
}

TEST_CASE("linear_bf16 on a device: values and gradients, weights as they lie and transposed") {
  for (const bool trans : {true, false})
    for (const DType out : {DType::f32, DType::bf16}) {
      CAPTURE(trans);
      CAPTURE(std::string(name_of(out)));
      const Tensor x = numbers(1, {2, 9, 13}, DType::bf16), w = numbers(2, trans ? Shape{7, 13} : Shape{13, 7});
      const Tensor bias = numbers(3, {7}), g = numbers(4, {2, 9, 7}, out);
      const auto run = [&](const Variable& vx, const Variable& vw, const Variable& vb, const Tensor& cotangent,
                           const std::function<Variable()>& make) {
        const Variable y = make();
        backward(y, cotangent);
        return std::vector{y.value(), vx.grad(), vw.grad(), vb.grad()};
      };
      const Variable vx = parameter(x.to(device)), vw = parameter(w.to(device)), vb = parameter(bias.to(device));
      const auto got =
          run(vx, vw, vb, g.to(device), [&] { return linear_bf16(vx, rounded(vw), trans, rounded(vb), out); });
      // The f32 cotangent is rounded for the products; the bias sums it as it is.
      const Variable ex = parameter(wide(x)), ew = parameter(kept(w));
      const Variable eb = parameter(out == DType::bf16 ? kept(bias) : wide(bias));
      const auto make = [&] { return trans ? linear(ex, ew, eb) : add_broadcast(matmul(ex, ew), eb); };
      const auto expected = run(ex, ew, eb, kept(g), make);
      CHECK(got[0].dtype() == out);
      CHECK(got[1].dtype() == DType::bf16);
      CHECK(got[2].dtype() == DType::f32);
      CHECK(got[3].dtype() == DType::f32);
      check_near(got[0], expected[0], out == DType::f32 ? f32_sum : half_ulp);
      check_near(got[1], expected[1], half_ulp);
      check_near(got[2], expected[2], f32_sum);
      check_near(got[3], ops::column_sums(wide(g)), f32_sum);
    }
}

// Value and gradients of a function on the device from mixed inputs, and on the CPU from the same numbers in f64.
void check_mixed(const std::vector<Tensor>& inputs, const std::function<Variable(std::span<const Variable>)>& on_device,
                 const std::function<Variable(std::span<const Variable>)>& in_f64, double tolerance) {
  std::vector<Variable> there, here;
  for (const Tensor& t : inputs) {
    there.push_back(parameter(t.to(device)));
    here.push_back(parameter(wide(t)));
  }
  const Variable got = on_device(there), expected = in_f64(here);
  const Tensor g = numbers(99, got.shape(), got.dtype());
  backward(got, g.to(device));
  backward(expected, wide(g));
  check_near(got.value(), expected.value(), tolerance);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(i);
    CHECK(there[i].grad().dtype() == inputs[i].dtype());
    check_near(there[i].grad(), here[i].grad(), tolerance);
  }
}
void check_mixed(const std::vector<Tensor>& inputs, const std::function<Variable(std::span<const Variable>)>& f,
                 double tolerance = half_ulp) {
  check_mixed(inputs, f, f, tolerance);
}

using Vs = std::span<const Variable>;

TEST_CASE("between bf16 products on a device: casts, sums, norms, residuals, activations, rotations") {
  const Tensor x = numbers(1, {2, 5, 24}), y = numbers(2, {2, 5, 24}, DType::bf16), c = numbers(3, {24}, DType::f32);
  check_mixed(
      {x}, [](Vs v) { return cast(v[0], DType::bf16); }, [](Vs v) { return v[0]; }, half_ulp);
  check_mixed(
      {y}, [](Vs v) { return cast(v[0], DType::f32); }, [](Vs v) { return v[0]; }, half_ulp);
  check_mixed(
      {y, x}, [](Vs v) { return add_rounded(v[0], v[1]); }, [](Vs v) { return add(v[0], v[1]); }, half_ulp);
  for (const std::int64_t cols : {24, 5}) {  // rows that fit whole accesses, and rows that do not
    CAPTURE(cols);
    const Tensor stream = numbers(4, {2, 3, cols}), branch = numbers(5, {2, 3, cols}, DType::bf16);
    const Tensor gamma = numbers(6, {cols}), beta = numbers(7, {cols}), factor = Tensor::scalar(0.7);
    check_mixed(
        {stream, gamma, beta}, [](Vs v) { return layer_norm(v[0], v[1], v[2], 1e-5, DType::bf16); },
        [](Vs v) { return layer_norm(v[0], v[1], v[2], 1e-5); }, half_ulp);
    check_mixed({stream, branch}, [](Vs v) { return residual(v[0], v[1]); });
    check_mixed({stream, branch, gamma}, [](Vs v) { return residual(v[0], v[1], v[2]); });
    check_mixed({stream, branch}, [](Vs v) { return scaled_residual(v[0], v[1], {}, 1); });
    check_mixed({stream, branch, factor}, [](Vs v) { return scaled_residual(v[0], v[1], v[2], 1); });
  }
  for (const std::int64_t count : {1, 8, 35}) {
    CAPTURE(count);
    const Tensor z = numbers(8, {count}, DType::bf16);
    for (const auto& f : {relu, gelu, gelu_tanh, silu, sigmoid, quick_gelu})
      check_mixed({z}, [&](Vs v) { return f(v[0]); });
  }
  for (const std::int64_t cols : {1, 2, 5, 6, 8, 24}) {
    CAPTURE(cols);
    const Tensor packed = numbers(10, {2, 3, 2 * cols}, DType::bf16);
    for (const DType out : {DType::bf16, DType::f32})
      check_mixed(
          {packed}, [=](Vs v) { return swiglu(v[0], out); }, [](Vs v) { return swiglu(v[0]); }, half_ulp);
  }
  const Tensor angles = random_uniform(RandomKey(9), {4, 3}, 0, 6);
  Tensor cosines = Tensor::empty_like(angles), sines = Tensor::empty_like(angles);
  for (std::int64_t i = 0; i < angles.count(); ++i) {
    cosines.mutable_data<float>()[i] = std::cos(static_cast<float>(angles.at(i)));
    sines.mutable_data<float>()[i] = std::sin(static_cast<float>(angles.at(i)));
  }
  for (const ops::RopePairs pairs : {ops::RopePairs::half, ops::RopePairs::interleaved})
    check_mixed(
        {y},
        [&](Vs v) {
          return rope(v[0], ops::RopeTable{cosines, sines, pairs}.to(device), 12);
        },
        [&](Vs v) {
          return rope(v[0], {wide(cosines), wide(sines), pairs}, 12);
        },
        half_ulp);
}

TEST_CASE("sums of gradients in two dtypes on a device: what goes on beside its rounded norm and products") {
  const Tensor x = numbers(1, {3, 24}), gamma = numbers(2, {24}), beta = numbers(3, {24});
  check_mixed(
      {x, gamma, beta},
      [](Vs v) {
        const Variable h = scale(v[0], 1.5);
        return residual(add(h, scale(h, 0.5)), layer_norm(h, v[1], v[2], 1e-5, DType::bf16));
      },
      [](Vs v) {
        const Variable h = scale(v[0], 1.5);
        return residual(add(h, scale(h, 0.5)), layer_norm(h, v[1], v[2], 1e-5));
      },
      half_ulp);
  check_mixed(
      {x},
      [](Vs v) {
        const Variable h = scale(v[0], 1.5);
        return residual(h, add_rounded(cast(h, DType::bf16), h));
      },
      [](Vs v) {
        const Variable h = scale(v[0], 1.5);
        return add(h, add(h, h));
      },
      half_ulp);
  Tensor sum = Tensor::zeros({3}, DType::f32, device);
  CHECK_THROWS_WITH_AS(ops::add_wide_into(sum, sum), doctest::Contains("sum must be f32 and b bf16"),
                       std::invalid_argument);
}

TEST_CASE("layer_norm on a device: rows in registers at every size, longer ones, and ones that are not aligned") {
  for (const std::int64_t cols : {4, 128, 132, 384, 388, 768, 1024, 1028, 1536, 1540, 1023}) {
    CAPTURE(cols);
    // For one size everything begins an element late: rows of four, but not at a multiple of 16 bytes.
    const std::int64_t late = cols == 388 ? 1 : 0;
    const auto start = [&](const Tensor& t, const Shape& shape) { return t.rows(late, t.count()).view(shape); };
    const auto here = [&](std::uint64_t seed, const Shape& shape) {
      return start(numbers(seed, {shape.rows() * shape.cols() + late}), shape);
    };
    const auto on_device = [&](const Tensor& t) {
      Tensor memory = Tensor::zeros({t.count() + late}, t.dtype());
      memory.rows(late, memory.count()).copy_from(t.view({t.count()}));
      return start(memory.to(device), t.shape());
    };
    const Tensor x = here(1, {5, cols}), g = here(2, {5, cols}), w = here(3, {cols}), b = here(4, {cols});
    const Tensor there = here(5, {5, cols});
    const auto expected = ops::layer_norm(wide(x), wide(w), wide(b), 1e-5);
    for (const bool round : {false, true}) {
      const auto got =
          ops::layer_norm(on_device(x), on_device(w), on_device(b), 1e-5, round ? DType::bf16 : DType::f32);
      check_near(got.y, expected.y, round ? half_ulp : f32_sum);
      check_near(got.mean, expected.mean, f32_sum);
      check_near(got.rstd, expected.rstd, f32_sum);
      const Tensor out = round ? ops::cast(g, DType::bf16) : g;
      for (const Tensor& add_to : {Tensor{}, there}) {
        const auto grads = ops::layer_norm_backward(on_device(out), on_device(x), on_device(w), got.mean, got.rstd, {},
                                                    add_to ? on_device(add_to) : Tensor{});
        const auto in_f64 =
            ops::layer_norm_backward(wide(out), wide(x), wide(w), expected.mean, expected.rstd, {}, wide(add_to));
        check_near(grads.x, in_f64.x, f32_sum);
        check_near(grads.weight, in_f64.weight, f32_sum);
        check_near(grads.bias, in_f64.bias, f32_sum);
      }
    }
  }
}

TEST_CASE("TF32 on a device: operands keep ten bits, in products and convolutions, forward and backward") {
  const Tensor a = numbers(1, {33, 40}), b = numbers(2, {17, 40}), bias = numbers(3, {17});
  const auto linear_on = [&](const Tensor& x, const Tensor& w, const Tensor& v, Products products) {
    return ops::linear(x, w, v, products);
  };
  const Tensor exact = linear_on(wide(a), wide(b), wide(bias), Products::full);
  const Tensor rounded_operands = linear_on(tf32(a), tf32(b), wide(bias), Products::full);
  const auto got = [&](Products products) { return linear_on(a.to(device), b.to(device), bias.to(device), products); };
  // A GPU may round operands otherwise than to nearest.
  const double near_tf32 = cuda::is_emulated() ? f32_sum : 4e-3;
  check_near(got(Products::full), exact, f32_sum);
  check_near(got(Products::tf32), rounded_operands, near_tf32);
  // A library of products may take TF32 there, or not.
  if (cuda::is_emulated()) CHECK(!compare(wide(got(Products::tf32).to(Device{})), exact, 1e-5).ok);
  // The CPU takes the operands as they are.
  CHECK(compare(wide(linear_on(a, b, bias, Products::tf32)), exact, 1e-6).ok);

  const auto gradients = [&](Device on, bool doubles, Products products,
                             const std::function<Tensor(const Tensor&)>& of) {
    const auto input = [&](std::uint64_t seed, const Shape& shape) {
      return parameter(doubles ? of(numbers(seed, shape)) : numbers(seed, shape).to(on));
    };
    const Variable x = input(4, {2, 6, 7, 5}), w = input(5, {4, 3, 3, 5});
    const Variable y = conv2d(x, w, {}, {.stride = 2, .padding = 1, .products = products});
    const Tensor g = numbers(6, y.shape());
    backward(y, doubles ? of(g) : g.to(on));
    const Variable p = input(7, {2, 6, 5}), q = input(8, {2, 9, 5});
    const Variable m = matmul(p, q, false, true, products);
    const Tensor h = numbers(9, m.shape());
    backward(m, doubles ? of(h) : h.to(on));
    return std::vector{y.value(), x.grad(), w.grad(), m.value(), p.grad(), q.grad()};
  };
  for (const Products products : {Products::full, Products::tf32}) {
    const auto expected = gradients({}, true, Products::full, products == Products::full ? wide : tf32);
    const auto there = gradients(device, false, products, wide);
    for (std::size_t i = 0; i < there.size(); ++i) {
      CAPTURE(i);
      check_near(there[i], expected[i], products == Products::full ? f32_sum : near_tf32);
    }
  }
}

TEST_CASE("mixed precision says what is for devices alone, and what does not fit") {
  const Tensor x = numbers(1, {2, 3}), y = numbers(2, {2, 3}, DType::bf16);
  using doctest::Contains;
  CHECK_THROWS_WITH_AS(ops::unary(ops::Unary::gelu, y), Contains("[gelu] takes bf16 on CUDA only"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(layer_norm(constant(x), constant(numbers(4, {3})), constant(numbers(5, {3})), 1e-5, DType::bf16),
                       Contains("on CUDA only"), std::invalid_argument);
  CHECK_THROWS_AS(residual(constant(x), constant(y)), std::invalid_argument);
  CHECK_THROWS_WITH_AS(cast(constant(Tensor::zeros({2}, DType::i64)), DType::f32), Contains("floating"),
                       std::invalid_argument);
}

}  // namespace
