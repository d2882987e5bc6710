// In the place of checks.cpp under -DREIN_CHECKS=OFF.
#include "tensor/error.h"
#include "train/cli/commands.h"
#include "train/error.h"

namespace rein::train {

void add_checks(CommandLine line, const Globals&) {
  for (const char* name : {"gradcheck", "verify", "bench"}) {
    CommandLine command = line.command(name, "not in this program: built without the cases of its ops");
    command.takes_anything();
    command.runs([name]() -> int {
      throw HintedError(concat_text("this rein was built without ", name, " (REIN_CHECKS=OFF, as the quickstart does)"),
                        "cmake --preset release -DREIN_CHECKS=ON && cmake --build --preset release --target rein");
    });
  }
}

}  // namespace rein::train
