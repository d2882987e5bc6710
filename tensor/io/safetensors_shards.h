// Sharded safetensors: model.safetensors.index.json names the shard of each tensor. Internal to tensor/io.
#pragma once

#include <filesystem>
#include <memory>

#include "tensor/io/weight_file.h"

namespace rein {

// Opens every shard. std::runtime_error, one for all, when shards are missing or lack tensors that the index promises.
std::shared_ptr<const WeightFile> open_shards(const std::filesystem::path& index);

}  // namespace rein
