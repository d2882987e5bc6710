// The program. Exceptions end here: one line `error: …`, one line `hint: …`, exit 2 for bad input, 1 for a failed
// check.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>

#include "tensor/cpu_features.h"
#include "tensor/memory.h"
#include "tensor/parallel.h"
#include "tensor/text.h"
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

std::string help_of(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return "rein " + (chosen.empty() ? "" : chosen.front()->get_name() + " ") + "--help lists what is possible";
}

// CLI11's text, with the nearest known word when one was misspelt.
std::string parse_problem(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  std::string text = error.what();
  const auto chosen = app.get_subcommands();
  std::vector<std::string> known;
  const CLI::App& place = chosen.empty() ? app : *chosen.front();
  if (chosen.empty())
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
      known.push_back(command->get_name());
  if (chosen.empty() && argc > 1 && argv[1][0] != '-')
    return "there is no command \"" + std::string(argv[1]) + "\"" + rein::did_you_mean(argv[1], known);
  for (const CLI::Option* option : place.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  for (int i = 1; i < argc; ++i) {
    const std::string word(argv[i]);
    if (text.find(word) == text.npos || std::find(known.begin(), known.end(), word) != known.end()) continue;
    if (const std::string advice = rein::did_you_mean(word, known); !advice.empty()) return text + advice;
  }
  return text;
}

int run(int argc, char** argv) {
  using namespace rein::train;
  rein::apply_isa_environment();
  rein::keep_freed_memory();
  CLI::App app("rein: train Rein and its relatives on frozen vision transformers, and use what was trained", "rein");
  app.set_version_flag(
      "--version", [] { return about_text(); }, "version, instruction set, kernels, threads");
  app.require_subcommand(1);
  app.fallthrough();  // rein bench op --json: an option that `op` lacks is looked for in `bench`
  Globals globals;
  Command chosen;
  add_train(app, globals, chosen);
  add_eval(app, globals, chosen);
  add_predict(app, globals, chosen);
  add_compare(app, globals, chosen);
  add_report(app, globals, chosen);
  add_scenes(app, globals, chosen);
  add_gradcheck(app, globals, chosen);
  add_verify(app, globals, chosen);
  add_bench(app, globals, chosen);
  add_graph(app, globals, chosen);
  add_inspect(app, globals, chosen);
  add_convert(app, globals, chosen);
  add_pretrain(app, globals, chosen);
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    command->add_flag("--quiet", globals.quiet, "only results and errors");
    command->add_flag("--json", globals.json, "results as JSON on standard output");
    command->add_option("--threads", globals.threads, "threads of the kernels (default: REIN_THREADS, or all cores)")
        ->check(CLI::Range(1, 1024));
  }
  app.footer(
      "rein COMMAND --help tells more. REIN_ISA=avx512|avx2|plain forces an instruction set, REIN_THREADS the\n"
      "number of threads, REIN_KERNEL=op:variant the variant of a kernel.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return complain(parse_problem(app, error, argc, argv), help_of(app), exit_bad_input);
  }
  const auto advice = [&](const std::exception& error) {
    const std::string known = hint_for(error.what());
    return known.empty() ? help_of(app) : known;
  };
  try {
    if (globals.threads > 0) rein::set_thread_count(globals.threads);
    return chosen();
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
