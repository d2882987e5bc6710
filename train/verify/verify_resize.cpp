// Kind "resize" (golden README, section 12): every case of the file through the differentiable resize.
#include "autograd/ops/sampling/resize.h"
#include "tensor/error.h"
#include "train/verify/verify.h"

namespace rein::train {
namespace {

ops::Interpolation interpolation(const std::string& mode, bool antialias) {
  if (mode == "nearest") return ops::Interpolation::nearest;
  if (mode == "bilinear" && !antialias) return ops::Interpolation::bilinear;
  if (mode == "bicubic") return antialias ? ops::Interpolation::bicubic_antialias : ops::Interpolation::bicubic;
  throw NotBuilt("resize mode " + mode + (antialias ? " with antialias" : ""));
}

ops::ResizeOptions options_of(const GoldenConfig& item, const Shape& nhwc, const Shape& output) {
  const auto mode = interpolation(item.text("mode"), item.flag_or("antialias", false));
  ops::ResizeOptions options;
  if (item.text("given") == "scale_factor") {
    const std::vector<double> factor = item.numbers("scale_factor");
    if (factor.size() != 2) fail_runtime("resize", "scale_factor must be [y, x]");
    options = ops::by_factor(nhwc[1], nhwc[2], factor[0], factor[1], mode);
  } else {
    options = ops::to_size(output[2], output[3], mode);
  }
  if (output.rank() != 4 || options.height != output[2] || options.width != output[3])
    fail_runtime("resize", "case ", item.integer("index"), " gives ", options.height, " x ", options.width,
                 ", but its output is ", output);
  options.align_corners = item.flag_or("align_corners", false);
  return options;
}

}  // namespace

void verify_resize(const GoldenFile& file, Comparison& compare) {
  for (const GoldenConfig& item : file.config().objects("cases")) {
    const std::string index = std::to_string(item.integer("index"));
    const Variable x = parameter(file.map("in.x." + index, compare.dtype()));
    const Variable y = resize(x, options_of(item, x.shape(), file.shape("out.y." + index)));
    compare.check_map("out.y." + index, y.value());
    if (!file.has("cot.y." + index)) continue;
    backward(y, file.map("cot.y." + index, compare.dtype()));
    compare.check_map("grad.in.x." + index, x.grad());
  }
}

}  // namespace rein::train
