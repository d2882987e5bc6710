// One case struct per op: what goes in, what must come out, and how well. Four drivers run every case: value against a
// plain f64 reference, gradient check, f32 gradient against f64, and benchmark (rein bench op).
//
//   namespace {
//   using namespace rein;
//   const testing::Cases cases("softmax", [](testing::CaseList& list) {
//     for (const Shape& shape : {Shape{1, 1}, Shape{3, 33}})
//       list.add({.label = shape.text(),
//                 .inputs = {testing::normal("x", shape)},
//                 .run = [](testing::Vars v) { return testing::Outs{softmax(v[0])}; },
//                 .reference = [](testing::Refs t) { return std::vector{softmax_loops(t[0])}; },
//                 .f32_tolerance = 1e-6, .why = "exp within 3 ulp, sum of 33 terms"});
//   });
//   }  // namespace
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "autograd/gradcheck.h"
#include "autograd/variable.h"
#include "tensor/random.h"

namespace rein::testing {

using Vars = std::span<const Variable>;
using Outs = std::vector<Variable>;
using Refs = std::span<const Tensor>;

// An input of a case. Floating inputs are made in f64 and rounded to f32 values first, so that f32 and f64 runs see
// exactly the same numbers.
struct CaseInput {
  std::string name;
  std::function<Tensor(RandomKey)> make;
  bool differentiable = true;
  bool expect_zero = false;
  bool unreached = false;
};

CaseInput uniform(std::string name, const Shape& shape, double low, double high);
CaseInput normal(std::string name, const Shape& shape, double mean = 0, double std = 1);
// Normal values at least `margin` away from `kink` (for relu, max, thresholds).
CaseInput away_from(std::string name, const Shape& shape, double kink, double margin);
CaseInput integers(std::string name, const Shape& shape, std::int64_t low, std::int64_t high);  // i64 in [low, high)
CaseInput fixed(std::string name, Tensor value, bool differentiable = false);
inline CaseInput frozen(CaseInput input) {
  input.differentiable = false;
  return input;
}
inline CaseInput zero_gradient(CaseInput input) {
  input.expect_zero = true;
  return input;
}
inline CaseInput unreached(CaseInput input) {
  input.unreached = true;
  return input;
}

struct OpCase {
  std::string label{};  // sizes and options: "(2, 33, 768)"
  std::vector<CaseInput> inputs{};
  std::function<Outs(Vars)> run{};
  // Plain loops in f64 on the same inputs (integer inputs as they are). Null only for modules whose truth is a golden
  // case.
  std::function<std::vector<Tensor>(Refs)> reference{};
  double f32_tolerance = 1e-5;       // largest error relative to the output's largest value
  double f32_grad_tolerance = 1e-4;  // the same for gradients, against the f64 run
  std::string why{};                 // where the tolerance comes from
  double f64_tolerance = 1e-12;
  GradcheckOptions gradcheck{};
  bool check_gradient = true;   // false: forward only (no gradient exists)
  bool bench_only = false;      // real shapes: too slow for the plain reference and central differences
  double flops = 0, bytes = 0;  // of one forward, for GFLOP/s and GB/s

  std::string op{};     // set by the registry: its first name
  std::string names{};  // all of them, with commas between
  std::string level{};  // "op", "module" or "model"
};

class CaseList {
 public:
  explicit CaseList(std::string names, std::string level) : names_(std::move(names)), level_(std::move(level)) {}
  void add(OpCase c);
  std::vector<OpCase> take() { return std::move(cases_); }

 private:
  std::string names_, level_;
  std::vector<OpCase> cases_;
};

// Registers a maker of cases at program start; cases are made when somebody asks for them. `names` are those by which
// the op is asked for, with commas between ("gemm,matmul"); the first stands in tables.
class Cases {
 public:
  Cases(std::string names, std::function<void(CaseList&)> fill, std::string level = "op");
};

std::vector<std::string> registered_ops();  // first names, sorted
// First names of what `names` (or several with commas between) ask for, each once. Throws std::invalid_argument "[WHO]
// unknown name ..." with the nearest known name.
std::vector<std::string> ops_named(std::span<const std::string> names, const char* who);
std::vector<OpCase> cases_of(const std::string& name);  // all of an op, by any of its names; throws as above
std::vector<OpCase> all_cases();

// The case's inputs in f64 / i64, a pure function of (names, label, seed).
std::vector<Tensor> make_inputs(const OpCase& c, std::uint64_t seed = 1);

struct Comparison {
  bool ok = false;
  double error = 0;  // relative to the largest reference value
  std::string text;  // on failure: which output, index, got, expected
};
// Errors relative to max |expected|; NaN never passes unless both are NaN at the same place; shapes must agree.
Comparison compare(const Tensor& got, const Tensor& expected, double tolerance);

// The drivers. Each returns one Comparison (the worst), never throws for a wrong value.
Comparison check_value(const OpCase& c, DType dtype);
Comparison check_f32_gradient(const OpCase& c);
GradcheckReport check_gradient(const OpCase& c, Device device = {});
// Outputs and gradients on a device against those of the CPU, in the same dtype, with the case's tolerances.
Comparison check_device(const OpCase& c, DType dtype, Device device);

}  // namespace rein::testing
