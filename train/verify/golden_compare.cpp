#include "train/verify/golden_compare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "train/verify/golden_generate.h"

namespace rein::train {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int projections = 8;
constexpr const char* kinks_text = "for gradients through ReLU and bilinear kinks";

double max_abs_of(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::isnan(v) ? infinity : std::max(most, std::abs(v));
  return most;
}

// |a - b|, infinite for anything that is not a number.
double difference(double a, double b) {
  const double d = std::abs(a - b);
  return std::isnan(d) ? infinity : d;
}

double relative(double d, double scale) {
  return d == 0 ? 0 : d / scale;
}  // scale 0: infinite

bool is_gradient(const std::string& name) {
  return name.starts_with("grad.");
}

}  // namespace

const char* const comparison_rule =
    "An error is the largest difference of a tensor, relative to its largest value. Allowed: in f64 1e-8; in f32 4 "
    "times\n"
    "the error that the official code itself has in f32 (recorded in the file), at least 2e-6 for outputs and 5e-6 "
    "for\n"
    "gradients, as two right programs differ by rounding. Integers must be equal.";

Comparison::Comparison(const GoldenFile& file, DType dtype, Device device)
    : file_(file), dtype_(dtype), device_(device) {
  for (const char* key : {"unreached", "unreached_by_gradient"}) {
    if (!file.config().has(key)) continue;
    for (const std::string& name : file.config().texts(key))
      unreached_.insert(name.starts_with("param.") || name.starts_with("in.") ? "grad." + name : "grad.param." + name);
  }
  for (const char* prefix : {"out.", "grad."}) {
    double& group = is_gradient(prefix) ? group_max_grad_ : group_max_out_;
    for (const std::string& name : file.names(prefix)) {
      const Tensor t = file.tensor(name);
      if (is_floating(t.dtype())) group = std::max(group, max_abs_of(t.to_doubles()));
    }
    for (const auto& [name, most] : file.all_max_abs())
      if (name.starts_with(prefix)) group = std::max(group, most);
  }
}

double Comparison::scale(const std::string& name, double own_max) const {
  return std::max(own_max, 1e-6 * (is_gradient(name) ? group_max_grad_ : group_max_out_));
}

Limit Comparison::f32_limit(double f32_error, double floor, const char* what) {
  if (4 * f32_error >= floor)
    return {4 * f32_error, concat_text("4 x ", f32_error, ", the official code's own in f32")};
  return {floor, concat_text("the least ", what, "; the official code's own in f32 is ", f32_error)};
}

Limit Comparison::limit(const std::string& name) const {
  if (dtype_ == DType::f64) return {1e-8, "f64"};
  const bool gradient = is_gradient(name);
  return f32_limit(file_.f32_error(name), gradient ? 5e-6 : 2e-6, gradient ? "for gradients" : "for outputs");
}

// In f32 a tensor without a recorded f32 error has no reference.
bool Comparison::listed(const std::string& name) {
  if (dtype_ == DType::f64 || file_.has_f32_error(name)) return true;
  ++unlisted_;
  return false;
}

void Comparison::add_failure(const std::string& text) {
  failures_.push_back(text);
}

void Comparison::note(const std::string& name, double error, const Limit& limit) {
  errors_.push_back({name, error, limit.value, limit.why});
  const double ratio = std::isnan(error) ? infinity : error / limit.value;
  if (ratio > worst_ratio_) {
    worst_ratio_ = ratio;
    worst_tensor_ = name;
    worst_error_ = error;
    worst_limit_ = limit.value;
  }
  if (!(error <= limit.value))
    add_failure(concat_text(name, ": error ", error, ", allowed ", limit.value, " (", limit.why, ")"));
}

void Comparison::check(const std::string& name, const Tensor& ours, std::int64_t allowed) {
  const bool full = file_.has(name);
  const bool sampled = file_.has("sample." + name + ".index") || file_.has("proj." + name);
  if (!seen_.insert(name).second) return add_failure(name + ": compared twice");
  if (!full && !sampled) return add_failure(name + ": computed here, but the file does not have it");
  if (unreached_.contains(name) && (!ours || max_abs_of(ours.to_doubles()) == 0)) return check_unreached(name);
  if (unreached_.contains(name)) return add_failure(name + ": config says that no gradient reaches it, but one came");
  if (!ours) return add_failure(name + (is_gradient(name) ? ": no gradient came" : ": missing on our side"));
  if (full)
    check_full(name, ours, allowed);
  else
    check_sampled(name, ours);
}

void Comparison::check_unreached(const std::string& name) {
  const double stored = file_.has(name) ? max_abs_of(file_.tensor(name).to_doubles()) : file_.max_abs(name);
  if (stored != 0) return add_failure(name + ": listed as unreached, but the stored gradient is not zero");
  ++compared_;
}

void Comparison::check_full(const std::string& name, const Tensor& ours, std::int64_t allowed) {
  const Tensor ref = file_.tensor(name);
  if (ours.shape() != ref.shape())
    return add_failure(concat_text(name, ": must have shape ", ref.shape(), ", got ", ours.shape()));
  const std::vector<double> a = ours.to_doubles(), b = ref.to_doubles();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, difference(a[i], b[i]));
  if (!is_floating(ref.dtype())) {
    ++compared_;
    std::size_t count = 0;
    for (std::size_t i = 0; i < a.size(); ++i) count += difference(a[i], b[i]) > static_cast<double>(allowed);
    if (worst_tensor_.empty()) worst_tensor_ = name;
    if (count > 0) add_failure(concat_text(name, ": ", count, " of ", a.size(), " integers differ, by up to ", worst));
    return;
  }
  if (!listed(name)) {
    if (!std::isfinite(max_abs_of(a))) add_failure(name + ": is not finite");
    return;
  }
  ++compared_;
  note(name, relative(worst, scale(name, max_abs_of(b))),
       kinked(name) ? f32_limit(file_.f32_error(name), 1e-2, kinks_text) : limit(name));
}

// ReLU and bilinear kinks: in f32 every program puts a few units on the other side (golden README, section 18).
bool Comparison::kinked(const std::string& name) const {
  const std::string& kind = file_.kind();
  return dtype_ != DType::f64 && is_gradient(name) &&
         (kind == "large_pixel_decoder" || kind == "large_mask2former_head" || kind == "large_semantic_fpn_head");
}

void Comparison::check_sampled(const std::string& name, const Tensor& ours) {
  const std::vector<double> values = ours.to_doubles();
  if (!listed(name)) {
    if (!std::isfinite(max_abs_of(values))) add_failure(name + ": is not finite");
    return;
  }
  ++compared_;
  const double by = scale(name, file_.max_abs(name));
  const bool kinks = kinked(name);
  const double f32_error = dtype_ == DType::f64 ? 0 : file_.f32_error(name);
  if (file_.has("sample." + name + ".index")) {
    const std::vector<double> index = file_.tensor("sample." + name + ".index").to_doubles();
    const std::vector<double> ref = file_.tensor("sample." + name + ".value").to_doubles();
    if (index.size() != ref.size()) return add_failure(name + ": sample index and value differ in length");
    std::vector<double> errors;
    for (std::size_t i = 0; i < index.size(); ++i) {
      if (!(index[i] >= 0 && index[i] < static_cast<double>(values.size())))
        return add_failure(
            concat_text(name, ": has ", values.size(), " elements, but sample ", index[i], " is asked for"));
      errors.push_back(relative(difference(values[static_cast<std::size_t>(index[i])], ref[i]), by));
    }
    std::sort(errors.begin(), errors.end());
    if (!errors.empty() && kinks) {
      const std::size_t three_quarters = (errors.size() * 3 + 3) / 4;
      note(name + " (75 % of samples)", errors[three_quarters - 1], f32_limit(file_.f32_p90(name), 1e-3, kinks_text));
      note(name, errors.back(), f32_limit(f32_error, 0.1, kinks_text));
    } else if (!errors.empty()) {
      note(name, errors.back(), limit(name));
    }
  }
  if (file_.has("proj." + name)) {
    const std::vector<double> ref = file_.tensor("proj." + name).to_doubles();
    if (ref.size() != projections) return add_failure(name + ": must have 8 projections");
    double worst = 0;
    for (int k = 0; k < projections; ++k)
      worst = std::max(worst, difference(sign_projection(name, k, file_.generator_seed(), values),
                                         ref[static_cast<std::size_t>(k)]));
    const double size = std::sqrt(static_cast<double>(std::max<std::size_t>(values.size(), 1)));
    note(name + " (projections)", relative(worst, by * size),
         kinks ? f32_limit(f32_error, 1e-2, kinks_text) : limit(name));
  }
}

void Comparison::check_exact(const std::string& name, const Tensor& ours) {
  if (!seen_.insert(name).second) return add_failure(name + ": compared twice");
  if (!file_.has(name)) return add_failure(name + ": computed here, but the file does not have it");
  if (!ours) return add_failure(name + ": missing on our side");
  const Tensor ref = file_.tensor(name);
  if (ours.shape() != ref.shape())
    return add_failure(concat_text(name, ": must have shape ", ref.shape(), ", got ", ours.shape()));
  ++compared_;
  if (worst_tensor_.empty()) worst_tensor_ = name;
  const Tensor rounded = ops::cast(ref, ours.dtype());
  const Tensor on_cpu = ours.to(Device{});
  if (std::memcmp(rounded.raw(), on_cpu.raw(), on_cpu.bytes()) == 0) return;
  const std::vector<double> a = ours.to_doubles(), b = rounded.to_doubles();
  std::size_t first = 0;
  while (first < a.size() && std::memcmp(&a[first], &b[first], sizeof(double)) == 0) ++first;
  if (first == a.size()) return;
  add_failure(concat_text(name, ": element ", first, " is ", a[first], ", must be exactly ", b[first]));
}

void Comparison::check_scalar(const std::string& name, double ours) {
  check(name, Tensor::scalar(ours, DType::f64));
}

void Comparison::check_that(bool holds, const std::string& what) {
  ++statements_;
  if (!holds) add_failure(what);
}

void Comparison::finish() {
  std::set<std::string> wanted;
  for (const char* prefix : {"out.", "grad.", "sample.", "proj."}) {
    for (std::string name : file_.names(prefix)) {
      if (name.starts_with("sample."))
        name = name.substr(7, name.rfind('.') - 7);
      else if (name.starts_with("proj."))
        name = name.substr(5);
      wanted.insert(std::move(name));
    }
  }
  for (const std::string& name : wanted)
    if (!seen_.contains(name)) add_failure(name + ": in the file, but not computed here");
}

}  // namespace rein::train
