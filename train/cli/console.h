// What the program shows: a progress bar on a terminal, plain lines elsewhere, nothing with --quiet. All of it goes to
// stderr; results go to stdout.
#pragma once

#include <chrono>
#include <string>

#include "train/run/observer.h"

namespace rein::train {

enum class Verbosity { quiet, normal };

// One line that is overwritten on a terminal; elsewhere a line now and then.
class ProgressLine {
 public:
  explicit ProgressLine(Verbosity verbosity);
  // `text` is what stands behind the bar. `plain` lines are printed on no terminal, at most one in `seconds`.
  void show(const std::string& label, std::int64_t done, std::int64_t all, const std::string& text,
            double seconds = 10);
  void clear();                        // before other output
  void line(const std::string& text);  // a whole line of its own

 private:
  Verbosity verbosity_;
  bool terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

std::string duration_text(double seconds);  // "1 h 02 min", "13 min 20 s", "4.2 s"
std::string bytes_text(double bytes);       // "1.24 GiB"
// Relative to the working folder when it lies in there.
std::string near_path(const std::filesystem::path& path);
// "train [====    ] 12/24  loss 1.2": in fewer than `columns` characters, the bar as long as they allow.
std::string progress_text(const std::string& label, std::int64_t done, std::int64_t all, const std::string& text,
                          std::size_t columns);

class ConsoleObserver final : public Observer {
 public:
  explicit ConsoleObserver(Verbosity verbosity) : progress_(verbosity) {}
  void started(const RunPlan& plan) override;
  void step(const StepReport& report) override;
  void evaluating(const std::string& set, std::int64_t done, std::int64_t all) override;
  void evaluated(std::int64_t step, const std::vector<TargetScore>& scores, bool best) override;
  void checkpoint(std::int64_t step, const std::filesystem::path& folder) override;
  void note(const std::string& text) override { progress_.line("note: " + text); }

 private:
  // The first time, and then whenever the count has doubled.
  void warn(std::int64_t& count, std::int64_t step, const std::string& what);

  ProgressLine progress_;
  RunPlan plan_;
  std::int64_t bad_cost_steps_ = 0, unlabelled_batches_ = 0;
  std::int64_t seen_ = 0;
  double seconds_ = 0, loss_ = 0;     // smoothed
  std::optional<double> accuracy_{};  // likewise
};

}  // namespace rein::train
