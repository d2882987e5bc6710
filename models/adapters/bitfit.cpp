#include "models/adapters/bitfit.h"

namespace rein::models {

std::shared_ptr<const AdapterPass> BitFit::begin(const nn::ForwardContext&) const {
  return std::make_shared<AdapterPass>();
}

bool BitFit::trains_in_vit(const std::string& path) const {
  return path.starts_with("blocks.") && path.ends_with("bias");
}

MethodEntry bitfit_entry() {
  return {.name = "bitfit", .text = "head and the blocks' biases", .tree = "bitfit", .make = [](const Settings&) {
            return Method{.name = "bitfit", .adapter = [](const VitOptions&, std::optional<std::int64_t>) {
                            return std::make_unique<BitFit>();
                          }};
          }};
}

}  // namespace rein::models
