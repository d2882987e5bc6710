// rein pretrain CONFIG.toml: a ViT of one's own, without labels.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/run/pretrain.h"

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
    std::fputs(config_help(Purpose::pretrain).c_str(), stdout);
    return 0;
  }
  if (a.config.empty()) throw std::invalid_argument("[pretrain] needs a configuration file");
  const Device device = parse_device(a.device);
  Config config = read_config(a.config, a.overrides, Purpose::pretrain);
  if (globals.threads > 0) config.train.threads = globals.threads;
  resolve_paths(config, a.config, a.roots);
  const std::filesystem::path folder = a.out.empty()
                                           ? std::filesystem::path("runs") / std::filesystem::path(a.config).stem()
                                           : std::filesystem::path(a.out);
  ConsoleObserver console(globals.quiet ? Verbosity::quiet : Verbosity::normal);
  const PretrainResult result = pretrain({config, folder, a.resume, device}, console);
  if (globals.json) {
    nlohmann::ordered_json json = {{"folder", folder.string()}, {"steps", result.steps}, {"last_loss", nullptr}};
    if (result.last_loss) json["last_loss"] = *result.last_loss;
    json["file"] = result.file.string();
    json["bytes"] = result.bytes;
    json["sha256"] = result.sha256;
    std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else {
    std::printf("%s  %lld bytes\nsha256 %s\n", result.file.string().c_str(), static_cast<long long>(result.bytes),
                result.sha256.c_str());
  }
  return 0;
}

}  // namespace

void add_pretrain(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("pretrain", "pretrain a ViT on photos without labels: masked autoencoding");
  command.option("config", a->config, "configuration (TOML); configs/pretrain_nano.toml is one");
  command.option("--set", a->overrides, "KEY=VALUE, over what the file says; may be repeated").repeated();
  command.option("--out", a->out, "folder of the run (default: runs/CONFIG)");
  command.option("--device", a->device, "cpu, cuda or cuda:N (default: cpu)");
  command.flag("--resume", a->resume, "go on from the newest checkpoint in --out");
  command.option("--data-root", a->roots.data, "folder that data.root is below (REIN_DATA_DIR)");
  command.flag("--keys", a->keys, "list all keys of a configuration with their defaults, and exit");
  command.footer(
      "Leaves DIR/backbone.safetensors, which model.backbone of a training configuration may name.\n"
      "The same seed and instruction set give the same file, for any number of threads.");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
