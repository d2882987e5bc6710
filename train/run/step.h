// One optimiser step over a batch: forward and backward of its micro-batches, clipping, AdamW. On a device nothing of
// it is read back here, so the host goes on to the next step while the device works; the step's numbers come late.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "models/segmentor.h"
#include "tensor/late_read.h"
#include "train/optim/adamw.h"

namespace rein::train {

// The losses of photos [first, end) of a batch: their part of the whole batch's, so that the parts' gradients add up to
// its. The context's key is the step's.
using PartLoss = std::function<models::Losses(const nn::ForwardContext& context, std::int64_t first, std::int64_t end)>;

// A segmentor's: divisors and random numbers are those of the whole batch. images f32 (N, H, W, 3), anywhere, best
// where the model is; labels i64 (N, H, W), on the CPU.
PartLoss segmentor_losses(const models::Segmentor& model, const Tensor& images, const Tensor& labels);

struct StepInput {
  std::int64_t photos{};       // of the batch
  std::int64_t micro_batch{};  // photos is a multiple of it
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
StepNumbers run_step(nn::Module& model, AdamW& optimizer, std::span<const Variable> trained, const StepInput& input,
                     const PartLoss& losses_of, StepTimes& times);

}  // namespace rein::train
