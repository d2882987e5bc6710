// Mask2Former's matching and losses for ONE prediction of the decoder (golden README, section 7). The head calls
// mask2former_loss once per prediction, as soon as it is made: backward needs no mask logits, so they may go at once.
//
//   const MaskTargets targets = mask_targets(labels, options.classes);      // once per micro-batch
//   for (layer = 0 ..= decoder layers)
//     loss = mask2former_loss({cls, masks}, targets, options, scope, key, first_sample, layer);
//
// Targets are the classes that occur in a label map. They stay a label map: masks are read by sampling it, and a
// K x H x W mask is never made. Gradients go to the class logits and the mask logits only.
// Nothing here reads a device back: which queries are matched is known there alone, and how many there are follows from
// the labels. Labels are best given on the CPU, where the classes that occur are found.
#pragma once

#include <cstdint>
#include <vector>

#include "autograd/variable.h"
#include "tensor/random.h"

namespace rein::models {

struct Mask2FormerLossOptions {
  std::int64_t classes = 19;  // K; cls has K + 1 columns, the last is "no object"
  std::int64_t points = 12544;
  double oversample = 3;     // candidates per point
  double importance = 0.75;  // share of the points that are the most uncertain candidates
  double loss_cls = 2, loss_mask = 5, loss_dice = 5;
  double cost_cls = 2, cost_mask = 5, cost_dice = 5;
  double no_object_weight = 0.1;
  std::int64_t ignore = 255;

  std::int64_t candidates() const;  // int(points * oversample)
  std::int64_t uncertain() const;   // int(points * importance)
  void check() const;               // throws std::invalid_argument
};

// The targets of a micro-batch.
struct MaskTargets {
  Tensor labels;                                   // u8 (N, H, W), 255 = none; where the masks are
  std::vector<std::vector<std::int64_t>> classes;  // per image those that occur, ascending: target g is classes[n][g]
};
// labels i64 (N, H, W): classes in [0, K), K <= 255, or `ignore`. Anything else throws and names value and place. Which
// classes there are is found on the CPU: labels are best given there. The result's labels are where the argument's are.
MaskTargets mask_targets(const Tensor& labels, std::int64_t classes, std::int64_t ignore = 255);

// The divisors of a whole optimiser step. They follow from the label maps alone, before any forward pass: an image
// with G classes matches min(G, Q) queries. Add the scopes of all micro-batches and pass the sum to each of them; then
// accumulated gradients are those of the larger batch. Several processes: add (the official code averages the masks
// over processes, then takes max with 1).
struct Mask2FormerScope {
  double masks = 0;         // sum over images of max(min(G, Q), 1)
  double class_weight = 0;  // sum over images of min(G, Q) + no_object_weight (Q - min(G, Q))
  Mask2FormerScope& operator+=(const Mask2FormerScope& other);
  explicit operator bool() const { return masks > 0; }
};
Mask2FormerScope mask2former_scope(const MaskTargets& targets, std::int64_t queries,
                                   const Mask2FormerLossOptions& options);

// Where a micro-batch's matched masks go (tensor/ops/loss/match_slots.h), known before any forward pass.
struct MaskSlots {
  std::vector<std::int64_t> splits;  // N + 1: image n has the places splits[n] to splits[n + 1]
  Tensor splits_there;               // the same, i64, where the masks are
  Tensor present;                    // u8 (N, K): the classes that occur
  std::vector<Tensor> columns;       // per image i64: the classes that have a column in the cost, ascending
  std::int64_t places() const { return splits.back(); }
};
// Exact: min(G, Q) places for an image with G classes, and a column for each of them. Fixed: min(K, Q) places and K
// columns for every image, so that all shapes are the same in every step; what is absent contributes nothing.
MaskSlots mask_slots(const MaskTargets& targets, std::int64_t queries, std::int64_t classes, Device device, bool fixed);

struct Mask2FormerPrediction {
  Variable cls;    // (N, Q, K + 1) logits
  Variable masks;  // (N, Q, h, w) logits, row-major per query: what matmul(e, mask_features^T) makes
};

// Decisions given from outside (recorded cases); null or empty: made here. Points are f32 (x, y) in [0, 1]. With T the
// number of matched masks: for exact slots only.
struct Mask2FormerForced {
  std::vector<Tensor> match_points;  // per image (P, 2)
  Tensor candidates;                 // (T, candidates, 2)
  Tensor random;                     // (T, P - U, 2)
  std::vector<Tensor> assignment;    // per image i64 (Q): index of the target, -1 = no object
  Tensor chosen;                     // i64 (T, U): which candidates are the most uncertain
};

struct Mask2FormerLoss {
  Variable cls, mask, dice;  // (), weighted; without any matched mask the last two are 0 with a zero gradient
  // Where the masks are, all of them.
  std::vector<Tensor> cost;        // per image f64 (Q, G) as computed, before bad values are replaced; fixed: (Q, K)
  std::vector<Tensor> assignment;  // per image i64 (Q): index of the target, -1 = no object
  Tensor chosen;                   // i64 (T, U), ascending; T = places: images in order, then queries
  Tensor bad;                      // i64 (N): NaN or infinite elements of the cost; to be reported as a warning
  std::int64_t bad_costs() const;  // their sum, read on the host
};

// The same in two steps, for a caller who makes the losses of several predictions with one backward: first all that
// needs the mask logits, without gradients, then the losses from the logits at the chosen points.
struct Mask2FormerDecided {
  std::vector<Tensor> cost, assignment;  // as above
  Tensor chosen, bad;
  Tensor rows;            // i64 (T): the matched masks among N*Q; -1 = absent
  Tensor class_of, free;  // i64 (N, Q): labels of the queries with a class, and of those without; -1 for the others
  Tensor points;          // f32 (T, P, 2)
  Tensor logits;          // (T, P) at the points
  Tensor targets;         // (T, P) in [0, 1]
};
Mask2FormerDecided mask2former_decide(const Tensor& cls, const Tensor& masks, const MaskTargets& targets,
                                      const MaskSlots& slots, const Mask2FormerLossOptions& options, RandomKey key,
                                      std::int64_t first_sample, std::int64_t layer,
                                      const Mask2FormerForced& forced = {});
// `logits`: a Variable of decided.logits. Without any matched mask it may be a constant.
Mask2FormerLoss mask2former_losses(const Variable& cls, const Variable& logits, Mask2FormerDecided decided,
                                   const MaskTargets& targets, const Mask2FormerLossOptions& options,
                                   const Mask2FormerScope& scope);

// A null scope means that this micro-batch is the whole step. `key` is the step's; image n is number first_sample + n
// of the step's batch, and `layer` the number of the prediction (0 = before the first decoder layer): points depend on
// these three alone. A NaN or infinite logit makes bad costs: such a query is matched only if nothing else is left. The
// class loss of a NaN class logit is NaN.
// Throws std::invalid_argument for shapes and dtypes (cls and masks f32 or f64, alike).
Mask2FormerLoss mask2former_loss(const Mask2FormerPrediction& prediction, const MaskTargets& targets,
                                 const Mask2FormerLossOptions& options, const Mask2FormerScope& scope, RandomKey key,
                                 std::int64_t first_sample, std::int64_t layer, const Mask2FormerForced& forced = {},
                                 bool fixed_slots = false);

}  // namespace rein::models
