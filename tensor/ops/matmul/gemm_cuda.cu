// cuBLASLt sees our row-major matrices as their transposes: c^T = op(b)^T op(a)^T, so b is its first operand, and its
// bias, one value per row of c^T, is ours per column.
#include "tensor/ops/matmul/gemm_cuda.h"

#include "tensor/cuda/kernel.h"

#ifdef __CUDACC__
#include <cublasLt.h>

#include <compare>
#include <map>

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

constexpr cudaDataType_t name_of(const float*) {
  return CUDA_R_32F;
}
constexpr cudaDataType_t name_of(const bf16_t*) {
  return CUDA_R_16BF;
}

// Bytes at whose multiple an address lies, at most 256.
std::uint32_t alignment_of(const void* address) {
  const auto bits = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(address)) | 256U;
  return bits & (~bits + 1U);
}

// What tells two problems apart for the library. Vector loads need aligned addresses, so its choice depends on how the
// memory is aligned.
struct Key {
  std::int64_t m, n, k, batches, a_pitch, b_pitch, c_pitch, a_batch, b_batch, c_batch;
  std::uint32_t a_alignment, b_alignment, c_alignment, bias_alignment;  // of the bias 0: there is none
  cudaDataType_t in, out;
  int device;
  bool trans_a, trans_b, add, tf32;
  auto operator<=>(const Key&) const = default;
};

// Everything that a product needs beside its addresses, made once per problem: a step repeats the same shapes, and
// later calls search and allocate nothing.
class Plan {
 public:
  Plan(const Key& key, const void* bias) {
    check(cublasLtMatmulDescCreate(&description_, key.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F,
                                   CUDA_R_32F),
          "description");
    set(CUBLASLT_MATMUL_DESC_TRANSA, key.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, key.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    // The bias is read in the type of c: the library's default. Its choice depends on how the bias is aligned.
    if (bias != nullptr) {
      set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    }
    first_ =
        layout(key.in, key.trans_b ? key.n : key.k, key.trans_b ? key.k : key.n, key.b_pitch, key.batches, key.b_batch);
    second_ =
        layout(key.in, key.trans_a ? key.k : key.m, key.trans_a ? key.m : key.k, key.a_pitch, key.batches, key.a_batch);
    out_ = layout(key.out, key.m, key.n, key.c_pitch, key.batches, key.c_batch);
    choose(key);
  }
  ~Plan() {
    for (const cublasLtMatrixLayout_t made : {first_, second_, out_}) cublasLtMatrixLayoutDestroy(made);
    cublasLtMatmulDescDestroy(description_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  bool usable() const { return usable_; }  // the library has a kernel

  void run(const void* a, const void* b, void* c, const void* bias, float alpha, float beta) {
    if (bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    Scratch<std::byte> workspace(workspace_bytes);
    check(cublasLtMatmul(handle(), description_, &alpha, b, first_, a, second_, &beta, c, out_, c, out_, &algorithm_,
                         workspace.data(), workspace_bytes, stream(current_device())),
          "product");
  }

 private:
  template <class V>
  void set(cublasLtMatmulDescAttributes_t attribute, const V& value) {
    check(cublasLtMatmulDescSetAttribute(description_, attribute, &value, sizeof value), "description");
  }
  // A row-major matrix of `cols` columns is column-major with `cols` rows.
  static cublasLtMatrixLayout_t layout(cudaDataType_t type, std::int64_t rows, std::int64_t cols, std::int64_t pitch,
                                       std::int64_t batches, std::int64_t batch_pitch) {
    cublasLtMatrixLayout_t made = nullptr;
    check(cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(cols), static_cast<std::uint64_t>(rows),
                                     pitch),
          "matrix layout");
    const auto count = static_cast<std::int32_t>(batches);
    cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &count, sizeof count);
    cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &batch_pitch,
                                     sizeof batch_pitch);
    return made;
  }
  void choose(const Key& key) {
    cublasLtMatmulPreference_t preference = nullptr;
    check(cublasLtMatmulPreferenceCreate(&preference), "preference");
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), "preference");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    // Parts of a sum over k are added in f32, not in the type of c: rounded once.
    if (key.out == CUDA_R_16BF)
      prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
    // Without these the library takes 256 for granted, which rows inside a tensor do not keep.
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, key.b_alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, key.a_alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, key.c_alignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, key.c_alignment);
    cublasLtMatmulHeuristicResult_t result{};
    int count = 0;
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(handle(), description_, first_, second_, out_, out_,
                                                                 preference, 1, &result, &count);
    cublasLtMatmulPreferenceDestroy(preference);
    usable_ = status == CUBLAS_STATUS_SUCCESS && count > 0 && result.state == CUBLAS_STATUS_SUCCESS;
    algorithm_ = result.algo;
  }

  cublasLtMatmulDesc_t description_ = nullptr;
  cublasLtMatrixLayout_t first_ = nullptr, second_ = nullptr, out_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
  bool usable_ = false;
};

template <class In, class Out>
bool gemm_cublas(const GemmProblem<float, In, Out>& p) {
  const Key key{p.m,
                p.n,
                p.k,
                p.batches,
                p.a_pitch,
                p.b_pitch,
                p.c_pitch,
                p.a_batch,
                p.b_batch,
                p.c_batch,
                alignment_of(p.a),
                alignment_of(p.b),
                alignment_of(p.c),
                p.bias != nullptr ? alignment_of(p.bias) : 0,
                name_of(p.a),
                name_of(p.c),
                current_device(),
                p.trans_a,
                p.trans_b,
                p.add,
                p.products == Products::tf32};
  thread_local std::map<Key, Plan> plans;
  auto found = plans.find(key);
  if (found == plans.end()) found = plans.try_emplace(key, key, p.bias).first;
  Plan& plan = found->second;
  if (!plan.usable()) return false;
  count_launch("gemm");
  plan.run(p.a, p.b, p.c, p.bias, p.alpha, p.add ? 1.0F : 0.0F);
  return true;
}

}  // namespace
#endif

template <class T, class In, class Out>
void gemm(const GemmProblem<T, In, Out>& p) {
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
template void gemm(const GemmProblem<float, bf16_t, bf16_t>&);

}  // namespace rein::ops::cuda
