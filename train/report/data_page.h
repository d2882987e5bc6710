// What `rein data` found, as text, JSON and a page (data/survey).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/survey/findings.h"

namespace rein::train {

// One split of a set, looked at.
struct SeenSplit {
  std::string name;  // "gtav, split train"
  data::Description set;
  std::filesystem::path root;
  std::vector<data::Pair> pairs;
  data::Summary summary;
};

std::string data_text(const SeenSplit& seen);
std::string data_json(const std::vector<SeenSplit>& all);
// Tables, a histogram and `photos` overlays of each split; everything is inside, no network, no script.
std::string data_html(const std::vector<SeenSplit>& all, int photos, int max_side);

}  // namespace rein::train
