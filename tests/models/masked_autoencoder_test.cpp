// Masked autoencoder: what is hidden, what reaches the prediction, and the targets.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "models/cases/masked_autoencoder_cases.h"
#include "models/cases/module_case.h"
#include "models/pretraining/masked_autoencoder.h"
#include "nn/bind.h"

namespace {

using namespace rein;
using namespace rein::testing;

TEST_CASE("a mask hides the wanted part, each patch once, and depends on the image's number alone") {
  const models::PatchMask mask = models::random_mask(RandomKey(1), 5, 0, 16, 0.75);
  CHECK(mask.visible.shape() == Shape{5, 4});
  CHECK(mask.hidden.shape() == Shape{5, 12});
  std::set<std::vector<std::int64_t>> different;
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto seen = mask.visible.rows(i, i + 1), unseen = mask.hidden.rows(i, i + 1),
               places = mask.places.rows(i, i + 1);
    std::vector<std::int64_t> all;
    for (const Tensor& t : {seen, unseen}) {
      CHECK(std::ranges::is_sorted(t.values<std::int64_t>()));
      all.insert(all.end(), t.values<std::int64_t>().begin(), t.values<std::int64_t>().end());
    }
    different.emplace(all.begin(), all.begin() + 4);
    for (std::int64_t p = 0; p < 16; ++p) CHECK(all.at(static_cast<std::size_t>(places.data<std::int64_t>()[p])) == p);
  }
  CHECK(different.size() >= 4);
  const models::PatchMask part = models::random_mask(RandomKey(1), 2, 3, 16, 0.75);
  CHECK(std::ranges::equal(part.hidden.values<std::int64_t>(), mask.hidden.rows(3, 5).values<std::int64_t>()));
  CHECK_THROWS_AS(models::random_mask(RandomKey(1), 1, 0, 16, 1.0), std::invalid_argument);
  CHECK_THROWS_AS(models::random_mask(RandomKey(1), 1, 0, 1, 0.5), std::invalid_argument);
}

TEST_CASE("what is hidden reaches neither encoder nor prediction") {
  models::MaskedAutoencoder model(tiny_masked_autoencoder());
  model.name_tree();
  nn::initialise(model, RandomKey(2), DType::f64);
  const models::PatchMask mask = models::random_mask(RandomKey(3), 1, 0, 6, 0.5);
  Tensor image = random_normal(RandomKey(4), {1, 4, 6, 3}, 0, 1, DType::f64);
  const NoGrad off;
  const Tensor before = model.predict(constant(image.clone()), mask, {}).value();
  auto* pixels = image.mutable_data<double>();
  for (const std::int64_t patch : mask.hidden.values<std::int64_t>())
    for (std::int64_t y = 0; y < 2; ++y)
      for (std::int64_t x = 0; x < 6; ++x) pixels[((patch / 3 * 2 + y) * 6 + patch % 3 * 2) * 3 + x] += 1;
  const Tensor hidden = model.predict(constant(image.clone()), mask, {}).value();
  CHECK(std::ranges::equal(before.values<double>(), hidden.values<double>()));
  const std::int64_t seen = mask.visible.data<std::int64_t>()[0];
  pixels[(seen / 3 * 2 * 6 + seen % 3 * 2) * 3] += 1;
  const Tensor changed = model.predict(constant(image), mask, {}).value();
  CHECK_FALSE(std::ranges::equal(before.values<double>(), changed.values<double>()));
}

TEST_CASE("targets are normalised photo by photo on demand") {
  models::MaskedAutoencoderOptions o = tiny_masked_autoencoder();
  o.all_patches = o.whole_photo = true;
  models::MaskedAutoencoder model(o);
  const models::PatchMask mask = models::random_mask(RandomKey(3), 2, 0, 6, 0.5);
  const Tensor image = random_normal(RandomKey(4), {2, 4, 6, 3}, 3, 5, DType::f64);
  const Tensor target = model.target_patches(constant(image), mask).value();
  REQUIRE(target.shape() == Shape{2, 6, 12});
  for (std::int64_t photo = 0; photo < 2; ++photo) {
    double sum = 0, squares = 0, first = 0;
    for (std::int64_t k = 0; k < 72; ++k) {
      const double x = target.at(photo * 72 + k);
      sum += x;
      squares += x * x;
      first += k < 12 ? x : 0;
    }
    CHECK(sum == doctest::Approx(0).epsilon(1e-9));
    CHECK(squares / 72 == doctest::Approx(1).epsilon(1e-5));
    CHECK(std::abs(first) > 1e-3);  // a patch alone is not
  }
}

TEST_CASE("targets are normalised patch by patch") {
  models::MaskedAutoencoder model(tiny_masked_autoencoder());
  const models::PatchMask mask = models::random_mask(RandomKey(3), 2, 0, 6, 0.5);
  const Tensor image = random_normal(RandomKey(4), {2, 4, 6, 3}, 3, 5, DType::f64);
  const Tensor target = model.target_patches(constant(image), mask).value();
  REQUIRE(target.shape() == Shape{2, 3, 12});
  for (std::int64_t row = 0; row < 6; ++row) {
    double sum = 0, squares = 0;
    for (std::int64_t k = 0; k < 12; ++k) {
      sum += target.at(row * 12 + k);
      squares += target.at(row * 12 + k) * target.at(row * 12 + k);
    }
    CHECK(sum == doctest::Approx(0).epsilon(1e-9));
    CHECK(squares / 12 == doctest::Approx(1).epsilon(1e-5));
  }
}

}  // namespace
