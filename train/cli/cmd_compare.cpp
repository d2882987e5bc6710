// rein compare RUN...: scores, sizes and times of runs, side by side.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "train/cli/commands.h"
#include "train/report/compare.h"

namespace rein::train {

void add_compare(CLI::App& app, const Globals& globals, Command& chosen) {
  auto folders = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("compare", "runs side by side: scores, trained parameters, time");
  command->add_option("runs", *folders, "folders of runs; finished or not")->required();
  command->callback([folders, &globals, &chosen] {
    chosen = [folders, &globals] {
      std::vector<RunRecord> runs;
      for (const std::string& folder : *folders) runs.push_back(read_run(folder));
      std::printf("%s", globals.json ? (comparison_json(runs) + "\n").c_str() : comparison_table(runs).c_str());
      return 0;
    };
  });
}

}  // namespace rein::train
