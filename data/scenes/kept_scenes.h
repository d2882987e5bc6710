// Rendered scenes kept on disk, so that several runs render each one once:
//   FOLDER/STYLE-HEIGHTxWIDTH-seedS-FINGERPRINT/000012.png and 000012-ids.png (palette indices)
// The fingerprint is that of a small scene rendered now: another version of the renderer, or a processor that rounds
// differently, keeps its own. What is read is to the bit what would be rendered.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/scenes/split.h"

namespace rein::data::scenes {

class KeptScenes {
 public:
  // The folder is made when it is needed. Serves this split alone.
  KeptScenes(const Split& split, const std::filesystem::path& folder);

  // As scenes::render(split, index): read, or rendered and kept. A file that cannot be read is made anew; one that
  // cannot be written is std::runtime_error. Safe on several threads and in several processes.
  Scene render(std::int64_t index) const;

 private:
  Split split_;
  std::vector<std::filesystem::path> folders_;  // of each style
};

}  // namespace rein::data::scenes
