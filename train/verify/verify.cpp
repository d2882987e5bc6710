#include "train/verify/verify.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::train {
namespace {

struct Kind {
  const char* name;
  void (*run)(const GoldenFile&, Comparison&);
  bool floating = true;  // once per dtype; else once
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> table = {
      {"rein_adapter", verify_rein_adapter},
      {"rein_vit", verify_rein_vit},
      {"lora_vit", verify_lora_vit},
      {"vpt_vit", verify_vpt_vit},
      {"adaptformer_vit", verify_adaptformer_vit},
      {"soma_vit", verify_soma_vit},
      {"semantic_fpn_head", verify_semantic_fpn_head},
      {"segmentor_trajectory", verify_segmentor_trajectory},
      {"slide_inference", verify_slide_inference},
      {"ms_deform_attn", verify_ms_deform_attn},
      {"ms_deform_attn_layer", verify_ms_deform_attn_layer},
      {"pixel_decoder", verify_pixel_decoder},
      {"resize", verify_resize},
      {"adamw", verify_adamw},
      {"cv_transforms", verify_cv_transforms, false},
      {"vfm", verify_vfm},
      {"mask2former_head", verify_mask2former_head},
      {"mask2former_loss", verify_mask2former_loss},
      {"large_mask2former_head", verify_mask2former_head},
      {"large_mask2former_loss", verify_mask2former_loss},
      {"large_rein_adapter", verify_rein_adapter},
      {"large_ms_deform_attn", verify_ms_deform_attn},
      {"large_pixel_decoder", verify_pixel_decoder},
      {"large_vit_block", verify_large_vit_block},
      {"large_semantic_fpn_head", verify_large_semantic_fpn_head},
  };
  return table;
}

// Known kinds whose modules are not there yet.
const std::vector<std::string>& kinds_not_built() {
  static const std::vector<std::string> table = {};
  return table;
}

const Kind* find_kind(const std::string& name) {
  for (const Kind& kind : kinds())
    if (name == kind.name) return &kind;
  return nullptr;
}

bool is_not_built(const std::string& name) {
  const auto& table = kinds_not_built();
  return std::find(table.begin(), table.end(), name) != table.end();
}

std::vector<std::string> all_kinds() {
  std::vector<std::string> names = verify_kinds();
  names.insert(names.end(), kinds_not_built().begin(), kinds_not_built().end());
  return names;
}

std::string unknown_kind(const std::string& name) {
  return "unknown kind \"" + name + "\"" + did_you_mean(name, all_kinds());
}

std::string kernels_text(const Device& device) {
  std::string text = device.text() + " " + isa_name();
  if (const char* forced = std::getenv("REIN_KERNEL"); forced != nullptr && *forced != '\0')
    text += std::string(" ") + forced;
  return text;
}

VerifyResult failure(const std::filesystem::path& path, const std::string& why) {
  VerifyResult result;
  result.file = path.filename().empty() ? path.string() : path.filename().string();
  result.notes.push_back(why);
  return result;
}

VerifyResult run_case(GoldenFile& file, const Kind& kind, DType dtype, const Device& device) {
  VerifyResult result;
  result.file = file.path().filename().string();
  result.kind = kind.name;
  result.dtype = kind.floating ? std::string(name_of(dtype)) : "exact";
  result.kernels = kernels_text(device);
  const auto start = std::chrono::steady_clock::now();
  try {
    file.set_device(device);
    Comparison compare(file, dtype, device);
    kind.run(file, compare);
    compare.finish();
    result.compared = compare.compared();
    result.tensor = compare.worst_tensor();
    result.error = compare.worst_error();
    result.limit = compare.worst_limit();
    result.errors = compare.errors();
    result.notes = compare.failures();
    using Status = VerifyResult::Status;
    const bool nothing = compare.compared() == 0 && (kind.floating || compare.statements() == 0);
    result.status = !compare.ok() ? Status::failed : nothing ? Status::skipped : Status::passed;
    if (result.status == Status::skipped)
      result.notes.push_back("nothing to compare: the file records no f32 error for any tensor");
  } catch (const NotBuilt& e) {
    result.status = VerifyResult::Status::skipped;
    result.not_built = e.what();
    result.notes.push_back("not built: " + result.not_built);
  } catch (const std::exception& e) {
    result.notes.push_back(e.what());
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

std::vector<std::string> verify_kinds() {
  std::vector<std::string> names;
  for (const Kind& kind : kinds()) names.emplace_back(kind.name);
  return names;
}

std::vector<std::string> verify_kinds_not_built() {
  return kinds_not_built();
}

std::string VerifyResult::text() const {
  const char* word = status == Status::passed ? "ok  " : status == Status::failed ? "FAIL" : "skip";
  char line[512];
  std::snprintf(line, sizeof line, "%s  %-42s %-24s %-5s", word, file.c_str(), kind.c_str(), dtype.c_str());
  std::string out = line;
  if (!tensor.empty()) {
    std::snprintf(line, sizeof line, "  worst %.2e of %.2e at %s", error, limit, tensor.c_str());
    if (limit > 0) out += line;
  }
  if (status == Status::passed && !(limit > 0)) out += "  equal";
  if (compared > 0) out += "  (" + std::to_string(compared) + " tensors)";
  if (!kernels.empty()) out += "  [" + kernels + "]";
  constexpr std::size_t shown = 12;
  for (std::size_t i = 0; i < std::min(notes.size(), shown); ++i) out += "\n      " + notes[i];
  if (notes.size() > shown) out += "\n      … and " + std::to_string(notes.size() - shown) + " more";
  return out;
}

std::string VerifySummary::text() const {
  std::string out = std::to_string(passed) + " passed, " + std::to_string(failed) + " failed, " +
                    std::to_string(skipped) + " skipped";
  std::map<std::string, int> reasons;
  for (const VerifyResult& r : results)
    if (r.status == VerifyResult::Status::skipped) ++reasons[r.not_built.empty() ? "nothing to compare" : r.not_built];
  std::string list;
  for (const auto& [reason, count] : reasons) list += (list.empty() ? "" : ", ") + reason + " " + std::to_string(count);
  if (!list.empty()) out += " (not built or without data: " + list + ")";
  return out;
}

VerifySummary verify(const std::vector<std::filesystem::path>& paths, const VerifyOptions& options,
                     const std::function<void(const VerifyResult&)>& report) {
  for (const std::string& kind : options.kinds)
    if (find_kind(kind) == nullptr && !is_not_built(kind)) fail("verify", unknown_kind(kind));
  require(!options.dtypes.empty(), "verify", "at least one dtype must be given");
  for (const DType dtype : options.dtypes)
    require(dtype == DType::f64 || dtype == DType::f32, "verify", "dtype must be f64 or f32, got ", name_of(dtype));

  VerifySummary summary;
  const auto add = [&](VerifyResult result) {
    using Status = VerifyResult::Status;
    ++(result.status == Status::passed   ? summary.passed
       : result.status == Status::failed ? summary.failed
                                         : summary.skipped);
    if (report) report(result);
    summary.results.push_back(std::move(result));
  };
  const auto run_file = [&](const std::filesystem::path& path) {
    try {
      GoldenFile file = GoldenFile::open(path);
      const std::string& name = file.kind();
      const Kind* kind = find_kind(name);
      if (kind == nullptr && !is_not_built(name)) return add(failure(path, unknown_kind(name)));
      const auto& wanted = options.kinds;
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), name) == wanted.end()) return;
      if (kind == nullptr) {
        VerifyResult skipped = failure(path, "not built: " + name);
        skipped.status = VerifyResult::Status::skipped;
        skipped.kind = skipped.not_built = name;
        return add(std::move(skipped));
      }
      for (const DType dtype : options.dtypes) {
        VerifyResult result = run_case(file, *kind, dtype, options.device);
        const bool once = !kind->floating || !result.not_built.empty();
        if (!result.not_built.empty()) result.dtype.clear();
        add(std::move(result));
        if (once) break;
      }
    } catch (const std::exception& e) {
      add(failure(path, e.what()));
    }
  };

  for (const std::filesystem::path& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      if (std::filesystem::exists(path, error))
        run_file(path);
      else
        add(failure(path, "no such file or folder: " + path.string()));
      continue;
    }
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(path, error))
      if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) add(failure(path, "no *.safetensors in this folder: " + path.string()));
    for (const std::filesystem::path& file : files) run_file(file);
  }
  return summary;
}

}  // namespace rein::train
