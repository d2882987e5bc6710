// A run as one page: curves, scores, pictures. The page holds everything it shows: no network, no script.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "train/report/report_pictures.h"
#include "train/run/run_record.h"

namespace rein::train {

// The first run is what the page is about; further ones are compared with it. `notes` are lines about what is missing.
// The result is HTML that is well-formed XML as well.
std::string report_html(std::span<const RunRecord> runs, const std::vector<ReportTarget>& pictures,
                        const std::vector<std::string>& notes);

// Its style sheet, for light and dark.
extern const char* const report_style;

}  // namespace rein::train
