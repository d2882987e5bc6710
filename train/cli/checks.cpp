#include "train/cli/checks.h"

namespace rein::train {

void add_checks(CommandLine line, const Globals& globals) {
  add_gradcheck(line, globals);
  add_verify(line, globals);
  add_bench(line, globals);
}

}  // namespace rein::train
