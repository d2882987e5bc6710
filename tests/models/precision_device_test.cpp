// Mixed precision on a device (the emulated one in a build's tests): losses and gradients of whole models beside those
// of f32, what is bf16 in the graph, and that f32 mode has none of it.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>

#include "autograd/cases/case.h"
#include "autograd/graph.h"
#include "models/cases/tiny_clip_mae_sam.h"
#include "nn/bind.h"
#include "tensor/device_info.h"
#include "tensor/ops/elementwise/elementwise.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

const Device device{Device::Kind::cuda, 0};

std::unique_ptr<Segmentor> built(const SegmentorOptions& options, bool bf16, Device on) {
  auto model = std::make_unique<Segmentor>(options);
  fill_random(*model, 1, DType::f32);
  if (bf16) model->use_bf16();
  model->move_to(on);
  return model;
}

Losses loss_of(const Segmentor& model, std::uint64_t step) {
  const Tensor images = random_normal(RandomKey(2 + step), {2, 12, 20, 3}, 0, 1, DType::f32);
  return model.loss({.training = true, .key = RandomKey(step)}, images, random_labels({2, 12, 20}, 5, 3 + step));
}

struct Step {
  double loss = 0;
  std::map<std::string, Tensor> grads{};
};

Step run(Segmentor& model, std::uint64_t step = 0) {
  model.clear_grads();
  const Losses losses = loss_of(model, step);
  Step result{losses.total.value().item(), {}};
  backward(losses.total);
  model.visit([&](const std::string& path, nn::Param& p) {
    if (p.value.grad()) result.grads[path] = p.value.grad();
  });
  return result;
}

// Of the gradients whose path begins so: the adapter's would not show beside the head's.
double cosine(const Step& a, const Step& b, const std::string& prefix) {
  double dot = 0, aa = 0, bb = 0;
  for (const auto& [path, grad] : a.grads) {
    if (!path.starts_with(prefix)) continue;
    const std::vector<double> g = grad.to(Device{}).to_doubles(), h = b.grads.at(path).to(Device{}).to_doubles();
    for (std::size_t i = 0; i < g.size(); ++i) dot += g[i] * h[i], aa += g[i] * g[i], bb += h[i] * h[i];
  }
  return dot / std::sqrt(aa * bb);
}

// Losses of some steps of gradient descent, on the device.
std::vector<double> descent(Segmentor& model, std::uint64_t steps) {
  std::vector<double> losses;
  for (std::uint64_t step = 0; step < steps; ++step) {
    losses.push_back(run(model, step).loss);
    model.visit([](const std::string&, nn::Param& p) {
      if (!p.value.grad()) return;
      Tensor value = p.value.mutable_value();
      ops::add_into(value, ops::scale(p.value.grad(), -0.02), value);
    });
  }
  return losses;
}

int nodes(const Variable& root, const std::string& op) {
  int count = 0;
  for (const GraphNode& node : graph_of(std::span(&root, 1)).nodes) count += node.op == op ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("mixed precision on a device: losses within 2e-2 of f32 over some steps, which fall") {
  if (!built_with_cuda()) return;
  const SegmentorOptions options = tiny_segmentor("rein");
  const auto exact = descent(*built(options, false, device), 6), mixed = descent(*built(options, true, device), 6);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    CAPTURE(i);
    CHECK(mixed[i] == doctest::Approx(exact[i]).epsilon(2e-2));
    CHECK(mixed[i] != exact[i]);
  }
}

TEST_CASE("mixed precision on a device: the gradients of every family point where those of f32 do") {
  if (!built_with_cuda()) return;
  for (const auto& [name, vit] : std::initializer_list<std::pair<const char*, VitOptions>>{{"dinov2", tiny_vit()},
                                                                                           {"clip", tiny_clip()},
                                                                                           {"sam", tiny_sam()},
                                                                                           {"eva02", tiny_eva02()},
                                                                                           {"dinov3", tiny_dinov3()}}) {
    CAPTURE(std::string(name));
    const SegmentorOptions options = tiny_segmentor_of(vit, "rein");
    const Step want = run(*built(options, false, Device{})), got = run(*built(options, true, device));
    CHECK(got.loss == doctest::Approx(want.loss).epsilon(2e-2));
    REQUIRE(got.grads.size() == want.grads.size());
    for (const auto& [path, grad] : got.grads) CHECK(grad.dtype() == DType::f32);
    CHECK(cosine(want, got, "decode_head.") > 0.999);
    CHECK(cosine(want, got, "backbone.reins.") > 0.99);
  }
}

TEST_CASE("mixed precision on a device: Mask2Former with Rein's queries, and per-layer MLPs, full-rank tokens") {
  if (!built_with_cuda()) return;
  SegmentorOptions queries = tiny_mask2former_segmentor("rein"), own = tiny_segmentor("rein");
  ReinOptions rein = tiny_rein();
  rein.link_token_to_query = false;
  rein.shared_mlps = false;
  rein.rank = 0;
  rein.use_softmax = false;
  rein.scale_is_parameter = false;
  own.method = rein_method(rein);
  for (const SegmentorOptions& options : {queries, own}) {
    const Step want = run(*built(options, false, Device{})), got = run(*built(options, true, device));
    CHECK(got.loss == doctest::Approx(want.loss).epsilon(2e-2));
    REQUIRE(got.grads.size() == want.grads.size());
    CHECK(cosine(want, got, "decode_head.") > 0.99);
    CHECK(cosine(want, got, "backbone.reins.") > 0.99);
  }
}

TEST_CASE("mixed precision on a device: tokens that only fill up Rein's rows take no part") {
  if (!built_with_cuda()) return;
  for (const std::int64_t m : {3, 8})
    for (const bool use_softmax : {true, false})
      for (const bool shared_mlps : {true, false}) {
        CAPTURE(m);
        CAPTURE(use_softmax);
        CAPTURE(shared_mlps);
        const auto run_rein = [&](Device on) {
          ReinAdapter rein({.layers = 2,
                            .dim = 24,
                            .token_length = m,
                            .rank = 0,
                            .link_token_to_query = false,
                            .use_softmax = use_softmax,
                            .shared_mlps = shared_mlps,
                            .unlinked_parameters = false});
          fill_random(rein, 1, DType::f32);
          nn::set_precision(rein, nn::Precision::bf16);  // on a device alone
          nn::move_to(rein, on);
          TokenState state{parameter(random_normal(RandomKey(2), {2, 7, 24}, 0, 1).to(on)), 1};
          const Variable x = state.tokens;
          const auto pass = rein.begin({.training = true});
          for (int layer = 0; layer < 2; ++layer) pass->after_block(layer, state);
          backward(state.tokens, random_normal(RandomKey(3), {2, 7, 24}, 0, 1).to(on));
          Step step{0, {{"tokens", state.tokens.value()}, {"x", x.grad()}}};
          rein.visit([&](const std::string& path, nn::Param& p) { step.grads[path] = p.value.grad(); });
          return step;
        };
        const Step want = run_rein({}), got = run_rein(device);
        for (const auto& [path, value] : want.grads) {
          CAPTURE(path);
          REQUIRE(got.grads.at(path));
          const double tolerance = path == "scale" ? 0.1 : 0.03;  // one number, a sum with much cancellation
          CHECK(compare(got.grads.at(path).to(Device{}), value, tolerance).ok);
        }
      }
}

TEST_CASE("mixed precision on a device: which products are bf16, and none in f32 mode or on the CPU") {
  if (!built_with_cuda()) return;
  const SegmentorOptions options = tiny_segmentor("rein");
  const auto root = [&](bool bf16, Device on) { return loss_of(*built(options, bf16, on), 0).total; };
  // Rein: three products a layer, and mlp_token2feat. Blocks from the second on have something to send back: four each.
  CHECK(nodes(root(true, device), "linear_bf16") == 4 * 3 + 1 + 3 * 4);
  CHECK(nodes(root(false, device), "linear_bf16") == 0);
  CHECK(nodes(root(true, Device{}), "linear_bf16") == 0);
  CHECK(nodes(root(true, Device{}), "cast") == 0);
}

TEST_CASE("mixed precision on a device: recompute gives the same bits, and inference runs") {
  if (!built_with_cuda()) return;
  SegmentorOptions options = tiny_segmentor("rein");
  const auto plain = built(options, true, device);
  options.recompute = true;
  const auto recomputed = built(options, true, device);
  const Step a = run(*plain), b = run(*recomputed);
  CHECK(a.loss == b.loss);
  for (const auto& [path, grad] : a.grads)
    CHECK(grad.to(Device{}).to_doubles() == b.grads.at(path).to(Device{}).to_doubles());
  const Tensor image = random_normal(RandomKey(5), {1, 12, 20, 3}, 0, 1, DType::f32);
  const Tensor scores = plain->scores(image.to(device)).to(Device{});
  const Tensor exact = built(options, false, Device{})->scores(image);
  double worst = 0, most = 0;
  for (std::int64_t i = 0; i < exact.count(); ++i) {
    worst = std::max(worst, std::abs(exact.at(i) - scores.at(i)));
    most = std::max(most, std::abs(exact.at(i)));
  }
  CHECK(worst < 0.05 * most);
}
