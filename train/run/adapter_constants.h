// What a method computes from the backbone's weights before it trains (SoMA's decompositions), kept beside the run so
// that it is computed once: RUN/adapter_constants.safetensors. No part of checkpoints: it can always be made again.
#pragma once

#include <filesystem>
#include <string>

#include "models/segmentor.h"
#include "train/config/config.h"

namespace rein::train {

// What the constants depend on: the backbone's file, start weights, and the method's settings.
std::string constants_key(const Config& config, const std::string& backbone_sha256);

// The adapter's values that start from the ViT's weights, which are bound (Adapter::start_from). Constants come from
// the file in `folder` where it has those of this key, whole and unchanged; else they are computed. An empty folder: no
// file.
void start_adapter(models::Backbone& backbone, const std::string& key, const std::filesystem::path& folder);

// Writes the file, unless it is there for this key or the method has no constants.
void keep_constants(models::Backbone& backbone, const std::string& key, const std::filesystem::path& folder);

}  // namespace rein::train
