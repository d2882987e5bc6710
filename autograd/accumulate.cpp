#include "autograd/accumulate.h"

#include "tensor/error.h"
#include "tensor/ops/elementwise/elementwise.h"

namespace rein {

void accumulate(Tensor& into, Tensor grad) {
  if (!grad) return;
  if (!into) {
    into = std::move(grad);
    return;
  }
  require(into.shape() == grad.shape() && into.dtype() == grad.dtype(), "accumulate", "gradients must agree, got ",
          into.shape(), " and ", grad.shape());
  // Whichever buffer is ours alone takes the sum; two shared ones make a third. The order of operands stays.
  Tensor out = into.owns_storage_alone() ? into : grad.owns_storage_alone() ? grad : Tensor::empty_like(into);
  ops::add_into(into, grad, out);
  into = std::move(out);
}

}  // namespace rein
