// The table of `rein bench op`: one line per case, beside what the machine can do.
#pragma once

#include <string>

#include "train/bench/bench_op.h"

namespace rein::train {

// Measured peaks: f32 products in GFLOP/s, copies within memory in GB/s.
struct BenchPeaks {
  double gflops = 0, copy_gbytes = 0;
};

std::string bench_header();
// Figures that a case does not declare are "–", never 0. Where the case stays in the last-level cache, its GB/s are not
// memory's: the share of copies is then the word "cache".
std::string bench_line(const BenchOp& b, const BenchPeaks& peaks);

// GFLOP/s or GB/s of one run; 0 when nothing is declared.
double rate(double declared, const Timing& time);

}  // namespace rein::train
