// Kinds "rein_adapter" (golden README, section 2) and "large_rein_adapter" (section 18): every layer of Rein on its own
// input.
#include "models/adapters/rein_adapter.h"
#include "train/verify/verify_modules.h"

namespace rein::train {

void verify_rein_adapter(const GoldenFile& file, Comparison& compare) {
  if (!file.config().flag_or("batch_first", true)) throw NotBuilt("rein_adapter with sequences before samples");
  const std::int64_t prefix = file.config().flag_or("has_cls_token", true) ? 1 : 0;
  models::ReinAdapter adapter(rein_options(file.config()));
  adapter.name_tree();
  bind_case(adapter, file, compare.dtype());

  const auto pass = adapter.begin(nn::ForwardContext());
  std::vector<Variable> inputs;
  std::vector<NamedOutput> outputs;
  for (int i = 0; i < adapter.options().layers; ++i) {
    const std::string feat = "feat." + std::to_string(i);
    inputs.push_back(parameter(file.tensor("in." + feat, compare.dtype())));
    models::TokenState state{inputs.back(), prefix};
    pass->before_block(i, state);
    pass->after_block(i, state);
    outputs.push_back({feat, state.tokens});
  }
  if (adapter.query_count() > 0) outputs.push_back({"queries", pass->queries()});
  for (const NamedOutput& output : outputs) compare.check("out." + output.name, output.value.value());

  backward_case(file, compare.dtype(), outputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) compare.check("grad.in.feat." + std::to_string(i), inputs[i].grad());
  check_gradients(compare, adapter);
}

}  // namespace rein::train
