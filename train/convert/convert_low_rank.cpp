// LoRA and SoMA for other programs: a backbone with their changes in its weights; peft's files, both ways.
#include <nlohmann/json.hpp>
#include <set>

#include "data/sets/description.h"
#include "models/adapters/lora.h"
#include "models/zoo/export.h"
#include "models/zoo/file_source.h"
#include "models/zoo/peft.h"
#include "nn/bind.h"
#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/weight_write.h"
#include "train/convert/convert.h"
#include "train/convert/import_parts.h"
#include "train/error.h"
#include "train/export/exported_tensors.h"
#include "train/run/load.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;
namespace zoo = models::zoo;

models::Lora& lora_of(models::Segmentor& model, const std::string& what) {
  auto* lora = dynamic_cast<models::Lora*>(model.backbone().adapter());
  if (lora == nullptr) throw HintedError("[convert] " + what + " is not of method lora", "peft files hold LoRA alone");
  return *lora;
}

const zoo::Layout& layout_of(const Conversion& c, const BuiltModel& built) {
  return zoo::layout_named(c.layout.empty() ? built.layout : c.layout);
}

// What peft calls the layers: their names without the blocks' numbers where all blocks are tuned, else whole.
std::set<std::string> target_modules(const zoo::Layout& layout, const models::Lora& lora) {
  std::set<std::string> names;
  const bool all = lora.matrices().front().block == 0;
  for (const models::TunedMatrix& m : lora.matrices()) {
    const std::string name = zoo::layer_name(layout, m), number = concat_text(".", m.block, ".");
    const std::size_t at = name.find(number);
    names.insert(all && at != name.npos ? name.substr(at + number.size()) : name);
  }
  return names;
}

}  // namespace

Converted export_merged(const fs::path& checkpoint, const fs::path& out, const Conversion& c, const fs::path& backbone,
                        const fs::path& weights) {
  LoadedModel loaded = load_trained(checkpoint, backbone, weights, "f32", Form::merged);
  if (loaded.built.model->backbone().adapter() != nullptr)
    throw HintedError("[convert] method " + loaded.info.method + " cannot be merged into a backbone's weights",
                      "LoRA and SoMA can; rein export writes any model as one file");
  const zoo::Layout& layout = layout_of(c, loaded.built);
  std::vector<TensorToWrite> items;
  for (TensorToWrite& item : exported_tensors(*loaded.built.model, layout)) {
    const std::string prefix = vit_prefix;
    if (!item.name.starts_with(prefix)) continue;
    const std::string name = item.name.substr(prefix.size());
    const DType to = c.dtype.value_or(DType::f32);
    items.push_back({name, to, item.shape, [=, read = item.read] { return zoo::narrowed(read(), to, name); }});
  }
  write_converted(out, items, {{"format", "pt"}, {zoo::layout_key, std::string(layout.name)}});
  return {concat_text("checkpoint ", checkpoint.string(), ", ", loaded.built.description),
          concat_text("the backbone as ", layout.name),
          items.size(),
          {}};
}

Converted export_peft(const fs::path& checkpoint, const fs::path& out, const Conversion& c, const fs::path& backbone,
                      const fs::path& weights) {
  require(out.extension() == ".safetensors", "convert", "peft's files end in .safetensors, got ", out.string());
  LoadedModel loaded = load_trained(checkpoint, backbone, weights, "f32");
  models::Lora& lora = lora_of(*loaded.built.model, checkpoint.string());
  const zoo::Layout& layout = layout_of(c, loaded.built);
  const std::map<std::string, std::string> names = zoo::peft_names(layout, lora);
  std::vector<TensorToWrite> items;
  lora.visit([&](const std::string& path, nn::Param& p) {
    const std::string name = zoo::peft_prefix + names.at(path);
    items.push_back(TensorToWrite::of(name, zoo::narrowed(p.value.value(), c.dtype.value_or(DType::f32), name)));
  });
  const models::Settings& settings = loaded.config.methods.at("lora");
  const nlohmann::ordered_json json = {{"peft_type", "LORA"},
                                       {"base_model_name_or_path", loaded.info.backbone_file},
                                       {"r", settings.integer("rank")},
                                       {"lora_alpha", settings.number("alpha")},
                                       {"lora_dropout", 0.0},
                                       {"bias", "none"},
                                       {"fan_in_fan_out", false},
                                       {"inference_mode", true},
                                       {"target_modules", target_modules(layout, lora)}};
  write_converted(out, items, {{"format", "pt"}});
  write_file_atomically(out.parent_path() / "adapter_config.json", std::string_view(json.dump(2) + "\n"));
  return {
      concat_text("checkpoint ", checkpoint.string()), concat_text("peft's names of ", layout.name), items.size(), {}};
}

bool is_peft_adapter(const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [](const std::string& name) { return name.ends_with(".lora_A.weight"); });
}

Converted import_peft(const fs::path& file, const fs::path& folder, const fs::path& config_file, const Roots& roots) {
  require_new(folder);
  const Config config = resolved_config(config_file, roots);
  const data::ClassSet classes = data::read_description(config.data.dataset).classes;
  const BuiltModel built = build_model(config, classes.count());
  models::Lora& lora = lora_of(*built.model, config_file.string());
  const zoo::FileSource theirs(file);
  std::map<std::string, Tensor> values;
  std::set<std::string> used;
  for (const auto& [ours, name] : zoo::peft_names(zoo::layout_named(built.layout), lora))
    for (const std::string& full : {zoo::peft_prefix + name, name})
      if (theirs.has(full)) {
        values[ours] = theirs.read(full, DType::f32);
        used.insert(full);
      }
  const nn::MapSource source(std::move(values), file.string());
  nn::BindReport report = nn::bind(lora, source, DType::f32);
  for (const std::string& name : theirs.names())
    if (!used.contains(name)) report.unexpected.push_back(name);
  if (!report.ok())
    throw HintedError(
        concat_text("[convert] ", file.string(), " does not fit the LoRA of the configuration:\n", report.text()),
        "model.lora.rank and model.lora.targets must be the adapter's (adapter_config.json beside it); "
        "alpha is in no tensor: set model.lora.alpha, too");
  write_new_checkpoint(folder, info_of(config, built, classes), config, *built.model);
  return {concat_text("peft adapter, ", theirs.names().size(), " tensors"),
          concat_text("checkpoint of ", built.description, "; the head is at its start"),
          used.size(),
          {}};
}

}  // namespace rein::train
