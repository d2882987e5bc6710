// The words of the tools: gradcheck, bench op, verify and graph say what was measured, and refuse before they measure.
#include <doctest/doctest.h>

#include "tests/cli/refused.h"

namespace {

using namespace rein;
using testing::check_refused;
using testing::Finished;
using testing::run_program;

bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("gradcheck: single names, the worst derivative with its limit, a list") {
  const test::TempFolder folder;
  const Finished swiglu = run_program({"gradcheck", "swiglu"}, folder.path());
  CHECK(swiglu.status == 0);
  CHECK(says(swiglu.out, "worst element"));
  CHECK(says(swiglu.out, "limit"));
  CHECK(says(swiglu.out, "2.0e-06  ok\n"));
  const Finished list = run_program({"gradcheck", "--list"}, folder.path());
  CHECK(list.status == 0);
  CHECK(says(list.out, "\ngemm                     op"));
  CHECK(says(list.out, "cases, also named matmul\n"));
  for (const char* name : {"matmul", "conv2d"})
    CHECK(says(run_program({"gradcheck", name, "--quiet"}, folder.path()).out, " passed, 0 failed\n"));
}

TEST_CASE("gradcheck and bench op: a misspelt name is refused before anything is measured") {
  const test::TempFolder folder;
  check_refused(run_program({"gradcheck", "softmax", "sofmax"}, folder.path()),
                {"unknown name \"sofmax\"; did you mean \"softmax\"?"});
  check_refused(run_program({"bench", "op", "sofmax"}, folder.path()), {"did you mean \"softmax\"?"});
}

TEST_CASE("bench op: a dash for flops that are not declared") {
  const test::TempFolder folder;
  const Finished table = run_program({"bench", "op", "gather_rows", "--seconds", "0.001"}, folder.path());
  CHECK(table.status == 0);
  CAPTURE(table.out);
  CHECK(says(table.out, "        –      –  "));
  const Finished json = run_program({"bench", "op", "gather_rows", "--seconds", "0.001", "--json"}, folder.path());
  CHECK(says(json.out, "\"gflops\":null"));
}

TEST_CASE("verify: the rule of its limits is in its help") {
  const test::TempFolder folder;
  const Finished help = run_program({"verify", "--help"}, folder.path());
  CHECK(says(help.out, "in f64 1e-8; in f32 4 times"));
}

TEST_CASE("graph: says what was measured") {
  const test::TempFolder folder;
  const Finished graph = run_program({"graph", "--method", "freeze", "--height", "64", "--width", "96"}, folder.path());
  CHECK(graph.status == 0);
  CAPTURE(graph.out);
  for (const char* part : {"One training step of a ViT-Ti (12 blocks, 192 wide, patch 16) with freeze", "Semantic FPN",
                           "1 photo of 64 x 96, f32, on the CPU", "saved: what a node keeps for backward"})
    CHECK(says(graph.out, part));
  const Finished json = run_program({"graph", "--height", "64", "--width", "64", "--json"}, folder.path());
  CHECK(says(json.out, "\"method\":\"rein\",\"head\":\"semantic_fpn\",\"batch\":1,\"height\":64"));
}

}  // namespace
