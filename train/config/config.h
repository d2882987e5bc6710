// The configuration of a run: TOML text -> checked values -> TOML text. The keys are a closed set; every field stands
// once, with its text, in config_fields.cpp, and that list serves parsing, `--set`, writing and `rein train --keys`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/adapters/method.h"

namespace rein::train {

struct ModelConfig {
  std::string backbone;
  std::string weights = "file";
  std::string method = "rein";
  std::string head = "semantic_fpn";
  std::string family;
  std::string layout;
  std::int64_t heads = 0;
  std::int64_t patch = 0;
  std::int64_t image_size = 0;
  std::vector<std::int64_t> out_indices;
  std::int64_t fpn_channels = 256;
  std::int64_t head_channels = 128;
  std::int64_t groups = 32;
  double dropout = 0.1;
  std::string precision = "f32";
  std::vector<double> mean;
  std::vector<double> std;
};

struct DataConfig {
  std::string dataset;
  std::string root;
  std::string split = "train";
  std::int64_t crop = 512;
  std::vector<std::int64_t> short_edges;
  std::int64_t max_long_edge = 2048;
  double cat_max_ratio = 0.75;
  double flip = 0.5;
  bool photometric = true;
  std::int64_t workers = 1;
};

struct TrainConfig {
  std::int64_t iterations = 40000;
  std::int64_t batch = 4;
  std::int64_t micro_batch = 0;
  double lr = 1e-4;
  double backbone_lr = 1e-5;
  double weight_decay = 0.05;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double clip = 0;
  double power = 0.9;
  std::int64_t zero_at = 0;
  std::int64_t warmup = 0;
  double warmup_start = 1e-6;
  std::int64_t seed = 0;
  std::int64_t eval_every = 0;
  std::int64_t checkpoint_every = 1000;
  std::int64_t keep_last = 3;
  bool recompute = false;
  bool cuda_graph = false;
  std::int64_t threads = 0;
};

// One set to score on.
struct TargetConfig {
  std::string name;
  std::string dataset;
  std::string root;
  std::string split = "val";
  std::string resize;  // empty: what the data set's description says
  std::int64_t window = -1;
  std::int64_t stride = -1;
  std::int64_t take_every = -1;
  bool in_mean = true;
};

struct EvalConfig {
  std::string preset;
  std::int64_t window = 0;
  std::int64_t stride = 0;
  std::int64_t take_every = 1;
  std::int64_t batch = 4;
  std::vector<TargetConfig> targets;
};

// Masked autoencoding of a ViT, by `rein pretrain` alone.
struct PretrainConfig {
  std::int64_t patch = 16;
  std::int64_t width = 384;
  std::int64_t depth = 12;
  std::int64_t heads = 0;
  std::int64_t decoder_width = 256;
  std::int64_t decoder_depth = 4;
  std::int64_t decoder_heads = 8;
  double hidden = 0.75;
  std::string target = "same";
  std::string normalise = "patch";
  double variance_floor = 1e-6;
  std::int64_t photos = 0;
  std::int64_t cache_mib = 0;
};

// What a configuration is for. Each has its own closed set of keys; those of pretraining are data.*, train.* and
// pretrain.*, without what needs labels.
enum class Purpose { train, pretrain };

// Every method's settings, as declared in models/adapters.
std::map<std::string, models::Settings> default_settings();

struct Config {
  Purpose purpose = Purpose::train;
  PretrainConfig pretrain{};
  ModelConfig model;
  std::map<std::string, models::Settings> methods = default_settings();  // by method
  DataConfig data;
  TrainConfig train;
  EvalConfig eval;
};

// A field's place in a config object.
using FieldPointer =
    std::variant<std::string*, bool*, std::int64_t*, double*, std::vector<std::int64_t>*, std::vector<double>*>;
struct Field {
  std::string key;  // "train.lr"; of a target: "name"
  FieldPointer value;
  const char* text;  // what it means, its unit, what the default is
  // Says nothing about the numbers of a run: may change on resume (paths, threads, how often something is written).
  bool free_on_resume = false;
};
std::vector<Field> fields(Config& config);        // those of its purpose; all but the targets
std::vector<Field> fields(TargetConfig& target);  // keys without prefix

// Reads and checks a file. `overrides` are (key, value text) pairs as in `--set train.lr=2e-4`; strings may stand
// without quotes; a target's key is eval.target.NAME.key. Throws std::runtime_error naming the file, the line, the key
// and the nearest known one, std::invalid_argument for a bad override.
Config read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides = {},
                   Purpose purpose = Purpose::train);
Config parse_config(const std::string& text, const std::string& file, const std::vector<std::string>& overrides = {},
                    Purpose purpose = Purpose::train);

// Two thirds of a window, at least one pixel.
std::int64_t default_stride(std::int64_t window);

// Fills in what follows from other fields: train.zero_at, train.micro_batch, data.short_edges, model.image_size,
// eval.window, eval.stride, and what targets inherit from [eval]. Done by parse_config.
void complete(Config& config);
// Ranges and rules between fields; std::runtime_error names `file` and the key. Done by parse_config.
void check(const Config& config, const std::string& file);

// Where the files of a config lie. Empty folders: environment REIN_DATA_DIR and REIN_WEIGHTS_DIR, else the
// working folder.
struct Roots {
  std::filesystem::path data;
  std::filesystem::path weights;
  bool needs_backbone = true;  // if not, model.backbone stays as written: who looks at data alone needs no weights
};
// Makes all paths absolute: data set descriptions relative to the config file, roots below `data`, the backbone below
// `weights`, or relative to the config file when it begins with ./ or ../. Checks that they exist and are UTF-8, as
// TOML is: std::runtime_error naming path and key.
void resolve_paths(Config& config, const std::filesystem::path& file, const Roots& roots);

// Where rendered scenes are kept between runs (data/scenes/kept_scenes.h): environment REIN_SCENES_DIR; empty: nowhere.
// It changes no number, so it is no key of a configuration.
std::filesystem::path kept_scenes_folder();

// Everything, defaults included, as TOML that parse_config reads back to the same values.
std::string config_text(const Config& config);

// "train.lr: 0.0002 here, 0.0001 in the checkpoint" for every field that may not change on resume but did.
std::vector<std::string> resume_differences(const Config& now, const Config& then);

// One line per key: name, default, text.
std::string config_help(Purpose purpose = Purpose::train);

}  // namespace rein::train
