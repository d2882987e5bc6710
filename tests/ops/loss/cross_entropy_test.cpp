#include "tensor/ops/loss/cross_entropy.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/loss/loss.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

std::int64_t argmax_loops(const Tensor& logits, std::int64_t row) {
  const std::int64_t classes = logits.size(-1);
  std::int64_t best = 0;
  for (std::int64_t k = 1; k < classes; ++k) {
    const double now = logits.at(row * classes + best), next = logits.at(row * classes + k);
    if (next > now || (std::isnan(next) && !std::isnan(now))) best = k;
  }
  return best;
}

TEST_CASE("cross_entropy agrees on every instruction set") {
  check_every_isa("cross_entropy");
}

TEST_CASE("cross_entropy gives the same bits for any number of threads") {
  const Tensor logits = random_normal(RandomKey(4), {2, 97, 101, 19}, 0, 3);
  Tensor labels = Tensor::empty({2, 97, 101}, DType::i64);
  for (std::int64_t i = 0; i < labels.count(); ++i)
    labels.mutable_data<std::int64_t>()[i] = i % 20 == 19 ? 255 : i % 20;
  check_same_bits_for_any_threads([&] {
    const auto out = ops::cross_entropy(logits, labels, 1000, 255);
    const Tensor one = Tensor::scalar(1);
    const ops::Hits hits = ops::accuracy(logits, labels, 255);
    return std::vector{out.loss, out.log_sum, ops::cross_entropy_backward(one, logits, labels, out.log_sum, 1000, 255),
                       ops::argmax_last(logits), Tensor::scalar(static_cast<double>(hits.hits), DType::f64)};
  });
}

TEST_CASE("cross_entropy of large logits neither overflows nor loses the difference") {
  const Tensor logits = Tensor::from(std::vector<float>{10000, 9999, -10000, -10001}, {2, 2});
  const Tensor labels = Tensor::from(std::vector<std::int64_t>{1, 0}, {2});
  const auto out = ops::cross_entropy(logits, labels, 1, 255);
  CHECK(out.loss.item() == doctest::Approx(std::log(1 + std::exp(1.0)) + std::log(1 + std::exp(-1.0))).epsilon(1e-6));
  const auto grad = ops::cross_entropy_backward(Tensor::scalar(1), logits, labels, out.log_sum, 1, 255).to_doubles();
  CHECK(grad[0] == doctest::Approx(1 / (1 + std::exp(-1.0))).epsilon(1e-6));
  CHECK(grad[1] == doctest::Approx(-grad[0]).epsilon(1e-6));
}

TEST_CASE("cross_entropy with every label ignored is 0 with a zero gradient, even over NaN") {
  const Variable logits = parameter(Tensor::full({2, 3, 19}, nan, DType::f32));
  const Tensor labels = Tensor::full({2, 3}, 255, DType::i64);
  const Variable loss = cross_entropy(logits, labels, 6);
  CHECK(loss.value().item() == 0);
  backward(loss);
  for (const double g : logits.grad().to_doubles()) CHECK(g == 0);
}

TEST_CASE("cross_entropy carries NaN and infinity of a counted row") {
  for (const double bad : {nan, std::numeric_limits<double>::infinity()}) {
    for (const std::int64_t place : {0, 7, 18}) {
      Tensor logits = Tensor::zeros({2, 19}, DType::f32);
      logits.mutable_data<float>()[place] = static_cast<float>(bad);
      const Tensor labels = Tensor::full({2}, 3, DType::i64);
      const auto out = ops::cross_entropy(logits, labels, 1, 255);
      CHECK(std::isnan(out.loss.item()));
      const Tensor grad = ops::cross_entropy_backward(Tensor::scalar(1), logits, labels, out.log_sum, 1, 255);
      CHECK(std::isnan(grad.at(place)));
      CHECK(!std::isnan(grad.at(19)));
    }
  }
  Tensor logits = Tensor::zeros({1, 3}, DType::f32);
  logits.mutable_data<float>()[1] = -std::numeric_limits<float>::infinity();
  CHECK(ops::cross_entropy(logits, Tensor::zeros({1}, DType::i64), 1, 255).loss.item() ==
        doctest::Approx(std::log(2.0)));
}

TEST_CASE("argmax_last and accuracy equal plain loops on every instruction set; ties go to the lower index") {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    CAPTURE(isa);
    for (const std::int64_t classes : {1, 2, 3, 8, 15, 16, 17, 19, 31, 32, 33, 150}) {
      CAPTURE(classes);
      Tensor logits = Tensor::empty({7, 11, classes}, DType::f32);
      // Few different values, so that ties are common; some NaN.
      const RandomKey key(11);
      for (std::int64_t i = 0; i < logits.count(); ++i) {
        const auto draw = key.below(static_cast<std::uint64_t>(i), 40);
        logits.mutable_data<float>()[i] =
            draw == 39 && i % 7 == 0 ? static_cast<float>(nan) : static_cast<float>(draw % 5) - 3;
      }
      const Tensor ids = ops::argmax_last(logits), bytes = ops::argmax_last(logits, DType::u8);
      CHECK(ids.shape() == Shape{7, 11});
      Tensor labels = Tensor::empty({7, 11}, DType::i64);
      ops::Hits expected;
      for (std::int64_t r = 0; r < ids.count(); ++r) {
        CHECK(ids.at(r) == argmax_loops(logits, r));
        CHECK(bytes.at(r) == ids.at(r));
        const std::int64_t label = r % 5 == 4 ? 255 : r % classes;
        labels.mutable_data<std::int64_t>()[r] = label;
        expected.counted += label != 255;
        expected.hits += label == argmax_loops(logits, r);
      }
      const ops::Hits hits = ops::accuracy(logits, labels, 255);
      CHECK(hits.hits == expected.hits);
      CHECK(hits.counted == expected.counted);
    }
  }
}

TEST_CASE("cross_entropy names a label that is no class, and where it is") {
  const Tensor logits = Tensor::zeros({2, 3, 19}, DType::f32);
  Tensor labels = Tensor::zeros({2, 3}, DType::i64);
  labels.mutable_data<std::int64_t>()[4] = 40;
  CHECK_THROWS_WITH_AS(
      ops::cross_entropy(logits, labels, 1, 255),
      "[cross_entropy] labels must be in [0, 19) or the ignored 255, got 40 at flat position 4 of (2, 3)",
      std::invalid_argument);
  labels.mutable_data<std::int64_t>()[2] = -1;
  CHECK_THROWS_WITH_AS(ops::accuracy(logits, labels, 255), doctest::Contains("got -1 at flat position 2"),
                       std::invalid_argument);
  const Tensor good = Tensor::zeros({2, 3}, DType::i64);
  CHECK_THROWS_AS(ops::cross_entropy(logits, good.view({3, 2}), 1, 255), std::invalid_argument);
  CHECK_THROWS_AS(ops::cross_entropy(logits, Tensor::zeros({2, 3}, DType::u8), 1, 255), std::invalid_argument);
  CHECK_THROWS_AS(ops::cross_entropy(logits, good, 0, 255), std::invalid_argument);
  CHECK_THROWS_AS(ops::argmax_last(Tensor::zeros({2, 300}, DType::f32), DType::u8), std::invalid_argument);
  CHECK(ops::cross_entropy(Tensor::zeros({0, 19}, DType::f32), Tensor::zeros({0}, DType::i64), 1, 255).loss.item() ==
        0);
}

}  // namespace
