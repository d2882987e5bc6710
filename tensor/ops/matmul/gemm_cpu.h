// The packed matrix product behind tensor/ops/matmul/gemm.h and conv2d. No checks here: the doors have made them.
// A and B come from a PanelSource, so a convolution can pack its patches on the fly and needs no im2col memory.
#pragma once

#include <cstdint>

namespace rein::ops::cpu {

// One operand of C (M, N) = A (M, K) B (K, N), seen as lines of length K: line m of A is row m, line n of B is column
// n.
template <class T>
class PanelSource {
 public:
  virtual ~PanelSource();
  // Writes lines [first, first + count), columns [k0, k0 + kc) as out[k * width + i], and zeros for i in [count,
  // width). Called from several threads at once; use the two pack functions below for the actual work.
  virtual void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, T* out) const = 0;
};

// The longest kc that pack() is asked for, and the widest panel.
inline constexpr std::int64_t gemm_max_kc = 512;
inline constexpr int gemm_max_width = 96;

// out[k * width + i] = lines[i][k] for i < count; a null line is zeros. kc <= gemm_max_kc.
template <class T>
void pack_lines(const T* const* lines, int count, int width, std::int64_t kc, T* out);
// out[k * width + i] = columns[k][i] for i < count, followed by `padding` zeros; a null column is zeros. Several calls
// may fill one panel side by side.
template <class T>
void pack_columns(const T* const* columns, int count, int padding, int width, std::int64_t kc, T* out);

// A plain matrix: line i, column k is at data[i * line_pitch + k], or at data[k * line_pitch + i] when transposed.
template <class T>
class MatrixSource final : public PanelSource<T> {
 public:
  MatrixSource(const T* data, std::int64_t pitch, bool transposed)
      : data_(data), pitch_(pitch), transposed_(transposed) {}
  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, T* out) const override;

 private:
  const T* data_;
  std::int64_t pitch_;
  bool transposed_;
};

// Made once, in gemm_cpu.cpp: no two kernel files may define one symbol (tensor/README.md).
extern template class PanelSource<float>;
extern template class PanelSource<double>;
extern template class MatrixSource<float>;
extern template class MatrixSource<double>;

template <class T>
struct GemmProblem {
  const PanelSource<T>* a = nullptr;
  const PanelSource<T>* b = nullptr;
  std::int64_t m = 0, n = 0, k = 0;
  T* c = nullptr;
  std::int64_t c_pitch = 0;
  const T* bias = nullptr;  // (n), or null
  T alpha = T(1);
  bool add = false;  // C += alpha A B + bias, else C = alpha A B + bias
  // float only: each element of A and B is a pair of bf16 (columns 2k and 2k + 1 of the product, the first one in the
  // low half), and k counts pairs. C, bias and sums are f32.
  bool pairs = false;
};

// Each element of C is one chain of products in the order of k, cut at places that depend on k alone, so the bits
// depend neither on the number of threads nor on m and n. k = 0 gives C = bias (or 0).
template <class T>
void gemm(const GemmProblem<T>& problem);

// out[c] = sum over rows of x[r * pitch + c], added to out when `add`. Rows are summed in fixed groups, in order.
template <class T>
void column_sums(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t pitch, bool add, T* out);

}  // namespace rein::ops::cpu
