// One optimiser step over a batch: forward and backward of its micro-batches, clipping, AdamW. On a device nothing of
// it is read back here, so the host goes on to the next step while the device works; the step's numbers come late.
#pragma once

#include <cstdint>
#include <span>

#include "models/segmentor.h"
#include "tensor/late_read.h"
#include "train/optim/adamw.h"

namespace rein::train {

struct StepInput {
  Tensor images;               // f32 (N, H, W, 3), anywhere; best where the model is
  Tensor labels;               // i64 (N, H, W), on the CPU
  std::int64_t micro_batch{};  // photos; N is a multiple
  RandomKey key{};             // of this step
  double lr = 0, clip = 0;     // clip 0: only the norm is taken
};

struct StepValues {
  double loss = 0, gradient_norm = 0;
  models::PixelAccuracy accuracy{};
  std::int64_t bad_costs = 0;
};

// The numbers of a step, on their way.
class StepNumbers {
 public:
  StepNumbers() = default;
  // Per micro-batch, in order.
  void add(const models::Losses& losses);
  void start(const Tensor& gradient_norm);
  StepValues get();  // waits if the step is not over

 private:
  std::vector<Tensor> tensors_;  // loss, hits and bad of each micro-batch, then the norm
  LateRead read_;
};

struct StepTimes {
  double forward = 0, backward = 0, update = 0;  // seconds; on a device those of giving it the work
};

// `trained` are the parameters whose gradients are clipped. The update is made whatever the numbers are: the caller,
// who reads them, stops the run when they are not finite. Gradients are cleared.
StepNumbers run_step(models::Segmentor& model, AdamW& optimizer, std::span<const Variable> trained,
                     const StepInput& input, StepTimes& times);

}  // namespace rein::train
