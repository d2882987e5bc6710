// Kind "segmentor_trajectory" (golden README, section 10): ten training steps of the whole system through the trainer's
// parameter rules, schedule and optimiser.
#include <map>
#include <set>

#include "models/heads/feature_pyramid.h"
#include "models/segmentor.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "train/optim/param_groups.h"
#include "train/optim/schedule.h"
#include "train/verify/verify_mask2former.h"
#include "train/verify/verify_modules.h"

namespace rein::train {
namespace {

// config.trainable, .frozen and .zero_decay name exactly our trained, frozen and undecayed parameters.
void check_rules(const GoldenConfig& config, models::Segmentor& model, Comparison& compare) {
  std::set<std::string> trainable, frozen, undecayed;
  model.visit([&](const std::string& path, nn::Param& param) {
    (param.frozen ? frozen : trainable).insert(path);
    if (!param.frozen && !is_decayed(path, param)) undecayed.insert(path);
  });
  const auto same = [&](const char* key, const std::set<std::string>& ours) {
    if (!config.has(key)) return;
    const std::vector<std::string> list = config.texts(key);
    const std::set<std::string> theirs(list.begin(), list.end());
    for (const std::string& name : theirs)
      compare.check_that(ours.contains(name), std::string("config.") + key + ": ours lack " + name);
    for (const std::string& name : ours)
      compare.check_that(theirs.contains(name), std::string("config.") + key + ": must not have " + name);
  };
  same("trainable", trainable);
  same("frozen", frozen);
  same("zero_decay", undecayed);
}

// What the head's classifier sees at step 0, for finding errors.
void check_first_maps(const GoldenFile& file, const models::Segmentor& model, const nn::ForwardContext& context,
                      Comparison& compare) {
  if (file.names("out.step0.").empty()) return;
  const NoGrad no_grad;
  const models::HeadInput input = model.features(constant(file.map("in.image.0", compare.dtype())), context);
  std::vector<Variable> maps;
  if (const auto* fpn = dynamic_cast<const models::SemanticFpn*>(&model.head())) {
    maps = fpn->neck()(input.features);
  } else if (const auto* head = dynamic_cast<const models::Mask2Former*>(&model.head())) {
    maps = models::feature_pyramid(input.features, head->options().factors);
    const models::Mask2FormerOutput out = head->net()(input, true, head->decisions().attention_mask);
    for (std::size_t l = 0; l < out.cls.size(); ++l) {
      const std::string name = "out.step0.cls." + std::to_string(l);
      if (file.has(name)) compare.check(name, out.cls[l].value());
    }
  }
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const std::string name = "out.step0.feat." + std::to_string(i);
    if (file.has(name)) compare.check_map(name, maps[i].value());
  }
  if (file.has("out.step0.queries"))
    compare.check("out.step0.queries", input.queries ? input.queries.value() : Tensor{});
}

}  // namespace

void verify_segmentor_trajectory(const GoldenFile& file, Comparison& compare) {
  const GoldenConfig& config = file.config();
  const DType dtype = compare.dtype();
  if (config.has("grad_clip")) throw NotBuilt("segmentor_trajectory with clipping");
  models::Segmentor model(segmentor_options(config));
  model.name_tree();
  bind_case(model, file, dtype);
  model.move_to(file.device());
  check_rules(config, model, compare);

  const GoldenConfig rule = config.object("optimizer"), decay = config.object("schedule");
  const auto betas = rule.numbers("betas");
  if (betas.size() != 2) fail_runtime("verify", "config.optimizer.betas must be two numbers");
  AdamW optimizer({betas[0], betas[1], rule.number("eps")});
  add_trained(optimizer, model, {.weight_decay = rule.number("weight_decay"), .backbone_lr_multiplier = 1});
  Schedule schedule;
  schedule.lr = rule.number("lr");
  schedule.power = decay.number("power");
  schedule.zero_at = decay.integer("end") - 1;

  const std::int64_t steps = config.integer("steps"), batches = config.integer("batches");
  if (steps < 1 || batches < 1 || file.shape("out.lr") != Shape{steps})
    fail_runtime("verify", "steps and batches must be at least 1 and out.lr have one number per step, got ", steps,
                 ", ", batches, " and ", file.shape("out.lr"));
  Tensor rates = Tensor::empty({steps}, DType::f64), totals = Tensor::empty({steps}, dtype);
  Tensor accuracy = Tensor::empty({steps}, DType::f64);
  std::map<std::string, Tensor> terms;
  for (std::int64_t s = 0; s < steps; ++s) {
    const std::string batch = std::to_string(s % batches);
    const nn::ForwardContext context{.training = true, .key = RandomKey(), .first_sample = 0};
    if (auto* head = dynamic_cast<models::Mask2Former*>(&model.head()))
      head->decide(trajectory_decisions(file, compare, s, s % batches,
                                        static_cast<std::size_t>(head->options().decoder_layers + 1),
                                        file.shape("in.labels." + batch)[0]));
    if (s == 0) check_first_maps(file, model, context, compare);
    const models::Losses losses =
        model.loss(context, file.map("in.image." + batch, dtype), file.tensor("in.labels." + batch));
    model.clear_grads();
    backward(losses.total);
    if (s == 0) check_gradients(compare, model);
    const auto at = [&](Tensor& list, double value) {
      if (!list) list = Tensor::empty({steps}, dtype);
      if (list.dtype() == DType::f64)
        list.mutable_data<double>()[s] = value;
      else
        list.mutable_data<float>()[s] = static_cast<float>(value);
    };
    for (const auto& [name, term] : losses.terms) at(terms[name], term.value().item());
    at(totals, losses.total.value().item());
    at(accuracy, losses.accuracy().percent());
    at(rates, schedule.at(s));
    optimizer.step(schedule.at(s));
  }
  for (const auto& [name, list] : terms) compare.check("out.loss." + name, list);
  compare.check("out.loss.total", totals);
  if (file.has("out.loss.decode.acc_seg")) compare.check("out.loss.decode.acc_seg", accuracy);
  compare.check("out.lr", rates);
  model.visit([&](const std::string& path, nn::Param& param) {
    if (!param.frozen) compare.check("out.param." + path, nn::to_file_layout(param, param.value.value()));
  });
}

}  // namespace rein::train
