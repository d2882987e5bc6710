#include "models/cases/mask2former_loss_cases.h"

#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "models/heads/mask2former_loss.h"

namespace rein::testing {

models::Mask2FormerLossOptions small_mask2former_loss(std::int64_t classes) {
  models::Mask2FormerLossOptions o;
  o.classes = classes;
  o.points = 40;
  return o;
}

Tensor labels_of(const std::vector<std::vector<std::int64_t>>& kinds) {
  const auto images = static_cast<std::int64_t>(kinds.size());
  Tensor labels = Tensor::full({images, 12, 20}, 255, DType::i64);
  for (std::int64_t n = 0; n < images; ++n) {
    const auto& kind = kinds[static_cast<std::size_t>(n)];
    if (kind.empty()) continue;
    for (std::int64_t y = 0; y < 12; ++y)
      for (std::int64_t x = 0; x < 20; ++x)
        if ((y * 20 + x) % 11 != 0)
          labels.mutable_data<std::int64_t>()[(n * 12 + y) * 20 + x] =
              kind[static_cast<std::size_t>(y / 3 * 5 + x / 4) % kind.size()];
  }
  return labels;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;
using namespace rein::models;

// Decisions fixed, so that the loss is smooth: two images, three and one targets, queries 1, 2, 4 and 0.
const Cases cases(
    "mask2former_loss",
    [](CaseList& list) {
      const Mask2FormerLossOptions o = small_mask2former_loss(4);
      const MaskTargets targets = mask_targets(labels_of({{0, 2, 3}, {1}}), 4);
      Mask2FormerForced forced;
      forced.assignment = {Tensor::from(std::vector<std::int64_t>{-1, 2, 0, -1, 1}, {5}),
                           Tensor::from(std::vector<std::int64_t>{0, -1, -1, -1, -1}, {5})};
      forced.chosen = Tensor::empty({4, o.uncertain()}, DType::i64);
      for (std::int64_t i = 0; i < forced.chosen.count(); ++i)
        forced.chosen.mutable_data<std::int64_t>()[i] = i % o.uncertain() * 4 + i % 3;
      list.add({.label = "(2, 5, 6, 10), 4 matched",
                .inputs = {normal("cls", {2, 5, 5}), normal("masks", {2, 5, 6, 10}, 0, 2)},
                .run =
                    [=](Vars v) {
                      const MaskTargets there{targets.labels.to(v[0].value().device()), targets.classes};
                      const auto loss = mask2former_loss({v[0], v[1]}, there, o, {}, RandomKey(3), 0, 2, forced);
                      return Outs{loss.cls, loss.mask, loss.dice};
                    },
                .f32_tolerance = 2e-6,
                .f32_grad_tolerance = 1e-5,
                .why = "sums over 40 points; small gradients beside large ones"});
    },
    "module");

}  // namespace
