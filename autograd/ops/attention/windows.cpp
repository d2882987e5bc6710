#include "autograd/ops/attention/windows.h"

#include "autograd/record.h"
#include "tensor/ops/attention/windows.h"

namespace rein {
namespace {

// partition places each pixel once and `fill` at every place outside the map: its transpose takes the pixels back
// (merge) and sums the other places. merge places each pixel once and drops the rest: its transpose is partition with
// zeros. Nothing is saved.
struct WindowsSaved {
  std::int64_t height, width, side;
};

void window_partition_vjp(const WindowsSaved& s, GradContext& g) {
  if (g.wants(0)) g.set(0, ops::window_merge(g.out(), s.height, s.width, s.side));
  if (g.wants(1)) g.set(1, ops::window_fill_backward(g.out(), s.height, s.width, s.side));
}

void window_merge_vjp(const WindowsSaved& s, GradContext& g) {
  g.set(0, ops::window_partition(g.out(), s.side));
}

}  // namespace

Variable window_partition(const Variable& x, std::int64_t side, const Variable& fill) {
  Tensor windows = ops::window_partition(x.value(), side, fill ? fill.value() : Tensor{});
  return record(
      "window_partition", {x, fill}, std::move(windows),
      [&](Saver&) {
        return WindowsSaved{x.size(1), x.size(2), side};
      },
      window_partition_vjp);
}

Variable window_merge(const Variable& windows, std::int64_t height, std::int64_t width, std::int64_t side) {
  return record(
      "window_merge", {windows}, ops::window_merge(windows.value(), height, width, side),
      [&](Saver&) {
        return WindowsSaved{height, width, side};
      },
      window_merge_vjp);
}

}  // namespace rein
