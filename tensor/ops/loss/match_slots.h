// Places ("slots") for the matched masks of a micro-batch, whose number a device need not tell the host: image n has
// the places splits[n] to splits[n + 1], as many as it can match or more. Its matched masks take the first of them, by
// ascending query; the rest are absent, marked by -1, and contribute nothing anywhere. So mask t of an image lies at
// the same place, and takes the same random numbers, however many places there are.
#pragma once

#include "tensor/tensor.h"

namespace rein::ops {

struct MatchedSlots {
  Tensor rows;     // i64 (T): n * Q + query of the place's mask; -1 = absent
  Tensor images;   // i64 (T): n; -1 = absent
  Tensor classes;  // i64 (T): the class of the mask; -1 = absent
  Tensor targets;  // i64 (N, Q): the query's class as its number among the image's present ones; -1 = none
  Tensor free;     // i64 (N, Q): K for a query without class; -1 for the others
};

// class_of i64 (N, Q): the class of each query in [0, K), -1 = none (ops::assignment's slots); present u8 (N, K);
// splits i64 (N + 1), from 0 to T = `places`, ascending. All on one device. Matched masks beyond an image's places are
// left out. On a GPU values are not checked; a split outside of [0, T] is cut to it.
MatchedSlots match_slots(const Tensor& class_of, const Tensor& present, const Tensor& splits, std::int64_t places);

// x (R, C) f32 or f64, rows i64 (T) in [0, R) or -1 -> (T, C): row rows[t] of x; zeros where absent.
// On a GPU rows are not checked: one out of range counts as absent.
Tensor take_rows(const Tensor& x, const Tensor& rows);
// Its adjoint for rows that occur once: x (T, C) -> (length, C), row t of x at rows[t], zeros elsewhere.
Tensor put_rows(const Tensor& x, const Tensor& rows, std::int64_t length);

}  // namespace rein::ops
