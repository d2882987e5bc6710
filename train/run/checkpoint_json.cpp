#include "train/run/checkpoint_json.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace rein::train {
namespace {

using nlohmann::ordered_json;
constexpr const char* format_name = "rein-checkpoint-1";
constexpr std::uintmax_t max_bytes = 16u << 20;

template <class T>
T get(const ordered_json& object, const char* key, const std::string& file) {
  if (!object.is_object() || !object.contains(key)) fail_runtime("checkpoint", file, " lacks \"", key, "\"");
  try {
    return object.at(key).get<T>();
  } catch (const nlohmann::json::exception&) {
    fail_runtime("checkpoint", file, ": \"", key, "\" has the wrong type");
  }
}

CheckpointInfo info_of(const ordered_json& json, const std::string& file) {
  if (json.is_discarded()) fail_runtime("checkpoint", file, " is not JSON: it was cut or changed");
  if (const auto format = get<std::string>(json, "format", file); format != format_name)
    fail_runtime("checkpoint", file, " has format \"", format, "\", must be \"", format_name, "\"");
  CheckpointInfo info;
  info.step = get<std::int64_t>(json, "step", file);
  info.seed = get<std::int64_t>(json, "seed", file);
  info.method = get<std::string>(json, "method", file);
  const auto backbone = get<ordered_json>(json, "backbone", file);
  info.backbone_file = get<std::string>(backbone, "file", file);
  info.backbone_sha256 = get<std::string>(backbone, "sha256", file);
  info.backbone_family = get<std::string>(backbone, "family", file);
  info.classes.names = get<std::vector<std::string>>(json, "classes", file);
  info.classes.palette = get<std::vector<data::Rgb>>(json, "palette", file);
  if (info.classes.names.empty() || info.classes.names.size() != info.classes.palette.size() ||
      info.classes.count() > data::max_classes)
    fail_runtime("checkpoint", file, " needs 1 to ", data::max_classes, " classes and a colour for each, has ",
                 info.classes.names.size(), " and ", info.classes.palette.size());
  info.norm.mean = get<std::array<float, 3>>(json, "mean", file);
  info.norm.std = get<std::array<float, 3>>(json, "std", file);
  const auto program = get<ordered_json>(json, "program", file);
  info.version = get<std::string>(program, "version", file);
  info.isa = get<std::string>(program, "isa", file);
  info.kernels = get<std::string>(program, "kernels", file);
  info.metrics_bytes = get<std::int64_t>(json, "metrics_bytes", file);
  if (json.contains("best")) {
    const auto best = get<ordered_json>(json, "best", file);
    info.best = BestScore{get<std::int64_t>(best, "step", file), get<double>(best, "miou", file)};
  }
  return info;
}

}  // namespace

std::string info_to_json(const CheckpointInfo& info, const FileRecords& files) {
  ordered_json json;
  json["format"] = format_name;
  json["step"] = info.step;
  json["seed"] = info.seed;
  json["method"] = info.method;
  json["backbone"] = {{"file", info.backbone_file}, {"sha256", info.backbone_sha256}, {"family", info.backbone_family}};
  json["classes"] = info.classes.names;
  json["palette"] = info.classes.palette;
  json["mean"] = info.norm.mean;
  json["std"] = info.norm.std;
  json["program"] = {{"version", info.version}, {"isa", info.isa}, {"kernels", info.kernels}};
  json["metrics_bytes"] = info.metrics_bytes;
  if (info.best) json["best"] = {{"step", info.best->step}, {"miou", info.best->miou}};
  for (const auto& [name, record] : files) json["files"][name] = {{"bytes", record.bytes}, {"sha256", record.sha256}};
  return json.dump(2) + "\n";
}

std::pair<CheckpointInfo, FileRecords> info_from_json(const std::filesystem::path& path) {
  const std::string file = path.string();
  if (std::filesystem::file_size(path) > max_bytes) fail_runtime("checkpoint", file, " is too large");
  std::ifstream in(path);
  const ordered_json json = ordered_json::parse(in, nullptr, false);
  CheckpointInfo info = info_of(json, file);
  FileRecords files;
  const auto list = get<ordered_json>(json, "files", file);
  for (const auto& [name, record] : list.items()) {
    if (name.find('/') != name.npos || name.starts_with("."))
      fail_runtime("checkpoint", file, ": bad name \"", name, "\"");
    files[name] = {get<std::int64_t>(record, "bytes", file), get<std::string>(record, "sha256", file)};
  }
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "config.toml"})
    if (!files.contains(name)) fail_runtime("checkpoint", file, " does not list ", name);
  return {info, files};
}

CheckpointInfo info_from_text(const std::string& text, const std::string& file) {
  return info_of(ordered_json::parse(text, nullptr, false), file);
}

}  // namespace rein::train
