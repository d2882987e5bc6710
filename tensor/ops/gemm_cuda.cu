// cuBLASLt sees our row-major matrices as their transposes: c^T = op(b)^T op(a)^T, so b is its first operand, and its
// bias, one value per row of c^T, is ours per column.
#include "tensor/ops/gemm_cuda.h"

#include "tensor/cuda/kernel.h"

#ifdef __CUDACC__
#include <cublasLt.h>

#include <map>
#include <tuple>

#include "tensor/cuda/scratch.h"
#endif

namespace rein::ops::cuda {

using namespace rein::cuda;

#ifdef __CUDACC__
namespace {

constexpr std::size_t workspace_bytes = 32 << 20;

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail_runtime("gemm", "cuBLASLt: ", what, ": ", cublasLtGetStatusString(status));
}

cublasLtHandle_t handle() {
  thread_local cublasLtHandle_t made = [] {
    cublasLtHandle_t h = nullptr;
    check(cublasLtCreate(&h), "could not start");
    return h;
  }();
  return made;
}

struct Layout {
  cublasLtMatrixLayout_t handle = nullptr;
  // A row-major matrix of `cols` columns is column-major with `cols` rows.
  Layout(cudaDataType_t type, std::int64_t rows, std::int64_t cols, std::int64_t pitch, std::int64_t batches,
         std::int64_t batch_pitch) {
    check(cublasLtMatrixLayoutCreate(&handle, type, static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows),
                                     pitch),
          "matrix layout");
    const auto count = static_cast<std::int32_t>(batches);
    cublasLtMatrixLayoutSetAttribute(handle, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
    cublasLtMatrixLayoutSetAttribute(handle, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch_pitch,
                                     sizeof batch_pitch);
  }
  ~Layout() { cublasLtMatrixLayoutDestroy(handle); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;
};

struct Description {
  cublasLtMatmulDesc_t handle = nullptr;
  Description(bool trans_first, bool trans_second, const float* bias) {
    check(cublasLtMatmulDescCreate(&handle, CUBLAS_COMPUTE_32F, CUDA_R_32F), "description");
    const cublasOperation_t first = trans_first ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasOperation_t second = trans_second ? CUBLAS_OP_T : CUBLAS_OP_N;
    cublasLtMatmulDescSetAttribute(handle, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first);
    cublasLtMatmulDescSetAttribute(handle, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second);
    if (bias == nullptr) return;
    const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
    cublasLtMatmulDescSetAttribute(handle, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    cublasLtMatmulDescSetAttribute(handle, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
  }
  ~Description() { cublasLtMatmulDescDestroy(handle); }
  Description(const Description&) = delete;
  Description& operator=(const Description&) = delete;
};

// The library's choice for a problem, asked for once: a step repeats the same shapes.
using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                       int, std::uintptr_t>;

const cublasLtMatmulAlgo_t* choose(const Key& key, const Description& d, const Layout& first, const Layout& second,
                                   const Layout& out) {
  thread_local std::map<Key, cublasLtMatmulAlgo_t> chosen;
  const auto found = chosen.find(key);
  if (found != chosen.end()) return &found->second;
  cublasLtMatmulPreference_t preference = nullptr;
  check(cublasLtMatmulPreferenceCreate(&preference), "preference");
  cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes,
                                       sizeof workspace_bytes);
  cublasLtMatmulHeuristicResult_t result{};
  int count = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle(), d.handle, first.handle, second.handle,
                                                               out.handle, out.handle, preference, 1, &result, &count);
  cublasLtMatmulPreferenceDestroy(preference);
  if (status != CUBLAS_STATUS_SUCCESS || count == 0) return nullptr;
  return &chosen.emplace(key, result.algo).first->second;
}

template <class In>
bool gemm_cublas(const GemmProblem<float, In>& p) {
  constexpr cudaDataType_t type = std::is_same_v<In, bf16_t> ? CUDA_R_16BF : CUDA_R_32F;
  const Description d(p.trans_b, p.trans_a, p.bias);
  const Layout first(type, p.trans_b ? p.n : p.k, p.trans_b ? p.k : p.n, p.b_pitch, p.batches, p.b_batch);
  const Layout second(type, p.trans_a ? p.k : p.m, p.trans_a ? p.m : p.k, p.a_pitch, p.batches, p.a_batch);
  const Layout out(CUDA_R_32F, p.m, p.n, p.c_pitch, p.batches, p.c_batch);
  // Vector loads need aligned addresses, so the choice depends on how the three are aligned.
  const std::uintptr_t alignment = (reinterpret_cast<std::uintptr_t>(p.a) | reinterpret_cast<std::uintptr_t>(p.b) |
                                    reinterpret_cast<std::uintptr_t>(p.c)) &
                                   15;
  const int flags = (p.trans_a ? 1 : 0) + (p.trans_b ? 2 : 0) + (p.bias != nullptr ? 4 : 0) + (p.add ? 8 : 0) +
                    (sizeof(In) == 2 ? 16 : 0);
  const Key key{p.m, p.n, p.k, p.batches, p.a_pitch, p.b_pitch, p.c_pitch, flags, alignment};
  const cublasLtMatmulAlgo_t* algorithm = choose(key, d, first, second, out);
  if (algorithm == nullptr) return false;
  Scratch<std::byte> workspace(workspace_bytes);
  const float beta = p.add ? 1.0F : 0.0F;
  check(cublasLtMatmul(handle(), d.handle, &p.alpha, p.b, first.handle, p.a, second.handle, &beta, p.c, out.handle, p.c,
                       out.handle, algorithm, workspace.data(), workspace_bytes, stream(current_device())),
        "product");
  return true;
}

}  // namespace
#endif

template <class T, class In>
void gemm(const GemmProblem<T, In>& p) {
  if (p.m == 0 || p.n == 0 || p.batches == 0) return;
#ifdef __CUDACC__
  // Pitches of 0 (one row) and empty sums are not the library's.
  if constexpr (sizeof(T) == 4) {
    if (p.k > 0 && p.a_pitch > 0 && p.b_pitch > 0 && p.c_pitch > 0 && gemm_cublas(p)) return;
  }
#endif
  gemm_tiles(p);
}

template void gemm(const GemmProblem<float>&);
template void gemm(const GemmProblem<double>&);
template void gemm(const GemmProblem<float, bf16_t>&);

}  // namespace rein::ops::cuda
