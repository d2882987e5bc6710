#include "models/adapters/vpt.h"

#include <cmath>

#include "autograd/ops/shape/shape.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

class VptPass final : public AdapterPass {
 public:
  VptPass(const VptOptions& options, std::vector<Variable> prompts) : options_(options), prompts_(std::move(prompts)) {}

  void before_block(int block, TokenState& state) const override {
    const std::int64_t index = block - options_.first_block;
    if (index < 0 || index >= static_cast<std::int64_t>(prompts_.size())) return;
    const Variable& x = state.tokens;
    const Variable rest = index == 0 ? x : slice(x, 1, options_.prompts, x.size(1));
    state.tokens = concat({expand(prompts_[static_cast<std::size_t>(index)], x.size(0)), rest}, 1);
    if (index == 0) state.prefix += options_.prompts;
  }

 private:
  VptOptions options_;
  std::vector<Variable> prompts_;  // (1, n, C) of each block that has its own
};

}  // namespace

Vpt::Vpt(const VitOptions& vit, const VptOptions& options) : options_(options) {
  require(options.prompts >= 1 && options.prompts <= 1 << 16, "vpt", "prompts must be 1 to 65536, got ",
          options.prompts);
  require(options.first_block >= 0 && options.first_block < vit.depth, "vpt", "the first block must be one of ",
          vit.depth, " (counted from 0), got ", options.first_block);
  require(!vit.windows, "vpt",
          "needs a backbone whose blocks take further tokens; SAM's attend over a map with relative positions");
  const auto patch = static_cast<double>(vit.patch);
  const double bound = std::sqrt(6 / (3 * patch * patch + static_cast<double>(vit.dim)));
  const std::int64_t own = options.deep ? vit.depth - options.first_block : 1;
  prompts_ = &declare("prompts", Shape{own, options.prompts, vit.dim}, nn::Init::uniform(bound));
}

std::shared_ptr<const AdapterPass> Vpt::begin(const nn::ForwardContext&) const {
  const std::vector<std::int64_t> ones(static_cast<std::size_t>(prompts_->shape[0]), 1);
  return std::make_shared<VptPass>(options_, split_rows(prompts_->value, ones));
}

Method vpt_method(const VptOptions& options) {
  return {.name = "vpt", .adapter = [options](const VitOptions& vit, std::optional<std::int64_t>) {
            return std::make_unique<Vpt>(vit, options);
          }};
}

MethodEntry vpt_entry() {
  const VptOptions defaults;
  return {.name = "vpt",
          .text = "head and prompts",
          .tree = "vpt",
          .settings = {{"prompts", defaults.prompts, "learned tokens that a block sees beside the image's", 1},
                       {"deep", defaults.deep, "every block has its own; false: the first block's go through all"},
                       {"first_block", defaults.first_block, "blocks before this one see no prompts"}},
          .make = [](const Settings& s) {
            return vpt_method(
                {.prompts = s.integer("prompts"), .deep = s.flag("deep"), .first_block = s.integer("first_block")});
          }};
}

}  // namespace rein::models
