#include "train/run/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "train/error.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view prefix = "step-";

[[noreturn]] void fail_system(const fs::path& path, const char* what) {
  fail_runtime("run", what, " ", path.string(), ": ", std::strerror(errno));
}

int open_file(const fs::path& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
  if (fd < 0) fail_system(path, "cannot open");
  return fd;
}

void append(int fd, std::string_view text, const fs::path& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_system(path, "cannot write");
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

// -1 when `name` is no checkpoint's.
std::int64_t step_of(const std::string& name) {
  if (!name.starts_with(prefix)) return -1;
  std::int64_t step = -1;
  const char* end = name.data() + name.size();
  const auto result = std::from_chars(name.data() + prefix.size(), end, step);
  return result.ec == std::errc() && result.ptr == end ? step : -1;
}

}  // namespace

RunFolder::RunFolder(fs::path path, bool resume)
    : path_(fs::absolute(path).lexically_normal()), checkpoints_(path_ / "checkpoints") {
  std::error_code error;
  fs::create_directories(checkpoints_, error);
  if (error) fail_runtime("run", "cannot create ", checkpoints_.string(), ": ", error.message());
  lock_ = open_file(path_ / ".lock", O_RDWR | O_CREAT);
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock_);
    throw HintedError("[run] another process is working in " + path_.string(), "wait for it, or choose another --out");
  }
  if (!resume && (fs::exists(path_ / "metrics.jsonl") || !list().empty())) {
    ::close(lock_);
    throw HintedError("[run] " + path_.string() + " holds a run already",
                      "--resume goes on with it; another --out starts a new one");
  }
  for (const auto& entry : fs::directory_iterator(checkpoints_)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(".tmp-") || name.starts_with(".old-")) fs::remove_all(entry.path());
  }
}

RunFolder::~RunFolder() {
  for (const int fd : {metrics_, timing_, lock_})
    if (fd >= 0) ::close(fd);
}

std::vector<std::pair<std::int64_t, fs::path>> RunFolder::list() const {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  for (const auto& entry : fs::directory_iterator(checkpoints_)) {
    const std::int64_t step = step_of(entry.path().filename().string());
    if (step >= 0 && entry.is_directory()) found.emplace_back(step, entry.path());
  }
  std::ranges::sort(found);
  return found;
}

std::optional<RunFolder::Found> RunFolder::latest(std::vector<std::string>& faults) const {
  auto all = list();
  std::ranges::reverse(all);
  for (const auto& [step, folder] : all) {
    try {
      Found found{folder, read_checkpoint(folder)};
      if (found.info.step != step) fail_runtime("checkpoint", folder.string(), " says step ", found.info.step);
      return found;
    } catch (const std::runtime_error& error) {
      faults.push_back(error.what());
    }
  }
  if (!faults.empty()) throw HintedError(faults.front(), "no checkpoint in " + path_.string() + " is whole");
  return std::nullopt;
}

void RunFolder::open_metrics(std::int64_t bytes) {
  const fs::path file = path_ / "metrics.jsonl";
  const std::int64_t have = fs::exists(file) ? static_cast<std::int64_t>(fs::file_size(file)) : 0;
  if (have < bytes)
    fail_runtime("run", file.string(), " has ", have, " bytes, but the checkpoint was written after ", bytes);
  metrics_ = open_file(file, O_WRONLY | O_CREAT | O_APPEND);
  if (::ftruncate(metrics_, bytes) != 0) fail_system(file, "cannot cut");
  metrics_bytes_ = bytes;
  timing_ = open_file(path_ / "timing.jsonl", O_WRONLY | O_CREAT | O_APPEND);
}

void RunFolder::append_metrics(std::string_view line) {
  append(metrics_, line, path_ / "metrics.jsonl");
  metrics_bytes_ += static_cast<std::int64_t>(line.size());
}

void RunFolder::append_timing(std::string_view line) {
  append(timing_, line, path_ / "timing.jsonl");
}

void RunFolder::write_config(const Config& config) {
  write_file_atomically(path_ / "config.toml", std::string_view(config_text(config)));
}

fs::path RunFolder::checkpoint_path(std::int64_t step) const {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%06lld", static_cast<long long>(step));
  return checkpoints_ / (std::string(prefix) + digits);
}

fs::path RunFolder::write(CheckpointInfo info, const Config& config, nn::Module& model, const AdamW& optimizer,
                          std::int64_t keep) {
  if (::fsync(metrics_) != 0) fail_system(path_ / "metrics.jsonl", "cannot flush");
  info.metrics_bytes = metrics_bytes_;
  const fs::path folder = checkpoint_path(info.step);
  write_checkpoint(folder, info, config, model, optimizer);
  point_best(info);
  prune(info, keep);
  return folder;
}

// A new link renamed over the old one: `best` is there at every moment.
void RunFolder::point_best(const CheckpointInfo& info) {
  if (!info.best) return;
  const fs::path target = fs::path("checkpoints") / checkpoint_path(info.best->step).filename();
  if (!fs::exists(path_ / target)) return;
  const fs::path beside = path_ / ".best.tmp";
  fs::remove(beside);
  fs::create_directory_symlink(target, beside);
  fs::rename(beside, path_ / "best");
  sync_folder(path_);
}

// Renamed first, so that a checkpoint that is half removed no longer looks like one.
void RunFolder::prune(const CheckpointInfo& info, std::int64_t keep) {
  auto all = list();
  // Checkpoints of later steps are of a future that this run will write anew.
  const auto later = [&](const auto& one) { return one.first > info.step; };
  std::vector<std::pair<std::int64_t, fs::path>> unwanted;
  std::ranges::copy_if(all, std::back_inserter(unwanted), later);
  std::erase_if(all, later);
  const auto count = static_cast<std::int64_t>(all.size());
  for (std::int64_t i = 0; i + keep < count; ++i) {
    const auto& one = all[static_cast<std::size_t>(i)];
    if (!info.best || one.first != info.best->step) unwanted.push_back(one);
  }
  for (const auto& [step, folder] : unwanted) {
    const fs::path old = checkpoints_ / (".old-" + folder.filename().string());
    fs::rename(folder, old);
    fs::remove_all(old);
  }
  if (!unwanted.empty()) sync_folder(checkpoints_);
}

}  // namespace rein::train
