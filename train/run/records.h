// The lines of metrics.jsonl and timing.jsonl.
#pragma once

#include <string>

#include "train/run/observer.h"

namespace rein::train {

// {"step":12,"loss":…,"acc":…,"lr":…,"grad_norm":…}: numbers that read back to the same double; no times, so that a
// resumed run writes the same bytes. "acc" is null without a pixel accuracy. "bad_costs" (a number) and "no_labels"
// (true) are there only in steps that had them.
std::string step_line(const StepReport& report);
std::string evaluation_line(std::int64_t step, const std::vector<TargetScore>& scores);
// Seconds of the parts of a step, and the peak of the process' memory in bytes.
std::string timing_line(const StepReport& report);

// VmHWM of this process in bytes; 0 where the system does not tell.
std::int64_t peak_process_bytes();

}  // namespace rein::train
