// From a configuration to the objects of a run: the model with its weights, the data sets.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "data/loading/transforms.h"
#include "models/segmentor.h"
#include "models/zoo/zoo.h"
#include "train/config/config.h"

namespace rein::train {

struct BuiltModel {
  std::unique_ptr<models::Segmentor> model;
  data::Normalisation norm;
  std::string family, layout;   // as recognised
  std::string description;      // one line for people
  std::string backbone_sha256;  // of the file
  std::string constants_key;    // train/run/adapter_constants.h
};

// The backbone's file with the patch and position grid that the configuration asks for. Only names and shapes are read
// (and of a file that could be MAE's, its positions).
struct BackboneFile {
  models::zoo::Weights weights;
  std::string description;  // what it is, and what is converted
};
BackboneFile open_backbone(const Config& config);
// The same for weights that are open already.
BackboneFile fitted(models::zoo::Weights weights, const Config& config);

// Reads config.model.backbone (resolved), converts patch and position grid, binds it, and gives everything else its
// initial value from train.seed. Throws when the file fits no known model or the sizes do not fit each other.
// `run`: where a run keeps what its method computed from the backbone (train/run/adapter_constants.h); empty: nowhere.
BuiltModel build_model(const Config& config, int classes, const std::filesystem::path& run = {});

// The last of build_model's steps: a model whose values are bound, in its precision (model.precision).
void finish_precision(BuiltModel& built, const std::string& precision);

// What build_model makes of the configuration for a backbone of these options: no file is read, nothing is allocated.
models::SegmentorOptions segmentor_options(const Config& config, const models::VitOptions& vit, int classes);

data::TrainTransforms train_transforms(const Config& config, const data::Normalisation& norm);

// Trained parameters: all, and those of the ViT and of the adapter.
struct TrainedCounts {
  std::int64_t all = 0, vit = 0, adapter = 0;
};
TrainedCounts trained_counts(models::Segmentor& model);
// What the paths of the adapter's parameters begin with: "backbone.reins."; empty without an adapter.
std::string adapter_prefix(const models::Segmentor& model);

}  // namespace rein::train
