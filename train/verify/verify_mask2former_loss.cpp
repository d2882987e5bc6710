// Kinds "mask2former_loss" (golden README, section 7) and "large_mask2former_loss" (section 18).
#include <algorithm>

#include "autograd/ops/elementwise/elementwise.h"
#include "models/heads/mask2former_loss.h"
#include "tensor/error.h"
#include "train/verify/golden_generate.h"
#include "train/verify/verify_modules.h"

namespace rein::train {
namespace {

models::Mask2FormerLossOptions options_of(const GoldenConfig& config) {
  models::Mask2FormerLossOptions o;
  o.classes = config.integer("num_classes");
  o.points = config.integer("num_points");
  o.oversample = config.number("oversample_ratio");
  o.importance = config.number("importance_sample_ratio");
  o.loss_cls = config.number("loss_weight_cls");
  o.loss_mask = config.number("loss_weight_mask");
  o.loss_dice = config.number("loss_weight_dice");
  o.cost_cls = config.number_or("cost_weight_cls", 2);
  o.cost_mask = config.number_or("cost_weight_mask", 5);
  o.cost_dice = config.number_or("cost_weight_dice", 5);
  o.no_object_weight = config.number("no_object_weight");
  o.ignore = config.integer("ignore_index");
  if (config.number_or("dice_eps", 1) != 1) fail_runtime("verify", "config.dice_eps must be 1");
  return o;
}

// rec.chosen.l, U8 (T, ceil(candidates / 8)): bit i % 8 of byte i / 8 says that candidate i is chosen -> i64 (T, U).
Tensor recorded_choice(const Tensor& bits, std::int64_t candidates, std::int64_t uncertain) {
  const std::int64_t masks = bits.size(0), bytes = bits.size(1);
  if (bytes != (candidates + 7) / 8) fail_runtime("verify", "rec.chosen does not fit ", candidates, " candidates");
  std::vector<std::int64_t> chosen;
  const std::uint8_t* from = bits.data<std::uint8_t>();
  for (std::int64_t t = 0; t < masks; ++t, from += bytes)
    for (std::int64_t i = 0; i < candidates; ++i)
      if ((from[i / 8] >> (i % 8) & 1) != 0) chosen.push_back(i);
  if (static_cast<std::int64_t>(chosen.size()) != masks * uncertain)
    fail_runtime("verify", "rec.chosen must hold ", uncertain, " chosen candidates per mask");
  return Tensor::from(chosen, {masks, uncertain});
}

models::Mask2FormerForced given_of(const GoldenFile& file, const std::string& layer, std::int64_t images) {
  models::Mask2FormerForced given;
  for (std::int64_t n = 0; n < images; ++n)
    given.match_points.push_back(file.tensor("in.match_points." + layer + "." + std::to_string(n), DType::f32));
  if (file.has("in.loss_candidates." + layer)) {
    given.candidates = file.tensor("in.loss_candidates." + layer, DType::f32);
    given.random = file.tensor("in.loss_random." + layer, DType::f32);
  }
  return given;
}

}  // namespace

void verify_mask2former_loss(const GoldenFile& file, Comparison& compare) {
  const DType dtype = compare.dtype();
  const GoldenConfig& config = file.config();
  const models::Mask2FormerLossOptions options = options_of(config);
  const std::int64_t outputs = config.integer("decoder_outputs"), queries = config.integer("num_queries");
  compare.check_that(options.uncertain() == config.integer("num_uncertain"), "config.num_uncertain");
  compare.check_that(options.candidates() == config.integer("num_candidates"), "config.num_candidates");

  const models::MaskTargets targets = models::mask_targets(labels_of(file), options.classes, options.ignore);
  const auto images = static_cast<std::int64_t>(targets.classes.size());
  const auto counts = config.integers("gt_count");
  compare.check_that(counts.size() == targets.classes.size(), "config.gt_count");
  for (std::size_t n = 0; n < targets.classes.size(); ++n) {
    const auto& classes = targets.classes[n];
    const auto count = static_cast<std::int64_t>(classes.size());
    compare.check_that(n < counts.size() && counts[n] == count, "config.gt_count of image " + std::to_string(n));
    if (count > 0) compare.check("out.gt_labels." + std::to_string(n), Tensor::from(classes, {count}));
  }
  const models::Mask2FormerScope scope = models::mask2former_scope(targets, queries, options);
  compare.check_that(scope.masks == config.number("num_total_masks"), "config.num_total_masks");

  std::vector<models::Mask2FormerPrediction> predictions;
  Variable total;
  for (std::int64_t l = 0; l < outputs; ++l) {
    const std::string layer = std::to_string(l);
    predictions.push_back(
        {parameter(file.tensor("in.cls." + layer, dtype)), parameter(file.tensor("in.mask." + layer, dtype))});
    models::Mask2FormerForced forced = given_of(file, layer, images);
    if (dtype == DType::f32) {  // discrete decisions are those of f64 (section 18)
      for (std::int64_t n = 0; n < images; ++n)
        forced.assignment.push_back(file.tensor("out.assignment." + layer + "." + std::to_string(n)));
      if (file.has("rec.chosen." + layer))
        forced.chosen = recorded_choice(file.tensor("rec.chosen." + layer), options.candidates(), options.uncertain());
    }
    const models::Mask2FormerLoss loss =
        models::mask2former_loss(predictions.back(), targets, options, scope, RandomKey(), 0, l, forced);
    for (std::int64_t n = 0; n < images; ++n) {
      const auto i = static_cast<std::size_t>(n);
      const std::string name = layer + "." + std::to_string(n);
      if (!targets.classes[i].empty()) compare.check("out.cost." + name, loss.cost[i]);
      compare.check("out.assignment." + name, loss.assignment[i]);
    }
    if (file.has("rec.chosen." + layer)) {
      const Tensor recorded =
          recorded_choice(file.tensor("rec.chosen." + layer), options.candidates(), options.uncertain());
      compare.check_that(loss.chosen.to_doubles() == recorded.to_doubles(),
                         "the chosen points of output " + layer + " are not those of rec.chosen");
    }
    compare.check_that(loss.bad_costs() == 0, "costs of output " + layer + " must be finite");
    compare.check_that(loss.chosen.size(0) == config.integer("matched_masks"), "config.matched_masks");
    compare.check("out.loss_cls." + layer, loss.cls.value());
    compare.check("out.loss_mask." + layer, loss.mask.value());
    compare.check("out.loss_dice." + layer, loss.dice.value());
    const Variable sum = add(add(loss.cls, loss.mask), loss.dice);
    total = total ? add(total, sum) : sum;
  }
  compare.check("out.total", total.value());
  backward(total);
  for (std::size_t l = 0; l < predictions.size(); ++l) {
    compare.check("grad.in.cls." + std::to_string(l), predictions[l].cls.grad());
    compare.check("grad.in.mask." + std::to_string(l), predictions[l].masks.grad());
  }
}

}  // namespace rein::train
