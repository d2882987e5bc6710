// Scores by hand numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "train/score/evaluate.h"
#include "train/score/metrics.h"

using namespace rein::train;
using Bytes = std::vector<std::uint8_t>;

TEST_CASE("confusion: counts, ignore, errors") {
  Confusion c(3, 3);
  c.add(Bytes{0, 0, 1, 1, 2, 255}, Bytes{0, 1, 1, 1, 0, 2});
  CHECK(c.at(0, 0) == 1);
  CHECK(c.at(0, 1) == 1);
  CHECK(c.at(1, 1) == 2);
  CHECK(c.at(2, 0) == 1);
  CHECK(c.total() == 5);
  CHECK_THROWS_AS(c.add(Bytes{3}, Bytes{0}), std::invalid_argument);
  CHECK_THROWS_AS(c.add(Bytes{0}, Bytes{3}), std::invalid_argument);
  CHECK_THROWS_AS(c.add(Bytes{0, 1}, Bytes{0}), std::invalid_argument);
}

TEST_CASE("score: intersection over union, pooled") {
  Confusion c(3, 3);
  c.add(Bytes{0, 0, 1, 1}, Bytes{0, 1, 1, 1});
  Confusion more(3, 3);
  more.add(Bytes{0}, Bytes{0});
  c.add(more);
  const std::vector<std::string> names = {"a", "b", "c"};
  const Score s = score(c, names);
  CHECK(s.classes[0].iou() == doctest::Approx(2.0 / 3));
  CHECK(s.classes[1].iou() == doctest::Approx(2.0 / 3));
  CHECK(std::isnan(s.classes[2].iou()));
  CHECK(s.miou == doctest::Approx(2.0 / 3));  // c has no pixel anywhere
  CHECK(s.pixel_accuracy == doctest::Approx(0.8));
  // A class that never occurs but is predicted counts as 0.
  c.add(Bytes{0}, Bytes{2});
  CHECK(score(c, names).miou == doctest::Approx((0.5 + 2.0 / 3 + 0) / 3));
  // Averaged classes only.
  const std::vector<int> averaged = {1};
  CHECK(score(c, names, averaged).miou == doctest::Approx(2.0 / 3));
}

TEST_CASE("fold: predictions and labels to fewer classes") {
  Confusion c(4, 3);
  c.add(Bytes{0, 1, 2, 3}, Bytes{0, 1, 2, 2});
  const std::vector<int> labels = {0, 0, 1, -1}, predictions = {0, 0, 1};
  const Confusion folded = c.fold(labels, predictions, 2);
  CHECK(folded.at(0, 0) == 2);
  CHECK(folded.at(1, 1) == 1);
  CHECK(folded.total() == 3);
  const std::vector<int> homeless = {0, -1, 1};
  const Confusion lost = c.fold(labels, homeless, 2);
  CHECK(lost.missed(0) == 1);
  const std::vector<std::string> names = {"a", "b"};
  CHECK(score(lost, names).classes[0].iou() == doctest::Approx(0.5));
  const std::vector<int> outside = {0, 0, 7};
  CHECK_THROWS_AS(c.fold(labels, outside, 2), std::invalid_argument);
}

TEST_CASE("resize texts") {
  using Kind = rein::data::EvalResize::Kind;
  CHECK(parse_resize("native").kind == Kind::none);
  CHECK(parse_resize("short:320").kind == Kind::shortest_edge);
  CHECK(parse_resize("short:320").value == 320);
  CHECK(parse_resize("scale:2").value == 2);
  const auto fit = parse_resize("fit:1024x512");
  CHECK(fit.kind == Kind::keep_ratio);
  CHECK(fit.bound_a == 1024);
  CHECK(fit.bound_b == 512);
  for (const char* bad : {"", "short", "short:0", "short:3x", "scale:-1", "scale:nan", "fit:1024", "fit:0x5", "big:3"})
    CHECK_THROWS_AS(parse_resize(bad), std::invalid_argument);
}
