#include "autograd/cases/sampling/ms_deform_attn_cases.h"

#include <cmath>

#include "autograd/cases/case.h"
#include "autograd/ops/sampling/ms_deform_attn.h"
#include "tensor/ops/sampling/ms_deform_attn.h"

namespace rein::testing {

Tensor locations_between_centres(const MsDeformSizes& s, RandomKey key, DType dtype) {
  Tensor t = random_uniform(key, s.locations(), -0.3, 1.3, DType::f64);
  double* at = t.mutable_data<double>();
  for (std::int64_t i = 0; i < t.count(); ++i) {
    const auto& level = s.levels[static_cast<std::size_t>(i / 2 / s.points % s.level_count())];
    const auto size = static_cast<double>(i % 2 == 0 ? level.width : level.height);
    const double pixel = at[i] * size - 0.5, cell = std::floor(pixel);
    at[i] = (cell + 0.02 + 0.96 * (pixel - cell) + 0.5) / size;
  }
  if (dtype == DType::f64) return t;
  Tensor rounded = Tensor::empty(t.shape(), DType::f32);
  for (std::int64_t i = 0; i < t.count(); ++i) rounded.mutable_data<float>()[i] = static_cast<float>(at[i]);
  return rounded;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;

// As in the encoder of a pixel decoder: a query is a token and looks around itself, up to four pixels on each level.
CaseInput own_location_input(const MsDeformSizes& s) {
  const auto make = [s](RandomKey key) {
    Tensor offsets = random_uniform(key, s.locations(), -4, 4, DType::f64);
    Tensor reference = Tensor::empty({s.n, s.queries, s.level_count(), 2}, DType::f64);
    double* to = reference.mutable_data<double>();
    for (const auto& l : s.levels)
      for (std::int64_t token = 0; token < l.height * l.width; ++token)
        for (std::int64_t level = 0; level < s.level_count(); ++level) {
          *to++ = (static_cast<double>(token % l.width) + 0.5) / static_cast<double>(l.width);
          *to++ = (static_cast<double>(token / l.width) + 0.5) / static_cast<double>(l.height);
        }
    return ops::sampling_locations(offsets, reference, s.levels);
  };
  return {.name = "locations", .make = make};
}

CaseInput location_input(const MsDeformSizes& s) {
  return {.name = "locations", .make = [s](RandomKey key) { return locations_between_centres(s, key); }};
}

const Cases cases("ms_deform_attn", [](CaseList& list) {
  for (const MsDeformSizes& s :
       {MsDeformSizes{2, 3, 2, 4, 3, {{3, 4}, {2, 5}}}, MsDeformSizes{1, 5, 1, 1, 1, {{1, 1}}},
        MsDeformSizes{1, 4, 3, 5, 2, {{2, 3}, {1, 7}}}, MsDeformSizes{1, 3, 2, 30, 2, {{5, 3}}},
        MsDeformSizes{1, 3, 2, 31, 1, {{3, 5}, {1, 2}}}, MsDeformSizes{2, 2, 2, 32, 2, {{4, 3}}},
        MsDeformSizes{1, 2, 1, 33, 2, {{3, 3}}}, MsDeformSizes{1, 2, 1, 130, 1, {{2, 3}, {3, 2}}},
        // More points than one list of taps holds.
        MsDeformSizes{1, 2, 2, 6, 40, {{3, 4}, {2, 2}}}}) {
    list.add(
        {.label = s.text(),
         .inputs = {normal("value", s.value()), location_input(s), normal("weights", s.weights())},
         .run = [s](Vars v) { return Outs{ms_deform_attn(v[0], s.levels, v[1], v[2])}; },
         .reference = [s](Refs t) { return std::vector{ops::ms_deform_attn_reference(t[0], s.levels, t[1], t[2])}; },
         .f32_tolerance = 2e-5,
         .f32_grad_tolerance = 5e-5,
         .why = "a pixel coordinate of order ten carries 1e-6 of f32 rounding, times values of order one"});
  }
  for (const std::int64_t n : {1, 4}) {
    const MsDeformSizes real{n, 5376, 8, 32, 4, {{16, 16}, {32, 32}, {64, 64}}};
    const double taps = 4.0 * static_cast<double>(real.weights().count());
    list.add({.label = real.text(),
              .inputs = {normal("value", real.value()), own_location_input(real), normal("weights", real.weights())},
              .run = [real](Vars v) { return Outs{ms_deform_attn(v[0], real.levels, v[1], v[2])}; },
              .bench_only = true,
              .flops = 2 * 32 * taps,
              .bytes = 4.0 * static_cast<double>(2 * real.value().count() + 3 * real.weights().count())});
  }
});

// reference + offset / size in plain loops.
Tensor locations_loops(const Tensor& offsets, const Tensor& reference, const MsDeformSizes& s) {
  Tensor out = Tensor::empty_like(offsets);
  for (std::int64_t i = 0; i < out.count(); ++i) {
    const std::int64_t level = i / 2 / s.points % s.level_count(), row = i / (s.heads * s.level_count() * s.points * 2);
    const auto& l = s.levels[static_cast<std::size_t>(level)];
    out.mutable_data<double>()[i] = reference.at((row * s.level_count() + level) * 2 + i % 2) +
                                    offsets.at(i) / static_cast<double>(i % 2 == 0 ? l.width : l.height);
  }
  return out;
}

const Cases location_cases("sampling_locations", [](CaseList& list) {
  for (const MsDeformSizes& s :
       {MsDeformSizes{2, 3, 2, 1, 3, {{3, 4}, {2, 5}}}, MsDeformSizes{1, 1, 1, 1, 1, {{7, 1}}}}) {
    const Shape reference{s.n, s.queries, s.level_count(), 2};
    list.add({.label = s.locations().text(),
              .inputs = {normal("offsets", s.locations()), uniform("reference", reference, 0, 1)},
              .run = [s](Vars v) { return Outs{sampling_locations(v[0], v[1], s.levels)}; },
              .reference = [s](Refs t) { return std::vector{locations_loops(t[0], t[1], s)}; },
              .f32_tolerance = 5e-7,
              .f32_grad_tolerance = 1e-6,
              .why = "a product and a sum; a gradient sums up to six terms"});
  }
});

}  // namespace
