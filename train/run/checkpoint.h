// A checkpoint is a folder:
//   model.safetensors      what was trained and nothing else, official names, published layout
//   optimizer.safetensors  NAME.exp_avg, NAME.exp_avg_sq (published layout), NAME.step (i64 scalar); absent when unused
//   config.toml            the whole configuration
//   checkpoint.json        step, seed, classes, palette, normalisation, SHA-256 of the backbone file, of the other
//   files
// It is written beside its place, flushed, and renamed: a folder of that name is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "data/loading/transforms.h"
#include "data/sets/classes.h"
#include "nn/module.h"
#include "train/config/config.h"
#include "train/optim/adamw.h"

namespace rein::train {

struct BestScore {
  std::int64_t step = 0;
  double miou = 0;
};

struct CheckpointInfo {
  std::int64_t step = 0;  // optimiser steps done
  std::int64_t seed = 0;
  std::string method;
  std::string backbone_file;    // name without folders
  std::string backbone_sha256;  // 64 hexadecimal digits
  std::string backbone_family;
  data::ClassSet classes;
  data::Normalisation norm;
  std::string version, isa, kernels;  // of the program that wrote it
  std::int64_t metrics_bytes = 0;     // length of the run's metrics.jsonl at this step
  std::optional<BestScore> best;
};

// Writes `folder` (its parent exists; an older folder of that name is replaced).
void write_checkpoint(const std::filesystem::path& folder, const CheckpointInfo& info, const Config& config,
                      nn::Module& model, const AdamW& optimizer);

// Reads checkpoint.json and checks size and SHA-256 of every file beside it. std::runtime_error naming folder and
// fault.
CheckpointInfo read_checkpoint(const std::filesystem::path& folder);
// The configuration with the paths of the machine that wrote it.
Config read_checkpoint_config(const std::filesystem::path& folder, Purpose purpose = Purpose::train);

// Throws unless `backbone` has the recorded SHA-256. `sha256` is the file's.
void check_backbone(const CheckpointInfo& info, const std::filesystem::path& backbone, const std::string& sha256);

// Fill what is trained, all or nothing. std::runtime_error lists everything missing, unexpected or misshapen.
void load_model(const std::filesystem::path& folder, nn::Module& model);
void load_optimizer(const std::filesystem::path& folder, nn::Module& model, AdamW& optimizer);

}  // namespace rein::train
