// Sums over rows for gradients of biases and scales. A thread owns a column in a chunk of rows; then the chunks are
// added in a fixed order: the same bits every time. Included by .cu files.
#pragma once

#include "tensor/cuda/add_lines.h"
#include "tensor/cuda/scratch.h"

namespace rein::cuda {

inline constexpr std::int64_t sum_chunk_rows = 64;

// term(row, col) is summed over rows [blockIdx.y * chunk, …).
template <class T, class Term>
__global__ void sum_chunks_kernel(Term term, std::int64_t rows, std::int64_t cols, std::int64_t chunk, T* parts) {
  const std::int64_t c = global_thread();
  if (c >= cols) return;
  const std::int64_t first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
  T sum = 0;
  for (std::int64_t row = first; row < last; ++row) sum += term(row, c);
  parts[blockIdx.y * cols + c] = sum;
}

// out[col] = sum over rows of term(row, col). Term: a struct of plain values with a __device__ operator().
template <class T, class Term>
void sum_rows(const char* name, Term term, std::int64_t rows, std::int64_t cols, T* out) {
  if (cols == 0) return;
  // No more chunks than a grid has room for.
  const std::int64_t chunk = rows > 32768 * sum_chunk_rows ? (rows + 32767) / 32768 : sum_chunk_rows;
  const std::int64_t chunks = rows > 0 ? (rows + chunk - 1) / chunk : 0;
  Scratch<T> parts(chunks * cols);
  launch(name, sum_chunks_kernel<T, Term>, dim3(blocks_for(cols, 128), static_cast<unsigned>(chunks)), 128, 0, term,
         rows, cols, chunk, parts.data());
  add_lines(name, parts.data(), 1, chunks, cols, 1.0, out);
}

}  // namespace rein::cuda
