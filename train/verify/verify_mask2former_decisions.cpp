// The recorded decisions of a Mask2Former trajectory (golden README, section 10).
#include "tensor/error.h"
#include "train/verify/verify_mask2former.h"

namespace rein::train {
namespace {

// [step] of a tensor (steps, ...), without that dimension.
Tensor of_step(const Tensor& all, std::int64_t step) {
  std::vector<std::int64_t> rest;
  for (int axis = 1; axis < all.rank(); ++axis) rest.push_back(all.size(axis));
  return all.rows(step, step + 1).view(Shape(rest));
}

}  // namespace

models::Mask2FormerDecisions trajectory_decisions(const GoldenFile& file, Comparison& compare, std::int64_t step,
                                                  std::int64_t batch, std::size_t predictions, std::int64_t images) {
  const bool force = compare.dtype() == DType::f32;
  const std::string where = concat_text(" of step ", step);
  models::Mask2FormerDecisions decisions;
  decisions.attention_mask = [&file, &compare, force, step, where](std::int64_t layer, const Tensor& ours) {
    const std::string name = concat_text("rec.attn_mask.", layer);
    const Tensor recorded = unpack_mask(of_step(file.tensor(name), step), ours.shape(), name);
    if (force) return recorded.to(ours.device());
    compare.check_that(ours.to_doubles() == recorded.to_doubles(), name + where + " came out otherwise");
    return ours;
  };
  const Tensor assignment = of_step(file.tensor("rec.assignment"), step);  // (outputs, N, Q)
  if (assignment.rank() != 3 || assignment.size(0) != static_cast<std::int64_t>(predictions) ||
      assignment.size(1) != images)
    fail_runtime("verify", "rec.assignment must be (steps, ", predictions, ", ", images, ", Q)");
  const auto assigned = [assignment](std::size_t l) {
    std::vector<Tensor> list;
    const Tensor rows = of_step(assignment, static_cast<std::int64_t>(l));
    for (std::int64_t n = 0; n < rows.size(0); ++n) list.push_back(of_step(rows, n));
    return list;
  };
  for (std::size_t l = 0; l < predictions; ++l) {
    models::Mask2FormerForced& forced = decisions.forced.emplace_back();
    const std::string key = concat_text(batch, ".", l);
    for (std::int64_t n = 0; n < images; ++n)
      forced.match_points.push_back(file.tensor(concat_text("in.match_points.", key, ".", n)));
    // Without any target there are no masks to draw points for.
    if (file.has("in.loss_candidates." + key)) forced.candidates = file.tensor("in.loss_candidates." + key);
    if (file.has("in.loss_random." + key)) forced.random = file.tensor("in.loss_random." + key);
    if (!force) continue;
    forced.assignment = assigned(l);
    const std::string chosen = concat_text("rec.chosen.", step, ".", l);
    if (file.has(chosen)) forced.chosen = file.tensor(chosen);
  }
  decisions.see = [&file, &compare, assigned, step, where](std::size_t l, const models::Mask2FormerLoss& loss) {
    const std::vector<Tensor> recorded = assigned(l);
    for (std::size_t n = 0; n < recorded.size(); ++n)
      compare.check_that(loss.assignment.at(n).to_doubles() == recorded[n].to_doubles(),
                         concat_text("the assignment of prediction ", l, ", image ", n, where, " came out otherwise"));
    const std::string name = concat_text("rec.chosen.", step, ".", l);
    if (file.has(name))
      compare.check_that(loss.chosen && loss.chosen.to_doubles() == file.tensor(name).to_doubles(),
                         name + " came out otherwise");
  };
  return decisions;
}

}  // namespace rein::train
