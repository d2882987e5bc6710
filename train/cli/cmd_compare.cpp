// rein compare RUN...: scores, sizes and times of runs, side by side.
#include <cstdio>
#include <memory>

#include "train/cli/commands.h"
#include "train/report/compare.h"

namespace rein::train {

void add_compare(CommandLine line, const Globals& globals) {
  auto folders = std::make_shared<std::vector<std::string>>();
  CommandLine command = line.command("compare", "runs side by side: scores, trained parameters, time");
  command.option("runs", *folders, "folders of runs; finished or not").required();
  command.runs([folders, &globals] {
    std::vector<RunRecord> runs;
    for (const std::string& folder : *folders) runs.push_back(read_run(folder));
    std::printf("%s", globals.json ? (comparison_json(runs) + "\n").c_str() : comparison_table(runs).c_str());
    return 0;
  });
}

}  // namespace rein::train
