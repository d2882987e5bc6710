#include "autograd/recompute.h"

#include "autograd/record.h"

namespace rein {
namespace {

using Body = std::function<std::vector<Variable>(std::span<const Variable>)>;

struct RecomputeSaved {
  Body body;
  std::vector<SavedTensor> inputs;
  std::vector<bool> wanted;
};

// Forward again, recorded from fresh leaves; a nested sweep adds to the parameters' gradients directly and leaves the
// inputs' gradients in the fresh leaves.
void recompute_vjp(const RecomputeSaved& s, GradContext& g) {
  std::vector<Variable> inputs;
  for (std::size_t i = 0; i < s.inputs.size(); ++i) {
    if (!s.inputs[i])
      inputs.emplace_back();
    else
      inputs.push_back(s.wanted[i] ? parameter(s.inputs[i].get()) : constant(s.inputs[i].get()));
  }
  std::vector<Variable> roots;
  std::vector<Tensor> cotangents;
  {
    const EnableGrad enable;
    std::vector<Variable> outputs = s.body(inputs);
    for (std::size_t k = 0; k < outputs.size(); ++k) {
      if (!g.out(static_cast<int>(k)) || !outputs[k].requires_grad()) continue;
      roots.push_back(outputs[k]);
      cotangents.push_back(g.out(static_cast<int>(k)));
    }
  }
  if (!roots.empty()) backward(roots, cotangents);
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (s.wanted[i]) g.set(static_cast<int>(i), inputs[i].grad());
}

}  // namespace

std::vector<Variable> recompute(Body body, std::vector<Variable> inputs, bool uses_trainable) {
  std::vector<Tensor> outputs;
  {
    const NoGrad no_grad;
    for (const Variable& v : body(inputs)) outputs.push_back(v.value());
  }
  std::vector<Variable> recorded = inputs;
  // A witness that requires a gradient keeps the node on the tape when only inner leaves want one.
  if (uses_trainable) recorded.push_back(parameter(Tensor::zeros({}, DType::f32)));
  return record_many(
      "recompute", std::move(recorded), std::move(outputs),
      [&](Saver& save) {
        RecomputeSaved s{std::move(body), {}, {}};
        for (std::size_t i = 0; i < inputs.size(); ++i) {
          s.inputs.push_back(inputs[i] ? save(inputs[i].value()) : SavedTensor{});
          s.wanted.push_back(save.wants(static_cast<int>(i)));
        }
        return s;
      },
      recompute_vjp);
}

}  // namespace rein
