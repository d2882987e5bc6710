// Blocking: K is cut into equal blocks of at most 384; B is packed, all threads together, for up to 2 MiB of (k blocks
// x columns); then each task takes 48 rows of C and a group of columns, packs its rows of A block by block into its
// thread's scratch and multiplies. A task's part of C stays in the second-level cache over the k blocks.
#include "tensor/ops/matmul/gemm_cpu.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "tensor/ops/matmul/gemm_kernel_cpu.h"
#include "tensor/parallel.h"

namespace rein::ops::cpu {
namespace {

constexpr std::int64_t block_k = 384;
constexpr std::int64_t block_rows = 48;  // a multiple of every tile's rows
constexpr std::int64_t block_cols = 2048;
constexpr std::int64_t packed_bytes = std::int64_t{2} << 20;
static_assert(block_k <= gemm_max_kc);

std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// Memory that a thread keeps from call to call.
class Scratch {
 public:
  template <class T>
  T* get(std::int64_t count) {
    const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + 4095) / 4096 * 4096;
    if (bytes > bytes_) {
      data_.reset();
      bytes_ = 0;
      data_.reset(std::aligned_alloc(4096, bytes));
      if (!data_) throw std::bad_alloc();
      bytes_ = bytes;
    }
    return static_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> data_;
  std::size_t bytes_ = 0;
};
thread_local Scratch scratch_a, scratch_b;

// How one problem is cut. All of it follows from the problem and the instruction set, never from the threads.
struct Plan {
  TileShape tile;
  std::int64_t k_blocks, kc;          // kc: all but the last block
  std::int64_t blocks_at_once;        // k blocks packed together
  std::int64_t row_tasks, col_tasks;  // of one packed part of B
  std::int64_t group_cols;            // columns of a task, whole panels
};

template <class T>
Plan plan_for(const GemmProblem<T>& p, std::int64_t cols) {
  Plan plan;
  plan.tile = tile_shape<T>();
  plan.k_blocks = std::max<std::int64_t>(1, ceil_div(p.k, block_k));
  plan.kc = std::max<std::int64_t>(1, ceil_div(ceil_div(p.k, plan.k_blocks), 8) * 8);
  plan.k_blocks = std::max<std::int64_t>(1, ceil_div(p.k, plan.kc));
  const std::int64_t width = plan.tile.cols(), panels = ceil_div(cols, width);
  const std::int64_t block_bytes = plan.kc * panels * width * static_cast<std::int64_t>(sizeof(T));
  plan.blocks_at_once = std::clamp<std::int64_t>(packed_bytes / block_bytes, 1, plan.k_blocks);
  plan.row_tasks = ceil_div(p.m, block_rows);
  // Few rows: split the columns too, but not below what pays for packing A once more.
  const std::int64_t wanted = ceil_div(16, plan.row_tasks);
  const std::int64_t least = ceil_div(128, width);
  const std::int64_t group = std::max(least, ceil_div(panels, wanted));
  plan.group_cols = group * width;
  plan.col_tasks = ceil_div(cols, plan.group_cols);
  return plan;
}

template <class T>
void pack_rows(const GemmProblem<T>& p, const TileShape& tile, std::int64_t row, std::int64_t rows, std::int64_t k0,
               std::int64_t kc, T* out) {
  for (std::int64_t r = 0; r < rows; r += tile.rows) {
    const int height = panel_height(rows - r, tile.rows);
    p.a->pack(row + r, static_cast<int>(std::min<std::int64_t>(height, rows - r)), height, k0, kc, out);
    out += height * kc;
  }
}

// Columns [col, col + cols) of C.
template <class T>
void gemm_columns(const GemmProblem<T>& p, std::int64_t col, std::int64_t cols) {
  const Plan plan = plan_for(p, cols);
  const TileShape tile = plan.tile;
  const std::int64_t width = tile.cols(), panels = ceil_div(cols, width);
  const std::int64_t block_size = plan.kc * panels * width;
  T* packed = scratch_b.get<T>(block_size * plan.blocks_at_once);
  const Elements pairs = p.pairs ? pairs_of_bf16() : Elements::single;

  for (std::int64_t block = 0; block < plan.k_blocks; block += plan.blocks_at_once) {
    const std::int64_t blocks = std::min(plan.blocks_at_once, plan.k_blocks - block);
    const auto depth = [&](std::int64_t i) { return std::min(plan.kc, p.k - (block + i) * plan.kc); };
    parallel_ranges(blocks * panels, 4, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t b = i / panels, first = i % panels * width, kc = depth(b);
        const int count = static_cast<int>(std::min(width, cols - first));
        p.b->pack(col + first, count, panel_width(cols - first, tile.lanes, tile.vectors), (block + b) * plan.kc, kc,
                  packed + b * block_size + first * kc);
      }
    });
    parallel_for(plan.row_tasks * plan.col_tasks, [&](std::int64_t task) {
      const std::int64_t row = task / plan.col_tasks * block_rows, rows = std::min(block_rows, p.m - row);
      const std::int64_t first = task % plan.col_tasks * plan.group_cols;
      T* lines = scratch_a.get<T>(block_rows * gemm_max_kc);
      for (std::int64_t b = 0; b < blocks; ++b) {
        const std::int64_t kc = depth(b);
        const bool start = block + b == 0;
        pack_rows(p, tile, row, rows, (block + b) * plan.kc, kc, lines);
        multiply_block(BlockArgs<T>{rows, std::min(plan.group_cols, cols - first), kc, lines,
                                    packed + b * block_size + first * kc, p.c + row * p.c_pitch + col + first,
                                    p.c_pitch, start && p.bias ? p.bias + col + first : nullptr, p.alpha,
                                    !start || p.add, pairs});
      }
    });
  }
}

}  // namespace

template <class T>
PanelSource<T>::~PanelSource() = default;

template <class T>
void MatrixSource<T>::pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, T* out) const {
  if (transposed_) {
    const T* columns[gemm_max_kc];
    for (std::int64_t k = 0; k < kc; ++k) columns[k] = data_ + (k0 + k) * pitch_ + first;
    pack_columns(columns, count, width - count, width, kc, out);
  } else {
    const T* lines[gemm_max_width];
    for (int i = 0; i < count; ++i) lines[i] = data_ + (first + i) * pitch_ + k0;
    pack_lines(lines, count, width, kc, out);
  }
}

template <class T>
void gemm(const GemmProblem<T>& p) {
  if (p.m == 0 || p.n == 0) return;
  std::optional<SerialRegion> serial;  // waking a thread costs more than a small product
  if (p.m * p.n * std::max<std::int64_t>(p.k, 1) < 64 * 64 * 64) serial.emplace();
  const std::int64_t parts = ceil_div(p.n, block_cols);
  const std::int64_t cols = ceil_div(ceil_div(p.n, parts), 96) * 96;
  for (std::int64_t col = 0; col < p.n; col += cols) gemm_columns(p, col, std::min(cols, p.n - col));
}

template <class T>
void column_sums(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, bool add, T* out) {
  constexpr std::int64_t group = 128, width = 512;
  const std::int64_t groups = ceil_div(rows, group), strips = ceil_div(cols, width);
  const std::unique_ptr<T[]> sums(new T[static_cast<std::size_t>(groups * cols)]());
  parallel_for(groups * strips, [&](std::int64_t i) {
    const std::int64_t row = i / strips * group, col = i % strips * width;
    add_rows(x + row * pitch + col, std::min(group, rows - row), std::min(width, cols - col), pitch,
             sums.get() + i / strips * cols + col);
  });
  if (!add) std::fill_n(out, cols, T(0));
  add_rows(sums.get(), groups, cols, cols, out);
}

template class PanelSource<float>;
template class PanelSource<double>;
template class MatrixSource<float>;
template class MatrixSource<double>;
template void gemm(const GemmProblem<float>&);
template void gemm(const GemmProblem<double>&);
template void column_sums(const float*, std::int64_t, std::int64_t, std::int64_t, bool, float*);
template void column_sums(const double*, std::int64_t, std::int64_t, std::int64_t, bool, double*);

}  // namespace rein::ops::cpu
