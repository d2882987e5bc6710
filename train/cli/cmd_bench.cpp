// rein bench: ops at real shapes and whole steps, each beside what the machine can do.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "tensor/cpu_features.h"
#include "tensor/device_info.h"
#include "tensor/error.h"
#include "tensor/parallel.h"
#include "tensor/peak.h"
#include "train/bench/bench_device.h"
#include "train/bench/bench_op.h"
#include "train/bench/bench_step.h"
#include "train/bench/bench_table.h"
#include "train/cli/checks.h"

namespace rein::train {
namespace {

using nlohmann::json;

struct OpOptions {
  std::vector<std::string> names;
  std::string compare, device = "cpu";
  double seconds = 0.3;
  bool levels = false;
};

// Seconds of an earlier run by op and case, from its JSON lines.
std::map<std::string, double> earlier_seconds(const std::string& path) {
  std::map<std::string, double> seconds;
  if (path.empty()) return seconds;
  std::ifstream in(path);
  if (!in) fail_runtime("bench", "cannot open ", path);
  for (std::string line; std::getline(in, line);) {
    const json j = json::parse(line, nullptr, false);
    if (!j.is_object() || !j.contains("op")) continue;
    const std::string names = j["op"];  // earlier versions wrote all of an op's names
    seconds[names.substr(0, names.find(',')) + j.value("case", "")] =
        j.value("forward_s", 0.0) + j.value("backward_s", 0.0);
  }
  return seconds;
}

json machine_json(Device device) {
  if (device.is_cuda())
    return {{"device", device.text()},
            {"name", device_name(device)},
            {"f32_peak_gflops", device_f32_gflops(device)},
            {"bf16_peak_gflops", device_bf16_gflops(device)},
            {"copy_gbytes", device_copy_gbytes(device)}};
  return {{"isa", isa_name()},
          {"threads", thread_count()},
          {"f32_peak_gflops", measure_fma_peak_gflops(thread_count())},
          {"copy_gbytes", measure_copy_gbytes()}};
}

// Both kinds of line begin with what the machine can do.
json tell_machine(Device device, const Globals& globals) {
  const json machine = machine_json(device);
  if (globals.json) {
    std::printf("%s\n", json{{"machine", machine}}.dump().c_str());
    return machine;
  }
  const auto figure = [&](const char* name) { return machine.value(name, 0.0); };
  if (device.is_cuda())
    std::printf("%s: products of %.1f TFLOP/s in f32, %.1f in bf16; copies of %.0f GB/s\n",
                machine["name"].get<std::string>().c_str(), figure("f32_peak_gflops") / 1e3,
                figure("bf16_peak_gflops") / 1e3, figure("copy_gbytes"));
  else
    std::printf("%s, %d threads: FMA peak %.0f GFLOP/s, copy %.1f GB/s\n", isa_name().c_str(), thread_count(),
                figure("f32_peak_gflops"), figure("copy_gbytes"));
  return machine;
}

int run_levels(const OpOptions& options, const Globals& globals) {
  const Device device = parse_device(options.device);
  require(device.is_cuda(), "bench", "levels run on a GPU: --device cuda");
  tell_machine(device, globals);
  double before = 0;
  if (!globals.json) std::printf("%-22s %10s %10s %9s  %s\n", "level", "ms", "TFLOP/s", "faster", "new");
  bench_levels(device, options.seconds, [&](const BenchLevel& level) {
    const double seconds = level.time.median, tflops = level.flops / seconds / 1e12;
    if (globals.json) {
      const json line{{"level", level.name}, {"lesson", level.lesson}, {"forward_s", seconds}, {"tflops", tflops}};
      std::printf("%s\n", line.dump().c_str());
    } else {
      std::printf("%-22s %10.3f %10.2f %8.1fx  %s\n", level.name, 1e3 * seconds, tflops,
                  before > 0 ? before / seconds : 1.0, level.lesson);
    }
    std::fflush(stdout);
    before = seconds;
  });
  return 0;
}

// Modules have gradient checks alone: their speed is a step's.
std::vector<std::string> benched_ops() {
  std::vector<std::string> names = testing::registered_ops();
  std::erase_if(names, [](const std::string& name) {
    return std::ranges::none_of(testing::cases_of(name),
                                [](const testing::OpCase& c) { return c.level == "op" || c.bench_only; });
  });
  return names;
}

json json_of(const BenchOp& b, const BenchPeaks& peaks) {
  const auto known = [](bool declared, double value) { return declared ? json(value) : json(nullptr); };
  const double gflops = rate(b.flops, b.forward), gbytes = rate(b.bytes, b.forward);
  return {{"op", b.op},
          {"case", b.label},
          {"forward_s", b.forward.median},
          {"backward_s", b.backward.median},
          {"gflops", known(b.flops > 0, gflops)},
          {"gbytes", known(b.bytes > 0, gbytes)},
          {"peak_share", known(b.flops > 0, gflops / peaks.gflops)},
          {"copy_share", known(b.bytes > 0, gbytes / peaks.copy_gbytes)},
          {"cached", b.cached}};
}

int run_ops(const OpOptions& options, const Globals& globals) {
  if (options.levels) return run_levels(options, globals);
  // Names, device and the earlier file before anything is measured.
  const std::vector<std::string> ops =
      options.names.empty() ? benched_ops() : testing::ops_named(options.names, "bench");
  const Device device = parse_device(options.device);
  const auto before = earlier_seconds(options.compare);
  const json machine = tell_machine(device, globals);
  const BenchPeaks peaks{machine["f32_peak_gflops"].get<double>(), machine["copy_gbytes"].get<double>()};
  if (!globals.json) std::printf("%s%s\n", bench_header().c_str(), before.empty() ? "" : "   was/now");
  bool cached = false;
  for (const std::string& op : ops) {
    bench_op(op, options.seconds, device, [&](const BenchOp& b) {
      cached = cached || (b.cached && b.bytes > 0);
      std::string line = globals.json ? json_of(b, peaks).dump() : bench_line(b, peaks);
      const auto old = before.find(b.op + b.label);
      if (!globals.json && old != before.end()) {
        char times[32];
        std::snprintf(times, sizeof times, "   %6.2f x", old->second / (b.forward.median + b.backward.median));
        line += times;
      }
      std::printf("%s\n", line.c_str());
      std::fflush(stdout);  // a run that is stopped has said what it had
    });
  }
  if (cached && !globals.json && !globals.quiet)
    std::printf("cache: inputs and outputs fit the last-level cache of %.0f MiB; GB/s are its, not memory's\n",
                last_level_cache_bytes() / (1024.0 * 1024.0));
  return 0;
}

int run_step(BenchStepOptions options, const std::string& device, const Globals& globals) {
  options.device = parse_device(device);
  const BenchStep b = bench_step(options);
  if (globals.json) {
    json line{{"bench", "step"},
              {"vit", options.vit},
              {"method", options.method},
              {"head", options.head},
              {"batch", options.batch},
              {"height", options.height},
              {"width", options.width},
              {"recompute", options.recompute},
              {"precision", options.precision},
              {"products", b.products},
              {"device", options.device.text()},
              {"isa", isa_name()},
              {"threads", thread_count()},
              {"step_s", b.step.median},
              {"step_fastest_s", b.step.fastest},
              {"forward_s", b.forward},
              {"backward_s", b.backward},
              {"update_s", b.update},
              {"backbone_forward_s", b.backbone_forward.median},
              {"backbone_forward_backward_s", b.backbone_forward_backward.median},
              {"inference_s", b.inference.median},
              {"peak_bytes", b.peak_bytes},
              {"tensor_peak_bytes", b.tensor_peak_bytes},
              {"saved_bytes", b.saved_bytes},
              {"trainable", b.trainable},
              {"parameters", b.parameters}};
    if (options.device.is_cuda()) {
      line["flowing_step_s"] = b.flowing;
      line["graph_step_s"] = b.graph;
      line["giving_s"] = b.giving;
      line["giving_graph_s"] = b.giving_graph;
      line["waits_per_step"] = b.waits;
      line["launches"] = b.launches;
      line["reserved_bytes"] = b.reserved_bytes;
      line["graphs_made"] = b.graphs;
    }
    std::printf("%s\n", line.dump().c_str());
    return 0;
  }
  const double mib = 1024.0 * 1024.0;
  std::printf("ViT-%s, %s, %s, %s, batch %lld, %lldx%lld, %s, %s, %d threads\n", options.vit.c_str(),
              options.method.c_str(), options.head.c_str(), options.precision.c_str(),
              static_cast<long long>(options.batch), static_cast<long long>(options.height),
              static_cast<long long>(options.width), options.device.text().c_str(), isa_name().c_str(), thread_count());
  std::printf("  products          %s\n", b.products.c_str());
  std::printf("  step              %8.3f s   (%.3f to %.3f over %d steps)\n", b.step.median, b.step.fastest,
              b.step.slowest, b.step.runs);
  std::printf("    forward         %8.3f s\n    backward        %8.3f s\n    update          %8.3f s\n", b.forward,
              b.backward, b.update);
  if (options.device.is_cuda()) {
    std::uint64_t kernels = 0;
    for (const auto& [name, count] : b.launches) kernels += count;
    std::printf("  without waiting   %8.3f s   (as graphs %.3f s)\n", b.flowing, b.graph);
    std::printf("    given in        %8.3f s   (as graphs %.3f s), %llu kernels\n", b.giving, b.giving_graph,
                static_cast<unsigned long long>(kernels));
  }
  std::printf("  backbone forward  %8.3f s   (and backward %.3f s)\n  inference         %8.3f s\n",
              b.backbone_forward.median, b.backbone_forward_backward.median, b.inference.median);
  std::printf("  peak above idle   %8.0f MiB (tensors %.0f MiB, kept for backward %.0f MiB)\n", b.peak_bytes / mib,
              b.tensor_peak_bytes / mib, b.saved_bytes / mib);
  std::printf("  parameters        %lld, trained %lld\n", static_cast<long long>(b.parameters),
              static_cast<long long>(b.trainable));
  return 0;
}

}  // namespace

void add_bench(CommandLine line, const Globals& globals) {
  CommandLine bench = line.command("bench", "Time ops and whole steps");
  bench.needs_command();
  auto op = std::make_shared<OpOptions>();
  CommandLine ops = bench.command("op", "Ops at real shapes beside the measured peaks");
  ops.option("names", op->names, "Ops, or modules (default: all ops)");
  ops.option("--compare", op->compare, "JSON lines of an earlier run");
  ops.option("--device", op->device, "cpu, cuda or cuda:N (default: cpu)");
  ops.option("--seconds", op->seconds, "Least time per case");
  ops.flag("--levels", op->levels, "Attention in five steps for learners (tensor/ops/levels), on a GPU");
  ops.runs([op, &globals] { return run_ops(*op, globals); });

  auto step = std::make_shared<BenchStepOptions>();
  CommandLine steps = bench.command("step", "One training step and one inference, whole system");
  steps.option("--vit", step->vit, "ti, s, b or l").one_of({"ti", "s", "b", "l"});
  steps.option("--head", step->head, "semantic_fpn or mask2former");
  steps.option("--method", step->method, "freeze, full or rein");
  steps.option("--batch", step->batch).positive();
  steps.option("--height", step->height).positive();
  steps.option("--width", step->width).positive();
  steps.option("--steps", step->steps, "Measured steps").positive();
  steps.flag("--layer-scale", step->layer_scale, "Blocks as DINOv2 has them");
  steps.flag("--recompute", step->recompute, "Run blocks again in backward instead of keeping their values");
  steps
      .option("--precision", step->precision,
              "f32, or bf16 (mixed): products with frozen weights; on CUDA also the adapter's, and TF32 in the head")
      .one_of({"f32", "bf16"});
  auto device = std::make_shared<std::string>("cpu");
  steps.option("--device", *device, "cpu, cuda or cuda:N (default: cpu)");
  steps.runs([step, device, &globals] { return run_step(*step, *device, globals); });
}

}  // namespace rein::train
