// rein inspect FILE|FOLDER: what a weight file or a checkpoint holds.
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "models/zoo/report.h"
#include "models/zoo/zoo.h"
#include "tensor/error.h"
#include "tensor/io/weight_file.h"
#include "train/bench/measure_load.h"
#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/convert/convert.h"
#include "train/error.h"
#include "train/run/checkpoint.h"
#include "train/run/load.h"

namespace rein::train {
namespace {

using nlohmann::ordered_json;

// Names in files from outside may hold any bytes.
void print_json(const ordered_json& json) {
  std::printf("%s\n", json.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
}

int inspect_checkpoint(const std::filesystem::path& path, bool as_json) {
  const std::filesystem::path folder = find_checkpoint(path);
  const CheckpointInfo info = read_checkpoint(folder);
  if (as_json) {
    print_json({{"checkpoint", folder.string()},
                {"step", info.step},
                {"method", info.method},
                {"seed", info.seed},
                {"backbone",
                 {{"file", info.backbone_file}, {"family", info.backbone_family}, {"sha256", info.backbone_sha256}}},
                {"classes", info.classes.names},
                {"program", {{"version", info.version}, {"isa", info.isa}, {"kernels", info.kernels}}}});
    return 0;
  }
  std::printf("checkpoint  step %lld, method %s, seed %lld\nbackbone    %s (%s), SHA-256 %s\nclasses     %d:",
              static_cast<long long>(info.step), info.method.c_str(), static_cast<long long>(info.seed),
              info.backbone_file.c_str(), info.backbone_family.c_str(), info.backbone_sha256.c_str(),
              info.classes.count());
  for (const std::string& name : info.classes.names) std::printf(" %s;", name.c_str());
  std::printf("\nwritten by  rein %s, %s, kernels %s\n", info.version.c_str(), info.isa.c_str(), info.kernels.c_str());
  return 0;
}

// What a file is, for both kinds of output.
struct Finding {
  std::optional<models::zoo::Recognised> model;
  std::string problem;  // why there is no model
  std::string rein;     // of a Rein checkpoint: what it holds
};

Finding find(const std::filesystem::path& path, const WeightFile& file, const models::zoo::Hints& hints) {
  Finding found;
  if (is_rein_checkpoint(file.names())) found.rein = models::zoo::other_contents(file.names());
  try {
    found.model = models::zoo::open_weights(path, hints).model;
  } catch (const std::exception& error) {
    found.problem = error.what();
  }
  return found;
}

// The text of an error without the file's name in front, which stands beside it.
std::string without_name(std::string problem, const std::string& name) {
  for (const std::string& start : {std::string("[zoo] "), std::string("[weights] "), std::string("[safetensors] "),
                                   std::string("[pth] "), std::string("no known ViT in "), name + ": "})
    if (problem.starts_with(start)) problem.erase(0, start.size());
  return problem;
}

std::string numbers(const std::array<double, 3>& v) {
  return concat_text(v[0], " ", v[1], " ", v[2]);
}

ordered_json model_json(const models::zoo::Recognised& m) {
  const models::VitOptions& o = m.options;
  return {{"text", m.text()},
          {"family", m.layout->family},
          {"layout", m.layout->name},
          {"size", models::zoo::size_name(o.dim, o.depth)},
          {"dim", o.dim},
          {"depth", o.depth},
          {"heads", o.heads},
          {"registers", o.registers},
          {"patch", o.patch},
          {"native", {m.native_height, m.native_width}},
          {"mean", m.mean},
          {"std", m.std}};
}

void print_model(const models::zoo::Recognised& m) {
  const models::VitOptions& o = m.options;
  const std::string size(models::zoo::size_name(o.dim, o.depth));
  std::printf("model: %s\n", m.text().c_str());
  std::printf("  family      %s%s%s\n", std::string(m.layout->family).c_str(), size.empty() ? "" : ", ", size.c_str());
  std::printf("  patch       %lld x %lld pixels\n", static_cast<long long>(o.patch), static_cast<long long>(o.patch));
  std::printf("  native      %lld x %lld pixels%s\n", static_cast<long long>(m.native_height),
              static_cast<long long>(m.native_width),
              o.position_table ? "" : " (any size: there is no position table)");
  std::printf("  images      RGB from 0 to 1, mean %s, std %s\n", numbers(m.mean).c_str(), numbers(m.std).c_str());
}

int inspect_file(const std::filesystem::path& path, bool tensors, bool as_json, const models::zoo::Hints& hints) {
  const auto file = open_weight_file(path);
  const std::vector<std::string> names = file->names();
  std::int64_t elements = 0;
  std::map<std::string, std::size_t> dtypes;
  for (const std::string& name : names) {
    const WeightFile::Entry entry = file->entry(name);
    elements += entry.shape.count();
    ++dtypes[entry.file_dtype];
  }
  const Finding found = find(path, *file, hints);
  if (as_json) {
    ordered_json json = {{"file", path.string()},
                         {"format", file->format()},
                         {"tensors", names.size()},
                         {"elements", elements},
                         {"bytes", file->file_bytes()},
                         {"dtypes", dtypes},
                         {"model", found.model ? model_json(*found.model) : ordered_json(nullptr)},
                         {"rein_checkpoint", found.rein.empty() ? ordered_json(nullptr) : ordered_json(found.rein)},
                         {"problem", found.problem},
                         {"metadata", file->metadata()}};
    for (const std::string& name : names) {
      if (!tensors) break;
      const WeightFile::Entry entry = file->entry(name);
      json["shapes"][name] = {{"dtype", entry.file_dtype}, {"shape", entry.shape.text()}};
    }
    print_json(json);
    return 0;
  }
  std::printf("%s: %s, %zu tensors, %lld elements, %zu bytes (", path.c_str(), std::string(file->format()).c_str(),
              names.size(), static_cast<long long>(elements), file->file_bytes());
  const char* comma = "";
  for (const auto& [dtype, count] : dtypes) {
    std::printf("%s%zu %s", comma, count, dtype.c_str());
    comma = ", ";
  }
  std::printf(")\n");
  if (found.model)
    print_model(*found.model);
  else if (!found.rein.empty())
    std::printf("%s\n", found.rein.c_str());
  else
    std::printf("no known backbone: %s\n", without_name(found.problem, path.string()).c_str());
  for (const auto& [key, value] : file->metadata()) std::printf("%s = %.200s\n", key.c_str(), value.c_str());
  if (!tensors) return 0;
  for (const std::string& name : names) {
    const WeightFile::Entry entry = file->entry(name);
    std::printf("%-60s %-5s %s\n", name.c_str(), entry.file_dtype.c_str(), entry.shape.text().c_str());
  }
  return 0;
}

// A folder of weight files: a line for each.
int inspect_folder(const std::filesystem::path& folder, bool as_json, const models::zoo::Hints& hints) {
  const auto files = weight_files_in(folder);
  if (files.empty())
    throw HintedError("[inspect] " + folder.string() +
                          ": this folder holds no weights (.safetensors, .pth, .pt, .bin), no checkpoint and no run",
                      "name a weight file, a folder with some, a checkpoint's folder or a run's");
  ordered_json list = ordered_json::array();
  for (const auto& path : files) {
    Finding found;
    try {
      found = find(path, *open_weight_file(path), hints);
    } catch (const std::exception& error) {
      found.problem = error.what();
    }
    const std::string name = path.filename().string();
    if (as_json)
      list.push_back({{"file", name},
                      {"model", found.model ? model_json(*found.model) : ordered_json(nullptr)},
                      {"rein_checkpoint", found.rein.empty() ? ordered_json(nullptr) : ordered_json(found.rein)},
                      {"problem", found.problem}});
    else
      std::printf("%s: %.300s\n", name.c_str(),
                  (found.model           ? found.model->text()
                   : !found.rein.empty() ? found.rein
                                         : without_name(found.problem, path.string()))
                      .c_str());
  }
  if (as_json) print_json({{"folder", folder.string()}, {"files", list}});
  return 0;
}

int inspect_load(const std::filesystem::path& path, bool as_json, const models::zoo::Hints& hints, bool trainable) {
  const LoadCost cost = measure_load(path, hints, trainable);
  if (as_json) {
    print_json({{"file", path.string()},
                {"open_seconds", cost.open_seconds},
                {"bind_seconds", cost.bind_seconds},
                {"touch_seconds", cost.touch_seconds},
                {"weights_bytes", cost.weights},
                {"own_bytes", cost.own},
                {"beyond_bytes", cost.beyond},
                {"largest_bytes", cost.largest}});
    return 0;
  }
  std::printf("open %.3f s, bind %.3f s, read all %.3f s\n", cost.open_seconds, cost.bind_seconds, cost.touch_seconds);
  std::printf("weights %s, of these in memory of our own %s; beyond them at most %s (largest tensor %s)\n",
              bytes_text(static_cast<double>(cost.weights)).c_str(), bytes_text(static_cast<double>(cost.own)).c_str(),
              bytes_text(static_cast<double>(cost.beyond)).c_str(),
              bytes_text(static_cast<double>(cost.largest)).c_str());
  return 0;
}

int inspect(const std::filesystem::path& path, bool tensors, bool as_json, const models::zoo::Hints& hints) {
  namespace fs = std::filesystem;
  if (!fs::is_directory(path)) return inspect_file(path, tensors, as_json, hints);
  // Checkpoints have a model.safetensors, too.
  if (fs::exists(path / "checkpoint.json") || fs::is_directory(path / "checkpoints"))
    return inspect_checkpoint(path, as_json);
  for (const char* weights : {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"})
    if (fs::exists(path / weights)) return inspect_file(path, tensors, as_json, hints);
  return inspect_folder(path, as_json, hints);
}

}  // namespace

void add_inspect(CommandLine line, const Globals& globals) {
  struct Arguments {
    std::string path;
    bool tensors = false, load = false, trainable = false;
    models::zoo::Hints hints;
  };
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("inspect", "say what a weight file or a checkpoint holds");
  command
      .option("path", a->path,
              "a .safetensors (or its index), .pth or .pt file, a folder of such files, a checkpoint or a run")
      .required();
  command.flag("--tensors", a->tensors, "list all tensors");
  command.flag("--load", a->load, "load the backbone as frozen weights, and say the time and memory that took");
  command.flag("--load-trainable", a->trainable, "the same into memory of our own, as for training it");
  command.option("--family", a->hints.family, "what the file is, where its names fit several families");
  command.option("--layout", a->hints.layout, "whose names and rules: dinov2_orig, clip_rein …, where several fit");
  command.option("--heads", a->hints.heads, "attention heads, where the width does not tell");
  command.runs([a, &globals] {
    if (a->load || a->trainable) return inspect_load(a->path, globals.json, a->hints, a->trainable);
    return inspect(a->path, a->tensors, globals.json, a->hints);
  });
}

}  // namespace rein::train
