#include "models/adapters/lora.h"

#include <cmath>

#include "tensor/error.h"

namespace rein::models {
namespace {

std::vector<std::string> names_of(const VitOptions& vit, const std::string& targets) {
  if (targets != "auto") return target_names(targets);
  const bool apart = vit.mlp_norm;  // EVA-02 base and large: q_proj, k_proj, v_proj
  return apart ? std::vector<std::string>{"q", "k", "v"} : std::vector<std::string>{"qkv"};
}

}  // namespace

Lora::Lora(const VitOptions& vit, const LoraOptions& options)
    : LowRankAdapter(tuned_matrices(vit, names_of(vit, options.targets), options.first_block, false, "lora")) {
  require(options.rank >= 1 && options.rank <= 1 << 16, "lora", "rank must be 1 to 65536, got ", options.rank);
  require(options.alpha > 0 && std::isfinite(options.alpha), "lora", "alpha must be above 0, got ", options.alpha);
  const double factor = options.alpha / static_cast<double>(options.rank);
  for (std::size_t i = 0; i < matrices().size(); ++i) {
    const double bound = 1 / std::sqrt(static_cast<double>(matrices()[i].in));
    add_pair(i, options.rank, factor, {"lora_A.weight", "lora_B.weight"}, nn::Init::uniform(bound));
  }
}

Method lora_method(const LoraOptions& options) {
  return {.name = "lora", .adapter = [options](const VitOptions& vit, std::optional<std::int64_t>) {
            return std::make_unique<Lora>(vit, options);
          }};
}

MethodEntry lora_entry() {
  const LoraOptions defaults;
  return {.name = "lora",
          .text = "head and low-rank changes of linear layers",
          .tree = "lora",
          .settings = {{"rank", defaults.rank, "rank r of each change", 1},
                       {"alpha", defaults.alpha, "changes are multiplied by alpha / rank"},
                       {"targets", defaults.targets,
                        "which linear layers: some of qkv, q, k, v, proj, fc1, fc2; auto: qkv in one, or q, k, v where "
                        "the published model has them apart"},
                       {"first_block", defaults.first_block, "blocks before this one stay as they are"}},
          .make = [](const Settings& s) {
            return lora_method({.rank = s.integer("rank"),
                                .alpha = s.number("alpha"),
                                .targets = s.text("targets"),
                                .first_block = s.integer("first_block")});
          }};
}

}  // namespace rein::models
