// A training loop of 40 lines: Rein and a segmentation head on a frozen ViT, on streets that are rendered as they are
// needed. `rein train` does the same with configurations, checkpoints, scores and pictures.
//   training_loop WEIGHTS [STEPS]
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "data/loading/loader.h"
#include "models/segmentor.h"
#include "models/zoo/zoo.h"
#include "train/optim/clip_grad_norm.h"
#include "train/optim/param_groups.h"
#include "train/optim/schedule.h"

using namespace rein;

namespace {

// A data set of one's own: so many samples, the i-th on demand, from any thread.
class Streets final : public data::Source {
 public:
  std::int64_t size() const override { return 500; }
  const data::ClassSet& classes() const override { return data::cityscapes_classes(); }
  data::Sample read(std::int64_t i) const override {
    auto [image, labels] = data::scenes::render(*style_, 0, i, {128, 256});
    return {std::move(image), std::move(labels), std::to_string(i)};
  }

 private:
  const data::scenes::Style* style_ = data::scenes::styles_named({"game"})[0];
};

int run(const char* file, int steps) {
  // The model: a ViT as the file has it, Rein in it, Semantic FPN on top.
  const models::zoo::Weights weights = models::zoo::open_weights(file);
  models::SegmentorOptions options;
  options.vit = weights.model.options;
  options.method = models::method_named("rein");
  options.head = {.fpn_channels = 48, .head_channels = 48, .head_groups = 8};
  models::Segmentor model(options);
  models::zoo::bind_weights(model.backbone().vit(), weights, DType::f32);
  nn::initialise(model, RandomKey(0), DType::f32);  // all that the file has not filled

  // What is trained, by whom, on what.
  train::AdamW optimizer;
  train::add_trained(optimizer, model, {.adapter = "backbone.reins."});
  std::vector<Variable> trained;
  for (const auto& slot : optimizer.slots()) trained.push_back(slot.param);
  const train::Schedule schedule{.lr = 3e-3, .zero_at = steps, .warmup = 5};
  data::LoaderOptions loading;  // four photos a batch, a random crop of each, flipped at times, other colours
  loading.transforms.crop = {128, 128};
  data::Loader loader(std::make_shared<Streets>(), loading);

  double first = 0, last = 0;
  for (int step = 0; step < steps; ++step) {
    const data::Batch batch = loader.next();
    const nn::ForwardContext context{.training = true, .key = RandomKey(1).child(static_cast<std::uint64_t>(step))};
    const models::Losses losses = model.loss(context, batch.images, batch.labels);
    backward(losses.total);
    train::clip_grad_norm(trained, 1.0);
    optimizer.step(schedule.at(step));
    model.clear_grads();
    last = losses.total.value().item();
    if (step == 0) first = last;
    if (step % 5 == 4) std::printf("step %3d  loss %.3f  pixels right %4.1f %%\n", step + 1, last, losses.accuracy().percent());
  }
  return last < first ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "training_loop WEIGHTS [STEPS]\n"), 2;
  try {
    return run(argv[1], argc > 2 ? std::atoi(argv[2]) : 100);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "error: %s\n", error.what()), 2;
  }
}
