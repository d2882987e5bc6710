#include "train/run/trainer.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <utility>

#include "data/loading/loader.h"
#include "tensor/cpu_features.h"
#include "tensor/device_graph.h"
#include "tensor/error.h"
#include "tensor/memory.h"
#include "tensor/parallel.h"
#include "tensor/text.h"
#include "tensor/upload.h"
#include "train/error.h"
#include "train/optim/param_groups.h"
#include "train/optim/schedule.h"
#include "train/run/build.h"
#include "train/run/records.h"
#include "train/run/run_folder.h"
#include "train/run/step.h"
#include "train/run/timing.h"
#include "train/version.h"

namespace rein::train {
namespace {

Schedule schedule_of(const TrainConfig& c) {
  return {.lr = c.lr, .power = c.power, .zero_at = c.zero_at, .warmup = c.warmup, .warmup_start = c.warmup_start};
}

class Run {
 public:
  Run(const TrainOptions& options, Observer& observer)
      : config_(options.config), observer_(observer), schedule_(schedule_of(config_.train)) {
    if (config_.train.threads > 0) set_thread_count(static_cast<int>(config_.train.threads));
    set_ = data::open_dataset(config_.data.dataset, config_.data.root, config_.data.split);
    for (const TargetConfig& t : config_.eval.targets)
      targets_.push_back(open_target(t, set_->classes().names, config_.eval.batch, config_.eval.preset));
    built_ = build_model(config_, set_->classes().count());
    folder_.emplace(options.folder, options.resume);
    resume(options.resume, options.device);
    collect_trained();
    folder_->write_config(config_);
    tell_plan();
  }

  TrainResult work() {
    const TrainConfig& c = config_.train;
    data::LoaderOptions load;
    load.batch_size = static_cast<int>(c.batch);
    load.threads = static_cast<int>(config_.data.workers);
    load.seed = static_cast<std::uint64_t>(c.seed);
    load.first_batch = step_;
    load.transforms = train_transforms(config_, built_.norm);
    data::Loader loader(set_, load);
    std::int64_t saved = step_;
    TrainResult result;
    while (step_ < c.iterations) {
      one_step(loader, result);
      const bool last = step_ == c.iterations;
      bool best = false;
      const bool scoring = !targets_.empty() && (last || (c.eval_every > 0 && step_ % c.eval_every == 0));
      if (scoring || last || step_ % c.checkpoint_every == 0) settle_all(result);  // nothing bad is scored or kept
      if (scoring) result.scores = evaluate_all(best);
      if (last || best || step_ % c.checkpoint_every == 0) {
        save();
        saved = step_;
      }
    }
    if (saved != step_) save();
    result.steps = step_;
    return result;
  }

 private:
  void resume(bool asked, Device device) {
    std::vector<std::string> faults;
    const auto found = folder_->latest(faults);
    for (const std::string& fault : faults) observer_.note("passed over a damaged checkpoint: " + fault);
    if (found) {
      refuse_changes(*found);
      load_model(found->folder, *built_.model);
    }
    built_.model->move_to(device);
    upload_.emplace(device);
    graph_.emplace(device);
    add_trained(optimizer_, *built_.model,
                {.weight_decay = config_.train.weight_decay,
                 .backbone_lr_multiplier = config_.train.backbone_lr / config_.train.lr,
                 .adapter = adapter_prefix(*built_.model)});
    if (found) {
      load_optimizer(found->folder, *built_.model, optimizer_);
      step_ = found->info.step;
      best_ = found->info.best;
    }
    if (asked && !found) observer_.note("there is no checkpoint to go on from: the run begins with step 1");
    if (step_ >= config_.train.iterations) observer_.note("the run is finished: all its steps are done");
    folder_->open_metrics(found ? found->info.metrics_bytes : 0);
  }

  void refuse_changes(const RunFolder::Found& found) {
    check_backbone(found.info, config_.model.backbone, built_.backbone_sha256);
    const std::string folder = found.folder.string();
    if (found.info.classes.names != set_->classes().names)
      fail_runtime("resume", "the data set has other classes than ", folder, ": ", quoted_list(set_->classes().names));
    const auto differences = resume_differences(config_, read_checkpoint_config(found.folder));
    if (!differences.empty()) {
      std::string text = "[resume] the configuration differs from that of " + folder + ":";
      for (const std::string& d : differences) text += "\n  " + d;
      throw HintedError(text, "resume with the same settings, or start a new run with another --out");
    }
    if (found.info.isa != isa_name())
      observer_.note("the checkpoint was made with " + found.info.isa + " kernels, this process uses " + isa_name() +
                     ": numbers will agree to rounding, not bit for bit");
  }

  void collect_trained() {
    for (const AdamW::Slot& slot : optimizer_.slots()) trained_.push_back(slot.param);
    require(!trained_.empty(), "train", "nothing is trained");
  }

  void tell_plan() {
    const TrainedCounts counts = trained_counts(*built_.model);
    RunPlan plan;
    plan.folder = folder_->path();
    plan.method = config_.model.method;
    plan.backbone = built_.description;
    plan.data = set_->description().name + ", split " + set_->split();
    plan.first_step = step_;
    plan.iterations = config_.train.iterations;
    plan.photos = set_->size();
    plan.classes = set_->classes().count();
    plan.trained = counts.all;
    plan.trained_vit = counts.vit;
    plan.trained_adapter = counts.adapter;
    observer_.started(plan);
  }

  // The next batch, its photos where the model is, and the seconds that the loader was waited for. On a device the
  // batch after it is fetched while this one's step runs.
  struct Fed {
    data::Batch batch;
    Tensor images;
    double waited = 0;
  };
  void read_ahead(data::Loader& loader) {
    const double start = now_seconds();
    next_.batch = loader.next();
    upload_->send(next_.batch.images);
    next_.batch.images = {};
    next_.waited = now_seconds() - start;
  }
  Fed feed(data::Loader& loader) {
    if (upload_->waiting() == 0) read_ahead(loader);
    next_.images = upload_->receive();
    return std::exchange(next_, {});
  }

  // Gives the step to the device. Its report comes by settle: at once on the CPU, one step late on a device.
  void one_step(data::Loader& loader, TrainResult& result) {
    if (under_way_.empty()) since_ = now_seconds();
    Fed fed = feed(loader);
    StepReport report;
    report.waited = fed.waited;
    report.lr = schedule_.at(step_);
    report.no_labels = std::ranges::all_of(fed.batch.labels.values<std::int64_t>(),
                                           [](std::int64_t label) { return label == data::ignore_id; });
    StepTimes times;
    const RandomKey key = RandomKey(static_cast<std::uint64_t>(config_.train.seed))
                              .child("step")
                              .child(static_cast<std::uint64_t>(step_));
    const StepInput input{.images = fed.images,
                          .labels = fed.batch.labels,
                          .micro_batch = config_.train.micro_batch,
                          .key = key,
                          .lr = report.lr,
                          .clip = config_.train.clip};
    StepNumbers numbers;
    const auto work = [&] { numbers = run_step(*built_.model, optimizer_, trained_, input, times); };
    if (config_.train.cuda_graph && warm_)
      graph_->run(work);
    else
      work();
    warm_ = true;
    report.forward = times.forward;
    report.backward = times.backward;
    report.update = times.update;
    report.step = ++step_;
    under_way_.push_back({std::move(report), std::move(numbers), std::move(fed.batch.names)});
    const bool late = built_.model->device().is_cuda();
    if (late && step_ < config_.train.iterations) {
      try {
        read_ahead(loader);
      } catch (...) {
        settle_all(result);  // what has been trained is reported, whatever the next photos are
        throw;
      }
    }
    while (under_way_.size() > std::size_t{late}) settle(result);
  }

  struct UnderWay {
    StepReport report;
    StepNumbers numbers;
    std::vector<std::string> names;
  };

  // Reports the step that was given longest ago. Its update has been made: a run that stops here has its checkpoints.
  void settle(TrainResult& result) {
    UnderWay step = std::move(under_way_.front());
    under_way_.pop_front();
    StepReport& report = step.report;
    const StepValues values = step.numbers.get();
    report.loss = values.loss;
    report.gradient_norm = values.gradient_norm;
    report.bad_costs = values.bad_costs;
    if (values.accuracy.valid > 0) report.accuracy = values.accuracy.percent();
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) stop(step.names, report);
    result.last_loss = report.loss;
    result.steps_with_bad_costs += report.bad_costs > 0;
    result.batches_without_labels += report.no_labels;
    const double end = now_seconds();
    report.seconds = end - std::exchange(since_, end);
    folder_->append_metrics(step_line(report));
    if (report.step % 10 == 0 || report.step == 1) folder_->append_timing(timing_line(report));
    observer_.step(report);
  }
  void settle_all(TrainResult& result) {
    while (!under_way_.empty()) settle(result);
  }

  [[noreturn]] void stop(const std::vector<std::string>& names, const StepReport& report) const {
    throw CheckFailed(
        concat_text(
            "[train] step ", report.step, ": the loss is ", report.loss, " and the norm of the gradients ",
            report.gradient_norm,
            report.bad_costs > 0 ? concat_text("; ", report.bad_costs, " costs of matching were NaN or infinite") : "",
            "; learning rate ", report.lr, ", photos ", quoted_list(names)),
        "the checkpoints are untouched; a smaller train.lr or train.clip helps against divergence");
  }

  std::vector<TargetScore> evaluate_all(bool& best) {
    std::vector<TargetScore> scores;
    for (const Target& target : targets_)
      scores.push_back(evaluate(*built_.model, built_.norm, target, [&](std::int64_t done, std::int64_t all) {
        observer_.evaluating(target.name, done, all);
      }));
    const double mean = mean_miou(scores);
    best = !std::isnan(mean) && (!best_ || mean > best_->miou);
    if (best) best_ = BestScore{step_, mean};
    folder_->append_metrics(evaluation_line(step_, scores));
    observer_.evaluated(step_, scores, best);
    return scores;
  }

  void save() {
    CheckpointInfo info;
    info.step = step_;
    info.seed = config_.train.seed;
    info.method = config_.model.method;
    info.backbone_file = std::filesystem::path(config_.model.backbone).filename().string();
    info.backbone_sha256 = built_.backbone_sha256;
    info.backbone_family = built_.family;
    info.classes = set_->classes();
    info.norm = built_.norm;
    info.version = version_text();
    info.isa = isa_name();
    info.kernels = forced_kernels_text();
    info.best = best_;
    observer_.checkpoint(step_, folder_->write(info, config_, *built_.model, optimizer_, config_.train.keep_last));
  }

  Config config_;
  Observer& observer_;
  Schedule schedule_;
  std::shared_ptr<const data::Dataset> set_;
  std::vector<Target> targets_;
  BuiltModel built_;
  std::optional<RunFolder> folder_;
  AdamW optimizer_{AdamWOptions{.beta1 = config_.train.beta1, .beta2 = config_.train.beta2, .eps = config_.train.eps}};
  std::vector<Variable> trained_;
  std::optional<Upload> upload_;      // photos to the device
  std::optional<DeviceGraph> graph_;  // of a step, with train.cuda_graph
  bool warm_ = false;                 // the first step has made the optimiser's states, and caches of all kinds
  Fed next_;                          // read ahead
  std::deque<UnderWay> under_way_;    // steps given to the device, not yet reported
  double since_ = 0;                  // when the step that is reported next began to be the only one
  std::optional<BestScore> best_;
  std::int64_t step_ = 0;  // done
};

}  // namespace

TrainResult train(const TrainOptions& options, Observer& observer) {
  return Run(options, observer).work();
}

}  // namespace rein::train
