// What is kept for backward is what training needs: counted on the tape.
#include <doctest/doctest.h>

#include <map>
#include <set>

#include "autograd/record.h"
#include "models/cases/tiny.h"
#include "tensor/memory.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

struct Tape {
  std::set<const Node*> nodes;
  std::map<const void*, std::size_t> saved;  // per storage
  std::set<const VariableImpl*> leaves;
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& entry : saved) sum += entry.second;
    return sum;
  }
};

void walk(const std::shared_ptr<Node>& node, Tape& tape) {
  if (!node || !tape.nodes.insert(node.get()).second) return;
  for (const SavedBytes& s : node->saved_bytes) tape.saved[s.storage] = s.bytes;
  for (const auto& leaf : node->leaves)
    if (leaf) tape.leaves.insert(leaf.get());
  for (const auto& parent : node->parents) walk(parent, tape);
}

Tape tape_of(const std::vector<Variable>& roots) {
  Tape tape;
  for (const Variable& v : roots) walk(v.impl()->node, tape);
  return tape;
}

bool in_vit(const std::string& path) {
  return path.starts_with("backbone.") && !path.starts_with("backbone.reins.");
}

const nn::ForwardContext training{.training = true, .key = RandomKey(1)};

}  // namespace

TEST_CASE("freeze saves zero bytes in the backbone") {
  Segmentor model(tiny_segmentor("freeze"));
  fill_random(model, 1, DType::f32);
  const Variable images = constant(random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1));
  model.features(images, training);  // the resized position grid is cached from now on
  const std::size_t before = memory_stats().live;
  std::size_t kept = 0;
  {
    const HeadInput out = model.features(images, training);
    for (const Variable& f : out.features) {
      CHECK_FALSE(f.requires_grad());
      kept += f.value().storage()->bytes();
    }
    CHECK(tape_of(out.features).nodes.empty());
    CHECK(memory_stats().live - before == kept);  // the feature maps and nothing else
  }
  const Losses losses = model.loss(training, images.value(), random_labels({2, 12, 20}, 5, 3));
  const Tape tape = tape_of({losses.total});
  model.visit([&](const std::string& path, nn::Param& p) {
    if (!in_vit(path)) return;
    CAPTURE(path);
    CHECK(p.frozen);
    CHECK_FALSE(tape.saved.contains(p.value.value().storage().get()));
  });
  backward(losses.total);
  model.visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    CHECK(static_cast<bool>(p.value.grad()) == !in_vit(path));
  });
}

TEST_CASE("under rein no gradient of a backbone weight exists, and frozen layers keep no input") {
  Segmentor model(tiny_segmentor("rein"));
  fill_random(model, 1, DType::f32);
  const Tensor images = random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1);
  const Losses losses = model.loss(training, images, random_labels({2, 12, 20}, 5, 3));
  const Tape tape = tape_of({losses.total});
  std::set<const VariableImpl*> trainable;
  model.visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    CHECK(p.frozen == in_vit(path));
    CHECK_FALSE((in_vit(path) && tape.leaves.contains(p.value.impl().get())));
    trainable.insert(p.value.impl().get());
  });
  for (const VariableImpl* leaf : tape.leaves) CHECK((!leaf || trainable.contains(leaf)));
  for (const Node* node : tape.nodes) {
    // A linear layer with a frozen weight keeps that weight and nothing else.
    if (std::string(node->op) != "linear" || node->wants(1)) continue;
    CHECK(node->saved_bytes.size() == 1);
  }
  backward(losses.total);
  std::size_t with_gradient = 0;
  model.visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    const bool unlinked =
        path.find("reins.transform") != std::string::npos || path.find("reins.merge") != std::string::npos;
    CHECK(static_cast<bool>(p.value.grad()) == (!in_vit(path) && !unlinked));
    with_gradient += static_cast<bool>(p.value.grad());
  });
  CHECK(with_gradient > 0);
}

TEST_CASE("full reaches every backbone parameter but the two unused ones") {
  Segmentor model(tiny_segmentor("full"));
  fill_random(model, 1, DType::f32);
  backward(
      model.loss(training, random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1), random_labels({2, 12, 20}, 5, 3)).total);
  model.visit([&](const std::string& path, nn::Param& p) {
    CAPTURE(path);
    const bool unused = path == "backbone.mask_token" || path.starts_with("backbone.norm.");
    CHECK(static_cast<bool>(p.value.grad()) == !unused);
  });
}

TEST_CASE("recomputing blocks gives the same bits and keeps less") {
  for (const std::string method : {"rein", "full", "freeze"}) {
    std::vector<double> losses;
    std::vector<std::size_t> kept;
    std::vector<std::map<std::string, std::vector<double>>> grads;
    for (const bool recompute : {false, true}) {
      SegmentorOptions o = tiny_segmentor(method);
      o.recompute = recompute;
      o.vit.drop_path = method == "full" ? 0.3 : 0;
      o.head.dropout = 0.2;
      Segmentor model(o);
      fill_random(model, 1, DType::f32);
      const Losses loss =
          model.loss(training, random_normal(RandomKey(2), {2, 12, 20, 3}, 0, 1), random_labels({2, 12, 20}, 5, 3));
      losses.push_back(loss.total.value().item());
      kept.push_back(tape_of({loss.total}).bytes());
      backward(loss.total);
      auto& g = grads.emplace_back();
      model.visit([&](const std::string& path, nn::Param& p) {
        if (p.value.grad()) g[path] = p.value.grad().to_doubles();
      });
    }
    CHECK(losses[0] == losses[1]);
    CHECK(grads[0] == grads[1]);
    if (method == "freeze")
      CHECK(kept[0] == kept[1]);
    else
      CHECK(kept[1] < kept[0]);
  }
}
