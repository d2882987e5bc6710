// The subcommands of the `rein` program, one file each (cmd_NAME.cpp). A function adds its options to the
// line and says what runs when the user names it. Exit status: 0 done, 1 a check failed, 2 bad input.
#pragma once

#include "train/cli/command_line.h"

namespace rein::train {

struct Globals {
  bool quiet = false;  // only results and errors
  bool json = false;   // results as JSON lines on standard output
  int threads = 0;     // of the kernels; 0: not given. main has set them already
};

void add_train(CommandLine line, const Globals& globals);
void add_eval(CommandLine line, const Globals& globals);
void add_predict(CommandLine line, const Globals& globals);
void add_pretrain(CommandLine line, const Globals& globals);
void add_convert(CommandLine line, const Globals& globals);
void add_export(CommandLine line, const Globals& globals);
void add_inspect(CommandLine line, const Globals& globals);
void add_data(CommandLine line, const Globals& globals);
void add_compare(CommandLine line, const Globals& globals);
void add_report(CommandLine line, const Globals& globals);
void add_scenes(CommandLine line, const Globals& globals);
void add_graph(CommandLine line, const Globals& globals);

// gradcheck, verify, bench: the laboratory, with every case of every op. A program built with -DREIN_CHECKS=OFF
// (checks_absent.cpp) has commands of these names that say how to get it.
void add_checks(CommandLine line, const Globals& globals);

}  // namespace rein::train
