// rein train CONFIG.toml: a run from a configuration to checkpoints and scores.
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/run/trainer.h"

namespace rein::train {
namespace {

struct Arguments {
  std::string config, out, device = "cpu";
  std::vector<std::string> overrides;
  Roots roots;
  bool resume = false, keys = false;
};

int run(const Arguments& a, const Globals& globals) {
  if (a.keys) {
    std::fputs(config_help().c_str(), stdout);
    return 0;
  }
  if (a.config.empty()) throw std::invalid_argument("[train] needs a configuration file");
  const Device device = parse_device(a.device);
  Config config = read_config(a.config, a.overrides);
  if (globals.threads > 0) config.train.threads = globals.threads;
  resolve_paths(config, a.config, a.roots);
  const std::filesystem::path folder =
      a.out.empty() ? std::filesystem::path("runs") /
                          (std::filesystem::path(a.config).stem().string() + "-" + config.model.method)
                    : std::filesystem::path(a.out);
  ConsoleObserver console(globals.quiet ? Verbosity::quiet : Verbosity::normal);
  const RunResult result = train({config, folder, a.resume, device}, console);
  if (globals.json) {
    nlohmann::ordered_json json = {{"folder", folder.string()}, {"steps", result.steps}, {"last_loss", nullptr}};
    if (result.last_loss) json["last_loss"] = *result.last_loss;
    json["steps_with_bad_costs"] = result.steps_with_bad_costs;
    json["batches_without_labels"] = result.batches_without_labels;
    if (!result.scores.empty()) json["scores"] = nlohmann::ordered_json::parse(scores_to_json(result.scores));
    std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (!result.scores.empty() && (globals.quiet || !::isatty(STDOUT_FILENO) || !::isatty(STDERR_FILENO))) {
    // On a terminal the console has shown them already.
    std::fputs(scores_to_table(result.scores, false).c_str(), stdout);
  }
  return 0;
}

}  // namespace

void add_train(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("train", "train on a data set as a configuration file says");
  command.option("config", a->config, "configuration (TOML); configs/rein/ has some to start from");
  command.option("--set", a->overrides, "KEY=VALUE, over what the file says; may be repeated").repeated();
  command.option("--out", a->out, "folder of the run (default: runs/CONFIG-METHOD)");
  command.option("--device", a->device, "cpu, cuda or cuda:N (default: cpu)");
  command.flag("--resume", a->resume, "go on from the newest checkpoint in --out");
  command.option("--data-root", a->roots.data, "folder that data.root and targets' roots are below (REIN_DATA_DIR)");
  command.option("--weights-root", a->roots.weights, "folder that model.backbone is below (REIN_WEIGHTS_DIR)");
  command.flag("--keys", a->keys, "list all keys of a configuration with their defaults, and exit");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
