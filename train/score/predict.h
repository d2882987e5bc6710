// Pictures from a trained model: ids, colours and an overlay for each photo.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "train/run/load.h"
#include "train/score/evaluate.h"

namespace rein::train {

struct PhotoFile {
  std::filesystem::path file;
  std::filesystem::path name;  // below the folder given, without extension
};

// A photo, or all *.jpg, *.jpeg and *.png below a folder, sorted; hidden files and what lies below `out` (the pictures
// of an earlier call) are passed over. std::runtime_error when there is none, when two would have the same results, or
// when `out` is the folder itself.
std::vector<PhotoFile> find_photos(const std::filesystem::path& path, const std::filesystem::path& out);

struct PredictOptions {
  data::EvalResize resize;
  Sliding sliding;
  double opacity = 0.5;  // of the colours in the overlay
};

// For each photo OUT/NAME_ids.png (8 bit, class ids), OUT/NAME_colors.png (palette), OUT/NAME_overlay.png, all at the
// photo's own size. Each file appears whole or not at all.
void predict_photos(const LoadedModel& loaded, const std::vector<PhotoFile>& photos, const std::filesystem::path& out,
                    const PredictOptions& options, const std::function<void(std::int64_t)>& progress = {});

// photo mixed with the classes' colours: round((1 - opacity) photo + opacity colour).
data::Image overlay(const data::Image& photo, const data::LabelMap& ids, const std::vector<data::Rgb>& palette,
                    double opacity);

}  // namespace rein::train
