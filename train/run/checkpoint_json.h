// checkpoint.json: text to and from CheckpointInfo. Internal to checkpoint.cpp and its tests.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "train/run/checkpoint.h"

namespace rein::train {

struct FileRecord {
  std::int64_t bytes = 0;
  std::string sha256;
};
using FileRecords = std::map<std::string, FileRecord>;

std::string info_to_json(const CheckpointInfo& info, const FileRecords& files);
// std::runtime_error naming file and key. The text alone (`file` is for errors) may lack the list of files.
CheckpointInfo info_from_text(const std::string& text, const std::string& file);
std::pair<CheckpointInfo, FileRecords> info_from_json(const std::filesystem::path& file);

}  // namespace rein::train
