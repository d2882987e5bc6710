// Pictures of a report: photo, truth, and what each run makes of it, as PNGs inside the page.
#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "data/sets/classes.h"
#include "train/run/run_record.h"

namespace rein::train {

struct ReportPicture {
  std::string caption;  // "prediction"
  std::string note;     // "91 % right"
  std::string png;      // "data:image/png;base64,…"
};

// One photo of a target: photo, truth, then prediction and errors of each run.
struct ReportPhoto {
  std::string name;
  std::vector<ReportPicture> pictures;
};

struct ReportTarget {
  std::string name;
  data::ClassSet classes;
  std::vector<ReportPhoto> photos;
};

struct PictureOptions {
  int photos = 3;                           // per target, spread over the set
  int max_side = 512;                       // larger ones are made smaller
  std::filesystem::path backbone, weights;  // as of rein eval
};

// For the targets of the first run's configuration. A run or target that cannot be shown (data or weights are
// elsewhere) gives a line in `notes` instead.
std::vector<ReportTarget> report_pictures(std::span<const RunRecord> runs, const PictureOptions& options,
                                          std::vector<std::string>& notes,
                                          const std::function<void(std::int64_t, std::int64_t)>& progress = {});

std::string base64(std::span<const std::uint8_t> bytes);

}  // namespace rein::train
