#include "autograd/ops/attention/rope.h"

#include "autograd/record.h"

namespace rein {
namespace {

// Each pair of channels is multiplied by a rotation R(A) = [cos A, -sin A; sin A, cos A], the rest by 1. So
//   grad_(u, v) = R(A)^T grad_out_(u, v) = R(-A) grad_out_(u, v)
// Nothing of x is kept: the map is linear. The tables are shared by all blocks.
struct RopeSaved {
  SavedTensor cos, sin;
  ops::RopePairs pairs;
  std::int64_t columns;
};

void rope_vjp(const RopeSaved& s, GradContext& g) {
  g.set(0, ops::rope_backward(g.out(), {s.cos.get(), s.sin.get(), s.pairs}, s.columns));
}

}  // namespace

Variable rope(const Variable& x, const ops::RopeTable& table, std::int64_t columns) {
  return record(
      "rope", {x}, ops::rope(x.value(), table, columns),
      [&](Saver& save) {
        return RopeSaved{save(table.cos), save(table.sin), table.pairs, columns};
      },
      rope_vjp);
}

}  // namespace rein
