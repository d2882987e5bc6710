#include "autograd/accumulate.h"

#include "tensor/error.h"
#include "tensor/parallel.h"

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
  dispatch_real("accumulate", into.dtype(), [&]<class T>() {
    const T* a = into.data<T>();
    const T* b = grad.data<T>();
    T* sum = out.mutable_data<T>();
    parallel_ranges(out.count(), elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) sum[i] = a[i] + b[i];
    });
  });
  into = std::move(out);
}

}  // namespace rein
