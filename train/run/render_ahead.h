// The streets that a run will read, rendered before it into REIN_SCENES_DIR on all threads, so that its steps are timed
// without them.
#pragma once

#include <cstdint>
#include <functional>

#include "train/config/config.h"

namespace rein::train {

// The rendered samples of the training set that the run will draw, and those of its targets. Returns how many there
// are; 0 where all sets are files. `progress` (done, all) is called by one thread at a time. std::runtime_error without
// REIN_SCENES_DIR, or as scenes::KeptScenes.
std::int64_t render_ahead(const Config& config, const std::function<void(std::int64_t, std::int64_t)>& progress = {});

}  // namespace rein::train
