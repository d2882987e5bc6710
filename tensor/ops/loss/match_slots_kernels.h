// The kernels behind match_slots.h. No checks here: the door has made them.
#pragma once

#include <cstdint>

#include "tensor/ops/kernels.h"

namespace rein::ops {

struct SlotSizes {
  std::int64_t images, queries, classes, places;
};

struct SlotLists {
  std::int64_t *rows, *image, *of_class, *targets, *free;
};

REIN_KERNELS(void match_slots(const SlotSizes& s, const std::int64_t* class_of, const std::uint8_t* present,
                              const std::int64_t* splits, const SlotLists& out);
             // x (length, cols), rows (count) -> y (count, cols).
             template <class T> void take_rows(const T* x, std::int64_t length, std::int64_t cols,
                                               const std::int64_t* rows, std::int64_t count, T* y);
             // x (count, cols), rows (count) -> y (length, cols).
             template <class T> void put_rows(const T* x, std::int64_t length, std::int64_t cols,
                                              const std::int64_t* rows, std::int64_t count, T* y);)

}  // namespace rein::ops
