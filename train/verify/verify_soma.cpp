// Kind "soma_vit" (golden README, section 23). Signs of singular vectors are free, so products of factors are compared.
#include "models/adapters/soma.h"
#include "models/zoo/peft.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/elementwise/elementwise.h"
#include "tensor/ops/matmul/gemm.h"
#include "train/verify/verify_methods.h"

namespace rein::train {
namespace {

namespace zoo = models::zoo;

using Values = std::map<std::string, Tensor>;

Values values_of(nn::Module& root) {
  Values values;
  root.visit([&](const std::string& path, nn::Param& param) { values[path] = param.value.value(); });
  return values;
}

// Their name of a matrix: the layout's own, or ours where it is a part of a packed layer.
std::string their_name(const zoo::Layout& layout, const models::TunedMatrix& m) {
  const std::string name = zoo::layer_name(layout, m);
  return name.empty() ? m.name : name;
}

}  // namespace

void verify_soma_vit(const GoldenFile& file, Comparison& compare) {
  zoo::Weights weights = case_weights(file, compare, [](const std::string& name) { return name.starts_with("soma."); });
  const zoo::Layout& layout = *weights.model.layout;
  const GoldenConfig config = file.config().object("soma");
  const double factor = config.number("scaling");
  auto adapter = std::make_unique<models::Soma>(weights.model.options,
                                                models::SomaOptions{.rank = config.integer("rank"),
                                                                    .alpha = config.number("alpha"),
                                                                    .first_block = config.integer("start_block")});
  models::Soma& soma = *adapter;
  MethodCase c = method_case(file, compare, std::move(weights), std::move(adapter));
  soma.start_from(c.backbone->vit(), nullptr);
  nn::move_to(*c.backbone, file.device());
  check_last_maps(file, compare, *c.backbone, "out.start");

  const Values vit = values_of(c.backbone->vit()), own = values_of(soma);
  for (const models::TunedMatrix& m : soma.matrices()) {
    const std::string theirs = their_name(layout, m);
    const Tensor delta = ops::scale(ops::matmul(own.at(m.name + ".start_B"), own.at(m.name + ".start_A")), factor);
    const Tensor whole = vit.at(m.layer + ".weight").rows(m.part * m.rows, (m.part + 1) * m.rows);
    compare.check("out.delta." + theirs, delta);
    compare.check("out.residual." + theirs, ops::sub(whole, delta));
    for (const char* name : {".lora_A", ".lora_B"}) c.theirs["soma." + m.name + name] = {"soma." + theirs + name};
    c.theirs[m.layer + ".bias"].push_back("soma." + theirs + ".bias");
  }
  run_method_case(file, compare, c);
}

}  // namespace rein::train
