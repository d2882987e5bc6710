// The loop of every run, whatever it trains (task.h): batches, steps, schedule, records, scores, checkpoints, resuming.
//
// Step s uses batch s of the loader and the random key (seed, s); nothing depends on call order or on the number of
// threads. A run that was killed and resumed from a checkpoint gives the same numbers, bit for bit, as one never
// killed.
#pragma once

#include <filesystem>
#include <optional>

#include "train/config/config.h"
#include "train/run/task.h"

namespace rein::train {

struct RunOptions {
  Config config;  // with resolved paths
  std::filesystem::path folder;
  bool resume = false;  // go on from the newest whole checkpoint, if there is one
  Device device{};      // where the model is trained and scored
};

struct RunResult {
  std::int64_t steps = 0;
  std::optional<double> last_loss;  // nothing when the run was finished already
  std::vector<TargetScore> scores;  // of the last evaluation
  // Of this call: steps with NaN or infinite costs where queries are matched, and batches without a labelled pixel.
  std::int64_t steps_with_bad_costs = 0, batches_without_labels = 0;
};

// train.threads, before a task is built.
void use_threads(const Config& config);

// Throws CheckFailed when a loss or a gradient is not finite (the run's checkpoints stay as they are). On a device a
// step is reported, and such a number found, one step late, but before anything is scored or saved: the host does not
// wait for the step it gave.
RunResult run(Task& task, const RunOptions& options, Observer& observer);

}  // namespace rein::train
