#include "tensor/cpu_features.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "hwy/highway.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein {
namespace {

struct Isa {
  const char* name;
  std::int64_t target;
};
constexpr Isa isas[] = {{"avx512", HWY_AVX3}, {"avx2", HWY_AVX2}, {"plain", HWY_STATIC_TARGET}};

std::int64_t native_targets() {
  static const std::int64_t native = hwy::SupportedTargets() & HWY_TARGETS;
  return native;
}

bool has(const Isa& isa) {
  return isa.target == HWY_STATIC_TARGET || (native_targets() & isa.target) != 0;
}

}  // namespace

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : isas)
    if (has(isa)) names.emplace_back(isa.name);
  return names;
}

std::string isa_name() {
  const std::int64_t now = hwy::SupportedTargets() & HWY_TARGETS;
  for (const Isa& isa : isas)
    if ((now & isa.target) != 0) return isa.name;
  return "plain";
}

void force_isa(const std::string& name) {
  native_targets();  // before we narrow it
  if (name.empty()) {
    hwy::SetSupportedTargetsForTest(0);
    return;
  }
  for (const Isa& isa : isas) {
    if (name != isa.name) continue;
    require(has(isa), "isa", "'", name, "' is not available on this machine");
    hwy::SetSupportedTargetsForTest(isa.target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    return;
  }
  fail("isa", "must be avx512, avx2 or plain, got '", name, "'");
}

void apply_isa_environment() {
  if (const char* name = std::getenv("REIN_ISA")) force_isa(name);
  check_forced_kernels();
}

void check_forced_kernels() {
  static const std::vector<std::string> known = {
      "attention:reference",      "attention:blocked",         "attention_mask:reference", "conv2d:direct",
      "conv2d:winograd",          "feature_pyramid:reference", "gemm_bf16:shifts",         "mask_points:reference",
      "ms_deform_attn:reference", "ms_deform_attn:atomics",    "resize:reference"};
  const char* text = std::getenv("REIN_KERNEL");
  for (std::string_view rest = text == nullptr ? "" : text; !rest.empty();) {
    const auto comma = rest.find(',');
    const std::string entry(rest.substr(0, comma));
    require(entry.empty() || std::ranges::count(known, entry) > 0, "kernel", "REIN_KERNEL may hold ",
            quoted_list(known), ", got '", entry, "'", did_you_mean(entry, known));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
}

std::string forced_kernel(const std::string& op) {
  const char* text = std::getenv("REIN_KERNEL");
  if (text == nullptr) return "";
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const std::string_view entry = rest.substr(0, comma);
    const auto colon = entry.find(':');
    if (colon != std::string_view::npos && entry.substr(0, colon) == op) return std::string(entry.substr(colon + 1));
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
  }
  return "";
}

}  // namespace rein
