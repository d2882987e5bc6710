#include "train/run/checkpoint.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <vector>

#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/sha256.h"
#include "train/error.h"
#include "train/run/checkpoint_json.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* model_name = "model.safetensors";
constexpr const char* optimizer_name = "optimizer.safetensors";
constexpr const char* config_name = "config.toml";
constexpr const char* info_name = "checkpoint.json";

std::map<std::string, Tensor> optimizer_tensors(nn::Module& model, const AdamW& optimizer) {
  std::map<std::string, const nn::Param*> params;
  model.visit([&](const std::string& path, nn::Param& p) { params[path] = &p; });
  std::map<std::string, Tensor> tensors;
  for (const AdamW::Slot& slot : optimizer.slots()) {
    if (slot.steps == 0) continue;  // never had a gradient
    const nn::Param& param = *params.at(slot.name);
    tensors[slot.name + ".exp_avg"] = nn::to_file_layout(param, slot.exp_avg).to(Device{});
    tensors[slot.name + ".exp_avg_sq"] = nn::to_file_layout(param, slot.exp_avg_sq).to(Device{});
    tensors[slot.name + ".step"] = Tensor::from(std::vector<std::int64_t>{slot.steps}, Shape{});
  }
  return tensors;
}

FileRecord record_of(const fs::path& file) {
  return {static_cast<std::int64_t>(fs::file_size(file)), sha256_of_file(file)};
}

void throw_unless(const nn::BindReport& report, const fs::path& file) {
  if (!report.ok()) fail_runtime("checkpoint", file.string(), " does not fit the model:\n", report.text());
}

}  // namespace

void write_checkpoint(const fs::path& folder, const CheckpointInfo& info, const Config& config, nn::Module& model,
                      const AdamW& optimizer) {
  const fs::path parent = folder.parent_path();
  const fs::path beside = parent / (".tmp-" + folder.filename().string());
  fs::remove_all(beside);
  fs::create_directory(beside);
  try {
    const std::map<std::string, std::string> metadata = {{"format", "rein-checkpoint-1"}};
    write_safetensors(beside / model_name,
                      nn::collect(model, [](const std::string&, const nn::Param& p) { return !p.frozen; }), metadata);
    write_safetensors(beside / optimizer_name, optimizer_tensors(model, optimizer), metadata);
    write_file_atomically(beside / config_name, std::string_view(config_text(config)));
    FileRecords files;
    for (const char* name : {model_name, optimizer_name, config_name}) files[name] = record_of(beside / name);
    write_file_atomically(beside / info_name, std::string_view(info_to_json(info, files)));
    sync_folder(beside);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(beside, ignored);
    throw;
  }
  if (fs::exists(folder)) {  // a rename cannot replace a folder that is not empty
    const fs::path old = parent / (".old-" + folder.filename().string());
    fs::remove_all(old);
    fs::rename(folder, old);
    fs::rename(beside, folder);
    fs::remove_all(old);
  } else {
    fs::rename(beside, folder);
  }
  sync_folder(parent);
}

CheckpointInfo read_checkpoint(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail_runtime("checkpoint", "there is no folder ", folder.string());
  if (!fs::is_regular_file(folder / info_name))
    fail_runtime("checkpoint", folder.string(), " has no ", info_name, ": it is not a checkpoint");
  auto [info, files] = info_from_json(folder / info_name);
  for (const auto& [name, wanted] : files) {
    const fs::path file = folder / name;
    if (!fs::is_regular_file(file)) fail_runtime("checkpoint", folder.string(), " lacks ", name);
    const auto bytes = static_cast<std::int64_t>(fs::file_size(file));
    if (bytes != wanted.bytes)
      fail_runtime("checkpoint", file.string(), " has ", bytes, " bytes, must have ", wanted.bytes,
                   ": it was cut or changed");
    if (const std::string got = sha256_of_file(file); got != wanted.sha256)
      fail_runtime("checkpoint", file.string(), " was changed: its SHA-256 is ", got, ", must be ", wanted.sha256);
  }
  return info;
}

Config read_checkpoint_config(const fs::path& folder, Purpose purpose) {
  return read_config(folder / config_name, {}, purpose);
}

void check_backbone(const CheckpointInfo& info, const fs::path& backbone, const std::string& sha256) {
  if (sha256 == info.backbone_sha256) return;
  throw HintedError(concat_text("[checkpoint] was trained on another backbone file: ", info.backbone_file, " (SHA-256 ",
                                info.backbone_sha256, "), got ", backbone.string(), " (SHA-256 ", sha256, ")"),
                    "give the backbone file that the checkpoint was trained on");
}

void load_model(const fs::path& folder, nn::Module& model) {
  const fs::path path = folder / model_name;
  const SafeTensors file = SafeTensors::open(path);
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names()) tensors[name] = file.tensor(name);
  std::set<std::string> trained;
  DType dtype = DType::f32;
  model.visit([&](const std::string& name, nn::Param& p) {
    if (p.frozen) return;
    trained.insert(name);
    if (p.value) dtype = p.value.dtype();
  });
  const nn::MapSource source(std::move(tensors), path.string());
  throw_unless(nn::bind(model, source, dtype, [&](const std::string& name) { return trained.contains(name); }), path);
}

void load_optimizer(const fs::path& folder, nn::Module& model, AdamW& optimizer) {
  const fs::path path = folder / optimizer_name;
  const SafeTensors file = SafeTensors::open(path);
  std::map<std::string, const nn::Param*> params;
  model.visit([&](const std::string& name, nn::Param& p) { params[name] = &p; });
  nn::BindReport report;
  std::set<std::string> used;
  struct State {
    Tensor exp_avg, exp_avg_sq;
    std::int64_t steps = 0;
  };
  std::vector<State> states;
  for (const AdamW::Slot& slot : optimizer.slots()) {
    const nn::Param& param = *params.at(slot.name);
    State state;
    const std::array<std::string, 3> names = {slot.name + ".exp_avg", slot.name + ".exp_avg_sq", slot.name + ".step"};
    const auto present = std::ranges::count_if(names, [&](const std::string& n) { return file.has(n); });
    used.insert(names.begin(), names.end());
    const auto read = [&](const std::string& name, const Shape& shape, DType dtype) -> Tensor {
      if (!file.has(name)) {
        report.missing.push_back(name);
      } else if (const Tensor t = file.tensor(name); t.shape() != shape || t.dtype() != dtype) {
        report.misshapen.push_back(
            concat_text(name, ": must be ", shape, " ", name_of(dtype), ", got ", t.shape(), " ", name_of(t.dtype())));
      } else {
        return t;
      }
      return {};
    };
    if (present > 0) {  // a parameter that never had a gradient has no state
      const DType dtype = slot.param.dtype();
      const Tensor m = read(names[0], param.file_shape(), dtype), v = read(names[1], param.file_shape(), dtype);
      const Tensor steps = read(names[2], Shape{}, DType::i64);
      if (m && v && steps)
        state = {nn::to_memory_layout(param, m).clone(), nn::to_memory_layout(param, v).clone(),
                 steps.data<std::int64_t>()[0]};
    }
    states.push_back(std::move(state));
  }
  for (const std::string& name : file.names())
    if (!used.contains(name)) report.unexpected.push_back(name);
  throw_unless(report, path);
  for (std::size_t i = 0; i < states.size(); ++i) {
    AdamW::Slot& slot = optimizer.slots()[i];
    const Device device = slot.param.value().device();
    slot.exp_avg = states[i].exp_avg.to(device);
    slot.exp_avg_sq = states[i].exp_avg_sq.to(device);
    slot.steps = states[i].steps;
  }
}

}  // namespace rein::train
