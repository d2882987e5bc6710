#include "autograd/ops/conv/conv.h"
#include "autograd/record.h"
#include "tensor/ops/shape/shape_ops.h"

namespace rein {
namespace {

// Patches do not overlap, so the map is a reordering and its transpose is the inverse.
struct PatchifySaved {
  std::int64_t height, width, patch;
};

void patchify_vjp(const PatchifySaved& s, GradContext& g) {
  g.set(0, ops::unpatchify(g.out(), s.height, s.width, s.patch));
}

}  // namespace

Variable patchify(const Variable& image, std::int64_t patch) {
  return record(
      "patchify", {image}, ops::patchify(image.value(), patch),
      [&](Saver&) {
        return PatchifySaved{image.size(1), image.size(2), patch};
      },
      patchify_vjp);
}

}  // namespace rein
