#include "train/run/step.h"

#include <utility>

#include "tensor/error.h"
#include "train/optim/clip_grad_norm.h"
#include "train/run/timing.h"

namespace rein::train {

void StepNumbers::add(const models::Losses& losses) {
  tensors_.push_back(losses.total.value());
  tensors_.push_back(losses.hits);
  tensors_.push_back(losses.bad);
}

void StepNumbers::start(const Tensor& gradient_norm) {
  tensors_.push_back(gradient_norm);
  read_ = LateRead(std::exchange(tensors_, {}));
}

StepValues StepNumbers::get() {
  const std::vector<Tensor>& numbers = read_.get();
  require(!numbers.empty(), "train", "the numbers of a step that was not made were asked for");
  StepValues values;
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 3) {
    values.loss += numbers[i].item();
    const models::PixelAccuracy accuracy = models::accuracy_of(numbers[i + 1]);
    values.accuracy.hits += accuracy.hits;
    values.accuracy.valid += accuracy.valid;
    if (const Tensor& bad = numbers[i + 2])
      for (const std::int64_t count : bad.values<std::int64_t>()) values.bad_costs += count;
  }
  values.gradient_norm = numbers.back().item();
  return values;
}

PartLoss segmentor_losses(const models::Segmentor& model, const Tensor& images, const Tensor& labels) {
  return [&model, images, labels, scope = model.head().scope(labels)](const nn::ForwardContext& context,
                                                                      std::int64_t first, std::int64_t end) {
    return model.loss(context, images.rows(first, end), labels.rows(first, end), scope);
  };
}

StepNumbers run_step(nn::Module& model, AdamW& optimizer, std::span<const Variable> trained, const StepInput& input,
                     const PartLoss& losses_of, StepTimes& times) {
  require(input.micro_batch >= 1 && input.photos % input.micro_batch == 0, "train", "a batch of ", input.photos,
          " photos cannot be cut into micro-batches of ", input.micro_batch);
  StepNumbers numbers;
  for (std::int64_t first = 0; first < input.photos; first += input.micro_batch) {
    const nn::ForwardContext context{.training = true, .key = input.key, .first_sample = first};
    const double start = now_seconds();
    const models::Losses losses = losses_of(context, first, first + input.micro_batch);
    const double middle = now_seconds();
    backward(losses.total);
    times.forward += middle - start;
    times.backward += now_seconds() - middle;
    numbers.add(losses);
  }
  const double updating = now_seconds();
  numbers.start(clip_grad_norm_there(trained, input.clip));
  optimizer.step(input.lr);
  model.clear_grads();
  times.update += now_seconds() - updating;
  return numbers;
}

}  // namespace rein::train
