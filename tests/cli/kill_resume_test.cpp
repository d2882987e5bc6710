// kill -9 at 20 moments, most of them inside checkpoint writing, renaming or removal; resumed each time, with another
// number of threads: the record of the run must come out byte for byte as if nobody had killed anything.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "tensor/random.h"
#include "tests/cli/program.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr int kills_wanted = 20;

std::vector<std::string> arguments(const testing::TinyRun& run, const fs::path& out, int threads) {
  const std::string folder = run.folder().path().string();
  return {"train",          (run / "config.toml").string(),
          "--data-root",    folder,
          "--weights-root", folder,
          "--out",          out.string(),
          "--resume",       "--quiet",
          "--threads",      std::to_string(threads),
          "--set",          "train.iterations=24",
          "--set",          "train.eval_every=7"};
}

bool has_entry(const fs::path& folder, const std::string& prefix) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with(prefix)) return true;
  return false;
}

struct Moments {
  int writing = 0, removing = 0, other = 0;
  int all() const { return writing + removing + other; }
};

// Waits for the moment that `kill` calls for. False when the process ended first.
bool wait_for_moment(testing::Program& program, const fs::path& checkpoints, int kill, RandomKey key) {
  const auto patience = std::chrono::milliseconds(20 + static_cast<int>(key.below(0, 400)));
  const auto start = Clock::now();
  const std::string awaited = kill % 4 == 0 ? "" : kill % 4 == 3 ? ".old-" : ".tmp-";
  if (!awaited.empty()) {  // not at the first one that comes by
    std::this_thread::sleep_for(std::chrono::milliseconds(key.below(1, 60)));
    while (program.running() && Clock::now() - start < std::chrono::seconds(20))
      if (has_entry(checkpoints, awaited)) {
        std::this_thread::sleep_for(std::chrono::microseconds(key.below(2, 1500)));
        return program.running();
      }
    return program.running();
  }
  while (program.running() && Clock::now() - start < patience)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return program.running();
}

}  // namespace

TEST_CASE("killed at 20 moments and resumed, also with other threads: the same bytes") {
  const testing::TinyRun run;
  const fs::path whole = run / "whole";
  const testing::Finished reference = testing::run_program(arguments(run, whole, 2), run.folder().path());
  REQUIRE_MESSAGE(reference.status == 0, reference.err);
  const std::string metrics = test::contents_of(whole / "metrics.jsonl");
  REQUIRE(std::ranges::count(metrics, '\n') == 24 + 4);

  Moments moments;
  int kill = 0, resumed_runs = 0;
  for (int attempt = 0; moments.all() < kills_wanted && attempt < 12; ++attempt) {
    const fs::path out = run / ("killed" + std::to_string(attempt));
    bool finished = false;
    while (!finished) {
      testing::Program program(arguments(run, out, 1 + kill % 3), run.folder().path());
      if (moments.all() < kills_wanted &&
          wait_for_moment(program, out / "checkpoints", kill, RandomKey(42).child(static_cast<std::uint64_t>(kill)))) {
        program.kill_now();
        const bool writing = has_entry(out / "checkpoints", ".tmp-"),
                   removing = has_entry(out / "checkpoints", ".old-");
        ++(writing ? moments.writing : removing ? moments.removing : moments.other);
        ++kill;
        continue;
      }
      const testing::Finished end = program.wait();
      ++kill;
      REQUIRE_MESSAGE(end.status == 0, end.err);
      finished = true;
    }
    ++resumed_runs;
    CHECK(test::contents_of(out / "metrics.jsonl") == metrics);
    for (const char* file : {"model.safetensors", "optimizer.safetensors"})
      CHECK(test::contents_of(out / "checkpoints/step-000024" / file) ==
            test::contents_of(whole / "checkpoints/step-000024" / file));
    CHECK_FALSE(has_entry(out / "checkpoints", ".tmp-"));
    CHECK_FALSE(has_entry(out / "checkpoints", ".old-"));
  }
  MESSAGE("kills: ", moments.writing, " inside checkpoint writing, ", moments.removing, " inside removal, ",
          moments.other, " elsewhere; ", resumed_runs, " runs");
  CHECK(moments.all() >= kills_wanted);
  CHECK(moments.writing >= 3);
}
