#include "autograd/variable.h"

#include "autograd/record.h"
#include "tensor/error.h"

namespace rein {
namespace {
thread_local bool record_on = true;
}

const Tensor& Variable::value() const {
  require(impl_ != nullptr, "variable", "a null variable has no value");
  require(impl_->unbound.empty(), "module", "parameter ", impl_->unbound,
          " has no value yet: bind the module to weights (nn/bind.h) or initialise it");
  return impl_->value;
}

bool Variable::requires_grad() const {
  return impl_ && impl_->requires_grad;
}
bool Variable::is_leaf() const {
  return impl_ && !impl_->node;
}
Tensor Variable::grad() const {
  require(!impl_ || is_leaf(), "variable", "grad() of a value that ", impl_ && impl_->node ? impl_->node->op : "",
          " computed: gradients stay with leaves, made by parameter(), and inner ones live during backward alone");
  return impl_ ? impl_->grad : Tensor{};
}
void Variable::clear_grad() {
  if (impl_) impl_->grad = {};
}

void Variable::set_grad(Tensor grad) {
  require(is_leaf() && requires_grad(), "variable", "only a trainable leaf holds a gradient");
  require(!grad || (grad.shape() == shape() && grad.dtype() == dtype()), "variable", "gradient must have shape ",
          shape(), " ", name_of(dtype()), ", got ", grad.shape(), " ", name_of(grad.dtype()));
  impl_->grad = std::move(grad);
}

Variable Variable::detach() const {
  return constant(value());
}

Tensor Variable::mutable_value() {
  require(is_leaf(), "variable", "only a leaf may be written to");
  return impl_->value;
}

Variable constant(Tensor value) {
  auto impl = std::make_shared<VariableImpl>();
  impl->value = std::move(value);
  return Variable(std::move(impl));
}

Variable parameter(Tensor value) {
  require(value && is_floating(value.dtype()), "parameter", "needs a floating-point tensor");
  Variable v = constant(std::move(value));
  v.impl()->requires_grad = true;
  return v;
}

Variable unbound(std::string path) {
  Variable v = constant({});
  v.impl()->unbound = std::move(path);
  return v;
}

NoGrad::NoGrad() : before_(record_on) {
  record_on = false;
}
NoGrad::~NoGrad() {
  record_on = before_;
}
EnableGrad::EnableGrad() : before_(record_on) {
  record_on = true;
}
EnableGrad::~EnableGrad() {
  record_on = before_;
}
bool recording() {
  return record_on;
}

}  // namespace rein
