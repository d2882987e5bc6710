#include "train/run/adapter_constants.h"

#include <optional>

#include "nn/bind.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/sha256.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* file_name = "adapter_constants.safetensors";
constexpr const char* key_name = "rein.key";
constexpr const char* digest_name = "rein.sha256";

using Tensors = std::map<std::string, Tensor>;

std::string digest_of(const Tensors& tensors) {
  Sha256 sha;
  for (const auto& [name, tensor] : tensors) {
    sha.update(name.data(), name.size());
    sha.update(tensor.raw(), tensor.bytes());
  }
  return sha.hex();
}

// Nothing where there is no such file, or one that is of something else or damaged.
std::optional<Tensors> read(const fs::path& file, const std::string& key) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  try {
    const SafeTensors found = SafeTensors::open(file);
    const auto& metadata = found.metadata();
    if (!metadata.contains(key_name) || metadata.at(key_name) != key || !metadata.contains(digest_name)) return {};
    Tensors tensors;
    for (const std::string& name : found.names()) tensors[name] = found.tensor(name);
    return digest_of(tensors) == metadata.at(digest_name) ? std::optional(std::move(tensors)) : std::nullopt;
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

}  // namespace

std::string constants_key(const Config& config, const std::string& backbone_sha256) {
  std::string key = backbone_sha256 + "\n" + config.model.method + "\nweights " + config.model.weights;
  if (config.model.weights == "random") key += ", seed " + std::to_string(config.train.seed);
  // The lines of the method's settings, as a configuration has them.
  const std::string text = config_text(config), start = "[model." + config.model.method + "]";
  const std::size_t from = text.find(start);
  return from == text.npos ? key : key + "\n" + text.substr(from, text.find("\n[", from) - from);
}

void start_adapter(models::Backbone& backbone, const std::string& key, const fs::path& folder) {
  models::Adapter* adapter = backbone.adapter();
  if (adapter == nullptr) return;
  std::optional<Tensors> known;
  if (!folder.empty()) known = read(folder / file_name, key);
  if (!known) return adapter->start_from(backbone.vit(), nullptr);
  const nn::MapSource source(std::move(*known), (folder / file_name).string());
  adapter->start_from(backbone.vit(), &source);
}

void keep_constants(models::Backbone& backbone, const std::string& key, const fs::path& folder) {
  if (backbone.adapter() == nullptr || read(folder / file_name, key)) return;
  Tensors constants;
  backbone.adapter()->visit([&](const std::string& path, nn::Param& p) {
    if (p.frozen) constants[path] = nn::to_file_layout(p, p.value.value().to(Device{}));
  });
  if (constants.empty()) return;
  write_safetensors(folder / file_name, constants, {{key_name, key}, {digest_name, digest_of(constants)}});
}

}  // namespace rein::train
