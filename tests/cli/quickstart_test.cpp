// scripts/quickstart.sh on a toy run: killed in every manner it goes on and ends with the same runs as one never
// killed; what it prints suits a pipe. The true configuration, shortened to two steps, works as well.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "tensor/random.h"
#include "tests/cli/program.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;

namespace {

// The script in a process group of its own, as a terminal would start it.
class Script {
 public:
  Script(const std::vector<std::string>& arguments, const testing::TinyRun& run)
      : out_(run / "script-out.txt"), err_(run / "script-err.txt") {
    std::vector<std::string> all = {"bash", REIN_SOURCE_DIR "/scripts/quickstart.sh", "--program", REIN_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    const std::string root = run.folder().path().string();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
      ::setpgid(0, 0);
      ::setenv("REIN_DATA_DIR", root.c_str(), 1);
      ::setenv("REIN_WEIGHTS_DIR", root.c_str(), 1);
      ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
      ::dup2(::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDOUT_FILENO);
      ::dup2(::open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), STDERR_FILENO);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::setpgid(pid_, pid_);
  }
  ~Script() {
    if (!ended_) end(SIGKILL, true);
  }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  void end(int signal, bool group) {
    ::kill(group ? -pid_ : pid_, signal);
    wait();
  }
  testing::Finished wait() {
    int status = 0;
    if (!ended_ && ::waitpid(pid_, &status, 0) == pid_) {
      ended_ = true;
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    return {status_, test::contents_of(out_), test::contents_of(err_)};
  }

 private:
  fs::path out_, err_;
  pid_t pid_ = -1;
  int status_ = -1;
  bool ended_ = false;
};

std::vector<std::string> toy(const testing::TinyRun& run, const std::string& out) {
  return {"--config", (run / "config.toml").string(), "--out", (run / out).string()};
}

// No line of `text` is wider than a terminal, and nothing moves its cursor. Lines with a path of this test's folder may
// be any length.
void check_manners(const std::string& text, const std::string& folder) {
  CHECK(std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 32 && c != '\n'; }));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.find(folder) == line.npos) {
      CAPTURE(line);
      CHECK(line.size() <= 80);
    }
}

const std::vector<std::string> methods = {"freeze", "full", "rein"};

}  // namespace

TEST_CASE("the quickstart, stopped at any moment, goes on and ends with the same runs") {
  const testing::TinyRun run;
  const testing::Finished whole = Script(toy(run, "whole"), run).wait();
  REQUIRE_MESSAGE(whole.status == 0, whole.err);

  int stops = 0;
  for (; stops < 9; ++stops) {
    Script script(toy(run, "stopped"), run);
    const RandomKey key = RandomKey(7).child(static_cast<std::uint64_t>(stops));
    std::this_thread::sleep_for(std::chrono::milliseconds(30 + static_cast<int>(key.below(0, 500))));
    switch (stops % 3) {
      case 0:
        script.end(SIGKILL, true);
        break;  // the power fails
      case 1:
        script.end(SIGKILL, false);
        break;  // the script dies, its training lives on
      default:
        script.end(SIGINT, true);
        break;  // Ctrl-C
    }
  }
  const testing::Finished last = Script(toy(run, "stopped"), run).wait();
  REQUIRE_MESSAGE(last.status == 0, last.err);
  for (const std::string& method : methods) {
    CAPTURE(method);
    CHECK(test::contents_of(run / "stopped" / method / "metrics.jsonl") ==
          test::contents_of(run / "whole" / method / "metrics.jsonl"));
    CHECK(fs::exists(run / "stopped" / method / "finished"));
  }
  CHECK(test::contents_of(run / "stopped/report.html").starts_with("<!DOCTYPE html>"));

  // Finished runs are kept as they are: no byte of them is written again.
  const auto written = fs::last_write_time(run / "stopped/rein/metrics.jsonl");
  auto quiet = toy(run, "stopped");
  quiet.push_back("--quiet");
  const testing::Finished again = Script(quiet, run).wait();
  CHECK(again.status == 0);
  CHECK(again.err.empty());
  CHECK(again.out.starts_with("mIoU in %"));
  CHECK(again.out.ends_with((run / "stopped/report.html").string() + "\n"));
  CHECK(fs::last_write_time(run / "stopped/rein/metrics.jsonl") == written);

  // Other settings do not go on from these.
  auto changed = toy(run, "stopped");
  changed.insert(changed.end(), {"--set", "train.seed=5"});
  const testing::Finished refused = Script(changed, run).wait();
  CHECK(refused.status == 2);
  CHECK(refused.err.find("train.seed") != std::string::npos);
  CHECK(refused.err.find("hint: ") != std::string::npos);
}

TEST_CASE("what the quickstart prints suits a pipe and 80 columns") {
  const testing::TinyRun run;
  const std::string folder = run.folder().path().string();
  const testing::Finished whole = Script(toy(run, "out"), run).wait();
  REQUIRE_MESSAGE(whole.status == 0, whole.err);
  check_manners(whole.out, folder);
  check_manners(whole.err, folder);
  for (const char* text : {"[1/6]", "[6/6]", "mIoU in %", "trained parameters", "report.html", "What to try next"})
    CHECK(whole.out.find(text) != std::string::npos);
  const testing::Finished unknown = Script({"--qiet"}, run).wait();
  CHECK(unknown.status == 2);
  CHECK(unknown.err.find("--qiet") != std::string::npos);
  const testing::Finished help = Script({"--help"}, run).wait();
  CHECK(help.status == 0);
  check_manners(help.out, folder);
}

TEST_CASE("configs/quickstart.toml, two steps of it") {
  const testing::TinyRun run;
  const testing::Finished all =
      Script({"--out", (run / "out").string(), "--quiet", "--set", "train.iterations=2", "--set", "train.warmup=0",
              "--set", "train.batch=2", "--set", "eval.take_every=100"},
             run)
          .wait();
  REQUIRE_MESSAGE(all.status == 0, all.err);
  CHECK(all.err.empty());
  for (const char* text : {"freeze", "full", "rein", "night", "sketch", "mean", "game *"})
    CHECK(all.out.find(text) != std::string::npos);
  const std::string page = test::contents_of(run / "out/report.html");
  std::size_t pictures = 0;
  for (std::size_t at = page.find("<img "); at != page.npos; at = page.find("<img ", at + 1)) ++pictures;
  CHECK(pictures == 8 * 1 * (2 + 3 * 2));  // sets, photos, photo and truth, prediction and errors of three runs
}
