// rein report: the page's place on stdout, one error and one hint for what is no run.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/cli/program.h"
#include "tests/train/tiny_run.h"

using namespace rein;
namespace fs = std::filesystem;

namespace {

TEST_CASE("rein report writes a page for a run, young as it may be") {
  const test::TempFolder folder;
  fs::create_directory(folder / "run");
  folder.write("run/config.toml", testing::TinyRun::config());
  const std::string run = (folder / "run").string();
  const auto made = testing::run_program({"report", run}, folder.path());
  CAPTURE(made.err);
  CHECK(made.status == 0);
  CHECK(made.out == run + "/report.html\n");
  CHECK(made.err.find("no checkpoint") != std::string::npos);
  CHECK(test::contents_of(folder / "run/report.html").starts_with("<!DOCTYPE html>"));
  const auto quiet = testing::run_program(
      {"report", run, "--out", (folder / "page.html").string(), "--quiet", "--json"}, folder.path());
  CHECK(quiet.status == 0);
  CHECK(quiet.err.empty());
  CHECK(quiet.out.find("\"notes\":[") != std::string::npos);
  CHECK(fs::exists(folder / "page.html"));
}

TEST_CASE("rein report refuses what is no run, and places it cannot write to") {
  const test::TempFolder folder;
  fs::create_directory(folder / "run");
  const std::string run = (folder / "run").string();
  const auto refused = [&](const std::vector<std::string>& arguments, const char* text) {
    const auto f = testing::run_program(arguments, folder.path());
    CAPTURE(f.err);
    CHECK(f.status == 2);
    CHECK(f.out.empty());
    CHECK(f.err.find(text) != std::string::npos);
    CHECK(f.err.find("hint: ") != std::string::npos);
  };
  refused({"report"}, "runs");
  refused({"report", run + "/none"}, "there is no folder");
  refused({"report", run}, "not the folder of a run");
  folder.write("run/config.toml", testing::TinyRun::config());
  refused({"report", run, "--out", (folder / "no/such/page.html").string()}, "page.html");
  refused({"report", run, "--photos", "-1"}, "--photos");
  CHECK_FALSE(fs::exists(folder / "run/report.html"));
}

}  // namespace
