// The smallest singular values of a matrix and their vectors, in f64.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace rein::models {

// W = U diag(s) V^T has these r triplets of its min(rows, cols), the largest of them first.
struct SingularTriplets {
  Tensor u;  // (rows, r)
  Tensor s;  // (r)
  Tensor v;  // (cols, r)
};

// The r smallest triplets of `w`, f64 (rows, cols) on the CPU, finite. Signs are arbitrary; a triplet of value zero has
// zeros for one of its vectors. Equal PyTorch call: torch.linalg.svd(w), then [:, -r:], [-r:], [-r:, :].
// Method (Golub and Van Loan, "Matrix Computations", 8.3 to 8.5): the Gram matrix of the shorter side to tridiagonal
// form by reflections, its r smallest eigenvalues by bisection, vectors by inverse iteration, and a one-sided Jacobi
// rotation of W times these. Vectors are orthonormal to rounding and W v = s u holds to rounding of the largest value;
// the space that they span is exact to 1e-16 s_max^2 / (s_(r+1)^2 - s_r^2). The same bits for any number of
// threads. n^3 + n^2 max(rows, cols) multiply-adds, of which only the second part runs on several threads.
// Throws std::invalid_argument when w is no f64 matrix on the CPU or r is not in [1, min(rows, cols)].
SingularTriplets smallest_singular(const Tensor& w, std::int64_t r);

}  // namespace rein::models
