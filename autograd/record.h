// How an operation puts itself on the tape:
//
//   struct SoftmaxSaved { SavedTensor y; };
//   void softmax_vjp(const SoftmaxSaved& s, GradContext& g) {
//     g.set(0, ops::softmax_backward(g.out(), s.y.get()));
//   }
//   Variable softmax(const Variable& x) {
//     Tensor y = ops::softmax(x.value());
//     return record("softmax", {x}, y, [&](Saver& save) { return SoftmaxSaved{save(y)}; }, softmax_vjp);
//   }
//
// Nothing is recorded, and the lambda is not called, when no input requires a gradient or under NoGrad.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "autograd/variable.h"

namespace rein {

// A tensor kept for backward, with the version it had.
class SavedTensor {
 public:
  SavedTensor() = default;
  SavedTensor(Tensor tensor, const char* op) : tensor_(std::move(tensor)), version_(tensor_.version()), op_(op) {}
  explicit operator bool() const { return static_cast<bool>(tensor_); }
  // Throws std::invalid_argument when it was written to since. Null if null was saved.
  const Tensor& get() const;

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
  const char* op_ = "";
};

// Handed to the lambda that builds an op's Saved struct.
class Saver {
 public:
  Saver(Node& node, const char* op, const std::vector<Variable>& inputs) : node_(node), op_(op), inputs_(inputs) {}
  SavedTensor operator()(const Tensor& tensor);  // null stays null
  SavedTensor when(bool wanted, const Tensor& tensor) { return wanted ? (*this)(tensor) : SavedTensor{}; }
  bool wants(int input) const;  // does this input require a gradient

 private:
  Node& node_;
  const char* op_;
  const std::vector<Variable>& inputs_;
};

// Handed to a VJP.
class GradContext {
 public:
  // sent: gives up the gradient that others have sent to an input so far; null where it may not be written to.
  GradContext(const Node& node, std::vector<Tensor> grad_outputs, std::function<Tensor(int)> sent = {});
  // Gradient of output k; null when nobody used that output.
  const Tensor& out(int k = 0) const { return grad_outputs_[static_cast<std::size_t>(k)]; }
  bool wants(int input) const;
  void set(int input, Tensor grad);  // null: no gradient flows to this input
  // For a kernel that can add to its output: the sum of the gradients that others have sent to this input so far, to
  // be written to. Whoever takes it sets it again with the own gradient added. Null: there is none to add to.
  Tensor take(int input);
  std::vector<Tensor>& grads() { return grad_inputs_; }

 private:
  const Node& node_;
  std::vector<Tensor> grad_outputs_;
  std::vector<Tensor> grad_inputs_;
  std::function<Tensor(int)> sent_;
};

struct SavedBytes {
  const void* storage;
  std::size_t bytes;
};

class Node {
 public:
  virtual ~Node();  // lets go of long chains without recursion
  virtual void run(GradContext& grads) = 0;
  virtual void free_saved() = 0;

  const char* op = "";
  std::uint64_t sequence = 0;                         // creation order
  std::vector<std::shared_ptr<VariableImpl>> leaves;  // per input: the leaf it is, or null
  std::vector<std::shared_ptr<Node>> parents;         // per input: the node that made it, or null
  std::vector<int> parent_outputs;                    // which output of that node
  std::vector<Shape> input_shapes;
  std::vector<DType> input_dtypes;
  std::vector<Shape> output_shapes;
  std::vector<DType> output_dtypes;
  std::vector<SavedBytes> saved_bytes;  // storages kept for backward (parameters included)
  bool freed = false;

  bool wants(int input) const;
};

namespace detail {
bool should_record(const std::vector<Variable>& inputs);
void connect(Node& node, const char* op, const std::vector<Variable>& inputs);
std::vector<Variable> outputs_of(std::shared_ptr<Node> node, std::vector<Tensor> outputs);

template <class Saved>
class NodeOf final : public Node {
 public:
  using Vjp = void (*)(const Saved&, GradContext&);
  explicit NodeOf(Vjp vjp) : vjp_(vjp) {}
  void keep(Saved saved) { saved_ = std::make_unique<Saved>(std::move(saved)); }
  void run(GradContext& grads) override { vjp_(*saved_, grads); }
  void free_saved() override { saved_.reset(); }

 private:
  Vjp vjp_;
  std::unique_ptr<Saved> saved_;
};
}  // namespace detail

// Several outputs. Null Variables are allowed among the inputs (optional ones).
template <class MakeSaved, class Saved = std::invoke_result_t<MakeSaved, Saver&>>
std::vector<Variable> record_many(const char* op, std::vector<Variable> inputs, std::vector<Tensor> outputs,
                                  MakeSaved&& make_saved, void (*vjp)(const Saved&, GradContext&)) {
  if (!detail::should_record(inputs)) {
    std::vector<Variable> plain;
    for (Tensor& t : outputs) plain.push_back(constant(std::move(t)));
    return plain;
  }
  auto node = std::make_shared<detail::NodeOf<Saved>>(vjp);
  detail::connect(*node, op, inputs);
  Saver saver(*node, op, inputs);
  node->keep(make_saved(saver));
  return detail::outputs_of(std::move(node), std::move(outputs));
}

template <class MakeSaved, class Saved = std::invoke_result_t<MakeSaved, Saver&>>
Variable record(const char* op, std::vector<Variable> inputs, Tensor output, MakeSaved&& make_saved,
                void (*vjp)(const Saved&, GradContext&)) {
  std::vector<Tensor> outputs;
  outputs.push_back(std::move(output));
  return record_many(op, std::move(inputs), std::move(outputs), std::forward<MakeSaved>(make_saved), vjp)[0];
}

}  // namespace rein
