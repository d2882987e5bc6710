// The commands of the laboratory; see add_checks in commands.h.
#pragma once

#include "train/cli/commands.h"

namespace rein::train {

void add_gradcheck(CommandLine line, const Globals& globals);
void add_verify(CommandLine line, const Globals& globals);
void add_bench(CommandLine line, const Globals& globals);

}  // namespace rein::train
