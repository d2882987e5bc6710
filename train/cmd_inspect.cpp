// rein inspect FILE|FOLDER: what a weight file or a checkpoint holds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "models/zoo/zoo.h"
#include "tensor/io/safetensors.h"
#include "train/checkpoint.h"
#include "train/commands.h"
#include "train/load.h"

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

int inspect_file(const std::filesystem::path& path, bool tensors, bool as_json) {
  const SafeTensors file = SafeTensors::open(path);
  std::int64_t elements = 0;
  for (const std::string& name : file.names()) elements += file.entry(name).shape.count();
  std::string model, problem;
  try {
    model = models::zoo::open_weights(path).model.text();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (as_json) {
    ordered_json json = {{"file", path.string()},
                         {"tensors", file.names().size()},
                         {"elements", elements},
                         {"bytes", file.file_bytes()},
                         {"model", problem.empty() ? ordered_json(model) : ordered_json(nullptr)},
                         {"problem", problem},
                         {"metadata", file.metadata()}};
    for (const std::string& name : file.names()) {
      if (!tensors) break;
      const SafeTensors::Entry& entry = file.entry(name);
      json["shapes"][name] = {{"dtype", entry.file_dtype}, {"shape", entry.shape.text()}};
    }
    print_json(json);
    return 0;
  }
  std::printf("%s: %zu tensors, %lld elements, %zu bytes\n", path.c_str(), file.names().size(),
              static_cast<long long>(elements), file.file_bytes());
  if (problem.empty())
    std::printf("model: %s\n", model.c_str());
  else
    std::printf("no known backbone: %s\n", problem.c_str());
  for (const auto& [key, value] : file.metadata()) std::printf("%s = %.200s\n", key.c_str(), value.c_str());
  if (!tensors) return 0;
  for (const std::string& name : file.names()) {
    const SafeTensors::Entry& entry = file.entry(name);
    std::printf("%-60s %-5s %s\n", name.c_str(), entry.file_dtype.c_str(), entry.shape.text().c_str());
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, const Globals& globals, Command& chosen) {
  struct Arguments {
    std::string path;
    bool tensors = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("inspect", "say what a weight file or a checkpoint holds");
  command->add_option("path", a->path, "a .safetensors file, or the folder of a checkpoint or a run")->required();
  command->add_flag("--tensors", a->tensors, "list all tensors");
  command->callback([a, &globals, &chosen] {
    chosen = [a, &globals] {
      return std::filesystem::is_directory(a->path) ? inspect_checkpoint(a->path, globals.json)
                                                    : inspect_file(a->path, a->tensors, globals.json);
    };
  });
}

}  // namespace rein::train
