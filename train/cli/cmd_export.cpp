// rein export RUN OUT: a trained model as one file.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/export/export.h"

namespace rein::train {
namespace {

struct Arguments {
  std::string checkpoint, out, backbone, weights, precision;
  bool replace = false, keep_adapter = false;
};

int run(const Arguments& a, const Globals& globals) {
  const LoadedModel loaded =
      load_trained(a.checkpoint, a.backbone, a.weights, a.precision, a.keep_adapter ? Form::trained : Form::merged);
  const Exported done = export_model(loaded, a.out, a.replace);
  const std::string& precision = loaded.config.model.precision;
  if (globals.json) {
    using nlohmann::ordered_json;
    const ordered_json json = {{"in", a.checkpoint},
                               {"out", a.out},
                               {"method", loaded.info.method},
                               {"head", loaded.config.model.head},
                               {"classes", loaded.info.classes.count()},
                               {"precision", precision},
                               {"tensors", done.tensors},
                               {"bytes", done.bytes}};
    std::printf("%s\n", json.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
  } else if (!globals.quiet) {
    std::printf(
        "model  %s\n       method %s, head %s, %d classes, step %lld\n%s: %zu tensors, backbone in %s, %s (%ju "
        "bytes)\n",
        loaded.built.description.c_str(), loaded.info.method.c_str(), loaded.config.model.head.c_str(),
        loaded.info.classes.count(), static_cast<long long>(loaded.info.step), a.out.c_str(), done.tensors,
        precision.c_str(), bytes_text(static_cast<double>(done.bytes)).c_str(), done.bytes);
  }
  return 0;
}

}  // namespace

void add_export(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command(
      "export",
      "one file with all that predictions need: backbone, adapter, head, classes with colours, normalisation and the\n"
      "run's configuration, paths included. rein eval, rein predict and the C interface (rein.h) take it in place of "
      "the\n"
      "run, and then need neither the run nor the backbone's own file. It is a safetensors file of format "
      "rein-model-1");
  command
      .option("checkpoint", a->checkpoint,
              "folder of a checkpoint, or of a run (its best checkpoint); or a file of rein export")
      .required();
  command.option("out", a->out, "the file to write, for example model.rein").required();
  command
      .option("--precision", a->precision,
              "bf16: the backbone's products as mixed precision rounds them, about half the size, and predictions as "
              "with --precision bf16; f32: all bits (default: the run's)")
      .one_of({"f32", "bf16"});
  command.flag("--keep-adapter", a->keep_adapter,
               "keep LoRA or SoMA beside the weights as it was trained (default: merged into them)");
  command.flag("--replace", a->replace, "replace an existing file");
  command.option("--backbone", a->backbone, "the backbone file (default: the recorded path)");
  command.option("--weights-root", a->weights, "folder of the backbone file (REIN_WEIGHTS_DIR)");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
