#include "autograd/ops/elementwise/dropout.h"

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/dropout.h"

namespace rein {
namespace {

// y = m x with a mask m of 0 and 1 / (1 - p) that does not depend on x: grad_x = m grad_out. m is made again from its
// key.
struct DropoutSaved {
  ops::DropoutMask mask;
};

void dropout_vjp(const DropoutSaved& s, GradContext& g) {
  g.set(0, ops::dropout(g.out(), s.mask));
}

Variable apply(const char* op, ops::DropoutMask::Unit unit, const Variable& x, double p, const DropoutKey& key) {
  require(p >= 0 && p < 1, op, "p must be in [0, 1), got ", p);
  if (p == 0) return x;
  const ops::DropoutMask mask{.unit = unit, .p = p, .key = key.key, .first_sample = key.first_sample};
  return record(
      op, {x}, ops::dropout(x.value(), mask), [&](Saver&) { return DropoutSaved{mask}; }, dropout_vjp);
}

}  // namespace

Variable dropout(const Variable& x, double p, const DropoutKey& key) {
  return apply("dropout", ops::DropoutMask::Unit::element, x, p, key);
}
Variable dropout_channels(const Variable& x, double p, const DropoutKey& key) {
  return apply("dropout_channels", ops::DropoutMask::Unit::channel, x, p, key);
}
Variable drop_path(const Variable& x, double p, const DropoutKey& key) {
  return apply("drop_path", ops::DropoutMask::Unit::sample, x, p, key);
}

}  // namespace rein
