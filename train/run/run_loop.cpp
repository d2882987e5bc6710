#include "train/run/run_loop.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "data/loading/loader.h"
#include "tensor/cpu_features.h"
#include "tensor/device_graph.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/text.h"
#include "tensor/upload.h"
#include "train/error.h"
#include "train/optim/schedule.h"
#include "train/run/records.h"
#include "train/run/timing.h"
#include "train/version.h"

namespace rein::train {
namespace {

Schedule schedule_of(const TrainConfig& c) {
  return {.lr = c.lr, .power = c.power, .zero_at = c.zero_at, .warmup = c.warmup, .warmup_start = c.warmup_start};
}

class Run {
 public:
  Run(Task& task, const RunOptions& options, Observer& observer)
      : task_(task),
        config_(options.config),
        observer_(observer),
        device_(options.device),
        feed_(task.feed()),
        folder_(options.folder, options.resume),
        upload_(device_),
        graph_(device_) {
    resume(options.resume);
    for (const AdamW::Slot& slot : optimizer_.slots()) trained_.push_back(slot.param);
    require(!trained_.empty(), task_.name().c_str(), "nothing is trained");
    folder_.write_config(config_);
    task_.begin(folder_.path());
    tell_plan();
  }

  RunResult work() {
    const TrainConfig& c = config_.train;
    data::LoaderOptions load;
    load.batch_size = static_cast<int>(c.batch);
    load.threads = static_cast<int>(config_.data.workers);
    load.seed = static_cast<std::uint64_t>(c.seed);
    load.first_batch = step_;
    load.views = feed_.views;
    load.transforms = feed_.transforms;
    data::Loader loader(feed_.photos, load);
    while (step_ < c.iterations) {
      one_step(loader);
      const bool last = step_ == c.iterations, keeping = last || step_ % c.checkpoint_every == 0;
      const bool scoring = task_.is_scored() && (last || (c.eval_every > 0 && step_ % c.eval_every == 0));
      if (scoring || keeping) settle_all();  // nothing bad is scored or kept
      const bool best = scoring && score();
      if (keeping || best) save();
    }
    result_.steps = step_;
    task_.finish(folder_.path());
    return result_;
  }

 private:
  void resume(bool asked) {
    std::vector<std::string> faults;
    const auto found = folder_.latest(faults);
    for (const std::string& fault : faults) observer_.note("passed over a damaged checkpoint: " + fault);
    if (found) {
      task_.check_resumable(*found);
      refuse_changes(*found);
      load_model(found->folder, task_.model());
    }
    task_.move_to(device_);
    add_trained(optimizer_, task_.model(), task_.groups());
    if (found) {
      load_optimizer(found->folder, task_.model(), optimizer_);
      step_ = found->info.step;
      best_ = found->info.best;
    }
    if (asked && !found) observer_.note("there is no checkpoint to go on from: the run begins with step 1");
    if (step_ >= config_.train.iterations) observer_.note("the run is finished: all its steps are done");
    folder_.open_metrics(found ? found->info.metrics_bytes : 0);
  }

  void refuse_changes(const RunFolder::Found& found) {
    const auto differences = resume_differences(config_, read_checkpoint_config(found.folder, config_.purpose));
    if (!differences.empty()) {
      std::string text = "[resume] the configuration differs from that of " + found.folder.string() + ":";
      for (const std::string& d : differences) text += "\n  " + d;
      throw HintedError(text, "resume with the same settings, or start a new run with another --out");
    }
    if (found.info.isa != isa_name())
      observer_.note("the checkpoint was made with " + found.info.isa + " kernels, this process uses " + isa_name() +
                     ": numbers will agree to rounding, not bit for bit");
  }

  void tell_plan() {
    RunPlan plan = task_.plan();
    plan.folder = folder_.path();
    plan.first_step = step_;
    plan.iterations = config_.train.iterations;
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
    upload_.send(next_.batch.images);
    next_.batch.images = {};
    next_.waited = now_seconds() - start;
  }
  Fed fetch(data::Loader& loader) {
    if (upload_.waiting() == 0) read_ahead(loader);
    next_.images = upload_.receive();
    return std::exchange(next_, {});
  }

  // Gives the step to the device. Its report comes by settle: at once on the CPU, one step late on a device.
  void one_step(data::Loader& loader) {
    if (under_way_.empty()) since_ = now_seconds();
    Fed fed = fetch(loader);
    StepReport report;
    report.waited = fed.waited;
    report.lr = schedule_.at(step_);
    report.no_labels =
        feed_.has_labels && std::ranges::all_of(fed.batch.labels.values<std::int64_t>(),
                                                [](std::int64_t label) { return label == data::ignore_id; });
    StepTimes times;
    const RandomKey key = RandomKey(static_cast<std::uint64_t>(config_.train.seed))
                              .child("step")
                              .child(static_cast<std::uint64_t>(step_));
    const StepInput input{.photos = fed.images.size(0),
                          .micro_batch = config_.train.micro_batch,
                          .key = key,
                          .lr = report.lr,
                          .clip = config_.train.clip};
    StepNumbers numbers;
    const auto work = [&] {
      numbers = run_step(task_.model(), optimizer_, trained_, input, task_.losses(fed.images, fed.batch.labels), times);
    };
    if (config_.train.cuda_graph && warm_)
      graph_.run(work);
    else
      work();
    warm_ = true;
    report.forward = times.forward;
    report.backward = times.backward;
    report.update = times.update;
    report.step = ++step_;
    under_way_.push_back({std::move(report), std::move(numbers), std::move(fed.batch.names)});
    const bool late = device_.is_cuda();
    if (late && step_ < config_.train.iterations) {
      try {
        read_ahead(loader);
      } catch (...) {
        settle_all();  // what has been trained is reported, whatever the next photos are
        throw;
      }
    }
    while (under_way_.size() > std::size_t{late}) settle();
  }

  struct UnderWay {
    StepReport report;
    StepNumbers numbers;
    std::vector<std::string> names;
  };

  // Reports the step that was given longest ago. Its update has been made: a run that stops here has its checkpoints.
  void settle() {
    UnderWay step = std::move(under_way_.front());
    under_way_.pop_front();
    StepReport& report = step.report;
    const StepValues values = step.numbers.get();
    report.loss = values.loss;
    report.gradient_norm = values.gradient_norm;
    report.bad_costs = values.bad_costs;
    if (values.accuracy.valid > 0) report.accuracy = values.accuracy.percent();
    if (!std::isfinite(report.loss) || !std::isfinite(report.gradient_norm)) stop(step.names, report);
    result_.last_loss = report.loss;
    result_.steps_with_bad_costs += report.bad_costs > 0;
    result_.batches_without_labels += report.no_labels;
    const double end = now_seconds();
    report.seconds = end - std::exchange(since_, end);
    folder_.append_metrics(step_line(report));
    if (report.step % 10 == 0 || report.step == 1) folder_.append_timing(timing_line(report));
    observer_.step(report);
  }
  void settle_all() {
    while (!under_way_.empty()) settle();
  }

  [[noreturn]] void stop(const std::vector<std::string>& names, const StepReport& report) const {
    throw CheckFailed(
        concat_text(
            "[", task_.name(), "] step ", report.step, ": the loss is ", report.loss, " and the norm of the gradients ",
            report.gradient_norm,
            report.bad_costs > 0 ? concat_text("; ", report.bad_costs, " costs of matching were NaN or infinite") : "",
            "; learning rate ", report.lr, ", photos ", quoted_list(names)),
        "the checkpoints are untouched; a smaller train.lr or train.clip helps against divergence");
  }

  // Whether the scores are the run's best.
  bool score() {
    result_.scores = task_.scores(observer_);
    const double mean = mean_miou(result_.scores);
    const bool best = !std::isnan(mean) && (!best_ || mean > best_->miou);
    if (best) best_ = BestScore{step_, mean};
    folder_.append_metrics(evaluation_line(step_, result_.scores));
    observer_.evaluated(step_, result_.scores, best);
    return best;
  }

  void save() {
    CheckpointInfo info = task_.info();
    info.step = step_;
    info.seed = config_.train.seed;
    info.version = version_text();
    info.isa = isa_name();
    info.kernels = forced_kernels_text();
    info.best = best_;
    observer_.checkpoint(step_, folder_.write(info, config_, task_.model(), optimizer_, config_.train.keep_last));
  }

  Task& task_;
  const Config& config_;
  Observer& observer_;
  Device device_;
  Task::Feed feed_;
  RunFolder folder_;
  Upload upload_;      // photos to the device
  DeviceGraph graph_;  // of a step, with train.cuda_graph
  Schedule schedule_ = schedule_of(config_.train);
  AdamW optimizer_{AdamWOptions{.beta1 = config_.train.beta1, .beta2 = config_.train.beta2, .eps = config_.train.eps}};
  std::vector<Variable> trained_;
  bool warm_ = false;               // the first step has made the optimiser's states, and caches of all kinds
  Fed next_;                        // read ahead
  std::deque<UnderWay> under_way_;  // steps given to the device, not yet reported
  double since_ = 0;                // when the step that is reported next began to be the only one
  std::optional<BestScore> best_;
  std::int64_t step_ = 0;  // done
  RunResult result_;
};

}  // namespace

void use_threads(const Config& config) {
  if (config.train.threads > 0) set_thread_count(static_cast<int>(config.train.threads));
}

RunResult run(Task& task, const RunOptions& options, Observer& observer) {
  return Run(task, options, observer).work();
}

}  // namespace rein::train
