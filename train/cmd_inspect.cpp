// rein inspect FILE|FOLDER: what a weight file or a checkpoint holds.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "models/zoo/zoo.h"
#include "tensor/io/safetensors.h"
#include "train/checkpoint.h"
#include "train/commands.h"

namespace rein::train {
namespace {

int inspect_checkpoint(const std::filesystem::path& folder) {
  const CheckpointInfo info = read_checkpoint(folder);
  std::printf("checkpoint  step %lld, method %s, seed %lld\nbackbone    %s (%s), SHA-256 %s\nclasses     %d:",
              static_cast<long long>(info.step), info.method.c_str(), static_cast<long long>(info.seed),
              info.backbone_file.c_str(), info.backbone_family.c_str(), info.backbone_sha256.c_str(),
              info.classes.count());
  for (const std::string& name : info.classes.names) std::printf(" %s;", name.c_str());
  std::printf("\nwritten by  rein %s, %s, kernels %s\n", info.version.c_str(), info.isa.c_str(), info.kernels.c_str());
  return 0;
}

int inspect_file(const std::filesystem::path& path, bool tensors) {
  const SafeTensors file = SafeTensors::open(path);
  std::int64_t elements = 0;
  for (const std::string& name : file.names()) elements += file.entry(name).shape.count();
  std::printf("%s: %zu tensors, %lld elements, %zu bytes\n", path.c_str(), file.names().size(),
              static_cast<long long>(elements), file.file_bytes());
  try {
    std::printf("model: %s\n", models::zoo::open_weights(path).model.text().c_str());
  } catch (const std::exception& error) {
    std::printf("no known backbone: %s\n", error.what());
  }
  for (const auto& [key, value] : file.metadata()) std::printf("%s = %.200s\n", key.c_str(), value.c_str());
  if (!tensors) return 0;
  for (const std::string& name : file.names()) {
    const SafeTensors::Entry& entry = file.entry(name);
    std::printf("%-60s %-5s %s\n", name.c_str(), entry.file_dtype.c_str(), entry.shape.text().c_str());
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, const Globals&, Command& chosen) {
  struct Arguments {
    std::string path;
    bool tensors = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("inspect", "say what a weight file or a checkpoint holds");
  command->add_option("path", a->path, "a .safetensors file, or a checkpoint's folder")->required();
  command->add_flag("--tensors", a->tensors, "list all tensors");
  command->callback([a, &chosen] {
    chosen = [a] {
      return std::filesystem::is_directory(a->path) ? inspect_checkpoint(a->path) : inspect_file(a->path, a->tensors);
    };
  });
}

}  // namespace rein::train
