#include "train/run/run_record.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tensor/error.h"
#include "tensor/io/safetensors.h"
#include "train/config/config.h"
#include "train/run/checkpoint.h"
#include "train/run/load.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::optional<double> number(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

RecordedSet set_of(const nlohmann::ordered_json& object) {
  RecordedSet set;
  set.name = object.value("name", "");
  set.labels_of = object.value("labels_of", "");
  set.resize = object.value("resize", "");
  set.photos = object.value("photos", std::int64_t{0});
  set.window = object.value("window", std::int64_t{0});
  set.stride = object.value("stride", std::int64_t{0});
  set.in_mean = object.value("in_mean", true);
  set.miou = number(object, "miou");
  set.pixel_accuracy = number(object, "pixel_accuracy");
  if (object.contains("iou"))
    for (const auto& [name, value] : object.at("iou").items())
      set.ious.emplace_back(name, value.is_number() ? std::optional(value.get<double>()) : std::nullopt);
  return set;
}

void read_metrics(RunRecord& run) {
  const fs::path file = run.folder / "metrics.jsonl";
  std::ifstream in(file);
  if (!in) return;
  std::int64_t at = 0;
  for (std::string line; std::getline(in, line);) {
    ++at;
    if (in.eof()) break;  // no newline: the line is not whole
    try {
      const auto object = nlohmann::ordered_json::parse(line);
      const std::int64_t step = object.at("step").get<std::int64_t>();
      if (object.contains("loss")) {
        run.steps.push_back({step, number(object, "loss").value_or(0), number(object, "lr").value_or(0)});
      } else if (object.contains("eval")) {
        RecordedEvaluation evaluation{step, number(object.at("eval"), "mean_miou"), {}};
        for (const auto& set : object.at("eval").at("sets")) evaluation.sets.push_back(set_of(set));
        run.evaluations.push_back(std::move(evaluation));
      }
    } catch (const json::exception&) {
      fail_runtime("report", file.string(), ":", at, ": this is no line of metrics");
    }
  }
}

void read_timing(RunRecord& run) {
  std::ifstream in(run.folder / "timing.jsonl");
  std::vector<double> seconds;
  for (std::string line; std::getline(in, line);) {
    const json object = json::parse(line, nullptr, false);
    if (!object.is_object()) continue;  // a killed process leaves half a line
    if (const auto s = number(object, "seconds")) seconds.push_back(*s);
    run.peak_bytes =
        std::max(run.peak_bytes, static_cast<std::int64_t>(number(object, "process_peak_bytes").value_or(0)));
    run.threads = static_cast<int>(number(object, "threads").value_or(0));
  }
  if (seconds.empty()) return;
  std::ranges::nth_element(seconds, seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2));
  run.step_seconds = seconds[seconds.size() / 2];
}

void read_configuration(RunRecord& run) {
  const fs::path file = run.folder / "config.toml";
  std::ifstream in(file);
  if (!in) return;
  std::ostringstream text;
  text << in.rdbuf();
  run.config = text.str();
  const bool pretraining = run.config.starts_with("[pretrain]");
  const Config config = parse_config(run.config, file.string(), {}, pretraining ? Purpose::pretrain : Purpose::train);
  run.method = pretraining ? "pretrain" : config.model.method;
  if (!pretraining) {
    run.head = config.model.head;
    run.backbone = fs::path(config.model.backbone).filename().string();
  }
  run.dataset = fs::path(config.data.dataset).stem().string();
  run.split = config.data.split;
  run.iterations = config.train.iterations;
  run.batch = config.train.batch;
  run.seed = config.train.seed;
}

}  // namespace

const RecordedEvaluation* RunRecord::shown() const {
  if (evaluations.empty()) return nullptr;
  for (auto e = evaluations.rbegin(); e != evaluations.rend(); ++e)
    if (checkpoint_step && e->step == *checkpoint_step) return &*e;
  return &evaluations.back();
}

RunRecord read_run(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail_runtime("report", "there is no folder ", folder.string());
  if (!fs::exists(folder / "metrics.jsonl") && !fs::exists(folder / "config.toml"))
    fail_runtime("report", folder.string(),
                 " is not the folder of a run: it has neither metrics.jsonl nor config.toml");
  RunRecord run;
  run.folder = folder;
  run.name = fs::absolute(folder).lexically_normal().filename().string();
  if (run.name.empty()) run.name = fs::absolute(folder).lexically_normal().parent_path().filename().string();
  read_configuration(run);
  read_metrics(run);
  read_timing(run);
  fs::path checkpoint;
  try {
    checkpoint = find_checkpoint(folder);
  } catch (const std::runtime_error&) {
    return run;  // none yet
  }
  if (fs::exists(checkpoint / "checkpoint.json")) {
    const CheckpointInfo info = read_checkpoint(checkpoint);
    run.checkpoint_step = info.step;
    run.isa = info.isa;
    run.version = info.version;
    // A checkpoint holds what is trained, and nothing else.
    const SafeTensors model = SafeTensors::open(checkpoint / "model.safetensors");
    run.trained = 0;
    for (const std::string& name : model.names()) *run.trained += model.entry(name).shape.count();
  }
  return run;
}

}  // namespace rein::train
