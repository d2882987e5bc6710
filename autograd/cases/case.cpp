#include "autograd/cases/case.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::testing {
namespace {

struct Entry {
  std::string names, level;
  std::function<void(CaseList&)> fill;
};

std::vector<Entry>& entries() {
  static std::vector<Entry> all;
  return all;
}

// At least one, though it be empty.
std::vector<std::string> split_names(const std::string& names) {
  std::vector<std::string> all;
  std::istringstream in(names + ",");
  for (std::string name; std::getline(in, name, ',');) all.push_back(name);
  return all;
}

std::string first_name(const std::string& names) {
  return names.substr(0, names.find(','));
}

// f64 values that are exact in f32: both dtypes then compute from the same numbers.
Tensor rounded_to_f32(Tensor t) {
  double* p = t.mutable_data<double>();
  for (std::int64_t i = 0; i < t.count(); ++i) p[i] = static_cast<double>(static_cast<float>(p[i]));
  return t;
}

Tensor to_dtype(const Tensor& t, DType dtype) {
  if (!t || t.dtype() != DType::f64 || dtype == DType::f64) return t;
  Tensor out = Tensor::empty(t.shape(), dtype);
  for (std::int64_t i = 0; i < t.count(); ++i) out.mutable_data<float>()[i] = static_cast<float>(t.data<double>()[i]);
  return out;
}

// Fresh memory is NaN while this is alive, so an element that a kernel forgets is seen.
struct Poison {
  Poison() { poison_new_tensors(true); }
  ~Poison() { poison_new_tensors(false); }
};

struct Run {
  std::vector<Tensor> outs, grads;  // of each output; of each input, null where there is none
};

// Forward, and backward from random cotangents when `gradients`.
Run run_case(const OpCase& c, const std::vector<Tensor>& inputs, DType dtype, Device device, bool gradients) {
  std::vector<Variable> leaves;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Tensor t = to_dtype(inputs[i], dtype).to(device);
    if (!t)
      leaves.emplace_back();
    else
      leaves.push_back(gradients && c.inputs[i].differentiable ? parameter(t.clone()) : constant(t));
  }
  const Outs outs = c.run(leaves);
  Run run;
  for (const Variable& out : outs) run.outs.push_back(out.value());
  if (!gradients) return run;
  std::vector<Variable> roots;
  std::vector<Tensor> cotangents;
  for (std::size_t k = 0; k < outs.size(); ++k) {
    if (!outs[k].requires_grad()) continue;
    roots.push_back(outs[k]);
    const Tensor cotangent = rounded_to_f32(random_normal(RandomKey(7).child(k), outs[k].shape(), 0, 1, DType::f64));
    cotangents.push_back(to_dtype(cotangent, dtype).to(device));
  }
  backward(roots, cotangents);
  for (const Variable& v : leaves) run.grads.push_back(v.grad());
  return run;
}

std::vector<Tensor> run_gradients(const OpCase& c, const std::vector<Tensor>& inputs, DType dtype) {
  return run_case(c, inputs, dtype, {}, true).grads;
}

}  // namespace

CaseInput uniform(std::string name, const Shape& shape, double low, double high) {
  return {std::move(name),
          [=](RandomKey k) { return rounded_to_f32(random_uniform(k, shape, low, high, DType::f64)); }};
}

CaseInput normal(std::string name, const Shape& shape, double mean, double std) {
  return {std::move(name), [=](RandomKey k) { return rounded_to_f32(random_normal(k, shape, mean, std, DType::f64)); }};
}

CaseInput away_from(std::string name, const Shape& shape, double kink, double margin) {
  return {std::move(name), [=](RandomKey k) {
            Tensor t = random_normal(k, shape, 0, 1, DType::f64);
            double* p = t.mutable_data<double>();
            for (std::int64_t i = 0; i < t.count(); ++i) p[i] += kink + (p[i] < 0 ? -margin : margin);
            return rounded_to_f32(t);
          }};
}

CaseInput integers(std::string name, const Shape& shape, std::int64_t low, std::int64_t high) {
  return {std::move(name),
          [=](RandomKey k) {
            Tensor t = Tensor::empty(shape, DType::i64);
            for (std::int64_t i = 0; i < t.count(); ++i) {
              const auto e = static_cast<std::uint64_t>(i);
              t.mutable_data<std::int64_t>()[i] =
                  low + static_cast<std::int64_t>(k.below(e, static_cast<std::uint64_t>(high - low)));
            }
            return t;
          },
          false};
}

CaseInput fixed(std::string name, Tensor value, bool differentiable) {
  return {std::move(name), [value](RandomKey) { return value; }, differentiable};
}

void CaseList::add(OpCase c) {
  c.op = first_name(names_);
  c.names = names_;
  c.level = level_;
  cases_.push_back(std::move(c));
}

Cases::Cases(std::string names, std::function<void(CaseList&)> fill, std::string level) {
  entries().push_back({std::move(names), std::move(level), std::move(fill)});
}

std::vector<std::string> registered_ops() {
  std::vector<std::string> names;
  for (const Entry& e : entries()) names.push_back(first_name(e.names));
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> ops_named(std::span<const std::string> names, const char* who) {
  std::map<std::string, std::string> op_of;
  for (const Entry& e : entries())
    for (const std::string& name : split_names(e.names)) op_of[name] = first_name(e.names);
  std::vector<std::string> wanted, ops;
  for (const std::string& name : names)
    for (std::string& part : split_names(name)) wanted.push_back(std::move(part));
  for (const std::string& name : wanted) {
    const auto found = op_of.find(name);
    if (found == op_of.end()) {
      std::vector<std::string> known;
      for (const auto& [each, op] : op_of) known.push_back(each);
      fail(who, "unknown name \"", name, "\"", did_you_mean(name, known), " (rein gradcheck --list shows all)");
    }
    if (std::ranges::find(ops, found->second) == ops.end()) ops.push_back(found->second);
  }
  return ops;
}

std::vector<OpCase> cases_of(const std::string& name) {
  const std::string op = ops_named(std::span(&name, 1), "cases").front();
  std::vector<OpCase> found;
  for (const Entry& e : entries()) {
    if (first_name(e.names) != op) continue;
    CaseList list(e.names, e.level);
    e.fill(list);
    for (OpCase& c : list.take()) found.push_back(std::move(c));
  }
  return found;
}

std::vector<OpCase> all_cases() {
  std::vector<OpCase> all;
  for (const std::string& op : registered_ops())
    for (OpCase& c : cases_of(op)) all.push_back(std::move(c));
  return all;
}

std::vector<Tensor> make_inputs(const OpCase& c, std::uint64_t seed) {
  std::vector<Tensor> inputs;
  const RandomKey key = RandomKey(seed).child(c.names).child(c.label);
  for (const CaseInput& input : c.inputs) inputs.push_back(input.make(key.child(input.name)));
  return inputs;
}

Comparison compare(const Tensor& got, const Tensor& expected, double tolerance) {
  Comparison result;
  if (!got || !expected || got.shape() != expected.shape()) {
    result.error = INFINITY;
    result.text = concat_text("shape ", got ? got.shape().text() : "null", " instead of ",
                              expected ? expected.shape().text() : "null");
    return result;
  }
  double scale = 0;
  for (std::int64_t i = 0; i < expected.count(); ++i) {
    const double e = std::abs(expected.at(i));
    if (std::isfinite(e)) scale = std::max(scale, e);
  }
  result.ok = true;
  for (std::int64_t i = 0; i < expected.count(); ++i) {
    const double g = got.at(i), e = expected.at(i);
    if ((std::isnan(g) && std::isnan(e)) || g == e) continue;
    const double error = std::abs(g - e) / std::max(scale, 1e-300);
    const bool worse = !(error <= result.error);
    if (worse) result.error = error;
    if (!(error <= tolerance) && (worse || result.ok)) {
      result.ok = false;
      result.text = concat_text("element ", i, " of ", expected.shape(), ": got ", g, ", expected ", e);
    }
  }
  return result;
}

Comparison check_value(const OpCase& c, DType dtype) {
  const std::vector<Tensor> inputs = make_inputs(c);
  const std::vector<Tensor> expected = c.reference(inputs);
  Outs outs;
  {
    std::vector<Variable> variables;
    for (const Tensor& t : inputs) variables.push_back(t ? constant(to_dtype(t, dtype)) : Variable{});
    const Poison poison;
    outs = c.run(variables);
  }
  Comparison worst{.ok = outs.size() == expected.size(), .error = 0, .text = ""};
  if (!worst.ok) worst.text = concat_text(outs.size(), " outputs instead of ", expected.size());
  for (std::size_t k = 0; k < std::min(outs.size(), expected.size()); ++k) {
    Comparison one = compare(outs[k].value(), expected[k], dtype == DType::f64 ? c.f64_tolerance : c.f32_tolerance);
    if (!one.ok) one.text = concat_text("out ", k, " ", one.text);
    if ((worst.ok && !one.ok) || (one.ok == worst.ok && !(one.error <= worst.error))) worst = one;
  }
  return worst;
}

Comparison check_f32_gradient(const OpCase& c) {
  const std::vector<Tensor> inputs = make_inputs(c);
  const std::vector<Tensor> expected = run_gradients(c, inputs, DType::f64);
  std::vector<Tensor> got;
  {
    const Poison poison;
    got = run_gradients(c, inputs, DType::f32);
  }
  Comparison worst{.ok = true, .error = 0, .text = ""};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!c.inputs[i].differentiable || c.inputs[i].expect_zero || (!expected[i] && !got[i])) continue;
    Comparison one = compare(got[i], expected[i], c.f32_grad_tolerance);
    if (!one.ok) one.text = concat_text("gradient of ", c.inputs[i].name, ": ", one.text);
    if ((worst.ok && !one.ok) || (one.ok == worst.ok && !(one.error <= worst.error))) worst = one;
  }
  return worst;
}

Comparison check_device(const OpCase& c, DType dtype, Device device) {
  const std::vector<Tensor> inputs = make_inputs(c);
  const Run expected = run_case(c, inputs, dtype, {}, c.check_gradient);
  Run got;
  {
    const Poison poison;
    got = run_case(c, inputs, dtype, device, c.check_gradient);
  }
  Comparison worst{.ok = true, .error = 0, .text = ""};
  const auto take = [&](const Tensor& g, const Tensor& e, double tolerance, const std::string& what) {
    Comparison one = g && g.device() != device
                         ? Comparison{.ok = false, .error = 0, .text = "is on " + g.device().text()}
                         : compare(g.to(Device{}), e, tolerance);
    if (!one.ok) one.text = concat_text(what, ": ", one.text);
    if ((worst.ok && !one.ok) || (one.ok == worst.ok && !(one.error <= worst.error))) worst = one;
  };
  const bool f64 = dtype == DType::f64;
  for (std::size_t k = 0; k < expected.outs.size(); ++k)
    take(got.outs[k], expected.outs[k], f64 ? c.f64_tolerance : c.f32_tolerance, concat_text("out ", k));
  for (std::size_t i = 0; i < expected.grads.size(); ++i) {
    if (!expected.grads[i] && !got.grads[i]) continue;
    if (c.inputs[i].expect_zero) continue;
    take(got.grads[i], expected.grads[i], f64 ? 1e-11 : c.f32_grad_tolerance, "gradient of " + c.inputs[i].name);
  }
  return worst;
}

GradcheckReport check_gradient(const OpCase& c, Device device) {
  const std::vector<Tensor> values = make_inputs(c);
  std::vector<GradcheckInput> inputs;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const CaseInput& in = c.inputs[i];
    inputs.push_back({in.name, values[i], in.differentiable && values[i], in.expect_zero, in.unreached});
  }
  const Poison poison;
  GradcheckOptions options = c.gradcheck;
  options.device = device;
  return gradcheck(c.run, inputs, options);
}

}  // namespace rein::testing
