#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>

#include "data/loader.h"
#include "tensor/cpu_features.h"
#include "tensor/error.h"
#include "tensor/memory.h"
#include "tensor/parallel.h"
#include "tensor/text.h"
#include "train/build.h"
#include "train/clip.h"
#include "train/error.h"
#include "train/param_groups.h"
#include "train/records.h"
#include "train/run_folder.h"
#include "train/schedule.h"
#include "train/version.h"

namespace rein::train {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

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
      result.last_loss = one_step(loader, result);
      const bool last = step_ == c.iterations;
      bool best = false;
      if (!targets_.empty() && (last || (c.eval_every > 0 && step_ % c.eval_every == 0))) {
        result.scores = evaluate_all(best);
      }
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
    add_trained(optimizer_, *built_.model,
                {.weight_decay = config_.train.weight_decay,
                 .backbone_lr_multiplier = config_.train.backbone_lr / config_.train.lr});
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

  double one_step(data::Loader& loader, TrainResult& result) {
    const double start = now();
    const data::Batch batch = loader.next();
    StepReport report;
    report.waited = now() - start;
    report.lr = schedule_.at(step_);
    models::PixelAccuracy accuracy;
    for (std::int64_t first = 0; first < config_.train.batch; first += config_.train.micro_batch)
      micro_batch(batch, first, report, accuracy);
    if (accuracy.valid > 0) report.accuracy = accuracy.percent();
    report.no_labels = std::ranges::all_of(batch.labels.values<std::int64_t>(),
                                           [](std::int64_t label) { return label == data::ignore_id; });
    const double updating = now();
    report.gradient_norm =
        config_.train.clip > 0 ? clip_gradients(trained_, config_.train.clip) : gradient_norm(trained_);
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) stop(batch, report);
    optimizer_.step(report.lr);
    built_.model->clear_grads();
    report.update = now() - updating;
    result.steps_with_bad_costs += report.bad_costs > 0;
    result.batches_without_labels += report.no_labels;
    report.step = ++step_;
    report.seconds = now() - start;
    folder_->append_metrics(step_line(report));
    if (step_ % 10 == 0 || step_ == 1) folder_->append_timing(timing_line(report));
    observer_.step(report);
    return report.loss;
  }

  // Adds the gradients of photos [first, first + micro_batch). Divisors and random numbers are those of the whole
  // batch.
  void micro_batch(const data::Batch& batch, std::int64_t first, StepReport& report, models::PixelAccuracy& accuracy) {
    const std::int64_t end = first + config_.train.micro_batch;
    const nn::ForwardContext context{.training = true,
                                     .key = RandomKey(static_cast<std::uint64_t>(config_.train.seed))
                                                .child("step")
                                                .child(static_cast<std::uint64_t>(step_)),
                                     .first_sample = first};
    const double start = now();
    const models::Losses losses =
        built_.model->loss(context, batch.images.rows(first, end), batch.labels.rows(first, end),
                           built_.model->head().scope(batch.labels));
    const double middle = now();
    backward(losses.total);
    report.forward += middle - start;
    report.backward += now() - middle;
    report.loss += losses.total.value().item();
    accuracy.hits += losses.accuracy.hits;
    accuracy.valid += losses.accuracy.valid;
    report.bad_costs += losses.bad_costs;
  }

  [[noreturn]] void stop(const data::Batch& batch, const StepReport& report) const {
    throw CheckFailed(
        concat_text(
            "[train] step ", step_ + 1, ": the loss is ", report.loss, " and the norm of the gradients ",
            report.gradient_norm,
            report.bad_costs > 0 ? concat_text("; ", report.bad_costs, " costs of matching were NaN or infinite") : "",
            "; learning rate ", report.lr, ", photos ", quoted_list(batch.names)),
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
  std::optional<BestScore> best_;
  std::int64_t step_ = 0;  // done
};

}  // namespace

TrainResult train(const TrainOptions& options, Observer& observer) {
  return Run(options, observer).work();
}

}  // namespace rein::train
