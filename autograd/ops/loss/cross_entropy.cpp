#include "tensor/ops/loss/cross_entropy.h"

#include "autograd/ops/loss/loss.h"
#include "autograd/record.h"

namespace rein {
namespace {

// Per row that counts, with p = softmax(x): loss = log(sum of exp(x_k)) - x_label, so
//   d loss / d x_k = p_k - [k = label], times grad_out / divisor.
// p is made again from the logits and one saved number per row.
struct CrossEntropySaved {
  SavedTensor logits, labels, log_sum;
  double divisor;
  std::int64_t ignore;
};

void cross_entropy_vjp(const CrossEntropySaved& s, GradContext& g) {
  g.set(0, ops::cross_entropy_backward(g.out(), s.logits.get(), s.labels.get(), s.log_sum.get(), s.divisor, s.ignore));
}

}  // namespace

Variable cross_entropy(const Variable& logits, const Tensor& labels, double divisor, std::int64_t ignore) {
  auto out = ops::cross_entropy(logits.value(), labels, divisor, ignore);
  return record(
      "cross_entropy", {logits}, out.loss,
      [&](Saver& save) {
        return CrossEntropySaved{save(logits.value()), save(labels), save(out.log_sum), divisor, ignore};
      },
      cross_entropy_vjp);
}

}  // namespace rein
