#include "autograd/cases/attention/attention_cases.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "autograd/cases/case.h"
#include "autograd/ops/attention/attention.h"
#include "tensor/error.h"
#include "tensor/ops/attention/attention.h"

namespace rein::testing {

Tensor some_attention_mask(std::int64_t n, std::int64_t lq, std::int64_t lk) {
  Tensor mask = Tensor::zeros({n, lq, lk}, DType::u8);
  auto* m = mask.mutable_data<std::uint8_t>();
  for (std::int64_t i = 0; i < mask.count(); ++i) {
    const std::int64_t query = i / lk % lq, key = i % lk;
    m[i] = key != query % lk && (query == 1 || RandomKey(11).uniform(static_cast<std::uint64_t>(i)) < 0.33);
  }
  return mask;
}

}  // namespace rein::testing

namespace {

using namespace rein;
using namespace rein::testing;

struct Sizes {
  std::int64_t n, heads, lq, lk, d, dv;
  bool mask;
};

Tensor attention_loops(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& blocked, std::int64_t heads,
                       double scale) {
  const std::int64_t n = q.size(0), lq = q.size(1), lk = k.size(1), d = q.size(2) / heads, dv = v.size(2) / heads;
  Tensor out = Tensor::zeros({n, lq, heads * dv}, DType::f64);
  std::vector<double> p(static_cast<std::size_t>(lk));
  for (std::int64_t row = 0; row < n * heads * lq; ++row) {
    const std::int64_t b = row / (heads * lq), h = row / lq % heads, i = row % lq;
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::int64_t j = 0; j < lk; ++j) {
      double s = 0;
      for (std::int64_t c = 0; c < d; ++c)
        s += q.at(((b * lq + i) * heads + h) * d + c) * k.at(((b * lk + j) * heads + h) * d + c);
      const bool closed = blocked && blocked.at((b * lq + i) * lk + j) != 0;
      p[static_cast<std::size_t>(j)] = closed ? -std::numeric_limits<double>::infinity() : scale * s;
      top = std::max(top, p[static_cast<std::size_t>(j)]);
    }
    for (double& e : p) sum += e = std::exp(e - top);
    for (std::int64_t j = 0; j < lk; ++j)
      for (std::int64_t c = 0; c < dv; ++c)
        out.mutable_data<double>()[((b * lq + i) * heads + h) * dv + c] +=
            p[static_cast<std::size_t>(j)] / sum * v.at(((b * lk + j) * heads + h) * dv + c);
  }
  return out;
}

// Relative positions of an h x w map, one query and key at a time: logit += q . (down row + across row).
Tensor relative_loops(const Tensor& qkv, const Tensor& rel_h, const Tensor& rel_w, const Tensor& blocked,
                      std::int64_t heads, double scale) {
  const std::int64_t n = qkv.size(0), l = qkv.size(1), c = qkv.size(2) / 3, d = c / heads;
  const std::int64_t h = (rel_h.size(0) + 1) / 2, w = (rel_w.size(0) + 1) / 2;
  Tensor out = Tensor::zeros({n, l, c}, DType::f64);
  const auto at = [&](std::int64_t b, std::int64_t place, std::int64_t third, std::int64_t head, std::int64_t k) {
    return qkv.at((b * l + place) * 3 * c + third * c + head * d + k);
  };
  std::vector<double> p(static_cast<std::size_t>(l));
  for (std::int64_t b = 0; b < n; ++b)
    for (std::int64_t head = 0; head < heads; ++head)
      for (std::int64_t i = 0; i < l; ++i) {
        double sum = 0;
        for (std::int64_t j = 0; j < l; ++j) {
          double s = 0;
          for (std::int64_t k = 0; k < d; ++k)
            s += at(b, i, 0, head, k) * (scale * at(b, j, 1, head, k) + rel_h.at((i / w - j / w + h - 1) * d + k) +
                                         rel_w.at((i % w - j % w + w - 1) * d + k));
          const bool closed = blocked && blocked.at((b * l + i) * l + j) != 0;
          sum += p[static_cast<std::size_t>(j)] = closed ? 0 : std::exp(s);
        }
        for (std::int64_t j = 0; j < l; ++j)
          for (std::int64_t k = 0; k < d; ++k)
            out.mutable_data<double>()[(b * l + i) * c + head * d + k] +=
                p[static_cast<std::size_t>(j)] / sum * at(b, j, 2, head, k);
      }
  return out;
}

struct MapSizes {
  std::int64_t n, heads, h, w, d;
  bool mask;
};

const Cases cases("attention", [](CaseList& list) {
  for (const Sizes& s :
       {Sizes{1, 1, 1, 2, 1, 1, false}, Sizes{2, 1, 3, 5, 4, 2, true}, Sizes{2, 3, 7, 7, 5, 5, false},
        Sizes{1, 2, 31, 33, 8, 16, true}, Sizes{2, 2, 33, 32, 16, 17, false}, Sizes{1, 1, 50, 130, 32, 32, true},
        Sizes{1, 2, 49, 65, 64, 64, false}, Sizes{1, 1, 13, 200, 80, 80, true}, Sizes{1, 1, 70, 6, 3, 100, false},
        Sizes{1, 2, 4, 35, 140, 130, true}, Sizes{1, 1, 3, 6, 2, 260, false}}) {
    const Tensor mask = s.mask ? some_attention_mask(s.n, s.lq, s.lk) : Tensor{};
    const double scale = 0.4;
    list.add({.label = concat_text("N", s.n, " heads ", s.heads, " ", s.lq, "x", s.lk, " d", s.d, " dv", s.dv,
                                   s.mask ? " mask" : ""),
              .inputs = {normal("q", {s.n, s.lq, s.heads * s.d}), normal("k", {s.n, s.lk, s.heads * s.d}),
                         normal("v", {s.n, s.lk, s.heads * s.dv})},
              .run =
                  [=](Vars v) {
                    return Outs{
                        attention(v[0], v[1], v[2],
                                  {.heads = s.heads, .scale = scale, .blocked = mask.to(v[0].value().device())})};
                  },
              .reference = [=](Refs t) { return std::vector{attention_loops(t[0], t[1], t[2], mask, s.heads, scale)}; },
              .f32_tolerance = 5e-6,
              .f32_grad_tolerance = 2e-5,
              .why = "logits up to 15 from sums of up to 80 products: an ulp of a logit is 1e-6"});
  }
  for (const Sizes& s : {Sizes{2, 3, 5, 5, 4, 4, false}, Sizes{1, 2, 33, 33, 7, 7, true}}) {
    const Tensor mask = s.mask ? some_attention_mask(s.n, s.lq, s.lk) : Tensor{};
    const std::int64_t c = s.heads * s.d;
    list.add({.label = concat_text("packed N", s.n, " heads ", s.heads, " L", s.lq, " d", s.d, s.mask ? " mask" : ""),
              .inputs = {normal("qkv", {s.n, s.lq, 3 * c})},
              .run =
                  [=](Vars v) {
                    return Outs{attention_packed(v[0], {.heads = s.heads, .blocked = mask.to(v[0].value().device())})};
                  },
              .reference =
                  [=](Refs t) {
                    const auto third = [&](std::int64_t which) {
                      Tensor part = Tensor::empty({s.n, s.lq, c}, DType::f64);
                      for (std::int64_t i = 0; i < part.count(); ++i)
                        part.mutable_data<double>()[i] = t[0].at(i / c * 3 * c + which * c + i % c);
                      return part;
                    };
                    return std::vector{attention_loops(third(0), third(1), third(2), mask, s.heads,
                                                       1 / std::sqrt(static_cast<double>(s.d)))};
                  },
              .f32_tolerance = 5e-6,
              .f32_grad_tolerance = 2e-5,
              .why = "as above"});
  }
  for (const MapSizes& s :
       {MapSizes{1, 1, 1, 1, 2, false}, MapSizes{3, 2, 3, 3, 4, false}, MapSizes{2, 1, 5, 7, 8, true},
        MapSizes{1, 2, 1, 6, 5, false}, MapSizes{1, 2, 4, 1, 3, false},
        MapSizes{1, 1, 9, 23, 17, false}}) {  // 9 x 23: more keys than one block of backward
    const std::int64_t c = s.heads * s.d, l = s.h * s.w;
    const Tensor mask = s.mask ? some_attention_mask(s.n, l, l) : Tensor{};
    // With one key the softmax is constant: nothing depends on q and k, and on no table row.
    const auto table = [&](const char* name, std::int64_t extent) {
      const CaseInput input = normal(name, {2 * extent - 1, s.d}, 0, 0.4);
      return extent == 1 ? zero_gradient(input) : input;
    };
    list.add(
        {.label = concat_text("map ", s.h, "x", s.w, " N", s.n, " heads ", s.heads, " d", s.d, s.mask ? " mask" : ""),
         .inputs = {normal("qkv", {s.n, l, 3 * c}), table("rel_height", s.h), table("rel_width", s.w)},
         .run =
             [=](Vars v) {
               return Outs{attention_packed(v[0], {.heads = s.heads,
                                                   .scale = 0.4,
                                                   .blocked = mask.to(v[0].value().device()),
                                                   .rel_height = v[1],
                                                   .rel_width = v[2]})};
             },
         .reference = [=](Refs t) { return std::vector{relative_loops(t[0], t[1], t[2], mask, s.heads, 0.4)}; },
         .f32_tolerance = 5e-6,
         .f32_grad_tolerance = 3e-5,
         .why = "as above, with two more products per logit"});
  }
  for (const auto& [n, side, heads, d] : {std::tuple{25, 14, 16, 80}, std::tuple{1, 64, 16, 80}})
    list.add(
        {.label = concat_text("map ", side, "x", side, ", ", n, " of them, ", heads, " heads, d ", d),
         .inputs = {normal("qkv", {n, side * side, 3 * heads * d}), normal("rel_height", {2 * side - 1, d}, 0, 0.1),
                    normal("rel_width", {2 * side - 1, d}, 0, 0.1)},
         .run =
             [=](Vars v) {
               return Outs{attention_packed(v[0], {.heads = heads, .rel_height = v[1], .rel_width = v[2]})};
             },
         .bench_only = true,
         .flops = 4.0 * n * side * side * side * side * heads * d,
         .bytes = 16.0 * n * side * side * heads * d});
  Tensor closed = Tensor::zeros({1, 3, 70}, DType::u8);
  for (std::int64_t key = 0; key < 70; ++key) closed.mutable_data<std::uint8_t>()[70 + key] = 1;
  list.add(
      {.label = "a query with all keys blocked",
       .inputs = {normal("q", {1, 3, 4}), normal("k", {1, 70, 4}), normal("v", {1, 70, 4})},
       .run =
           [=](Vars v) {
             return Outs{attention(v[0], v[1], v[2], {.heads = 2, .blocked = closed.to(v[0].value().device())})};
           },
       .reference = [=](Refs t) { return std::vector{attention_loops(t[0], t[1], t[2], closed, 2, std::sqrt(0.5))}; },
       .f32_tolerance = 2e-6,
       .why = "sums of two products",
       .check_gradient = false});
  list.add({.label = "frozen q and v",
            .inputs = {frozen(normal("q", {1, 3, 4})), normal("k", {1, 6, 4}), frozen(normal("v", {1, 6, 4}))},
            .run = [](Vars v) { return Outs{attention(v[0], v[1], v[2], {.heads = 2})}; },
            .reference = [](Refs t) { return std::vector{attention_loops(t[0], t[1], t[2], {}, 2, std::sqrt(0.5))}; },
            .f32_tolerance = 2e-6,
            .f32_grad_tolerance = 1e-5,
            .why = "sums of two products"});
  for (const auto& [n, heads, d] : {std::array{1, 3, 64}, std::array{1, 6, 64}, std::array{1, 12, 64},
                                    std::array{1, 16, 64}, std::array{4, 16, 64}, std::array{1, 8, 32}})
    list.add({.label = concat_text("packed ", n, " x ", heads, " heads, 1025 tokens, d ", d),
              .inputs = {normal("qkv", {n, 1025, 3 * heads * d})},
              .run = [=](Vars v) { return Outs{attention_packed(v[0], {.heads = heads})}; },
              .bench_only = true,
              .flops = 4.0 * 1025 * 1025 * n * heads * d,
              .bytes = 16.0 * 1025 * n * heads * d});
});

}  // namespace
