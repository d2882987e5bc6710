// A program without its laboratory (REIN_CHECKS=OFF, what scripts/quickstart.sh builds) says how to get it.
#include <doctest/doctest.h>

#include "train/cli/commands.h"
#include "train/error.h"

using namespace rein::train;

TEST_CASE("without the checks, their commands say how to build them, whatever else is on the line") {
  for (std::string name : {"gradcheck", "verify", "bench"}) {
    CAPTURE(name);
    ProgramLine program("rein", "", [] { return std::string("0"); });
    add_checks(program.top(), {});
    std::string words[] = {"rein", name, "op", "softmax", "--device", "cuda"};
    char* argv[6];
    for (int i = 0; i < 6; ++i) argv[i] = words[i].data();
    std::string problem;
    REQUIRE(program.parse(6, argv, problem));
    try {
      program.chosen()();
      FAIL("nothing was thrown");
    } catch (const HintedError& error) {
      CHECK(std::string(error.what()) ==
            "this rein was built without " + name + " (REIN_CHECKS=OFF, as the quickstart does)");
      CHECK(std::string(error.hint()).find("-DREIN_CHECKS=ON") != std::string::npos);
    }
  }
}
