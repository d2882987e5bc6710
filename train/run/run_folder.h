// The folder of a run:
//   config.toml                 the resolved configuration
//   metrics.jsonl               one line per step and per evaluation; the same bytes for a run that was killed and
//   resumed timing.jsonl                seconds and memory, of every process that worked on the run
//   adapter_constants.safetensors  of some methods (train/run/adapter_constants.h)
//   checkpoints/step-000500/    the newest ones, and the best
//   best -> checkpoints/step-…  the one with the best mean score
// One process at a time: the folder is locked while this object lives.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/run/checkpoint.h"

namespace rein::train {

class RunFolder {
 public:
  // Creates the folder if needed. HintedError when another process holds it, or when it holds a run and `resume` is
  // false. Removes what a killed process left half-written.
  RunFolder(std::filesystem::path path, bool resume);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  // The newest checkpoint that is whole, and one text per newer one that is not.
  struct Found {
    std::filesystem::path folder;
    CheckpointInfo info;
  };
  std::optional<Found> latest(std::vector<std::string>& faults) const;

  // Cuts metrics.jsonl to `bytes` and opens it for appending. std::runtime_error when it is shorter than that.
  void open_metrics(std::int64_t bytes);
  void append_metrics(std::string_view line);  // with its own newline; one write, seen by readers at once
  void append_timing(std::string_view line);
  std::int64_t metrics_bytes() const { return metrics_bytes_; }

  // Writes checkpoints/step-N, moves `best`, removes all but the newest `keep` and the best.
  std::filesystem::path write(CheckpointInfo info, const Config& config, nn::Module& model, const AdamW& optimizer,
                              std::int64_t keep);
  void write_config(const Config& config);

  std::filesystem::path checkpoint_path(std::int64_t step) const;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::vector<std::pair<std::int64_t, std::filesystem::path>> list() const;  // ascending steps
  void point_best(const CheckpointInfo& info);
  void prune(const CheckpointInfo& info, std::int64_t keep);

  std::filesystem::path path_, checkpoints_;
  int lock_ = -1, metrics_ = -1, timing_ = -1;
  std::int64_t metrics_bytes_ = 0;
};

}  // namespace rein::train
