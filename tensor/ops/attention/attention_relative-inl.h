// Relative positions inside the attention kernels. A query's products with all rows of both tables ("terms") come from
// one small product; key (k, l) then takes two of them. Include after attention_kernels-inl.h in a foreach_target file.
//
// The tables are stored in reverse, so row m of the first is rel_height[2h - 2 - m], and query (i, j) meets key row k
// at m = (h - 1 - i) + k: a run of h terms. Likewise columns.
#if defined(REIN_ATTENTION_RELATIVE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef REIN_ATTENTION_RELATIVE_INL_H
#undef REIN_ATTENTION_RELATIVE_INL_H
#else
#define REIN_ATTENTION_RELATIVE_INL_H
#endif

#include "tensor/ops/attention/attention_blocks.h"
#include "tensor/ops/attention/attention_kernels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md

// terms (n x rel.pitch()) of n packed queries.
template <class T>
HWY_INLINE void relative_terms(const RelativePositions<T>& rel, const T* q, std::int64_t q_pitch, std::int64_t d,
                               std::int64_t n, T* terms) {
  multiply_panels(q, q_pitch, rel.transposed, d, 0, rel.count(), terms, rel.pitch(), n);
}

// body(i, length, down, across): keys begin + i ... are a run of one row of the map; at `down` is the place of the
// row's term, at `across` that of the first key's column term, in the terms of the query at place `query`.
template <class T, class F>
HWY_INLINE void for_each_run(const RelativePositions<T>& rel, std::int64_t query, std::int64_t begin, std::int64_t end,
                             F&& body) {
  const std::int64_t first_row = rel.height - 1 - query / rel.width;
  const std::int64_t first_column = 2 * rel.height - 1 + rel.width - 1 - query % rel.width;
  for (std::int64_t key = begin; key < end;) {
    const std::int64_t row = key / rel.width, column = key % rel.width;
    const std::int64_t length = end - key < rel.width - column ? end - key : rel.width - column;
    body(key - begin, length, first_row + row, first_column + column);
    key += length;
  }
}

// scores of keys [begin, end) -> logits: scale * score + both terms.
template <class T>
HWY_INLINE void add_relative(const RelativePositions<T>& rel, const T* terms, std::int64_t query, T scale,
                             std::int64_t begin, std::int64_t end, T* scores) {
  for_each_run(rel, query, begin, end,
               [&](std::int64_t at, std::int64_t length, std::int64_t down, std::int64_t across) {
                 for_each_lane(hn::ScalableTag<T>(), length, [&](auto d, std::int64_t i) {
                   const auto both = hn::Add(load(d, terms + across + i), hn::Set(d, terms[down]));
                   store(hn::MulAdd(load(d, scores + at + i), hn::Set(d, scale), both), d, scores + at + i);
                 });
               });
}

// The gradients of the logits of keys [begin, end), added to those of the query's terms.
template <class T>
HWY_INLINE void add_relative_backward(const RelativePositions<T>& rel, const T* slopes, std::int64_t query,
                                      std::int64_t begin, std::int64_t end, T* grad_terms) {
  for_each_run(
      rel, query, begin, end, [&](std::int64_t at, std::int64_t length, std::int64_t down, std::int64_t across) {
        grad_terms[down] += sum_of<T>(length, [&](auto d, std::int64_t i) { return load(d, slopes + at + i); });
        for_each_lane(hn::ScalableTag<T>(), length, [&](auto d, std::int64_t i) {
          T* to = grad_terms + across + i;
          store(hn::Add(load(d, to), load(d, slopes + at + i)), d, to);
        });
      });
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
