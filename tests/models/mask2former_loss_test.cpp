#include "models/heads/mask2former_loss.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "models/cases/mask2former_loss_cases.h"
#include "models/heads/mask2former_match.h"
#include "tensor/error.h"
#include "tensor/ops/sampling/random_points.h"
#include "tests/ops/same_bits.h"

namespace {

using namespace rein;
using namespace rein::testing;
using namespace rein::models;
constexpr double epsilon = 1.1920928955078125e-07;

Mask2FormerPrediction random_prediction(std::int64_t images, std::int64_t queries, std::int64_t classes, DType dtype) {
  return {parameter(random_normal(RandomKey(1), {images, queries, classes + 1}, 0, 1, dtype)),
          parameter(random_normal(RandomKey(2), {images, queries, 6, 10}, 0, 2, dtype))};
}

Variable total_of(const Mask2FormerLoss& loss) {
  return add(add(loss.cls, loss.mask), loss.dice);
}

Mask2FormerLoss run(const Mask2FormerPrediction& prediction, const Tensor& labels, const Mask2FormerLossOptions& o,
                    const Mask2FormerForced& forced = {}) {
  return mask2former_loss(prediction, mask_targets(labels, o.classes), o, {}, RandomKey(9), 0, 0, forced);
}

bool all_finite(const Tensor& t) {
  for (const double v : t.to_doubles())
    if (!std::isfinite(v)) return false;
  return true;
}

double largest(const Tensor& t) {
  double most = 0;
  for (const double v : t.to_doubles()) most = std::max(most, std::abs(v));
  return most;
}

TEST_CASE("targets are the classes that occur, ascending") {
  const MaskTargets targets = mask_targets(labels_of({{5, 1, 3}, {}, {2}}), 6);
  CHECK(targets.classes == std::vector<std::vector<std::int64_t>>{{1, 3, 5}, {}, {2}});
  Tensor labels = labels_of({{0}});
  labels.mutable_data<std::int64_t>()[7] = 6;
  CHECK_THROWS_WITH_AS(
      mask_targets(labels, 6),
      "[mask_targets] labels must be in [0, 6) or the ignored 255, got 6 at flat position 7 of (1, 12, 20)",
      std::invalid_argument);
  labels.mutable_data<std::int64_t>()[7] = -1;
  CHECK_THROWS_AS(mask_targets(labels, 6), std::invalid_argument);
}

TEST_CASE("the divisors follow from the labels: masks, with 1 for an image without any, and class weights") {
  const Mask2FormerLossOptions o = small_mask2former_loss(6);
  const MaskTargets targets = mask_targets(labels_of({{0, 1, 2, 4}, {}, {3}}), 6);
  const Mask2FormerScope five = mask2former_scope(targets, 5, o);
  CHECK(five.masks == 4 + 1 + 1);
  CHECK(five.class_weight == doctest::Approx(5 + 0.1 * 10));
  const Mask2FormerScope two = mask2former_scope(targets, 2, o);  // more classes than queries
  CHECK(two.masks == 2 + 1 + 1);
  CHECK(two.class_weight == doctest::Approx(3 + 0.1 * 3));
}

TEST_CASE("the class loss is divided by the sum of the class weights") {
  const Mask2FormerLossOptions o = small_mask2former_loss(2);
  // Probabilities 1/2, 1/4, 1/4 of (class 0, class 1, no object), in turns.
  const double l = std::log(2.0);
  const Variable cls = parameter(Tensor::from(std::vector<double>{l, 0, 0, 0, l, 0, 0, 0, l}, {1, 3, 3}));
  const Variable masks = parameter(Tensor::zeros({1, 3, 6, 10}, DType::f64));
  Mask2FormerForced forced;
  forced.assignment = {Tensor::from(std::vector<std::int64_t>{-1, 0, -1}, {3})};
  const Mask2FormerLoss loss = run({cls, masks}, labels_of({{1}}), o, forced);
  // Query 1 has class 1 at 1/2; queries 0 and 2 have none, at 1/4 and 1/2.
  const double expected = 2 * (std::log(2.0) + 0.1 * (std::log(4.0) + std::log(2.0))) / (1.2 + epsilon);
  CHECK(loss.cls.value().item() == doctest::Approx(expected).epsilon(1e-14));
  // Logits 0: softplus is log 2 everywhere, whatever the target.
  CHECK(loss.mask.value().item() == doctest::Approx(5 * std::log(2.0) * 40 / (40 + epsilon)).epsilon(1e-9));
}

TEST_CASE("all void: no object everywhere, mask losses 0 with a zero gradient") {
  const Mask2FormerLossOptions o = small_mask2former_loss(4);
  const Mask2FormerPrediction prediction = random_prediction(2, 5, 4, DType::f32);
  const Mask2FormerLoss loss = run(prediction, labels_of({{}, {}}), o);
  CHECK(loss.mask.value().item() == 0);
  CHECK(loss.dice.value().item() == 0);
  CHECK(loss.cls.value().item() > 0);
  CHECK(loss.chosen.size(0) == 0);
  backward(total_of(loss));
  REQUIRE(prediction.masks.grad());
  CHECK(largest(prediction.masks.grad()) == 0);
  CHECK(largest(prediction.cls.grad()) > 0);
}

TEST_CASE("one class, and more classes than queries") {
  for (const std::int64_t queries : {1, 2, 7}) {
    const Mask2FormerLossOptions o = small_mask2former_loss(6);
    const Mask2FormerPrediction prediction = random_prediction(2, queries, 6, DType::f32);
    const Mask2FormerLoss loss = run(prediction, labels_of({{4}, {0, 1, 3, 5}}), o);
    std::int64_t matched = 0;
    std::set<std::int64_t> targets;
    for (const std::int64_t g : loss.assignment[1].values<std::int64_t>())
      if (g >= 0) ++matched, targets.insert(g);
    CHECK(matched == std::min<std::int64_t>(queries, 4));
    CHECK(targets.size() == static_cast<std::size_t>(matched));
    CHECK(loss.cost[0].shape() == Shape{queries, 1});
    CHECK(loss.chosen.size(0) == 1 + matched);
    backward(total_of(loss));
    CHECK(all_finite(prediction.masks.grad()));
    CHECK(largest(prediction.masks.grad()) > 0);
  }
}

TEST_CASE("NaN and infinite logits: the costs are counted, the query stays unmatched, losses stay finite") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const Mask2FormerLossOptions o = small_mask2former_loss(4);
    Mask2FormerPrediction prediction = random_prediction(1, 5, 4, DType::f32);
    prediction.masks.mutable_value().view({5, 60}).rows(2, 3).fill(bad);
    const Mask2FormerLoss loss = run(prediction, labels_of({{0, 2, 3}}), o);
    CHECK(loss.bad_costs() == 3);
    CHECK(loss.assignment[0].at(2) == -1);
    const Variable total = total_of(loss);
    CHECK(std::isfinite(total.value().item()));
    backward(total);
    CHECK(all_finite(prediction.masks.grad()));
    CHECK(all_finite(prediction.cls.grad()));
  }
  // Nothing but NaN: no error, and nothing is repaired in the losses.
  Mask2FormerPrediction lost = random_prediction(1, 5, 4, DType::f32);
  lost.cls.mutable_value().fill(std::numeric_limits<double>::quiet_NaN());
  const Mask2FormerLoss loss = run(lost, labels_of({{0, 2, 3}}), small_mask2former_loss(4));
  CHECK(loss.bad_costs() == 15);
  CHECK(std::isnan(loss.cls.value().item()));
  CHECK(std::isfinite(loss.mask.value().item()));
}

TEST_CASE("micro-batches give the losses and gradients of the larger batch") {
  const Mask2FormerLossOptions o = small_mask2former_loss(6);
  const Tensor labels = labels_of({{0, 1, 3, 5}, {}, {2}, {1, 2}});
  const Mask2FormerPrediction whole = random_prediction(4, 5, 6, DType::f64);
  const RandomKey key(4);
  const Mask2FormerLoss expected = mask2former_loss(whole, mask_targets(labels, 6), o, {}, key, 8, 3);
  backward(total_of(expected));

  std::vector<MaskTargets> targets;
  Mask2FormerScope scope;
  const std::vector<std::pair<std::int64_t, std::int64_t>> parts{{0, 1}, {1, 3}, {3, 4}};
  for (const auto& [begin, end] : parts) {
    targets.push_back(mask_targets(labels.rows(begin, end), 6));
    scope += mask2former_scope(targets.back(), 5, o);
  }
  double cls = 0, mask = 0, dice = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [begin, end] = parts[i];
    const Mask2FormerPrediction part{parameter(whole.cls.value().rows(begin, end).clone()),
                                     parameter(whole.masks.value().rows(begin, end).clone())};
    const Mask2FormerLoss loss = mask2former_loss(part, targets[i], o, scope, key, 8 + begin, 3);
    cls += loss.cls.value().item(), mask += loss.mask.value().item(), dice += loss.dice.value().item();
    backward(total_of(loss));
    CHECK(compare(part.cls.grad(), whole.cls.grad().rows(begin, end), 1e-13).ok);
    CHECK(compare(part.masks.grad(), whole.masks.grad().rows(begin, end), 1e-13).ok);
  }
  CHECK(cls == doctest::Approx(expected.cls.value().item()).epsilon(1e-13));
  CHECK(mask == doctest::Approx(expected.mask.value().item()).epsilon(1e-13));
  CHECK(dice == doctest::Approx(expected.dice.value().item()).epsilon(1e-13));
}

TEST_CASE("fixed slots: the losses, gradients and decisions of exact ones") {
  for (const std::int64_t queries : {3, 5, 9}) {  // fewer than classes, too
    const Mask2FormerLossOptions o = small_mask2former_loss(6);
    const MaskTargets targets = mask_targets(labels_of({{0, 1, 3, 5}, {}, {2}}), 6);
    const Mask2FormerPrediction exact = random_prediction(3, queries, 6, DType::f64);
    const Mask2FormerPrediction fixed = random_prediction(3, queries, 6, DType::f64);
    const Mask2FormerLoss expected = mask2former_loss(exact, targets, o, {}, RandomKey(9), 4, 2);
    const Mask2FormerLoss loss = mask2former_loss(fixed, targets, o, {}, RandomKey(9), 4, 2, {}, true);
    const std::int64_t places = std::min<std::int64_t>(queries, 6);
    CHECK(loss.chosen.size(0) == 3 * places);
    for (std::size_t n = 0; n < 3; ++n) {
      CHECK(loss.assignment[n].to_doubles() == expected.assignment[n].to_doubles());
      CHECK(loss.cost[n].shape() == Shape{queries, 6});
    }
    // Mask t of an image has the same points, wherever its place is.
    std::int64_t row = 0;
    for (std::int64_t n = 0; n < 3; ++n)
      for (std::int64_t t = 0; t < std::min<std::int64_t>(queries, n == 0 ? 4 : n == 1 ? 0 : 1); ++t, ++row) {
        const std::int64_t place = n * places + t;
        CHECK(loss.chosen.rows(place, place + 1).to_doubles() == expected.chosen.rows(row, row + 1).to_doubles());
      }
    CHECK(row == expected.chosen.size(0));
    CHECK(loss.cls.value().item() == expected.cls.value().item());
    CHECK(loss.mask.value().item() == expected.mask.value().item());
    CHECK(loss.dice.value().item() == expected.dice.value().item());
    backward(total_of(expected));
    backward(total_of(loss));
    CHECK(fixed.cls.grad().to_doubles() == exact.cls.grad().to_doubles());
    CHECK(fixed.masks.grad().to_doubles() == exact.masks.grad().to_doubles());
  }
}

TEST_CASE("the same bits for any number of threads") {
  check_same_bits_for_any_threads([] {
    const Mask2FormerPrediction prediction = random_prediction(3, 9, 6, DType::f32);
    const Mask2FormerLoss loss = run(prediction, labels_of({{0, 1, 3, 5}, {}, {2, 4}}), small_mask2former_loss(6));
    backward(total_of(loss));
    return std::vector{loss.cls.value(),        loss.mask.value(),     loss.dice.value(), loss.chosen,
                       prediction.masks.grad(), prediction.cls.grad(), loss.cost[0]};
  });
}

TEST_CASE("points: another key, image, layer or purpose gives other ones") {
  std::set<double> firsts;
  for (const RandomKey& key : {point_key(RandomKey(1), 0, 0, "match"), point_key(RandomKey(2), 0, 0, "match"),
                               point_key(RandomKey(1), 1, 0, "match"), point_key(RandomKey(1), 0, 1, "match"),
                               point_key(RandomKey(1), 0, 0, "candidates")}) {
    const ops::PointStream stream{key};
    firsts.insert(ops::random_points(std::span(&stream, 1), 1).at(0));
  }
  CHECK(firsts.size() == 5);
}

TEST_CASE("mask2former_loss names what does not fit") {
  const Mask2FormerLossOptions o = small_mask2former_loss(4);
  const Tensor labels = labels_of({{0, 2}});
  const Mask2FormerPrediction good = random_prediction(1, 3, 4, DType::f32);
  CHECK_THROWS_WITH_AS(run({parameter(Tensor::zeros({1, 3, 4}, DType::f32)), good.masks}, labels, o),
                       "[mask2former_loss] cls must have shape (N, Q, 5), got (1, 3, 4)", std::invalid_argument);
  CHECK_THROWS_AS(run({good.cls, parameter(Tensor::zeros({1, 2, 6, 10}, DType::f32))}, labels, o),
                  std::invalid_argument);
  CHECK_THROWS_AS(run({good.cls, parameter(Tensor::zeros({1, 3, 6, 10}, DType::f64))}, labels, o),
                  std::invalid_argument);
  Mask2FormerForced forced;
  forced.assignment = {Tensor::from(std::vector<std::int64_t>{0, 0, -1}, {3})};
  CHECK_THROWS_WITH_AS(run(good, labels, o, forced), doctest::Contains("different targets in [0, 2), got 0"),
                       std::invalid_argument);
  forced.assignment = {Tensor::from(std::vector<std::int64_t>{0, -1, -1}, {3})};
  CHECK_THROWS_WITH_AS(run(good, labels, o, forced), doctest::Contains("must match 2 queries, got 1"),
                       std::invalid_argument);
}

}  // namespace
