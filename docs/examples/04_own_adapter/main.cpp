// An adapter of one's own through the hooks: a bottleneck beside every MLP of a frozen ViT (AdaptFormer, Chen et al.,
// NeurIPS 2022). It learns to see a street at night as the ViT sees the same street by day.
//   own_adapter WEIGHTS [STEPS]
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/shape/reduce.h"
#include "data/loading/transforms.h"
#include "data/scenes/split.h"
#include "models/vit/backbone.h"
#include "models/zoo/zoo.h"
#include "nn/linear.h"
#include "train/optim/param_groups.h"

using namespace rein;

namespace {

class Bottleneck final : public models::Adapter {
 public:
  Bottleneck(const models::VitOptions& vit, std::int64_t width) {
    for (std::int64_t block = 0; block < vit.depth; ++block) {
      child("down." + std::to_string(block), down_.emplace_back(vit.dim, width));
      // Starts at zero: at first the backbone is what it was.
      child("up." + std::to_string(block), up_.emplace_back(width, vit.dim, true, nn::Init::constant(0), nn::Init::constant(0)));
    }
  }
  std::string tree_name() const override { return "bottleneck"; }  // below "backbone." in checkpoints

  // One pass of the blocks, with the hooks that it overrides; others: adapter.h and nn/hooks.h.
  struct Pass final : models::AdapterPass {
    explicit Pass(const Bottleneck& owner) : adapter(owner) {}
    Variable beside_mlp(int block, const Variable& x, const Variable& y) const override {
      const auto i = static_cast<std::size_t>(block);
      return add(y, adapter.up_[i](relu(adapter.down_[i](x))));
    }
    const Bottleneck& adapter;
  };
  std::shared_ptr<const models::AdapterPass> begin(const nn::ForwardContext&) const override {
    return std::make_shared<Pass>(*this);
  }

 private:
  std::deque<nn::Linear> down_, up_;
};

Tensor street(const char* style) {
  const data::Size size{128, 256};
  const data::scenes::Scene scene = data::scenes::render(*data::scenes::styles_named({style})[0], 0, 3, size);
  return data::normalise_and_pad(scene.image, {}, size).view({1, size.height, size.width, 3});
}

int run(const char* file, int steps) {
  const models::zoo::Weights weights = models::zoo::open_weights(file);
  const models::VitOptions vit = weights.model.options;
  models::Backbone backbone({.vit = vit}, std::make_unique<Bottleneck>(vit, 8));
  backbone.freeze_vit();
  models::zoo::bind_weights(backbone.vit(), weights, DType::f32);
  backbone.name_tree();
  nn::initialise(backbone, RandomKey(0), DType::f32);  // what no file has filled: the adapter
  std::printf("%lld parameters, %lld of them trained\n", static_cast<long long>(backbone.parameter_count()),
              static_cast<long long>(backbone.parameter_count(true)));

  const nn::ForwardContext context{.training = true};
  const Variable night = constant(street("night"));
  const Tensor day = backbone.forward(constant(street("game")), context).features.back().value();
  train::AdamW optimizer;
  train::add_trained(optimizer, backbone, {});
  double first = 0, loss = 0;
  for (int step = 0; step <= steps; ++step) {
    const Variable error = sub(backbone.forward(night, context).features.back(), constant(day));
    const Variable distance = mean(mul(error, error));
    backward(distance);
    optimizer.step(3e-3);
    backbone.clear_grads();
    loss = distance.value().item();
    if (step == 0) first = loss;
    if (step % 5 == 0) std::printf("step %2d  distance of night to day %.4f\n", step, loss);
  }
  return loss < first ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "own_adapter WEIGHTS [STEPS]\n"), 2;
  try {
    return run(argv[1], argc > 2 ? std::atoi(argv[2]) : 20);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "error: %s\n", error.what()), 2;
  }
}
