// The tape: connecting nodes, and running them backwards in creation order without recursion.
#include <algorithm>
#include <atomic>
#include <iterator>
#include <map>
#include <set>

#include "autograd/accumulate.h"
#include "autograd/record.h"
#include "tensor/error.h"

namespace rein {

const Tensor& SavedTensor::get() const {
  require(!tensor_ || tensor_.version() == version_, op_, "a value saved for backward was written to since (shape ",
          tensor_.shape(), ", version ", tensor_.version(), ", saved at ", version_, ")");
  return tensor_;
}

SavedTensor Saver::operator()(const Tensor& tensor) {
  if (!tensor) return {};
  const void* storage = tensor.storage().get();
  if (std::ranges::none_of(node_.saved_bytes, [&](const SavedBytes& s) { return s.storage == storage; })) {
    node_.saved_bytes.push_back({storage, tensor.storage()->bytes()});
  }
  return SavedTensor(tensor, op_);
}

bool Saver::wants(int input) const {
  return inputs_[static_cast<std::size_t>(input)].requires_grad();
}

GradContext::GradContext(const Node& node, std::vector<Tensor> grad_outputs, std::function<Tensor(int)> sent)
    : node_(node), grad_outputs_(std::move(grad_outputs)), grad_inputs_(node.parents.size()), sent_(std::move(sent)) {}

bool GradContext::wants(int input) const {
  return node_.wants(input);
}

Tensor GradContext::take(int input) {
  return sent_ && wants(input) ? sent_(input) : Tensor{};
}

void GradContext::set(int input, Tensor grad) {
  const auto i = static_cast<std::size_t>(input);
  require(i < grad_inputs_.size(), node_.op, "gradient for input ", input, " of ", grad_inputs_.size());
  if (!grad || !wants(input)) return;
  require(grad.shape() == node_.input_shapes[i] && grad.dtype() == node_.input_dtypes[i], node_.op,
          "gradient of input ", input, " must be ", node_.input_shapes[i], " ", name_of(node_.input_dtypes[i]),
          ", got ", grad.shape(), " ", name_of(grad.dtype()));
  grad_inputs_[i] = std::move(grad);
}

bool Node::wants(int input) const {
  const auto i = static_cast<std::size_t>(input);
  return leaves[i] != nullptr || parents[i] != nullptr;
}

Node::~Node() {
  // The outermost destructor works off a list; the ones it triggers only add to it.
  thread_local std::vector<std::shared_ptr<Node>>* waiting = nullptr;
  if (waiting != nullptr) {
    std::ranges::move(parents, std::back_inserter(*waiting));
    return;
  }
  std::vector<std::shared_ptr<Node>> list = std::move(parents);
  waiting = &list;
  while (!list.empty()) {
    const std::shared_ptr<Node> next = std::move(list.back());
    list.pop_back();
  }
  waiting = nullptr;
}

namespace detail {

bool should_record(const std::vector<Variable>& inputs) {
  return recording() && std::ranges::any_of(inputs, [](const Variable& v) { return v.requires_grad(); });
}

void connect(Node& node, const char* op, const std::vector<Variable>& inputs) {
  static std::atomic<std::uint64_t> sequence{0};
  node.op = op;
  node.sequence = ++sequence;
  for (const Variable& v : inputs) {
    const bool wanted = v.requires_grad();
    node.leaves.push_back(wanted && v.is_leaf() ? v.impl() : nullptr);
    node.parents.push_back(wanted ? v.impl()->node : nullptr);
    node.parent_outputs.push_back(wanted ? v.impl()->output : 0);
    node.input_shapes.push_back(v ? v.shape() : Shape{});
    node.input_dtypes.push_back(v ? v.dtype() : DType::f32);
  }
}

std::vector<Variable> outputs_of(std::shared_ptr<Node> node, std::vector<Tensor> outputs) {
  std::vector<Variable> variables;
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    node->output_shapes.push_back(outputs[k].shape());
    node->output_dtypes.push_back(outputs[k].dtype());
    const bool differentiable = is_floating(outputs[k].dtype());
    Variable v = constant(std::move(outputs[k]));
    if (differentiable) {
      v.impl()->requires_grad = true;
      v.impl()->node = node;
      v.impl()->output = static_cast<int>(k);
    }
    variables.push_back(std::move(v));
  }
  return variables;
}

}  // namespace detail

namespace {

struct Pending {
  std::shared_ptr<Node> node;
  std::vector<Tensor> grads;  // per output; null until somebody sends one
};

class Sweep {
 public:
  void send(const std::shared_ptr<Node>& node, int output, Tensor grad) {
    Pending& pending = pending_[node->sequence];
    if (!pending.node) {
      pending.node = node;
      pending.grads.resize(node->output_shapes.size());
    }
    accumulate(pending.grads[static_cast<std::size_t>(output)], std::move(grad));
  }

  void add_to_leaf(const std::shared_ptr<VariableImpl>& leaf, Tensor grad) {
    accumulate(leaf->grad, std::move(grad));
    touched_.insert(leaf);
  }

  void run() {
    while (!pending_.empty()) {
      const auto last = std::prev(pending_.end());
      Pending now = std::move(last->second);
      pending_.erase(last);
      step(now);
    }
    // A gradient that passed through (add, view) may still be shared with another leaf or the caller's cotangent, and
    // whoever scales a leaf's gradient in place means that leaf alone.
    for (const auto& leaf : touched_)
      if (!leaf->grad.owns_storage_alone()) leaf->grad = leaf->grad.clone();
  }

 private:
  // Leaves keep theirs: a trained value's gradient may be looked at from outside.
  Tensor take(const Node& node, int input) {
    const auto i = static_cast<std::size_t>(input);
    if (!node.parents[i]) return {};
    const auto found = pending_.find(node.parents[i]->sequence);
    if (found == pending_.end()) return {};
    Tensor& grad = found->second.grads[static_cast<std::size_t>(node.parent_outputs[i])];
    return grad && grad.owns_storage_alone() ? std::exchange(grad, {}) : Tensor{};
  }

  void step(Pending& now) {
    Node& node = *now.node;
    require(!node.freed, node.op, "backward through a graph that an earlier backward already freed");
    std::vector<Tensor> grads;
    {
      GradContext context(node, std::move(now.grads), [&](int input) { return take(node, input); });
      node.run(context);
      grads = std::move(context.grads());
    }
    node.freed = true;
    node.free_saved();
    node.saved_bytes.clear();
    for (std::size_t i = 0; i < grads.size(); ++i) {
      if (!grads[i]) continue;
      if (node.leaves[i]) {
        add_to_leaf(node.leaves[i], std::move(grads[i]));
      } else {
        send(node.parents[i], node.parent_outputs[i], std::move(grads[i]));
      }
    }
  }

  std::map<std::uint64_t, Pending> pending_;  // by creation order; the newest runs first
  std::set<std::shared_ptr<VariableImpl>> touched_;
};

Tensor cotangent_for(const Variable& root, const Tensor& cotangent) {
  require(static_cast<bool>(root), "backward", "root is null");
  require(root.requires_grad(), "backward", "nothing was recorded: root ", root.shape(),
          " depends on no trainable leaf (or was computed under NoGrad)");
  if (!cotangent) {
    require(root.value().count() == 1, "backward", "a root of shape ", root.shape(), " needs a cotangent");
    return Tensor::full(root.shape(), 1.0, root.dtype(), root.value().device());
  }
  require(cotangent.shape() == root.shape() && cotangent.dtype() == root.dtype(), "backward",
          "cotangent must be like root ", root.shape(), " ", name_of(root.dtype()), ", got ", cotangent.shape(), " ",
          name_of(cotangent.dtype()));
  require(cotangent.device() == root.value().device(), "backward", "cotangent must be where the root is, on ",
          root.value().device().text(), ", got ", cotangent.device().text());
  return cotangent;
}

}  // namespace

void backward(std::span<const Variable> roots, std::span<const Tensor> cotangents) {
  require(roots.size() == cotangents.size(), "backward", "needs one cotangent per root, got ", roots.size(), " and ",
          cotangents.size());
  const NoGrad no_grad;
  Sweep sweep;
  for (std::size_t i = 0; i < roots.size(); ++i) {
    Tensor grad = cotangent_for(roots[i], cotangents[i]);
    if (roots[i].is_leaf())
      sweep.add_to_leaf(roots[i].impl(), std::move(grad));
    else
      sweep.send(roots[i].impl()->node, roots[i].impl()->output, std::move(grad));
  }
  sweep.run();
}

void backward(const Variable& root, const Tensor& cotangent) {
  backward(std::span(&root, 1), std::span(&cotangent, 1));
}

}  // namespace rein
