#include "tensor/ops/elementwise/swiglu.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/record.h"

namespace rein {
namespace {

// y = silu(a) b with x = [a; b]: grad_a = grad_out b silu'(a), grad_b = grad_out silu(a).
struct SwigluSaved {
  SavedTensor x;
};

void swiglu_vjp(const SwigluSaved& s, GradContext& g) {
  g.set(0, ops::swiglu_backward(g.out(), s.x.get()));
}

}  // namespace

Variable swiglu(const Variable& x, std::optional<DType> out) {
  return record(
      "swiglu", {x}, ops::swiglu(x.value(), out), [&](Saver& save) { return SwigluSaved{save(x.value())}; },
      swiglu_vjp);
}

}  // namespace rein
