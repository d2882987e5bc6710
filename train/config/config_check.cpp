// What follows from other fields, which values are allowed, and where the files are.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "tensor/error.h"
#include "tensor/text.h"
#include "train/config/config.h"
#include "train/config/protocol.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

// Far above any use, far below where sizes overflow.
constexpr std::int64_t max_side = 32768, max_channels = 65536, max_threads = 1024;

class Checker {
 public:
  explicit Checker(std::string file) : file_(std::move(file)) {}

  template <class T>
  void need(bool ok, const std::string& key, const std::string& rule, const T& got) const {
    if (!ok) throw std::runtime_error(concat_text("[config] ", file_, ": \"", key, "\" must be ", rule, ", got ", got));
  }
  void at_least(std::int64_t low, const std::string& key, std::int64_t got) const {
    need(got >= low, key, "at least " + std::to_string(low), got);
  }
  void within(std::int64_t low, std::int64_t high, const std::string& key, std::int64_t got) const {
    need(got >= low && got <= high, key, concat_text("within ", low, " and ", high), got);
  }
  void finite(const std::string& key, double got) const { need(std::isfinite(got), key, "a finite number", got); }
  void above_zero(const std::string& key, double got) const {
    need(std::isfinite(got) && got > 0, key, "above 0", got);
  }
  void not_negative(const std::string& key, double got) const {
    need(std::isfinite(got) && got >= 0, key, "0 or more", got);
  }
  void probability(const std::string& key, double got) const { need(got >= 0 && got <= 1, key, "within 0 and 1", got); }
  void one_of(const std::vector<std::string>& known, const std::string& key, const std::string& got) const {
    if (std::ranges::find(known, got) == known.end())
      need(false, key, "one of " + quoted_list(known), "\"" + got + "\"" + did_you_mean(got, known));
  }

 private:
  std::string file_;
};

void check_model(const Config& c, const Checker& k) {
  k.need(!c.model.backbone.empty(), "model.backbone", "a safetensors file", "nothing");
  k.one_of({"file", "random"}, "model.weights", c.model.weights);
  k.one_of(models::method_names(), "model.method", c.model.method);
  k.one_of({"semantic_fpn", "mask2former"}, "model.head", c.model.head);
  k.one_of({"f32", "bf16"}, "model.precision", c.model.precision);
  k.need(c.model.precision == "f32" || !models::method_named(c.model.method).trains_backbone, "model.precision",
         "f32 when the method is full: only frozen weights are rounded", c.model.precision);
  k.within(0, max_channels, "model.heads", c.model.heads);
  k.within(0, max_side, "model.patch", c.model.patch);
  k.within(1, max_side, "model.image_size", c.model.image_size);
  const auto& out = c.model.out_indices;
  const bool ascending = std::ranges::adjacent_find(out, std::ranges::greater_equal()) == out.end();
  k.need(out.empty() || (out.size() == 4 && ascending && out[0] >= 0 && out[3] < max_channels), "model.out_indices",
         "empty or four block indices in ascending order",
         concat_text(out.size(), " of them", ascending ? "" : ", not ascending"));
  k.within(1, max_channels, "model.groups", c.model.groups);
  k.within(1, max_channels, "model.fpn_channels", c.model.fpn_channels);
  k.within(1, max_channels, "model.head_channels", c.model.head_channels);
  k.need(c.model.head_channels % c.model.groups == 0, "model.groups", "a divisor of model.head_channels",
         c.model.groups);
  k.need(c.model.dropout >= 0 && c.model.dropout < 1, "model.dropout", "within 0 and below 1", c.model.dropout);
  k.need(c.model.mean.empty() || c.model.mean.size() == 3, "model.mean", "empty or three numbers", c.model.mean.size());
  k.need(c.model.std.empty() || c.model.std.size() == 3, "model.std", "empty or three numbers", c.model.std.size());
  for (const double m : c.model.mean) k.finite("model.mean", m);
  for (const double s : c.model.std) k.above_zero("model.std", s);
  for (const models::MethodEntry& entry : models::methods()) {
    for (const models::Setting& setting : entry.settings) {
      const std::string key = "model." + entry.name + "." + setting.key;
      const models::SettingValue& value = c.methods.at(entry.name).value(setting.key);
      if (const auto* whole = std::get_if<std::int64_t>(&value)) k.within(setting.least, setting.most, key, *whole);
      if (const auto* number = std::get_if<double>(&value)) k.finite(key, *number);
    }
  }
}

void check_data(const Config& c, const Checker& k) {
  k.need(!c.data.dataset.empty(), "data.dataset", "a description file", "nothing");
  k.within(1, max_side, "data.crop", c.data.crop);
  for (const std::int64_t edge : c.data.short_edges) k.within(1, 4 * max_side, "data.short_edges", edge);
  k.within(1, max_side, "data.max_long_edge", c.data.max_long_edge);
  k.probability("data.cat_max_ratio", c.data.cat_max_ratio);
  k.probability("data.flip", c.data.flip);
  k.within(1, max_threads, "data.workers", c.data.workers);
}

void check_train(const Config& c, const Checker& k) {
  const TrainConfig& t = c.train;
  k.at_least(1, "train.iterations", t.iterations);
  k.within(1, max_channels, "train.batch", t.batch);
  k.need(t.micro_batch >= 1 && t.batch % t.micro_batch == 0, "train.micro_batch",
         "a divisor of train.batch (" + std::to_string(t.batch) + ")", t.micro_batch);
  k.above_zero("train.lr", t.lr);
  k.need(t.lr < 1, "train.lr", "below 1", t.lr);
  k.not_negative("train.backbone_lr", t.backbone_lr);
  k.not_negative("train.weight_decay", t.weight_decay);
  k.need(t.beta1 >= 0 && t.beta1 < 1, "train.beta1", "within 0 and below 1", t.beta1);
  k.need(t.beta2 >= 0 && t.beta2 < 1, "train.beta2", "within 0 and below 1", t.beta2);
  k.above_zero("train.eps", t.eps);
  k.not_negative("train.clip", t.clip);
  k.not_negative("train.power", t.power);
  k.at_least(0, "train.warmup", t.warmup);
  k.need(t.zero_at > t.warmup || t.power == 0 || t.warmup >= t.iterations, "train.zero_at",
         "above train.warmup (" + std::to_string(t.warmup) + ")", t.zero_at);
  k.probability("train.warmup_start", t.warmup_start);
  k.at_least(0, "train.seed", t.seed);
  k.at_least(0, "train.eval_every", t.eval_every);
  k.at_least(1, "train.checkpoint_every", t.checkpoint_every);
  k.at_least(1, "train.keep_last", t.keep_last);
  k.within(0, max_threads, "train.threads", t.threads);
}

void check_pretrain(const Config& c, const Checker& k) {
  const PretrainConfig& p = c.pretrain;
  k.within(1, max_side, "pretrain.patch", p.patch);
  k.within(4, max_channels, "pretrain.width", p.width);
  k.within(1, 1000, "pretrain.depth", p.depth);
  k.within(0, max_channels, "pretrain.heads", p.heads);
  k.need(p.width % 4 == 0, "pretrain.width", "a multiple of 4", p.width);
  k.need(p.heads > 0 ? p.width % p.heads == 0 : p.width % 64 == 0, p.heads > 0 ? "pretrain.heads" : "pretrain.width",
         p.heads > 0 ? "a divisor of pretrain.width" : "a multiple of 64, or pretrain.heads be given",
         p.heads > 0 ? p.heads : p.width);
  k.within(4, max_channels, "pretrain.decoder_width", p.decoder_width);
  k.need(p.decoder_width % 4 == 0, "pretrain.decoder_width", "a multiple of 4", p.decoder_width);
  k.within(1, 1000, "pretrain.decoder_depth", p.decoder_depth);
  k.need(p.decoder_heads >= 1 && p.decoder_width % p.decoder_heads == 0, "pretrain.decoder_heads",
         "a divisor of pretrain.decoder_width", p.decoder_heads);
  k.need(p.hidden > 0 && p.hidden < 1, "pretrain.hidden", "above 0 and below 1", p.hidden);
  k.need(c.data.crop % p.patch == 0 && c.data.crop >= 2 * p.patch, "data.crop",
         "a multiple of pretrain.patch, twice as large or more", c.data.crop);
  k.one_of({"same", "other_style"}, "pretrain.target", p.target);
  k.need(p.target == "same" || (c.train.batch % 2 == 0 && c.train.micro_batch % 2 == 0), "train.batch",
         "even, and train.micro_batch too, when photos come in pairs of styles", c.train.batch);
  k.one_of({"patch", "photo"}, "pretrain.normalise", p.normalise);
  k.above_zero("pretrain.variance_floor", p.variance_floor);
  k.at_least(0, "pretrain.photos", p.photos);
  k.within(0, 1 << 20, "pretrain.cache_mib", p.cache_mib);
}

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? fs::path() : fs::path(value);
}

std::string existing(const std::string& key, const fs::path& folder, const std::string& value, const char* hint) {
  const fs::path path =
      fs::absolute(fs::path(value).is_absolute() ? fs::path(value) : folder / value).lexically_normal();
  if (!is_utf8(path.string()))  // configurations and checkpoints hold it, and they are UTF-8
    fail_runtime("config", "\"", key, "\": ", path.string(), " is not UTF-8; rename the file or folder");
  std::error_code error;
  if (!fs::exists(path, error)) fail_runtime("config", "\"", key, "\": there is no ", path.string(), hint);
  return path.string();
}

}  // namespace

std::int64_t default_stride(std::int64_t window) {
  return std::max<std::int64_t>(1, window * 2 / 3);
}

void complete(Config& c) {
  if (c.train.zero_at == 0) c.train.zero_at = std::max<std::int64_t>(1, c.train.iterations - 1);
  if (c.train.micro_batch == 0) c.train.micro_batch = c.train.batch;
  if (c.model.image_size == 0) c.model.image_size = c.data.crop;
  if (c.data.short_edges.empty())
    for (std::int64_t k = 5; k <= 20; ++k)
      c.data.short_edges.push_back(std::max<std::int64_t>(1, c.data.crop * k / 10));
  if (const Preset* preset = find_preset(c.eval.preset)) {
    if (c.eval.window == 0) c.eval.window = preset->window;
    if (c.eval.stride == 0 && c.eval.window == preset->window) c.eval.stride = preset->stride;
  }
  if (c.eval.stride == 0) c.eval.stride = default_stride(c.eval.window);
  for (TargetConfig& t : c.eval.targets) {
    if (t.stride == -1) t.stride = t.window == -1 ? c.eval.stride : default_stride(t.window);
    if (t.window == -1) t.window = c.eval.window;
    if (t.take_every == -1) t.take_every = c.eval.take_every;
  }
}

void check(const Config& c, const std::string& file) {
  const Checker k(file);
  if (c.purpose == Purpose::pretrain) {
    check_data(c, k);
    check_train(c, k);
    return check_pretrain(c, k);
  }
  check_model(c, k);
  check_data(c, k);
  check_train(c, k);
  const auto windows = [&](const std::string& section, std::int64_t window, std::int64_t stride, std::int64_t every) {
    k.within(0, max_side, section + ".window", window);
    k.need(window == 0 || (stride >= 1 && stride <= window), section + ".stride",
           "within 1 and the window (" + std::to_string(window) + ")", stride);
    k.at_least(1, section + ".take_every", every);
  };
  if (!c.eval.preset.empty()) {
    k.one_of(preset_names(), "eval.preset", c.eval.preset);
    // Scores under a published name must be those of the published windows.
    const Preset& preset = *find_preset(c.eval.preset);
    const std::string rule = " as eval.preset \"" + preset.name + "\" says, or be left out";
    k.need(c.eval.window == preset.window, "eval.window", std::to_string(preset.window) + rule, c.eval.window);
    k.need(c.eval.stride == preset.stride, "eval.stride", std::to_string(preset.stride) + rule, c.eval.stride);
  }
  windows("eval", c.eval.window, c.eval.stride, c.eval.take_every);
  k.within(1, max_channels, "eval.batch", c.eval.batch);
  for (const TargetConfig& t : c.eval.targets) windows("eval.target." + t.name, t.window, t.stride, t.take_every);
}

fs::path kept_scenes_folder() {
  return from_environment("REIN_SCENES_DIR");
}

void resolve_paths(Config& c, const fs::path& file, const Roots& roots) {
  const fs::path folder = fs::absolute(file).parent_path();
  const fs::path data = roots.data.empty() ? from_environment("REIN_DATA_DIR") : roots.data;
  const fs::path weights = roots.weights.empty() ? from_environment("REIN_WEIGHTS_DIR") : roots.weights;
  constexpr const char* data_hint = " (the data folder is given by --data-root or REIN_DATA_DIR)";
  const bool beside = c.model.backbone.starts_with("./") || c.model.backbone.starts_with("../");
  if (c.purpose == Purpose::train && roots.needs_backbone)
    c.model.backbone = existing("model.backbone", beside ? folder : weights, c.model.backbone,
                                " (the weights folder is given by --weights-root or REIN_WEIGHTS_DIR)");
  c.data.dataset = existing("data.dataset", folder, c.data.dataset, "");
  // Sets that are rendered have no root.
  if (!c.data.root.empty()) c.data.root = existing("data.root", data, c.data.root, data_hint);
  for (TargetConfig& t : c.eval.targets) {
    t.dataset = existing("eval.target." + t.name + ".dataset", folder, t.dataset, "");
    if (!t.root.empty()) t.root = existing("eval.target." + t.name + ".root", data, t.root, data_hint);
  }
}

}  // namespace rein::train
