#include "models/adapters/adaptformer.h"

#include <cmath>

#include "autograd/ops/elementwise/dropout.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/mixed.h"
#include "tensor/error.h"

namespace rein::models {

class AdaptFormerPass final : public AdapterPass {
 public:
  AdaptFormerPass(const AdaptFormer& adapter, const nn::ForwardContext& context)
      : adapter_(adapter), context_(context) {
    const Tensor& weight = adapter.down_.front().weight().value.value();
    factor_ = constant(Tensor::full(Shape{}, adapter.options_.scale, weight.dtype(), weight.device()));
  }

  Variable after_mlp(int block, const Variable& x, const Variable& y) const override {
    if (!acts(block) || !adapter_.options_.outside_layer_scale) return y;
    return scaled_residual(y, change(block, x), factor_, 0);
  }

  Variable beside_mlp(int block, const Variable& x, const Variable& y) const override {
    if (!acts(block) || adapter_.options_.outside_layer_scale) return y;
    const Variable c = change(block, x);
    return y.dtype() == DType::bf16 ? add_rounded(y, rein::scale(c, adapter_.options_.scale))
                                    : scaled_residual(y, c, factor_, 0);
  }

 private:
  bool acts(int block) const { return block >= adapter_.options_.first_block; }
  Variable change(int block, const Variable& x) const {
    const auto i = static_cast<std::size_t>(block - adapter_.options_.first_block);
    return adapter_.up_[i](adapter_.dropped(block, relu(adapter_.down_[i](x)), context_));
  }

  const AdaptFormer& adapter_;
  nn::ForwardContext context_;
  Variable factor_;
};

AdaptFormer::AdaptFormer(const VitOptions& vit, const AdaptFormerOptions& options) : options_(options) {
  const std::int64_t c = vit.dim, k = options.bottleneck;
  require(k >= 1 && k <= 1 << 16, "adaptformer", "bottleneck must be 1 to 65536, got ", k);
  require(std::isfinite(options.scale), "adaptformer", "scale must be a finite number, got ", options.scale);
  require(options.dropout >= 0 && options.dropout < 1, "adaptformer", "dropout must be in [0, 1), got ",
          options.dropout);
  require(options.first_block >= 0 && options.first_block < vit.depth, "adaptformer", "the first block must be one of ",
          vit.depth, " (counted from 0), got ", options.first_block);
  const nn::Init zero = nn::Init::constant(0), start = nn::Init::uniform(1 / std::sqrt(static_cast<double>(c)));
  for (std::int64_t block = options.first_block; block < vit.depth; ++block) {
    const std::string name = concat_text("blocks.", block, ".adaptmlp.");
    child(name + "down_proj", down_.emplace_back(c, k, true, start, zero));
    child(name + "up_proj", up_.emplace_back(k, c, true, zero, zero));
  }
}

std::shared_ptr<const AdapterPass> AdaptFormer::begin(const nn::ForwardContext& context) const {
  return std::make_shared<AdaptFormerPass>(*this, context);
}

Variable AdaptFormer::dropped(int block, const Variable& h, const nn::ForwardContext& context) const {
  if (!context.training || options_.dropout <= 0) return h;
  const RandomKey own = key(context).child(static_cast<std::uint64_t>(block));
  return dropout(h, options_.dropout, {.key = own, .first_sample = context.first_sample});
}

Method adaptformer_method(const AdaptFormerOptions& options) {
  return {.name = "adaptformer", .adapter = [options](const VitOptions& vit, std::optional<std::int64_t>) {
            return std::make_unique<AdaptFormer>(vit, options);
          }};
}

MethodEntry adaptformer_entry() {
  const AdaptFormerOptions defaults;
  return {.name = "adaptformer",
          .text = "head and branches beside the MLPs",
          .tree = "adaptformer",
          .settings = {{"bottleneck", defaults.bottleneck, "width of a branch", 1},
                       {"scale", defaults.scale, "branches are multiplied by it"},
                       {"dropout", defaults.dropout, "inside a branch, in training"},
                       {"outside_layer_scale", defaults.outside_layer_scale,
                        "add branches after LayerScale; false: before it, which small LayerScales nearly silence"},
                       {"first_block", defaults.first_block, "blocks before this one have no branch"}},
          .make = [](const Settings& s) {
            return adaptformer_method({.bottleneck = s.integer("bottleneck"),
                                       .scale = s.number("scale"),
                                       .dropout = s.number("dropout"),
                                       .outside_layer_scale = s.flag("outside_layer_scale"),
                                       .first_block = s.integer("first_block")});
          }};
}

}  // namespace rein::models
