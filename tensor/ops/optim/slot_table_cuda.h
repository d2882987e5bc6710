// Many tensors in one launch: a table of up to 256 slots travels as the kernel's argument. A block owns 4096
// neighbouring elements of one slot and finds out which by bisection over the slots' first blocks. Included by .cu
// files.
#pragma once

#include <span>

#include "tensor/cuda/kernel.h"

namespace rein::ops::cuda {

using namespace rein::cuda;

inline constexpr int slot_threads = 256, most_slots = 256, elements_per_block = 4096;

// Slot has a `count` of elements.
template <class Slot>
struct SlotTable {
  Slot slot[most_slots];
  unsigned first_block[most_slots];
  int count;

  // The elements of a slot that this block owns.
  struct Part {
    int slot;
    std::int64_t begin, end;
  };
  __device__ Part part() const {
    int low = 0, high = count;  // the slot is one of [low, high)
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      (first_block[middle] <= blockIdx.x ? low : high) = middle;
    }
    const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - first_block[low]) * elements_per_block;
    const std::int64_t end = begin + elements_per_block;
    return {low, begin, end < slot[low].count ? end : slot[low].count};
  }
};

// body(table, blocks) for tables of the slots that have elements, in order.
template <class Slot, class F>
static void for_tables(const char* op, std::span<const Slot> slots, const F& body) {
  for (std::size_t next = 0; next < slots.size();) {
    SlotTable<Slot> table{};
    unsigned blocks = 0;
    for (; next < slots.size() && table.count < most_slots; ++next) {
      const Slot& s = slots[next];
      if (s.count == 0) continue;
      require(s.count <= std::int64_t{elements_per_block} << 22, op, "takes tensors of at most 2^34 elements on CUDA");
      table.slot[table.count] = s;
      table.first_block[table.count++] = blocks;
      blocks += blocks_for(s.count, elements_per_block, std::int64_t{1} << 22);
    }
    if (blocks > 0) body(table, blocks);
  }
}

}  // namespace rein::ops::cuda
