// The decisions of Mask2Former on a device against the CPU: what has no gradient and so no op case. Equal, not close,
// where the op promises it.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "tensor/ops/attention/attention_mask.h"
#include "tensor/ops/loss/assignment.h"
#include "tensor/ops/loss/cross_entropy.h"
#include "tensor/ops/loss/mask_point_loss.h"
#include "tensor/ops/loss/match_slots.h"
#include "tensor/ops/sampling/point_sample.h"
#include "tensor/ops/sampling/random_points.h"

using namespace rein;
using namespace rein::testing;

namespace {

const Device device{Device::Kind::cuda, 0};

Tensor points_of(const Shape& shape) {  // some outside of the map
  return random_uniform(RandomKey(5).child("points"), shape, -0.1, 1.1, DType::f32);
}

Tensor labels_of(const Shape& shape, std::int64_t classes) {
  Tensor labels = Tensor::empty(shape, DType::i64);
  for (std::int64_t i = 0; i < labels.count(); ++i) {
    const auto draw = RandomKey(6).below(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(classes + 1));
    labels.mutable_data<std::int64_t>()[i] = static_cast<std::int64_t>(draw) == classes ? 255 : static_cast<int>(draw);
  }
  return labels;
}

Tensor ids(const std::vector<std::int64_t>& values) {
  return Tensor::from(values, {static_cast<std::int64_t>(values.size())});
}

TEST_CASE("assignment on a device: the CPU's, ties, bad costs and absent slots included") {
  for (const auto& [queries, slots] : {std::pair{1, 1}, {5, 3}, {33, 19}, {100, 19}, {7, 40}, {64, 64}}) {
    CAPTURE(queries);
    CAPTURE(slots);
    Tensor cost = random_normal(RandomKey(9), {3, queries, slots}, 0, 1, DType::f64);
    double* c = cost.mutable_data<double>();
    for (std::int64_t i = 0; i < cost.count(); ++i) c[i] = std::round(2 * c[i]);  // many ties
    c[0] = std::nan(""), c[cost.count() / 2] = std::numeric_limits<double>::infinity(), c[cost.count() - 1] = -1e250;
    Tensor present = Tensor::full({3, slots}, 1, DType::u8);
    for (std::int64_t k = 0; k < slots; k += 2) present.mutable_data<std::uint8_t>()[slots + k] = 0;
    for (std::int64_t k = 0; k < slots; ++k) present.mutable_data<std::uint8_t>()[2 * slots + k] = slots == 1 ? 0 : 1;
    const ops::Assignment expected = ops::assignment(cost, present);
    const ops::Assignment got = ops::assignment(cost.to(device), present.to(device));
    CHECK(got.slots.device() == device);
    CHECK(got.slots.to_doubles() == expected.slots.to_doubles());
    CHECK(got.bad.to_doubles() == expected.bad.to_doubles());
  }
}

TEST_CASE("the smallest magnitudes on a device: the CPU's, in order") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    for (const std::int64_t cols : {1, 31, 257, 1000}) {
      CAPTURE(cols);
      Tensor x = random_normal(RandomKey(3), {3, cols}, 0, 1, dtype);
      Tensor flat = x.view({3 * cols});
      for (std::int64_t i = 0; i < flat.count(); i += 3) flat.rows(i, i + 1).fill(i % 2 == 0 ? 0.25 : -0.25);
      flat.rows(0, 1).fill(std::nan(""));
      if (cols > 20) flat.rows(7, 9).fill(-std::numeric_limits<double>::infinity());
      for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, cols / 2, cols}) {
        CAPTURE(count);
        CHECK(ops::smallest_magnitudes(x.to(device), count).to_doubles() ==
              ops::smallest_magnitudes(x, count).to_doubles());
      }
    }
  }
}

TEST_CASE("points of labels on a device") {
  const Tensor wide = labels_of({2, 9, 13}, 4), shared = points_of({70, 2}), own = points_of({3, 70, 2});
  Tensor bytes = Tensor::empty(wide.shape(), DType::u8);
  for (std::int64_t i = 0; i < wide.count(); ++i)
    bytes.mutable_data<std::uint8_t>()[i] = static_cast<std::uint8_t>(wide.data<std::int64_t>()[i]);
  const Tensor images = ids({1, 0, 1}), classes = ids({3, 0, 2});
  for (const Tensor& labels : {wide, bytes}) {
    for (const Tensor& points : {shared, own}) {
      const Comparison c = compare(ops::sample_label_mask(labels.to(device), images.to(device), classes.to(device),
                                                          points.to(device), DType::f32)
                                       .to(Device{}),
                                   ops::sample_label_mask(labels, images, classes, points, DType::f32), 1e-6);
      CHECK_MESSAGE(c.ok, c.text);
    }
    const Tensor per_image = points_of({2, 70, 2});
    const Comparison c = compare(
        ops::sample_label_classes(labels.to(device), classes.to(device), per_image.to(device), DType::f64).to(Device{}),
        ops::sample_label_classes(labels, classes, per_image, DType::f64), 1e-14);
    CHECK_MESSAGE(c.ok, c.text);
  }
  // What does not exist is not read.
  const Tensor none = ops::sample_label_mask(wide.to(device), ids({2, -2, 0}).to(device), classes.to(device),
                                             shared.to(device), DType::f32);
  CHECK(std::isnan(none.at(0)));
  CHECK(std::isnan(none.at(70)));
  CHECK(!std::isnan(none.at(140)));
}

TEST_CASE("absent rows on a device: zeros, no gradient, no loss") {
  const Tensor maps = random_normal(RandomKey(7), {4, 6, 9}, 0, 1, DType::f64), points = points_of({3, 40, 2});
  const Tensor rows = ids({2, -1, 0}), images = ids({1, -1, 0}), classes = ids({3, -1, 2});
  const Tensor labels = labels_of({2, 9, 13}, 4);
  const auto there = [](const Tensor& t) { return t.to(device); };
  const auto close = [](const Tensor& got, const Tensor& expected) {
    const Comparison c = compare(got.to(Device{}), expected, 1e-12);
    CHECK_MESSAGE(c.ok, c.text);
  };
  const Tensor z = ops::point_sample(maps, rows, points);
  for (std::int64_t p = 40; p < 80; ++p) CHECK(z.at(p) == 0);
  close(ops::point_sample(there(maps), there(rows), there(points)), z);
  const Tensor grad = ops::point_sample_backward(z, rows, points, maps.shape());
  close(ops::point_sample_backward(there(z), there(rows), there(points), maps.shape()), grad);
  const Tensor g = ops::sample_label_mask(labels, images, classes, points, DType::f64);
  for (std::int64_t p = 40; p < 80; ++p) CHECK(g.at(p) == 0);
  close(ops::sample_label_mask(there(labels), there(images), there(classes), there(points), DType::f64), g);
  // The same losses as without the absent row, bit for bit on either device; its gradient is 0 even at NaN.
  Tensor poisoned = z.clone();
  poisoned.rows(1, 2).fill(std::nan(""));
  const Tensor two_z = ops::take_rows(z, ids({0, 2})), two_g = ops::take_rows(g, ids({0, 2}));
  const Tensor one = Tensor::scalar(1, DType::f64);
  for (const Device d : {Device{}, device}) {
    const auto on = [&](const Tensor& t) { return t.to(d); };
    const ops::MaskPointLoss all = ops::mask_point_loss(on(poisoned), on(g), 7, 3, on(rows)),
                             some = ops::mask_point_loss(on(two_z), on(two_g), 7, 3);
    CHECK(all.bce.item() == some.bce.item());
    CHECK(all.dice.item() == some.dice.item());
    const Tensor back = ops::mask_point_loss_backward(on(one), on(one), on(poisoned), on(g), all.sums, 7, 3, on(rows));
    const Tensor few = ops::mask_point_loss_backward(on(one), on(one), on(two_z), on(two_g), some.sums, 7, 3);
    for (std::int64_t p = 0; p < 40; ++p) {
      CHECK(back.at(p) == few.at(p));
      CHECK(back.at(40 + p) == 0);
      CHECK(back.at(80 + p) == few.at(40 + p));
    }
  }
}

TEST_CASE("places of matched masks on a device: the CPU's") {
  for (const std::int64_t queries : {1, 31, 33, 100}) {
    for (const std::int64_t classes : {1, 19}) {
      CAPTURE(queries);
      CAPTURE(classes);
      const std::int64_t images = 3, most = std::min(queries, classes);
      Tensor class_of = Tensor::full({images, queries}, -1, DType::i64);
      Tensor present = Tensor::zeros({images, classes}, DType::u8);
      for (std::int64_t n = 1; n < images; ++n)  // the first image has none
        for (std::int64_t k = 0; k < most; k += n) {
          const std::int64_t q = n == 1 ? (k * 7 + 2) % queries : queries - 1 - k;
          if (class_of.at(n * queries + q) >= 0) continue;
          class_of.mutable_data<std::int64_t>()[n * queries + q] = k;
          present.mutable_data<std::uint8_t>()[n * classes + k] = 1;
        }
      for (const std::int64_t each : {std::int64_t{0}, std::int64_t{1}, most, most + 40}) {
        const Tensor splits = ids({0, each, 2 * each, 3 * each});
        const ops::MatchedSlots here = ops::match_slots(class_of, present, splits, 3 * each);
        const ops::MatchedSlots got =
            ops::match_slots(class_of.to(device), present.to(device), splits.to(device), 3 * each);
        CHECK(got.rows.to_doubles() == here.rows.to_doubles());
        CHECK(got.images.to_doubles() == here.images.to_doubles());
        CHECK(got.classes.to_doubles() == here.classes.to_doubles());
        CHECK(got.targets.to_doubles() == here.targets.to_doubles());
        CHECK(got.free.to_doubles() == here.free.to_doubles());
      }
    }
  }
  const Tensor x = random_normal(RandomKey(3), {9, 70}, 0, 1), rows = ids({8, -1, 0, 3});
  const Tensor taken = ops::take_rows(x, rows);
  CHECK(ops::take_rows(x.to(device), rows.to(device)).to_doubles() == taken.to_doubles());
  CHECK(ops::put_rows(taken.to(device), rows.to(device), 9).to_doubles() == ops::put_rows(taken, rows, 9).to_doubles());
}

TEST_CASE("terms of the matching cost on a device") {
  const Tensor z = random_normal(RandomKey(8), {5, 1100}, 0, 6, DType::f64);
  const ops::MaskCostTerms expected = ops::mask_cost_terms(z), got = ops::mask_cost_terms(z.to(device));
  for (const auto& [g, e] : {std::pair{got.sigmoid, expected.sigmoid}, {got.sums, expected.sums}}) {
    const Comparison c = compare(g.to(Device{}), e, 1e-13);
    CHECK_MESSAGE(c.ok, c.text);
  }
}

TEST_CASE("matching costs on a device, into their slots") {
  const auto random = [](const char* name, const Shape& shape) {
    return random_normal(RandomKey(12).child(name), shape, 0, 1, DType::f64);
  };
  const ops::MaskCostInputs in{.zg = random("zg", {2, 7, 3}),
                               .sg = random("sg", {2, 7, 3}),
                               .g_sum = random("g", {2, 3}),
                               .probability = random("p", {2, 7, 6}),
                               .sums = random("sums", {14, 2}),
                               .classes = ids({0, 2, 4}),
                               .points = 9,
                               .cls = 2,
                               .mask = 5,
                               .dice = 3};
  ops::MaskCostInputs there = in;
  for (Tensor* t : {&there.zg, &there.sg, &there.g_sum, &there.probability, &there.sums, &there.classes})
    *t = t->to(device);
  Tensor slots = Tensor::zeros({2, 7, 5}, DType::f64), slots_there = slots.to(device);
  const Tensor cost = ops::mask_costs(in, slots), cost_there = ops::mask_costs(there, slots_there);
  for (std::int64_t q = 0; q < 14; ++q) {  // the formula of the header
    for (std::int64_t t = 0; t < 3; ++t) {
      const std::int64_t i = q * 3 + t, k = 2 * t;
      const double ratio = (2 * in.sg.at(i) + 1) / (in.sums.at(2 * q + 1) + in.g_sum.at(q / 7 * 3 + t) + 1);
      CHECK(cost.at(i) == doctest::Approx(-2 * in.probability.at(q * 6 + k) +
                                          5 * (in.sums.at(2 * q) - in.zg.at(i)) / 9 + 3 * (1 - ratio)));
    }
  }
  for (const auto& [got, expected] : {std::pair{cost_there, cost}, {slots_there, slots}}) {
    const Comparison c = compare(got.to(Device{}), expected, 1e-14);
    CHECK_MESSAGE(c.ok, c.text);
  }
  for (std::int64_t q = 0; q < 14; ++q)
    for (std::int64_t k = 0; k < 5; ++k) CHECK(slots.at(q * 5 + k) == (k % 2 == 0 ? cost.at(q * 3 + k / 2) : 0.0));
  CHECK_THROWS_AS(ops::mask_costs(there, slots), std::invalid_argument);
  there.classes = ids({0, 5, 4}).to(device);
  CHECK(std::isnan(ops::mask_costs(there, slots_there).at(1)));
}

TEST_CASE("random points on a device: the CPU's bits") {
  const std::vector<ops::PointStream> streams{{RandomKey(1), 0}, {RandomKey(2).child(7), 33}, {RandomKey(1), 4}};
  const Tensor got = ops::random_points(streams, 1001, device);
  CHECK(got.device() == device);
  CHECK(got.to_doubles() == ops::random_points(streams, 1001).to_doubles());
}

TEST_CASE("masks of attention on a device") {
  Tensor logits = random_normal(RandomKey(4), {2, 5, 300}, 0, 1, DType::f32);
  logits.view({10, 300}).rows(3, 4).fill(-1);
  logits.view({10, 300}).rows(9, 10).fill(-0.5);
  logits.view({3000}).rows(17, 18).fill(std::nan(""));
  const Tensor expected = ops::blocked_where_negative(logits), got = ops::blocked_where_negative(logits.to(device));
  CHECK(got.to_doubles() == expected.to_doubles());
  const ops::OpenedMask here = ops::open_blocked_rows(expected), there = ops::open_blocked_rows(got);
  CHECK(there.blocked.to_doubles() == here.blocked.to_doubles());
  CHECK(here.opened_rows.item() == 2);
  CHECK(there.opened_rows.item() == 2);
}

TEST_CASE("argmax and accuracy on a device, with ties and NaN") {
  for (const std::int64_t classes : {1, 5, 19, 50, 150}) {
    CAPTURE(classes);
    Tensor logits = random_normal(RandomKey(2), {2, 70, classes}, 0, 1, DType::f32);
    float* x = logits.mutable_data<float>();
    for (std::int64_t i = 0; i < logits.count(); ++i) x[i] = std::round(2 * x[i]);
    x[3 * classes] = std::nanf("");
    const Tensor labels = labels_of({2, 70}, classes);
    CHECK(ops::argmax_last(logits.to(device)).to_doubles() == ops::argmax_last(logits).to_doubles());
    const ops::Hits got = ops::accuracy(logits.to(device), labels.to(device), 255),
                    expected = ops::accuracy(logits, labels, 255);
    CHECK(got.hits == expected.hits);
    CHECK(got.counted == expected.counted);
  }
}

}  // namespace
