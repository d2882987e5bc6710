// Recorded reference cases, each in f64 and f32: the kept ones, and a whole folder of them when REIN_GOLDEN_DIR is set.
#include <doctest/doctest.h>

#include <cstdlib>
#include <set>

#include "train/verify/verify.h"

namespace {

using namespace rein::train;

VerifySummary run(const std::filesystem::path& folder) {
  const VerifySummary summary = verify({folder}, {}, [](const VerifyResult& result) {
    INFO(result.text());
    CHECK(result.status != VerifyResult::Status::failed);
  });
  MESSAGE(folder.filename().string() << ": " << summary.text());
  return summary;
}

TEST_CASE("the kept reference cases hold") {
  const VerifySummary summary = run("tests/golden");
  CHECK(summary.ok());
  CHECK(summary.skipped == 0);
  std::set<std::string> seen;
  for (const VerifyResult& result : summary.results) seen.insert(result.kind);
  for (const std::string& kind : verify_kinds())
    if (!kind.starts_with("large_")) CHECK_MESSAGE(seen.contains(kind), "no kept case of kind " << kind);
}

TEST_CASE("the reference cases of REIN_GOLDEN_DIR hold") {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  if (folder == nullptr || *folder == '\0') {
    MESSAGE("SKIPPED: REIN_GOLDEN_DIR is not set");
    return;
  }
  const VerifySummary summary = run(folder);
  CHECK(summary.ok());
  // Whatever is skipped belongs to a part that is not built; nothing is skipped for another reason.
  for (const VerifyResult& result : summary.results)
    if (result.status == VerifyResult::Status::skipped) CHECK_MESSAGE(!result.not_built.empty(), result.text());
}

}  // namespace
