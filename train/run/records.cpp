#include "train/run/records.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "tensor/memory.h"
#include "tensor/parallel.h"

namespace rein::train {

using nlohmann::ordered_json;

std::string step_line(const StepReport& r) {
  ordered_json json = {
      {"step", r.step}, {"loss", r.loss}, {"acc", nullptr}, {"lr", r.lr}, {"grad_norm", r.gradient_norm}};
  if (r.accuracy) json["acc"] = *r.accuracy;
  if (r.bad_costs > 0) json["bad_costs"] = r.bad_costs;
  if (r.no_labels) json["no_labels"] = true;
  return json.dump() + "\n";
}

std::string evaluation_line(std::int64_t step, const std::vector<TargetScore>& scores) {
  ordered_json json = {{"step", step}};
  json["eval"] = ordered_json::parse(scores_to_json(scores));
  return json.dump() + "\n";
}

std::string timing_line(const StepReport& r) {
  const ordered_json json = {{"step", r.step},
                             {"seconds", r.seconds},
                             {"waited", r.waited},
                             {"forward", r.forward},
                             {"backward", r.backward},
                             {"update", r.update},
                             {"threads", thread_count()},
                             {"tensor_peak_bytes", memory_stats().peak},
                             {"process_peak_bytes", peak_process_bytes()}};
  return json.dump() + "\n";
}

std::int64_t peak_process_bytes() {
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    if (word != "VmHWM:") continue;
    std::int64_t kib = 0;
    status >> kib;
    return kib * 1024;
  }
  return 0;
}

}  // namespace rein::train
