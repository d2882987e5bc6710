// The interface of segmentation heads. A head sees the backbone's maps at the patch grid, makes its own pyramid, and
// knows its losses and its inference: a Semantic FPN and a query-based head (Mask2Former) differ in all three.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"

namespace rein::models {

struct HeadInput {
  std::vector<Variable> features;  // four (N, h, w, C)
  Variable queries;                // (m, q) from the adapter, or null
};

// The whole optimiser step that a micro-batch belongs to, so that accumulated gradients equal those of the larger
// batch.
struct LossScope {
  std::int64_t total_pixels = 0;  // label pixels of all micro-batches, ignored ones included; 0: this micro-batch alone
  // Divisors of a query head's losses (mask2former_loss.h); 0: this micro-batch alone.
  double masks = 0, class_weight = 0;
  LossScope& operator+=(const LossScope& other);
};

struct PixelAccuracy {
  std::int64_t hits = 0, valid = 0;  // add up over micro-batches
  double percent() const;            // 100 (hits + F) / (valid + F), F = f32 epsilon: mmseg's acc_seg
};

PixelAccuracy accuracy_of(const Tensor& hits);  // of Losses::hits, read on the host; 0 of 0 for null

struct Losses {
  std::vector<std::pair<std::string, Variable>> terms;  // "decode.loss_ce", ...; each a scalar
  Variable total;                                       // their sum: the root of backward
  // Left where they were made, so that a step need not wait for them; null where the head has none.
  Tensor hits;  // i64 (2), of the resized logits: pixels that are right, pixels with a label
  Tensor bad;   // i64: numbers of NaN or Inf where queries are matched, their sum to be reported
  // The same, read on the host: on a device this waits.
  PixelAccuracy accuracy() const;  // 0 of 0 where there are none
  std::int64_t bad_costs() const;
};

class Head : public nn::Module {
 public:
  // labels i64 (N, H, W), 255 = ignore; on any device.
  virtual Losses loss(const HeadInput& input, const Tensor& labels, const LossScope& scope,
                      const nn::ForwardContext& context) const = 0;
  // What this micro-batch adds to its step's scope: known from the labels alone, before any forward pass.
  virtual LossScope scope(const Tensor& labels) const { return {.total_pixels = labels.count()}; }
  // Class scores at (height, width), the size of the image or window: (N, height, width, K). Their argmax is the
  // prediction; overlapping windows add them.
  virtual Variable scores(const HeadInput& input, std::int64_t height, std::int64_t width,
                          const nn::ForwardContext& context) const = 0;
  virtual std::int64_t classes() const = 0;
  virtual bool needs_queries() const { return false; }
};

}  // namespace rein::models
