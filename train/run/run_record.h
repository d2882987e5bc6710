// What a run's folder tells, read back for the report: curves, scores, times, configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rein::train {

struct RecordedStep {
  std::int64_t step = 0;
  double loss = 0, lr = 0;
};

struct RecordedSet {
  std::string name, labels_of, resize;
  std::int64_t photos = 0, window = 0, stride = 0;
  bool in_mean = true;
  std::optional<double> miou, pixel_accuracy;                       // percent; nothing: no pixel of any class
  std::vector<std::pair<std::string, std::optional<double>>> ious;  // by class, in percent
};

struct RecordedEvaluation {
  std::int64_t step = 0;
  std::optional<double> mean;  // of the sets' mIoU, percent
  std::vector<RecordedSet> sets;
};

struct RunRecord {
  std::filesystem::path folder;
  std::string name;    // of the folder
  std::string config;  // config.toml's text; empty: none
  std::string method, head, backbone, dataset, split;
  std::int64_t iterations = 0, batch = 0, seed = 0;
  std::vector<RecordedStep> steps;
  std::vector<RecordedEvaluation> evaluations;
  std::optional<double> step_seconds;  // median
  std::int64_t peak_bytes = 0;         // of the process; 0: not known
  int threads = 0;
  std::optional<std::int64_t> trained;          // parameters
  std::optional<std::int64_t> checkpoint_step;  // of the checkpoint that is shown
  std::string isa, version;                     // of the program that wrote it

  // The evaluation of the checkpoint that is shown, else the last one; null: there is none.
  const RecordedEvaluation* shown() const;
};

// A run may still be going on, or have been stopped at any moment: a last line that is not whole is passed over, and
// what is not there yet is empty. std::runtime_error: not a run's folder, or a file of it is no such file at all.
RunRecord read_run(const std::filesystem::path& folder);

}  // namespace rein::train
