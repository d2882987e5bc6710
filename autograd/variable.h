// Variable: a Tensor plus its place on the tape. Copies are handles to the same variable.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

class Node;
struct VariableImpl;

class Variable {
 public:
  Variable() = default;  // null: an absent optional input

  explicit operator bool() const;  // false when null or unbound
  const Tensor& value() const;
  const Shape& shape() const { return value().shape(); }
  DType dtype() const { return value().dtype(); }
  std::int64_t size(int axis) const { return value().size(axis); }

  // True for a trainable leaf and for anything computed from one while recording.
  bool requires_grad() const;
  bool is_leaf() const;
  // The gradient of a leaf, accumulated over backward calls until cleared; null when none arrived. Throws
  // std::invalid_argument for a computed value: its gradient lives during backward alone.
  Tensor grad() const;
  void clear_grad();
  void set_grad(Tensor grad);

  // The same value without history.
  Variable detach() const;
  // Writable value of a leaf (the optimiser's door). Bumps the version: a tape that saved it will refuse to run.
  Tensor mutable_value();

  const std::shared_ptr<VariableImpl>& impl() const { return impl_; }
  explicit Variable(std::shared_ptr<VariableImpl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<VariableImpl> impl_;
};

struct VariableImpl {
  Tensor value;
  Tensor grad;  // leaves only
  bool requires_grad = false;
  std::shared_ptr<Node> node;  // null for a leaf
  int output = 0;              // which output of the node
  std::string unbound{};       // of a parameter without a value: its path
};

inline Variable::operator bool() const {
  return impl_ != nullptr && impl_->unbound.empty();
}

// There is no silent conversion from Tensor: say whether gradients are wanted.
Variable constant(Tensor value);
Variable parameter(Tensor value);  // a leaf that requires a gradient
// In the place of a parameter that nothing has filled yet: counts as null, but its use names `path`.
Variable unbound(std::string path);

// While alive on this thread, operations record nothing.
class NoGrad {
 public:
  NoGrad();
  ~NoGrad();
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;

 private:
  bool before_;
};
// The opposite, for recomputation inside a NoGrad region.
class EnableGrad {
 public:
  EnableGrad();
  ~EnableGrad();
  EnableGrad(const EnableGrad&) = delete;
  EnableGrad& operator=(const EnableGrad&) = delete;

 private:
  bool before_;
};
bool recording();

// Runs the tape from `root` back to the leaves and adds to their grad(). `cotangent` is like root (null: root must be
// a scalar, then 1). Nodes run in the opposite order of their creation; each frees what it saved as soon as it ran.
// Throws std::invalid_argument when nothing was recorded, when the graph was freed by an earlier call, or when a saved
// value was written to since.
void backward(const Variable& root, const Tensor& cotangent = {});
// Several roots in one sweep.
void backward(std::span<const Variable> roots, std::span<const Tensor> cotangents);

}  // namespace rein
