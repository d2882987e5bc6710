#include "nn/ms_deform_attn.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/norm/norm.h"
#include "autograd/ops/sampling/ms_deform_attn.h"
#include "autograd/ops/shape/shape.h"
#include "nn/conv.h"
#include "tensor/error.h"

namespace rein::nn {
namespace {

const Init zero = Init::constant(0);

// Head j looks along (cos, sin)(2 pi j / heads), stretched to the square around the pixel; point i at distance i + 1.
Init ring(const MsDeformAttnOptions& o) {
  std::vector<double> values;
  for (std::int64_t head = 0; head < o.heads; ++head) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(head) / static_cast<double>(o.heads);
    const double x = std::cos(angle), y = std::sin(angle), larger = std::max(std::fabs(x), std::fabs(y));
    for (std::int64_t level = 0; level < o.levels; ++level)
      for (std::int64_t point = 0; point < o.points; ++point)
        for (const double part : {x, y}) values.push_back(part / larger * static_cast<double>(point + 1));
  }
  return Init::table(std::move(values));
}

// Masked tokens (1) become zero, the rest is untouched: a factor per token.
Variable without_masked(const Variable& value, const Tensor& mask) {
  const std::int64_t n = value.size(0), tokens = value.size(1), channels = value.size(2);
  require(mask.shape() == Shape{n, tokens} && mask.dtype() == DType::u8, "ms_deform_attn_layer",
          "key_padding_mask must be u8 of shape ", Shape{n, tokens}, ", got ", name_of(mask.dtype()), " ",
          mask.shape());
  Tensor keep = Tensor::full(value.shape(), 1, value.dtype());
  const Tensor on_cpu = mask.to(Device{});
  dispatch_real("ms_deform_attn_layer", value.dtype(), [&]<class T>() {
    T* to = keep.mutable_data<T>();
    for (std::int64_t i = 0; i < on_cpu.count(); ++i)
      if (on_cpu.data<std::uint8_t>()[i] != 0) std::fill_n(to + i * channels, channels, T(0));
  });
  return mul(value, constant(keep.to(value.value().device())));
}

}  // namespace

MsDeformAttn::MsDeformAttn(const MsDeformAttnOptions& options)
    : options_(options),
      sampling_offsets_(options.dim, options.heads * options.levels * options.points * 2, true, zero, ring(options)),
      attention_weights_(options.dim, options.heads * options.levels * options.points, true, zero, zero),
      value_proj_(options.dim, options.dim, true, xavier_uniform(options.dim, options.dim), zero),
      output_proj_(options.dim, options.dim, true, xavier_uniform(options.dim, options.dim), zero) {
  require(options.heads >= 1 && options.dim % options.heads == 0, "ms_deform_attn_layer",
          "the width must be a multiple of the heads, got ", options.dim, " and ", options.heads);
  child("sampling_offsets", sampling_offsets_);
  child("attention_weights", attention_weights_);
  child("value_proj", value_proj_);
  child("output_proj", output_proj_);
}

Variable MsDeformAttn::operator()(const MsDeformAttnInput& in) const {
  const auto& [dim, heads, levels, points] = options_;
  require(in.query.value().rank() == 3 && in.query.size(2) == dim && in.value.value().rank() == 3 &&
              in.value.size(2) == dim,
          "ms_deform_attn_layer", "query and value must have shape (N, L, ", dim, "), got ", in.query.shape(), " and ",
          in.value.shape());
  const std::int64_t n = in.query.size(0), queries = in.query.size(1);
  Variable value = value_proj_(in.value);
  if (in.key_padding_mask) value = without_masked(value, in.key_padding_mask);
  const Variable q = in.query_pos ? add(in.query, in.query_pos) : in.query;
  const Variable offsets = view(sampling_offsets_(q), {n, queries, heads, levels, points, 2});
  const Variable locations = sampling_locations(offsets, in.reference_points, in.levels);
  // One softmax over all levels and points of a head.
  const Variable shares = softmax(view(attention_weights_(q), {n, queries, heads, levels * points}));
  const Variable read = ms_deform_attn(value, in.levels, locations, view(shares, {n, queries, heads, levels, points}));
  return add(output_proj_(read), in.identity ? in.identity : in.query);
}

}  // namespace rein::nn
