#include "train/bench/bench_table.h"

#include <cstdio>

namespace rein::train {
namespace {

// Right-aligned; a dash takes three bytes and one column.
std::string cell(const std::string& text, std::size_t width) {
  std::size_t columns = 0;
  for (const char c : text) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return std::string(columns < width ? width - columns : 0, ' ') + text;
}

std::string number(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string or_dash(bool known, const char* format, double value) {
  return known ? number(format, value) : "–";
}

std::string left(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

}  // namespace

double rate(double declared, const Timing& time) {
  return declared / time.median / 1e9;
}

std::string bench_header() {
  return left("op", 16) + " " + left("case", 34) + cell("forward ms", 12) + cell("GFLOP/s", 10) + cell("peak", 7) +
         cell("GB/s", 10) + cell("copy", 7) + cell("backward ms", 12);
}

std::string bench_line(const BenchOp& b, const BenchPeaks& peaks) {
  const double gflops = rate(b.flops, b.forward), gbytes = rate(b.bytes, b.forward);
  const std::string share = b.cached ? "cache" : number("%.0f%%", 100 * gbytes / peaks.copy_gbytes);
  return left(b.op, 16) + " " + left(b.label, 34) + cell(number("%.3f", 1e3 * b.forward.median), 12) +
         cell(or_dash(b.flops > 0, "%.1f", gflops), 10) +
         cell(or_dash(b.flops > 0, "%.0f%%", 100 * gflops / peaks.gflops), 7) +
         cell(or_dash(b.bytes > 0, "%.1f", gbytes), 10) + cell(b.bytes > 0 ? share : "–", 7) +
         cell(or_dash(b.backward.runs > 0, "%.3f", 1e3 * b.backward.median), 12);
}

}  // namespace rein::train
