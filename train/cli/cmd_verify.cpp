// rein verify FILE|FOLDER: recorded cases of the official implementation, run by the code that trains.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "train/cli/checks.h"
#include "train/verify/verify.h"

namespace rein::train {
namespace {

struct Arguments {
  std::vector<std::string> paths, kinds;
  std::string dtype, device = "cpu";
};

std::string json_of(const VerifyResult& r) {
  using Status = VerifyResult::Status;
  nlohmann::ordered_json errors = nlohmann::ordered_json::array();
  // "error" is null where it is no number: JSON has no infinity.
  for (const TensorError& e : r.errors)
    errors.push_back({{"tensor", e.name}, {"error", e.error}, {"limit", e.limit}, {"why", e.why}});
  const nlohmann::ordered_json json = {{"file", r.file},
                                       {"kind", r.kind},
                                       {"dtype", r.dtype},
                                       {"status", r.status == Status::passed   ? "passed"
                                                  : r.status == Status::failed ? "failed"
                                                                               : "skipped"},
                                       {"compared", r.compared},
                                       {"tensor", r.tensor},
                                       {"error", r.error},
                                       {"limit", r.limit},
                                       {"errors", errors},
                                       {"kernels", r.kernels},
                                       {"seconds", r.seconds},
                                       {"notes", r.notes}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

int run(const Arguments& a, const Globals& globals) {
  VerifyOptions options;
  options.device = parse_device(a.device);
  options.kinds = a.kinds;
  if (a.dtype == "f64") options.dtypes = {DType::f64};
  if (a.dtype == "f32") options.dtypes = {DType::f32};
  const VerifySummary summary = verify({a.paths.begin(), a.paths.end()}, options, [&](const VerifyResult& r) {
    if (globals.json)
      std::printf("%s\n", json_of(r).c_str());
    else if (!globals.quiet || r.status == VerifyResult::Status::failed)
      std::printf("%s\n", r.text().c_str());
    std::fflush(stdout);
  });
  if (!globals.json) std::printf("%s\n", summary.text().c_str());
  if (!globals.json && summary.failed > 0) std::printf("%s\n", comparison_rule);
  return summary.ok() ? 0 : 1;
}

}  // namespace

void add_verify(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("verify", "hold this build against recorded reference cases");
  command.option("paths", a->paths, "cases (.safetensors), or folders of them").required();
  command.option("--kind", a->kinds, "only these kinds, with commas between").with_commas();
  command.option("--dtype", a->dtype, "f64 or f32 alone (default: both)").one_of({"f32", "f64"});
  command.option("--device", a->device, "cpu, cuda or cuda:N (default: cpu)");
  command.footer(comparison_rule);
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
