#include "train/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "train/report/compare.h"
#include "train/run/records.h"

namespace rein::train {
namespace {

constexpr std::int64_t announce_after = 5;  // steps until wall time and memory are foretold

// Columns of the terminal that stderr is; 80 when it does not say.
std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
}

template <class... Args>
std::string format(const char* pattern, Args... args) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 60) return format("%.1f s", seconds);
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole < 3600) return format("%lld min %02lld s", whole / 60, whole % 60);
  return format("%lld h %02lld min", whole / 3600, whole % 3600 / 60);
}

std::string bytes_text(double bytes) {
  return bytes < 0x1p30 ? format("%.0f MiB", bytes / 0x1p20) : format("%.2f GiB", bytes / 0x1p30);
}

std::string near_path(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path here = std::filesystem::current_path(error);
  if (error) return path.string();
  const std::filesystem::path near = path.lexically_relative(here);
  return near.empty() || *near.begin() == ".." ? path.string() : near.string();
}

std::string progress_text(const std::string& label, std::int64_t done, std::int64_t all, const std::string& text,
                          std::size_t columns) {
  constexpr std::size_t most_cells = 24, fewest_cells = 6;
  const std::string behind = std::to_string(done) + "/" + std::to_string(all) + (text.empty() ? "" : "  " + text);
  const std::size_t taken = label.size() + behind.size() + 5;  // "label [bar] behind", and the last column is left free
  std::string line = label + " ";
  if (const std::size_t room = columns > taken ? columns - taken : 0; room >= fewest_cells) {
    const std::size_t cells = std::min(room, most_cells);
    const std::size_t full = all > 0 ? cells * static_cast<std::size_t>(done) / static_cast<std::size_t>(all) : 0;
    line += "[" + std::string(full, '=') + std::string(cells - full, ' ') + "] ";
  }
  line += behind;
  if (line.size() >= columns) line.resize(columns - 1);
  return line;
}

ProgressLine::ProgressLine(Verbosity verbosity) : verbosity_(verbosity), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::show(const std::string& label, std::int64_t done, std::int64_t all, const std::string& text,
                        double seconds) {
  if (verbosity_ == Verbosity::quiet) return;
  const auto now = std::chrono::steady_clock::now();
  const double since = std::chrono::duration<double>(now - last_).count();
  if (since < (terminal_ ? 0.1 : seconds) && (done != all || !terminal_)) return;
  last_ = now;
  if (!terminal_) {
    std::fprintf(stderr, "%s %lld/%lld%s%s\n", label.c_str(), static_cast<long long>(done), static_cast<long long>(all),
                 text.empty() ? "" : "  ", text.c_str());
    return;
  }
  std::fprintf(stderr, "\r\033[K%s", progress_text(label, done, all, text, terminal_columns()).c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressLine::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void ProgressLine::line(const std::string& text) {
  if (verbosity_ == Verbosity::quiet) return;
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void ConsoleObserver::started(const RunPlan& plan) {
  plan_ = plan;
  progress_.line("run      " + near_path(plan.folder));
  progress_.line("model    " + plan.backbone);
  progress_.line("method   " + plan.method + ": " + count_text(plan.trained) + " trained (backbone " +
                 count_text(plan.trained_vit) + ", adapter " + count_text(plan.trained_adapter) + ", head " +
                 count_text(plan.trained - plan.trained_vit - plan.trained_adapter) + ")");
  progress_.line("data     " + plan.data + format(": %lld photos, ", static_cast<long long>(plan.photos)) +
                 (plan.classes > 0 ? std::to_string(plan.classes) + " classes" : "labels are not used"));
  if (!plan.left_out.empty()) progress_.line("left out " + plan.left_out);
  for (const std::string& warning : plan.warnings) progress_.line("warning: " + warning);
  if (plan.first_step > 0)
    progress_.line("resumed  after step " + std::to_string(plan.first_step) + " of " + std::to_string(plan.iterations));
}

void ConsoleObserver::step(const StepReport& r) {
  ++seen_;
  const double weight = std::max(0.05, 1.0 / static_cast<double>(seen_));
  loss_ += weight * (r.loss - loss_);
  seconds_ += weight * (r.seconds - seconds_);
  if (r.accuracy) accuracy_ = accuracy_ ? *accuracy_ + weight * (*r.accuracy - *accuracy_) : *r.accuracy;
  if (r.bad_costs > 0)
    warn(bad_cost_steps_, r.step,
         std::to_string(r.bad_costs) +
             " costs of matching queries to masks were NaN or infinite; such queries were matched last. A smaller "
             "train.lr, or train.clip, helps against divergence");
  if (r.no_labels) warn(unlabelled_batches_, r.step, "not one pixel of the batch has a class");
  const double left = seconds_ * static_cast<double>(plan_.iterations - r.step);
  const auto memory = static_cast<double>(peak_process_bytes());
  if (seen_ == announce_after) {
    progress_.line(format("pace     %.2f s per step, %.2f of it waiting for photos; memory %s", seconds_, r.waited,
                          bytes_text(memory).c_str()));
    progress_.line(format("         about %s for the remaining %lld steps", duration_text(left).c_str(),
                          static_cast<long long>(plan_.iterations - r.step)) +
                   (plan_.classes > 0 ? ", and then the evaluation" : ""));
  }
  progress_.show(
      "train", r.step, plan_.iterations,
      format("loss %.4f  acc %s  %.2f s/step  %s left  %s", loss_, accuracy_ ? format("%.1f", *accuracy_).c_str() : "-",
             seconds_, duration_text(left).c_str(), bytes_text(memory).c_str()));
}

void ConsoleObserver::warn(std::int64_t& count, std::int64_t step, const std::string& what) {
  ++count;
  if ((count & (count - 1)) != 0) return;
  progress_.line("warning: step " + std::to_string(step) + ": " + what +
                 (count > 1 ? " (" + std::to_string(count) + " such steps so far)" : ""));
}

void ConsoleObserver::evaluating(const std::string& set, std::int64_t done, std::int64_t all) {
  progress_.show("eval " + set, done, all, "");
}

void ConsoleObserver::evaluated(std::int64_t step, const std::vector<TargetScore>& scores, bool best) {
  progress_.line("scores after step " + std::to_string(step) + (best ? " (best so far)" : ""));
  std::string table = scores_to_table(scores, false);
  if (!table.empty()) table.pop_back();
  progress_.line(table);
}

void ConsoleObserver::checkpoint(std::int64_t, const std::filesystem::path& folder) {
  progress_.line("saved    " + near_path(folder));
}

}  // namespace rein::train
