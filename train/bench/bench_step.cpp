#include "train/bench/bench_step.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "autograd/graph.h"
#include "models/segmentor.h"
#include "nn/bind.h"
#include "tensor/device_graph.h"
#include "tensor/device_info.h"
#include "tensor/error.h"
#include "train/optim/adamw.h"
#include "train/optim/param_groups.h"
#include "train/run/step.h"

namespace rein::train {
namespace {

models::VitOptions vit_named(const std::string& name) {
  if (name == "ti") return models::vit_tiny();
  if (name == "s") return models::vit_small();
  if (name == "b") return models::vit_base();
  if (name == "l") return models::vit_large();
  fail("bench", "vit must be ti, s, b or l, got '", name, "'");
}

models::SegmentorOptions segmentor_options(const BenchStepOptions& options) {
  models::SegmentorOptions segmentor;
  segmentor.vit = vit_named(options.vit);
  segmentor.vit.layer_scale = options.layer_scale;
  segmentor.vit.grid_height = options.height / segmentor.vit.patch;
  segmentor.vit.grid_width = options.width / segmentor.vit.patch;
  segmentor.head_kind = models::head_kind_of(options.head);
  const models::MethodEntry& method = models::method_entry(options.method);
  models::Settings settings(method.settings);
  if (method.name == "rein") settings.value("link_queries") = segmentor.head_kind == models::HeadKind::mask2former;
  segmentor.method = method.make(settings);
  segmentor.recompute = options.recompute;
  return segmentor;
}

Tensor random_labels(std::int64_t n, std::int64_t h, std::int64_t w) {
  Tensor labels = Tensor::empty({n, h, w}, DType::i64);
  const RandomKey key = RandomKey(2).child("labels");
  for (std::int64_t i = 0; i < labels.count(); ++i)
    labels.mutable_data<std::int64_t>()[i] = static_cast<std::int64_t>(key.below(static_cast<std::uint64_t>(i), 19));
  return labels;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double graph_bytes(models::Segmentor& segmentor, const Variable& root) {
  std::set<const void*> parameters;
  segmentor.visit([&](const std::string&, nn::Param& p) { parameters.insert(p.value.value().storage().get()); });
  return static_cast<double>(graph_of(std::span(&root, 1), parameters).saved_bytes);
}

// Seconds of a step where each is given while the one before runs, and its numbers are read a step late.
void time_flow(models::Segmentor& segmentor, AdamW& optimizer, const Tensor& images, const Tensor& labels,
               const BenchStepOptions& options, BenchStep& result) {
  std::vector<Variable> trained;
  for (const AdamW::Slot& slot : optimizer.slots()) trained.push_back(slot.param);
  DeviceGraph graph(options.device);
  for (const bool as_graph : {false, true}) {
    StepNumbers before;
    double start = 0;
    std::uint64_t waits = 0;
    std::vector<double> giving;
    std::map<std::string, std::uint64_t> launched;
    constexpr int warm_up = 3;
    for (int i = 0; i < warm_up + options.steps; ++i) {
      if (i == warm_up) {
        synchronize(options.device);
        start = now_seconds();
        giving.clear();
      }
      waits = host_waits(options.device);
      launched = launches(options.device);
      const double begun = now_seconds();
      StepNumbers numbers;
      StepTimes times;
      const auto work = [&] {
        numbers = run_step(segmentor, optimizer, trained,
                           {.photos = images.size(0),
                            .micro_batch = images.size(0),
                            .key = RandomKey(4).child(static_cast<std::uint64_t>(i)),
                            .lr = 1e-4},
                           segmentor_losses(segmentor, images, labels), times);
      };
      if (as_graph)
        graph.run(work);
      else
        work();
      giving.push_back(now_seconds() - begun);
      waits = host_waits(options.device) - waits;
      if (i > 0) before.get();
      before = std::move(numbers);
    }
    synchronize(options.device);
    (as_graph ? result.graph : result.flowing) = (now_seconds() - start) / options.steps;
    (as_graph ? result.giving_graph : result.giving) = median(giving);
    if (as_graph) continue;
    result.waits = waits;
    result.launches = launches(options.device);
    for (auto& [name, count] : result.launches) count -= launched[name];
    std::erase_if(result.launches, [](const auto& entry) { return entry.second == 0; });
  }
  result.graphs = graph.made();
}

// Forward as in training and backward from random cotangents of the four maps and the queries.
Timing time_backbone(models::Segmentor& segmentor, const Tensor& images, int steps) {
  std::vector<Tensor> cotangents;
  return time_runs(
      [&] {
        segmentor.clear_grads();
        std::vector<Variable> roots;
        {
          models::BackboneOutput out = segmentor.backbone().forward(
              constant(images), {.training = true, .key = RandomKey(5), .first_sample = 0});
          out.features.push_back(out.queries);
          for (const Variable& v : out.features)
            if (v && v.requires_grad()) roots.push_back(v);
        }
        if (cotangents.empty())
          for (std::size_t i = 0; i < roots.size(); ++i)
            cotangents.push_back(random_normal(RandomKey(6).child(i), roots[i].shape(), 0, 1).to(images.device()));
        if (!roots.empty()) backward(roots, cotangents);
        synchronize(images.device());
      },
      steps, 0);
}

}  // namespace

BenchStep bench_step(const BenchStepOptions& options) {
  BenchStep result;
  result.idle_bytes = process_memory().resident;
  reset_process_peak();
  reset_peak_memory(options.device);

  models::Segmentor segmentor(segmentor_options(options));
  segmentor.name_tree();
  nn::initialise(segmentor, RandomKey(1), DType::f32);
  require(options.precision == "f32" || options.precision == "bf16", "bench", "precision must be f32 or bf16, got '",
          options.precision, "'");
  if (options.precision == "bf16") segmentor.use_bf16();
  result.parameters = segmentor.parameter_count();
  result.trainable = segmentor.parameter_count(true);
  segmentor.move_to(options.device);
  result.products = segmentor.products_text();
  AdamW optimizer;
  add_trained(optimizer, segmentor, {});
  const Tensor images =
      random_normal(RandomKey(3), {options.batch, options.height, options.width, 3}, 0, 1).to(options.device);
  const Tensor labels = random_labels(options.batch, options.height, options.width);
  const auto now = [&] {
    synchronize(options.device);
    return now_seconds();
  };

  std::vector<double> forward, backward_times, update;
  std::uint64_t step = 0;
  result.step = time_runs(
      [&] {
        segmentor.clear_grads();
        const double start = now();
        std::optional<models::Losses> losses =
            segmentor.loss({.training = true, .key = RandomKey(4).child(step++), .first_sample = 0}, images, labels);
        const double after_forward = now();
        if (result.saved_bytes == 0) result.saved_bytes = graph_bytes(segmentor, losses->total);
        const Variable total = losses->total;
        losses.reset();
        backward(total);
        const double after_backward = now();
        optimizer.step(1e-4);
        forward.push_back(after_forward - start);
        backward_times.push_back(after_backward - after_forward);
        update.push_back(now() - after_backward);
      },
      options.steps, 0);
  result.peak_bytes = process_memory().peak - result.idle_bytes;
  result.tensor_peak_bytes = static_cast<double>(memory_stats(options.device).peak);
  result.reserved_bytes = static_cast<double>(reserved_bytes(options.device));
  result.forward = median(forward);
  result.backward = median(backward_times);
  result.update = median(update);
  segmentor.clear_grads();
  if (options.device.is_cuda()) time_flow(segmentor, optimizer, images, labels, options, result);
  result.backbone_forward = time_runs(
      [&] {
        const NoGrad no_grad;
        segmentor.backbone().forward(constant(images), nn::ForwardContext());
        synchronize(options.device);
      },
      options.steps, 0);
  result.backbone_forward_backward = time_backbone(segmentor, images, options.steps);
  segmentor.clear_grads();
  result.inference = time_runs(
      [&] {
        segmentor.scores(images);
        synchronize(options.device);
      },
      options.steps, 0);
  return result;
}

}  // namespace rein::train
