// Running recorded reference cases ("rein verify"): the same loader, modules and Segmentor::forward as training, held
// against numbers of the official implementation. Formats and rules: golden README; comparison: golden_compare.h.
#pragma once

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "train/verify/golden_compare.h"

namespace rein::train {

struct VerifyOptions {
  std::vector<std::string> kinds;  // empty: all. An unknown name throws std::invalid_argument.
  std::vector<DType> dtypes = {DType::f64, DType::f32};
  Device device;
};

// Thrown by a kind for a case whose modules are not there yet (another family, another head): skipped, never passed.
struct NotBuilt : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct VerifyResult {
  enum class Status { passed, failed, skipped } status = Status::failed;
  std::string file;    // name without folders
  std::string kind;    // "" when the file could not be opened
  std::string dtype;   // "f64", "f32", or "exact" for kinds without a floating dtype
  int compared = 0;    // tensors held against a tolerance
  std::string tensor;  // the one nearest to its limit, or the first failure's
  double error = 0, limit = 0;
  std::vector<TensorError> errors;  // every tensor held against a tolerance
  std::string kernels;              // e.g. "cpu avx512"
  std::string not_built;            // of a skipped case: what is missing, e.g. "mask2former_head", "vfm clip"
  std::vector<std::string> notes;   // every failure, or why the case was skipped
  double seconds = 0;

  std::string text() const;  // one line, plus one indented line per note
};

struct VerifySummary {
  int passed = 0, failed = 0, skipped = 0;
  std::vector<VerifyResult> results;
  bool ok() const { return failed == 0 && passed > 0; }
  std::string text() const;  // "62 passed, 0 failed, 4 skipped (not built: mask2former_head 3, …)"
};

// `paths`: files, and folders whose *.safetensors are taken in the order of their names. A path that does not exist and
// a folder without cases are failures. `report` is called after each case.
VerifySummary verify(const std::vector<std::filesystem::path>& paths, const VerifyOptions& options = {},
                     const std::function<void(const VerifyResult&)>& report = {});

std::vector<std::string> verify_kinds();            // those that run
std::vector<std::string> verify_kinds_not_built();  // known, reported as skipped

// One per kind. They throw for anything that is not a matter of numbers.
void verify_rein_adapter(const GoldenFile& file, Comparison& compare);
void verify_rein_vit(const GoldenFile& file, Comparison& compare);
void verify_lora_vit(const GoldenFile& file, Comparison& compare);
void verify_vpt_vit(const GoldenFile& file, Comparison& compare);
void verify_adaptformer_vit(const GoldenFile& file, Comparison& compare);
void verify_soma_vit(const GoldenFile& file, Comparison& compare);
void verify_semantic_fpn_head(const GoldenFile& file, Comparison& compare);
void verify_segmentor_trajectory(const GoldenFile& file, Comparison& compare);
void verify_slide_inference(const GoldenFile& file, Comparison& compare);
void verify_ms_deform_attn(const GoldenFile& file, Comparison& compare);
void verify_ms_deform_attn_layer(const GoldenFile& file, Comparison& compare);
void verify_pixel_decoder(const GoldenFile& file, Comparison& compare);
void verify_resize(const GoldenFile& file, Comparison& compare);
void verify_adamw(const GoldenFile& file, Comparison& compare);
void verify_cv_transforms(const GoldenFile& file, Comparison& compare);
void verify_vfm(const GoldenFile& file, Comparison& compare);
void verify_mask2former_head(const GoldenFile& file, Comparison& compare);
void verify_mask2former_loss(const GoldenFile& file, Comparison& compare);
void verify_large_vit_block(const GoldenFile& file, Comparison& compare);
void verify_large_semantic_fpn_head(const GoldenFile& file, Comparison& compare);

}  // namespace rein::train
