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
  std::filesystem::path name;  // of its results: below the folder given, without extension
};

// What `rein predict` works on. `left_out`: one line of what else lies in the folder; empty: nothing.
struct PhotoFiles {
  std::vector<PhotoFile> photos;
  std::string left_out;
};

// A photo, or all that data::list_photos finds below a folder, in natural order (frame 9 before frame 10); what lies
// below `out` (the pictures of an earlier call) is passed over. Photos that differ in their suffix alone keep it in
// their names. std::runtime_error when there is none, or when `out` is the folder itself.
PhotoFiles find_photos(const std::filesystem::path& path, const std::filesystem::path& out);

// What NAME_ids.png holds of each class; one colour or grey value a class.
struct IdFormat {
  std::vector<std::uint8_t> values{};  // grey, 8 bits; with colours empty, and empty too for train ids as they are
  std::vector<data::Rgb> colours{};
};
// "train": the model's own ids. "label": the raw ids of the set that `description` (a name or a file) describes, the
// smallest where a class has several, as test servers want them. "colour": the classes' colours. std::runtime_error
// when a class has no raw id there or none that 8 bits hold; `palette` and `names` are the model's.
IdFormat id_format(const std::string& kind, const std::string& description, const std::vector<std::string>& names,
                   const std::vector<data::Rgb>& palette);

struct PredictOptions {
  IdFormat ids;
  data::EvalResize resize;
  Sliding sliding;
  double opacity = 0.5;  // of the colours in the overlay
};

struct PredictResult {
  std::int64_t done = 0;
  std::vector<std::string> faults;  // of photos that could not be read, one line each
};

// For each photo OUT/NAME_ids.png (as options.ids says), OUT/NAME_colors.png (palette), OUT/NAME_overlay.png, all at
// the photo's own size as viewers show it. Each file appears whole or not at all. A photo that cannot be read is passed
// over and told; an output that cannot be written ends the work. `progress`: how many are done or passed over, and what
// there is to say of the last one: its fault, or its true kind where its name claims another.
PredictResult predict_photos(const LoadedModel& loaded, const std::vector<PhotoFile>& photos,
                             const std::filesystem::path& out, const PredictOptions& options,
                             const std::function<void(std::int64_t, const std::string&)>& progress = {});

// photo mixed with the classes' colours: round((1 - opacity) photo + opacity colour).
data::Image overlay(const data::Image& photo, const data::LabelMap& ids, const std::vector<data::Rgb>& palette,
                    double opacity);

}  // namespace rein::train
