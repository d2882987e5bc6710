// The program. Exceptions end here: one line `error: …`, one line `hint: …`, exit 2 for bad input, 1 for a failed
// check.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>

#include "tensor/cpu_features.h"
#include "tensor/memory.h"
#include "tensor/parallel.h"
#include "train/cli/commands.h"
#include "train/cli/hint.h"
#include "train/error.h"
#include "train/version.h"

namespace {

constexpr int exit_check_failed = 1, exit_bad_input = 2;

int complain(const std::string& text, const std::string& hint, int status) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\nhint: %s\n", text.c_str(), hint.c_str());
  return status;
}

int run(int argc, char** argv) {
  using namespace rein::train;
  rein::apply_isa_environment();
  rein::keep_freed_memory();
  ProgramLine program("rein",
                      "rein: train Rein and its relatives on frozen vision transformers, and use what was trained",
                      [] { return about_text(); });
  Globals globals;
  for (const auto add : {add_train, add_eval, add_predict, add_data, add_compare, add_report, add_scenes, add_checks,
                         add_graph, add_inspect, add_convert, add_export, add_pretrain})
    add(program.top(), globals);
  for (CommandLine command : program.commands()) {
    command.flag("--quiet", globals.quiet, "only results and errors");
    command.flag("--json", globals.json, "results as JSON on standard output");
    command.option("--threads", globals.threads, "threads of the kernels (default: REIN_THREADS, or all cores)")
        .between(1, 1024);
  }
  program.top().footer(
      "rein COMMAND --help tells more. REIN_ISA=avx512|avx2|plain forces an instruction set, REIN_THREADS the\n"
      "number of threads, REIN_KERNEL=op:variant the variant of a kernel; REIN_SCENES_DIR keeps rendered streets in a\n"
      "folder, so that several runs render each one once.");
  std::string problem;
  if (!program.parse(argc, argv, problem))
    return problem.empty() ? 0 : complain(problem, program.help(), exit_bad_input);
  const auto advice = [&](const std::exception& error) {
    const std::string known = hint_for(error.what());
    return known.empty() ? program.help() : known;
  };
  try {
    if (globals.threads > 0) rein::set_thread_count(globals.threads);
    return program.chosen()();
  } catch (const CheckFailed& error) {
    return complain(error.what(), error.hint(), exit_check_failed);
  } catch (const HintedError& error) {
    return complain(error.what(), error.hint(), exit_bad_input);
  } catch (const std::exception& error) {
    return complain(error.what(), advice(error), exit_bad_input);
  }
}

// GCC's OpenMP threads spin for milliseconds at every barrier unless told otherwise before the program starts. Beside
// loader threads, or on a busy machine, that makes steps many times slower; a short spin costs nothing measurable.
void calm_waiting_threads(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  if (::setenv("GOMP_SPINCOUNT", "1000", 0) != 0) return;
  // By its own path, so that ps shows the program's name. Each call returns only when it failed.
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) ::execv(self.c_str(), argv);
  ::execv("/proc/self/exe", argv);
}

// Results that did not reach a full disk or a closed pipe are no success.
int delivered(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  std::fprintf(stderr, "error: cannot write to standard output: %s\nhint: results are incomplete\n",
               std::strerror(errno));
  return status == 0 ? exit_bad_input : status;
}

}  // namespace

int main(int argc, char** argv) {
  calm_waiting_threads(argv);
  try {
    return delivered(run(argc, argv));
  } catch (const std::exception& error) {
    return complain(error.what(), "rein --help lists what is possible", exit_bad_input);
  }
}
