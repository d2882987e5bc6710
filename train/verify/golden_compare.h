// The comparison rule of the recorded cases (golden README, section 0):
//   error(tensor) = max|ours - ref| / scale, scale = max(max|ref| of that tensor, 1e-6 max|ref| of its group),
//   f64: at most 1e-8; f32: at most max(4 f32_error of that tensor, floor), floor 2e-6 for out.*, 5e-6 for grad.*;
//   f32_error is what the official code itself loses in f32.
// Integers must be equal. NaN never passes. Every out.* and grad.* tensor of the file must be asked for.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "train/verify/golden_file.h"

namespace rein::train {

// The same rule for people.
extern const char* const comparison_rule;

struct Limit {
  double value = 0;
  std::string why;  // "f64", "4 x 2.1e-06, the official code's own error in f32", ...
};

struct TensorError {
  std::string name;
  double error = 0, limit = 0;
  std::string why;  // the limit is what it is
};

class Comparison {
 public:
  Comparison(const GoldenFile& file, DType dtype, Device device = {});

  DType dtype() const { return dtype_; }
  Device device() const { return device_; }

  // `name` as in the file ("out.feat.0", "grad.param.scale"), `ours` in the file's layout. Stored in full or, in
  // large_* cases, by samples and projections. A null gradient is right exactly when config.unreached lists it and the
  // stored one is zero. Integer tensors may differ by `allowed`.
  void check(const std::string& name, const Tensor& ours, std::int64_t allowed = 0);
  void check_map(const std::string& name, const Tensor& nhwc) { check(name, to_nchw(nhwc)); }
  // Bit for bit, after rounding the stored values to the dtype of ours.
  void check_exact(const std::string& name, const Tensor& ours);
  void check_scalar(const std::string& name, double ours);
  // A statement about the case that is not a tensor ("config.trainable").
  void check_that(bool holds, const std::string& what);

  // Fails for each out.*, grad.*, sample.*, proj.* tensor that nobody checked. Called once, by the runner.
  void finish();

  bool ok() const { return failures_.empty(); }
  const std::vector<std::string>& failures() const { return failures_; }
  int compared() const { return compared_; }                          // tensors held against a tolerance
  int statements() const { return statements_; }                      // of check_that
  int unlisted() const { return unlisted_; }                          // f32: without an f32 reference, so not compared
  const std::vector<TensorError>& errors() const { return errors_; }  // every floating one, in the order of checking
  // The tensor nearest to (or farthest beyond) its limit.
  const std::string& worst_tensor() const { return worst_tensor_; }
  double worst_error() const { return worst_error_; }
  double worst_limit() const { return worst_limit_; }

 private:
  bool listed(const std::string& name);
  Limit limit(const std::string& name) const;
  // Four times the official code's own error, at least `floor`, which `what` explains.
  static Limit f32_limit(double f32_error, double floor, const char* what);
  double scale(const std::string& name, double own_max) const;
  void note(const std::string& name, double error, const Limit& limit);
  void add_failure(const std::string& text);
  void check_unreached(const std::string& name);
  void check_full(const std::string& name, const Tensor& ours, std::int64_t allowed);
  void check_sampled(const std::string& name, const Tensor& ours);
  bool kinked(const std::string& name) const;

  const GoldenFile& file_;
  DType dtype_;
  Device device_;
  std::set<std::string> seen_, unreached_;
  double group_max_out_ = 0, group_max_grad_ = 0;
  std::vector<std::string> failures_;
  std::vector<TensorError> errors_;
  int compared_ = 0, statements_ = 0, unlisted_ = 0;
  std::string worst_tensor_;
  double worst_error_ = 0, worst_limit_ = 0, worst_ratio_ = -1;
};

}  // namespace rein::train
