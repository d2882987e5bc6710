// Matching of one prediction's queries to the targets, without gradients (golden README, section 7, step 1).
#pragma once

#include "models/heads/mask2former_loss.h"

namespace rein::models {

struct Matching {
  std::vector<Tensor> cost;  // per image f64 (Q, columns)
  Tensor class_of;           // i64 (N, Q): the class of each query, -1 = no object
  Tensor bad;                // i64 (N): NaN or infinite costs
};

// cls (N, Q, K + 1), masks (N, Q, h, w); results are where these are. Points from `key` by image number, unless forced.
Matching match_queries(const Tensor& cls, const Tensor& masks, const MaskTargets& targets, const MaskSlots& slots,
                       const Mask2FormerLossOptions& options, RandomKey key, std::int64_t first_sample,
                       std::int64_t layer, const Mask2FormerForced& forced);

// The stream of one image's points for one prediction; `what` is "match", "candidates" or "random".
RandomKey point_key(RandomKey key, std::int64_t image, std::int64_t layer, const char* what);

}  // namespace rein::models
