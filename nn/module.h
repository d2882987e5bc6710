// Module: a tree of declared parameters. Declaring allocates nothing, so counts, manifests and memory plans need no
// weights; nn/bind.h fills the tree from a source and reports everything that does not fit at once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "tensor/products.h"
#include "tensor/random.h"

namespace rein::nn {

// What one forward pass is: training or evaluation, and where its random numbers come from.
struct ForwardContext {
  bool training = false;
  RandomKey key{};                // of (seed, step); modules add their own path
  std::int64_t first_sample = 0;  // position of this micro-batch's sample 0 in the step's whole batch
};

// How a parameter starts when no file provides it. Drawn in f64 from the parameter's path, then rounded.
struct Init {
  enum class Kind { constant, uniform, normal, table } kind = Kind::constant;
  double a = 0, b = 0;                                  // constant a | uniform [a, b) | mean a, standard deviation b
  std::shared_ptr<const std::vector<double>> values{};  // table: every element, in the file's layout

  static Init constant(double value) { return {Kind::constant, value, 0}; }
  static Init uniform(double bound) { return {Kind::uniform, -bound, bound}; }
  static Init normal(double std) { return {Kind::normal, 0, std}; }
  static Init table(std::vector<double> values) {
    return {Kind::table, 0, 0, std::make_shared<const std::vector<double>>(std::move(values))};
  }
};

// Published files hold convolution weights as (O, I, kh, kw); in memory they are (O, kh, kw, I), because maps are
// N,H,W,C.
enum class Layout {
  plain,
  linear,  // as plain: (out, in), read by linear() alone, so that bf16 will do while it is frozen (nn/bind.h)
  conv,
};

// How the products of a weight are made on CUDA, by the layer that owns it. The value itself stays f32; on the CPU and
// in f64 nothing changes.
enum class Precision {
  full,  // operands as they are
  tf32,  // tensor/products.h
  bf16,  // operands rounded to bf16, sums in f32; of Layout::linear alone
};

struct Param {
  std::string name;  // last part of the path, e.g. "weight"
  Shape shape;       // in memory
  Init init;
  Layout layout = Layout::plain;
  bool norm = false;    // belongs to a normalisation layer (never decayed)
  bool frozen = false;  // no gradient; bound as a constant
  Precision precision = Precision::full;
  Variable value;  // null until bound

  Products products() const { return precision == Precision::full ? Products::full : Products::tf32; }
  Shape file_shape() const;  // as published: (O, I, kh, kw) for Layout::conv
};

// As Module::freeze, of one parameter.
void set_frozen(Param& param, bool frozen);

class Module {
 public:
  Module() = default;
  virtual ~Module() = default;
  Module(const Module&) = delete;  // children and parameters are referred to by address
  Module& operator=(const Module&) = delete;

  using Visitor = std::function<void(const std::string& path, Param& param)>;
  // Every parameter in declaration order, with its dotted path ("blocks.0.attn.qkv.weight").
  void visit(const Visitor& visitor) { visit_under("", visitor); }
  std::int64_t parameter_count(bool trainable_only = false);
  // Marks every parameter declared so far. A bound value changes its requires_grad with it: it becomes a new Variable,
  // and a copy of the value when it is to be trained (frozen values may be shared with a file).
  void freeze(bool frozen = true);
  void clear_grads();
  // Tells every module its path, the key of its random numbers. Called on the root after construction.
  void name_tree(const std::string& path = "");
  const std::string& path() const { return path_; }

 protected:
  Param& declare(std::string name, const Shape& shape, Init init, Layout layout = Layout::plain);
  void child(std::string name, Module& module);
  RandomKey key(const ForwardContext& context) const { return context.key.child(path_); }

 private:
  void visit_under(const std::string& prefix, const Visitor& visitor);

  struct Entry {  // parameters and children in one order of declaration
    Param* param = nullptr;
    Module* module = nullptr;
    std::string name;
  };
  std::vector<Entry> entries_;
  std::deque<Param> params_;  // stable addresses
  std::string path_;
};

}  // namespace rein::nn
