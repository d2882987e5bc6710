#include "models/zoo/export.h"

#include <algorithm>
#include <cmath>

#include "models/zoo/report.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"

namespace rein::models::zoo {

const Layout& layout_named(std::string_view name) {
  const auto found = std::ranges::find(layouts(), name, &Layout::name);
  if (found != layouts().end()) return *found;
  std::vector<std::string> known;
  for (const Layout& layout : layouts()) known.emplace_back(layout.name);
  fail_runtime("zoo", "unknown layout \"", name, "\"; known: ", joined(known, 40));
}

Tensor narrowed(const Tensor& value, DType dtype, const std::string& name) {
  if (dtype == DType::f16 && value.dtype() != DType::f16) {
    constexpr double largest = 65504;  // of f16
    const Tensor wide = ops::cast(value, DType::f32);
    for (const float x : wide.values<float>())
      if (std::isfinite(x) && std::abs(x) > largest)
        fail_runtime("zoo", "tensor ", name, " holds ", x, ", which f16 cannot (at most 65504)");
  }
  return ops::cast(value, dtype);
}

std::vector<TensorToWrite> as_layout(const Weights& weights, const Layout& target, DType dtype) {
  const Layout& layout = *weights.model.layout;
  const auto source = weights.source;
  if (target.family != layout.family)
    fail_runtime("zoo", source->describe(), " is ", layout.family, " (", layout.name, ") and cannot become ",
                 target.name, ", a layout of ", target.family);
  std::vector<TensorToWrite> out;
  std::vector<std::string> homeless;
  for (const std::string& ours : source->names()) {
    const std::vector<std::string> pieces = pieces_of(target, ours);
    if (pieces.empty() || std::ranges::find(pieces, "") != pieces.end()) {
      homeless.push_back(ours);
      continue;
    }
    const Shape whole = source->shape(ours);
    const auto parts = static_cast<std::int64_t>(pieces.size());
    if (parts > 1 && (whole.rank() == 0 || whole[0] % parts != 0))
      fail_runtime("zoo", source->describe(), ": ", ours, " ", whole, " cannot be taken apart in ", parts);
    const std::int64_t rows = parts > 1 ? whole[0] / parts : 0;
    for (std::int64_t part = 0; part < parts; ++part) {
      const std::string& theirs = pieces[static_cast<std::size_t>(part)];
      const Shape shape = parts > 1 ? whole.with(0, rows) : to_their_shape(form_of(target, ours), whole);
      out.push_back({theirs, dtype, shape, [=] {
                       const Tensor t = source->read(ours, dtype == DType::f16 ? DType::f32 : dtype);
                       return narrowed(parts > 1 ? t.rows(part * rows, (part + 1) * rows) : t.view(shape), dtype,
                                       theirs);
                     }});
    }
  }
  if (!homeless.empty())
    fail_runtime("zoo", target.name, " has no names for ", joined(homeless, 6), " of ", source->describe());
  std::ranges::sort(out, {}, &TensorToWrite::name);
  return out;
}

}  // namespace rein::models::zoo
