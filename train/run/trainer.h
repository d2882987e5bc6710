// A training run: the loop (run_loop.h) over a segmentor and photos with labels, scored on the evaluation's targets.
#pragma once

#include "train/run/run_loop.h"

namespace rein::train {

// Everything that can be wrong about the input is found before the folder is touched.
RunResult train(const RunOptions& options, Observer& observer);

}  // namespace rein::train
