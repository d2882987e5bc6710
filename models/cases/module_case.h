// Gradient checks of whole modules: a module's parameters become inputs of a case.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "autograd/cases/case.h"
#include "nn/module.h"

namespace rein::testing {

// Turns a module's parameters into case inputs; `forward` gets the other inputs after they were set.
struct ModuleCase {
  std::string label;
  std::shared_ptr<nn::Module> module;
  std::vector<CaseInput> inputs;
  std::function<Outs(Vars)> forward;
  std::function<bool(const std::string&)> without_gradient{};  // paths that nothing reaches
  std::function<bool(const std::string&)> zero{};              // paths whose gradient is zero
  std::string why = "";
  double f32_grad_tolerance = 5e-4;
  bool relu = false;
};

inline void add(CaseList& list, ModuleCase c) {
  OpCase result{.label = c.label};
  const std::size_t others = c.inputs.size();
  result.inputs = std::move(c.inputs);
  std::vector<nn::Param*> params;
  c.module->name_tree();
  c.module->visit([&](const std::string& path, nn::Param& p) {
    params.push_back(&p);
    CaseInput input = p.norm ? uniform(path, p.shape, 0.5, 1.5) : normal(path, p.shape, 0, 0.4);
    if (p.frozen)
      input = frozen(input);
    else if (c.without_gradient && c.without_gradient(path))
      input = unreached(input);
    else if (c.zero && c.zero(path))
      input = zero_gradient(input);
    result.inputs.push_back(input);
  });
  result.run = [module = c.module, params, others, forward = c.forward](Vars v) {
    for (std::size_t i = 0; i < params.size(); ++i) params[i]->value = v[others + i];
    return forward(v.first(others));
  };
  result.f32_grad_tolerance = c.f32_grad_tolerance;
  result.why = c.why.empty() ? "a few layers of f32 rounding" : c.why;
  result.gradcheck.element_limit = 12;
  result.gradcheck.jacobian_limit = 0;
  // With hundreds of ReLU units some are close to their kink: a smaller step crosses fewer of them.
  if (c.relu) result.gradcheck.step = 1e-6;
  list.add(std::move(result));
}

inline bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace rein::testing
