// Several runs side by side: a table for people, JSON for programs. What `rein compare` prints.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/run/run_record.h"

namespace rein::train {

// A row per set and a column per run: mIoU in percent, the mean of the sets, what was trained, how long it took; then
// a line for everything that makes the columns no fair comparison. Runs that do not fit into `columns` characters go
// into a further table below.
std::string comparison_table(std::span<const RunRecord> runs, std::size_t columns = 80);
// {"runs": [{"name", "folder", "method", …, "mean_miou", "sets": {NAME: mIoU}}], "notes": [text]}
std::string comparison_json(std::span<const RunRecord> runs);

// What differs between the runs beside the method, one line each: steps, seed, backbone, how a set was scored.
std::vector<std::string> comparison_notes(std::span<const RunRecord> runs);

// Names of all sets in order of first appearance; sets that are no part of the mean come last.
std::vector<std::string> set_names(std::span<const RunRecord> runs);
// Of the evaluation that is shown; null: the run has no such set.
const RecordedSet* find_set(const RunRecord& run, const std::string& name);

std::string count_text(std::int64_t count);  // "254.7 k", "1.50 M"
std::string brief_time(double seconds);      // "320 ms", "4.2 s", "13 min"

}  // namespace rein::train
