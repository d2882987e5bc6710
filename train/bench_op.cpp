#include "train/bench_op.h"

#include <algorithm>

#include "tensor/device_info.h"

namespace rein::train {
namespace {

Tensor to_f32(const Tensor& t) {
  if (!t || t.dtype() != DType::f64) return t;
  Tensor out = Tensor::empty(t.shape(), DType::f32);
  for (std::int64_t i = 0; i < t.count(); ++i) out.mutable_data<float>()[i] = static_cast<float>(t.data<double>()[i]);
  return out;
}

std::vector<Variable> leaves_of(const testing::OpCase& c, bool gradients, Device device) {
  std::vector<Variable> leaves;
  const std::vector<Tensor> inputs = testing::make_inputs(c);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor value = to_f32(inputs[i]).to(device);
    if (!value)
      leaves.emplace_back();
    else
      leaves.push_back(gradients && c.inputs[i].differentiable ? parameter(value) : constant(value));
  }
  return leaves;
}

}  // namespace

void bench_op(const std::string& op, double min_seconds, Device device,
              const std::function<void(const BenchOp&)>& report) {
  const std::vector<testing::OpCase> cases = testing::cases_of(op);
  const bool real = std::ranges::any_of(cases, &testing::OpCase::bench_only);
  for (const testing::OpCase& c : cases) {
    if (real && !c.bench_only) continue;
    BenchOp result{.op = c.op, .label = c.label, .forward = {}, .backward = {}, .flops = c.flops, .bytes = c.bytes};
    {
      const NoGrad no_grad;
      const std::vector<Variable> inputs = leaves_of(c, false, device);
      result.forward = time_runs(
          [&] {
            c.run(inputs);
            synchronize(device);
          },
          5, min_seconds);
    }
    if (c.check_gradient) {
      std::vector<Variable> inputs = leaves_of(c, true, device);
      std::vector<double> seconds;
      std::vector<Tensor> cotangents;
      const double start = now_seconds();
      while (seconds.size() < 6 || (now_seconds() - start < min_seconds && seconds.size() < 200)) {
        std::vector<Variable> roots;
        for (const Variable& out : c.run(inputs))
          if (out.requires_grad()) roots.push_back(out);
        if (cotangents.empty())
          for (std::size_t k = 0; k < roots.size(); ++k)
            cotangents.push_back(random_normal(RandomKey(9).child(k), roots[k].shape(), 0, 1).to(device));
        synchronize(device);
        const double before = now_seconds();
        backward(roots, cotangents);
        synchronize(device);
        seconds.push_back(now_seconds() - before);
        for (Variable& v : inputs) v.clear_grad();
      }
      seconds.erase(seconds.begin());  // the first run warms up
      std::ranges::sort(seconds);
      result.backward = {seconds[seconds.size() / 2], seconds.front(), seconds.back(),
                         static_cast<int>(seconds.size())};
    }
    report(result);
  }
}

}  // namespace rein::train
