// rein eval CHECKPOINT --data NAME=ROOT: scores of a trained model on data sets.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>

#include "tensor/error.h"
#include "tensor/text.h"
#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/run/load.h"
#include "train/run/look.h"
#include "train/score/evaluate.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string checkpoint, backbone, weights, split, resize, preset, precision, device = "cpu";
  std::vector<std::string> data;
  std::int64_t window = -1, stride = -1, take_every = -1, batch = 0;
  bool classes = false;
};

// A set by name: one of the configuration's targets, else a description file beside the training set's.
TargetConfig target_of(const std::string& text, const Config& config) {
  const std::size_t equals = text.find('=');
  const std::string name = text.substr(0, equals);
  TargetConfig target;
  const auto& known = config.eval.targets;
  if (const auto found = std::ranges::find(known, name, &TargetConfig::name); found != known.end()) {
    target = *found;
    if (equals == text.npos) return target;
  } else {
    if (equals == text.npos) {
      std::vector<std::string> names;
      for (const TargetConfig& t : known) names.push_back(t.name);
      fail("eval", "--data ", text, " must have the form NAME=FOLDER; NAME alone stands for a target of the run",
           did_you_mean(text, names));
    }
    target.dataset =
        data::find_description(name, {fs::path(config.data.dataset).parent_path(), "configs/datasets"}).string();
    target.name = fs::path(target.dataset).stem().string();
    target.window = config.eval.window;
    target.stride = config.eval.stride;
    target.take_every = config.eval.take_every;
  }
  target.root = text.substr(equals + 1);
  if (target.root.empty()) fail("eval", "--data ", text, " lacks the folder behind the =");
  return target;
}

std::vector<Target> open_targets(const Arguments& a, const LoadedModel& loaded) {
  std::vector<TargetConfig> wanted;
  for (const std::string& text : a.data) wanted.push_back(target_of(text, loaded.config));
  if (wanted.empty()) wanted = loaded.config.eval.targets;
  if (wanted.empty()) fail("eval", "needs --data NAME=FOLDER: the run has no targets of its own");
  const std::string preset = a.preset.empty() ? loaded.config.eval.preset : a.preset;
  std::vector<Target> targets;
  for (TargetConfig& t : wanted) {
    if (const Preset* published = a.preset.empty() ? nullptr : find_preset(a.preset)) {
      t.resize.clear();  // the named protocol, whatever the run used
      t.window = published->window;
      t.stride = published->stride;
    }
    if (!a.split.empty()) t.split = a.split;
    if (!a.resize.empty()) t.resize = a.resize;
    if (a.window >= 0) {
      t.window = a.window;
      t.stride = default_stride(a.window);
    }
    if (a.stride >= 0) t.stride = a.stride;
    if (t.window > 0 && (t.stride < 1 || t.stride > t.window))
      fail("eval", "--stride must be within 1 and the window (", t.window, "), got ", t.stride);
    if (a.take_every > 0) t.take_every = a.take_every;
    targets.push_back(
        open_target(t, loaded.info.classes.names, a.batch > 0 ? a.batch : loaded.config.eval.batch, preset));
  }
  return targets;
}

int run(const Arguments& a, const Globals& globals) {
  const Device device = parse_device(a.device);
  const LoadedModel loaded = load_trained(a.checkpoint, a.backbone, a.weights, a.precision);
  loaded.built.model->move_to(device);
  const std::vector<Target> targets = open_targets(a, loaded);
  ProgressLine progress(globals.quiet ? Verbosity::quiet : Verbosity::normal);
  progress.line("checkpoint " + a.checkpoint + ": " + loaded.info.method + ", step " +
                std::to_string(loaded.info.step));
  for (const Target& target : targets)
    for (const std::string& warning : look_at_set(*target.set))
      progress.line("warning: " + target.name + ", " + warning);
  std::vector<TargetScore> scores;
  for (const Target& target : targets) {
    scores.push_back(evaluate(*loaded.built.model, loaded.built.norm, target, [&](std::int64_t done, std::int64_t all) {
      progress.show("eval " + target.name, done, all, "");
    }));
    progress.line(target.name + ": " + std::to_string(scores.back().photos) + " photos in " +
                  duration_text(scores.back().seconds) + "; " + protocol_text(scores.back()));
  }
  std::printf("%s",
              globals.json ? (scores_to_json(scores) + "\n").c_str() : scores_to_table(scores, a.classes).c_str());
  return 0;
}

}  // namespace

void add_eval(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("eval", "score a checkpoint on data sets");
  command
      .option("checkpoint", a->checkpoint,
              "folder of a checkpoint, or of a run (its best checkpoint); or a file of rein export")
      .required();
  command
      .option("--data", a->data,
              "NAME=FOLDER, may be repeated; NAME is a target of the run, the name of a file in "
              "configs/datasets, or a .toml (default: the run's targets)")
      .repeated();
  command.option("--split", a->split, "split of the sets");
  command.option("--preset", a->preset,
                 "published protocol: rein512, rein1024, full-res (default: the run's; --resize, --window and "
                 "--stride win over it)");
  command.option("--resize", a->resize,
                 "native, short:320, scale:2, fit:1024x512, half+... (default: as the preset or each set says)");
  command.option("--window", a->window, "side of the sliding window in pixels; 0: whole photos").between(0, 32768);
  command.option("--stride", a->stride, "distance of windows (default: two thirds of the window)").between(1, 32768);
  command.option("--stride-files", a->take_every, "use every N-th photo in sorted order").between(1, 32768);
  command.option("--batch", a->batch, "windows per forward pass").between(1, 32768);
  command.option("--device", a->device, "cpu, cuda or cuda:N (default: cpu)");
  command.option("--backbone", a->backbone, "the backbone file (default: the recorded path)");
  command
      .option("--precision", a->precision, "f32, or bf16 for products with frozen weights: faster (default: the run's)")
      .one_of({"f32", "bf16"});
  command.option("--weights-root", a->weights, "folder of the backbone file (REIN_WEIGHTS_DIR)");
  command.flag("--classes", a->classes, "IoU of every class in the table");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
