#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "tensor/error.h"
#include "tensor/random.h"

namespace rein {
namespace {

std::string index_text(const Shape& shape, std::int64_t flat) {
  std::string text;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    text = std::to_string(flat % shape[axis]) + (text.empty() ? "" : ", ") + text;
    flat /= shape[axis];
  }
  return "[" + text + "]";
}

double dot(const Tensor& a, const Tensor& b) {
  double sum = 0;
  const double* x = a.data<double>();
  const double* y = b.data<double>();
  for (std::int64_t i = 0; i < a.count(); ++i) sum += x[i] * y[i];
  return sum;
}

double largest(const Tensor& t) {
  double m = 0;
  for (const double v : t.values<double>()) m = std::isnan(v) ? v : std::max(m, std::abs(v));
  return m;
}

class Checker {
 public:
  Checker(const GradcheckFunction& f, const std::vector<GradcheckInput>& inputs, const GradcheckOptions& options)
      : f_(f), inputs_(inputs), options_(options), key_(RandomKey(options.seed).child("gradcheck")) {}

  GradcheckReport run() {
    GradcheckReport report;
    if (auto problem = prepare()) {
      report.problem = *problem;
      return report;
    }
    report.ok = true;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i].differentiable) continue;
      report.rows.push_back(check_input(i));
      report.ok = report.ok && report.rows.back().ok;
    }
    if (report.rows.empty()) {
      report.ok = false;
      report.problem = "no input is differentiable";
    }
    return report;
  }

 private:
  struct Pass {
    std::vector<Variable> leaves, outputs;
  };

  // A copy on the device.
  Tensor own(const Tensor& t) const { return options_.device.is_cpu() ? t.clone() : t.to(options_.device); }

  Pass forward(std::size_t replaced = SIZE_MAX, const Tensor& value = {}) const {
    Pass pass;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const Tensor& v = i == replaced ? value : inputs_[i].value;
      if (!v)
        pass.leaves.emplace_back();
      else
        pass.leaves.push_back(inputs_[i].differentiable ? parameter(own(v)) : constant(v.to(options_.device)));
    }
    pass.outputs = f_(pass.leaves);
    return pass;
  }

  // One recorded pass: cotangents, analytic gradients, their common scale.
  std::optional<std::string> prepare() {
    Pass pass = forward();
    std::vector<Variable> roots;
    std::vector<Tensor> cotangents;
    for (std::size_t k = 0; k < pass.outputs.size(); ++k) {
      const Variable& out = pass.outputs[k];
      const bool real = out && out.dtype() == DType::f64;
      cotangents_.push_back(real ? random_normal(key_.child("cotangent").child(k), out.shape(), 0, 1, DType::f64)
                                 : Tensor{});
      if (!real || !out.requires_grad()) continue;
      roots.push_back(out);
      cotangents.push_back(cotangents_[k].to(options_.device));
    }
    if (roots.empty()) return "nothing was recorded: no f64 output depends on a differentiable input";
    backward(roots, cotangents);
    for (const Variable& leaf : pass.leaves) {
      grads_.push_back(leaf.grad().to(Device{}));
      if (grads_.back()) scale_ = std::max(scale_, largest(grads_.back()));
    }
    return std::nullopt;
  }

  // The scalar S = sum over outputs of <cotangent, output> with input i replaced.
  double value_at(std::size_t i, const Tensor& x) const {
    const NoGrad no_grad;
    const Pass pass = forward(i, x);
    double s = 0;
    for (std::size_t k = 0; k < pass.outputs.size(); ++k)
      if (cotangents_[k]) s += dot(cotangents_[k], pass.outputs[k].value().to(Device{}));
    return s;
  }

  double step_for(const Tensor& x) const { return options_.step * std::max(1.0, largest(x)); }

  double slope(std::size_t i, const Tensor& direction) const {
    const Tensor& x = inputs_[i].value;
    const double h = step_for(x);
    const auto moved = [&](double by) {
      Tensor y = x.clone();
      double* p = y.mutable_data<double>();
      for (std::int64_t e = 0; e < y.count(); ++e) p[e] += by * direction.data<double>()[e];
      return y;
    };
    return (value_at(i, moved(h)) - value_at(i, moved(-h))) / (2 * h);
  }

  GradcheckRow check_input(std::size_t i) {
    const GradcheckInput& input = inputs_[i];
    GradcheckRow row{.input = input.name};
    const Tensor grad = grads_[i];
    if (!grad) {
      row.ok = input.unreached;
      row.note = input.unreached ? "unreached as declared" : "no gradient arrived";
      return row;
    }
    if (input.unreached) {
      row.note = "declared unreached, but a gradient arrived";
      return row;
    }
    std::vector<Probe> probes = probe_elements(i);
    probe_directions(i, probes);
    double numeric_scale = 0;
    for (const Probe& p : probes) numeric_scale = std::max(numeric_scale, std::abs(p.numeric) / p.size);
    if (input.expect_zero) return judge_zero(row, probes);
    if (!(std::max(numeric_scale, largest(grad)) > 1e-7 * std::max(scale_, 1e-300))) {
      row.note = "the gradient is near zero: the case cannot tell right from wrong";
      return row;
    }
    pick_worst(row, probes, numeric_scale);
    if (row.ok) check_jacobian(i, row);
    return row;
  }

  struct Probe {
    std::string where;
    double analytic, numeric;
    double size = 1;  // length of the direction
  };

  std::vector<Probe> probe_elements(std::size_t i) const {
    std::vector<Probe> probes;
    const Tensor& x = inputs_[i].value;
    if (x.count() > options_.element_limit) return probes;
    for (std::int64_t e = 0; e < x.count(); ++e) {
      Tensor direction = Tensor::zeros_like(x);
      direction.mutable_data<double>()[e] = 1;
      probes.push_back({index_text(x.shape(), e), grads_[i].at(e), slope(i, direction)});
    }
    return probes;
  }

  void probe_directions(std::size_t i, std::vector<Probe>& probes) const {
    for (int n = 0; n < options_.directions; ++n) {
      const RandomKey key = key_.child("direction").child(i).child(static_cast<std::uint64_t>(n));
      const Tensor direction = random_normal(key, inputs_[i].value.shape(), 0, 1, DType::f64);
      const double length = std::sqrt(dot(direction, direction));
      probes.push_back(
          {"direction " + std::to_string(n), dot(grads_[i], direction), slope(i, direction), std::max(length, 1e-300)});
    }
  }

  // The probe farthest off goes into the row (one that is no number before all others), and how many are off.
  void pick_worst(GradcheckRow& row, const std::vector<Probe>& probes, double scale) const {
    row.tolerance = options_.tolerance;
    for (const Probe& p : probes) take(row, p, std::abs(p.analytic - p.numeric) / (p.size * scale));
    row.ok = row.wrong == 0;
    if (!row.ok) row.note = count_text(row) + " wrong" + common_factor(probes, scale);
  }

  static void take(GradcheckRow& row, const Probe& p, double error) {
    row.checked += 1;
    row.wrong += !(error <= row.tolerance);  // NaN is wrong
    if (!(error >= row.error) && !std::isnan(error)) return;
    if (std::isnan(row.error)) return;
    row.error = error;
    row.where = p.where;
    row.analytic = p.analytic;
    row.numeric = p.numeric;
  }

  static std::string count_text(const GradcheckRow& row) {
    return concat_text(row.wrong, " of ", row.checked, row.checked == 1 ? " derivative is" : " derivatives are");
  }

  // ", all of them -1 x the numeric ones" when one factor explains every probe: a lost sign, a forgotten 2.
  static std::string common_factor(const std::vector<Probe>& probes, double scale) {
    double products = 0, squares = 0, off = 0;
    for (const Probe& p : probes) {
      products += p.analytic * p.numeric / (p.size * p.size);
      squares += p.numeric * p.numeric / (p.size * p.size);
    }
    const double factor = products / squares;
    for (const Probe& p : probes) {
      const double rest = std::abs(p.analytic - factor * p.numeric) / (p.size * scale);
      off = rest <= off ? off : rest;  // keeps a NaN
    }
    const double shown = std::round(1e4 * factor) / 1e4;
    if (!(off <= 1e-5 * std::abs(factor)) || probes.size() < 2 || shown == 1) return "";
    return concat_text(", all of them ", shown, " x the numeric ones");
  }

  GradcheckRow judge_zero(GradcheckRow row, const std::vector<Probe>& probes) const {
    row.tolerance = 1e-11 / options_.step;  // rounding of a difference, with 1e-16 of values up to 1e5 times larger
    for (const Probe& p : probes) {
      const double size = p.size * std::max(scale_, 1e-300), both = std::abs(p.analytic) + std::abs(p.numeric);
      // The larger of the two; their sum only to keep a NaN, which max() may drop.
      take(row, p, std::isnan(both) ? both : std::max(std::abs(p.analytic), std::abs(p.numeric)) / size);
    }
    row.ok = row.wrong == 0;
    row.note = row.ok ? "zero as declared" : "declared zero, but " + count_text(row) + " not";
    return row;
  }

  // d out_k[o] / d x[e] for all pairs on tiny shapes: catches errors that cancel under one cotangent.
  void check_jacobian(std::size_t i, GradcheckRow& row) const {
    const Tensor& x = inputs_[i].value;
    std::int64_t outputs = 0;
    for (const Tensor& c : cotangents_) outputs += c ? c.count() : 0;
    if (x.count() == 0 || outputs * x.count() > options_.jacobian_limit) return;
    const double h = step_for(x);
    std::vector<std::vector<Tensor>> plus, minus;  // outputs, on the CPU
    for (std::int64_t e = 0; e < x.count(); ++e) {
      const NoGrad no_grad;
      for (const double sign : {1.0, -1.0}) {
        Tensor y = x.clone();
        y.mutable_data<double>()[e] += sign * h;
        std::vector<Tensor>& outputs_of_step = (sign > 0 ? plus : minus).emplace_back();
        for (const Variable& out : forward(i, y).outputs)
          outputs_of_step.push_back(out ? out.value().to(Device{}) : Tensor{});
      }
    }
    std::vector<Probe> probes;
    double scale = 0;
    for (std::size_t k = 0; k < cotangents_.size(); ++k) {
      if (!cotangents_[k]) continue;
      for (std::int64_t o = 0; o < cotangents_[k].count(); ++o) {
        const Tensor grad = jacobian_row(i, k, o);
        for (std::int64_t e = 0; e < x.count(); ++e) {
          const auto n = static_cast<std::size_t>(e);
          const double numeric = (plus[n][k].at(o) - minus[n][k].at(o)) / (2 * h);
          probes.push_back(
              {concat_text("d out", k, index_text(cotangents_[k].shape(), o), " / d ", index_text(x.shape(), e)),
               grad ? grad.at(e) : 0.0, numeric});
          scale = std::max(scale, std::abs(numeric));
        }
      }
    }
    pick_worst(row, probes, std::max(scale, 1e-300));
  }

  Tensor jacobian_row(std::size_t i, std::size_t k, std::int64_t o) const {
    Pass pass = forward();
    if (!pass.outputs[k].requires_grad()) return {};
    Tensor one_hot = Tensor::zeros(pass.outputs[k].shape(), DType::f64);
    one_hot.mutable_data<double>()[o] = 1;
    backward(pass.outputs[k], one_hot.to(options_.device));
    return pass.leaves[i].grad().to(Device{});
  }

  const GradcheckFunction& f_;
  const std::vector<GradcheckInput>& inputs_;
  const GradcheckOptions& options_;
  RandomKey key_;
  std::vector<Tensor> cotangents_;
  std::vector<Tensor> grads_;
  double scale_ = 0;
};

}  // namespace

GradcheckReport gradcheck(const GradcheckFunction& f, const std::vector<GradcheckInput>& inputs,
                          const GradcheckOptions& options) {
  for (const GradcheckInput& input : inputs) {
    require(!input.differentiable || (input.value && input.value.dtype() == DType::f64), "gradcheck", "input '",
            input.name, "' must be f64, got ", input.value ? name_of(input.value.dtype()) : "null");
  }
  return Checker(f, inputs, options).run();
}

}  // namespace rein
