// The table of `rein bench op` says what it knows and nothing else.
#include "train/bench/bench_table.h"

#include <doctest/doctest.h>

namespace {

using namespace rein::train;

const BenchPeaks peaks{100, 10};  // GFLOP/s, GB/s

BenchOp op_of(double flops, double bytes, bool cached) {
  const Timing ms{1e-3, 1e-3, 1e-3, 5};
  return {.op = "an_op",
          .label = "(2, 3)",
          .forward = ms,
          .backward = ms,
          .flops = flops,
          .bytes = bytes,
          .cached = cached};
}

std::string figures(const BenchOp& b) {
  return bench_line(b, peaks).substr(16 + 1 + 34);
}

TEST_CASE("bench op: figures beside the peaks") {
  CHECK(figures(op_of(5e7, 4e6, false)) == "       1.000      50.0    50%       4.0    40%       1.000");
  CHECK(bench_header().substr(16 + 1 + 34) == "  forward ms   GFLOP/s   peak      GB/s   copy backward ms");
  CHECK(bench_line(op_of(1, 1, false), peaks).starts_with("an_op            (2, 3)   "));
}

TEST_CASE("bench op: what a case does not declare is a dash, and a missing backward, too") {
  CHECK(figures(op_of(0, 4e6, false)) == "       1.000         –      –       4.0    40%       1.000");
  CHECK(figures(op_of(5e7, 0, false)) == "       1.000      50.0    50%         –      –       1.000");
  BenchOp forward_only = op_of(0, 0, true);
  forward_only.backward = {};
  CHECK(figures(forward_only) == "       1.000         –      –         –      –           –");
}

TEST_CASE("bench op: no share of memory's copies for what comes from the cache") {
  CHECK(figures(op_of(5e7, 4e7, true)) == "       1.000      50.0    50%      40.0  cache       1.000");
}

}  // namespace
