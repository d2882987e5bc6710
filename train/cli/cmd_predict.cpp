// rein predict CHECKPOINT FILE|FOLDER --out DIR: pictures of what a model sees.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "train/cli/commands.h"
#include "train/cli/console.h"
#include "train/error.h"
#include "train/score/predict.h"

namespace rein::train {
namespace {

struct Arguments {
  std::string checkpoint, input, out, backbone, weights, resize = "native", precision, device = "cpu", ids = "train",
                                                         ids_of;
  std::int64_t window = -1, stride = -1;
  double opacity = 0.5;
};

int run(const Arguments& a, const Globals& globals) {
  const PhotoFiles found = find_photos(a.input, a.out);
  PredictOptions options;
  options.resize = parse_resize(a.resize);
  options.opacity = a.opacity;
  const Device device = parse_device(a.device);
  const LoadedModel loaded = load_trained(a.checkpoint, a.backbone, a.weights, a.precision, Form::merged);
  options.ids = id_format(a.ids, a.ids_of.empty() ? loaded.config.data.dataset : a.ids_of, loaded.info.classes.names,
                          loaded.info.classes.palette);
  loaded.built.model->move_to(device);
  options.sliding = sliding_of(loaded.config.eval, a.window, a.stride);
  ProgressLine progress(globals.quiet ? Verbosity::quiet : Verbosity::normal);
  if (!found.left_out.empty()) progress.line("left out: " + found.left_out);
  const auto all = static_cast<std::int64_t>(found.photos.size());
  const PredictResult result =
      predict_photos(loaded, found.photos, a.out, options, [&](std::int64_t seen, const std::string& remark) {
        if (!remark.empty()) progress.line(remark);
        progress.show("predict", seen, all, "");
      });
  progress.clear();
  if (globals.json) {
    const nlohmann::ordered_json json = {
        {"photos", result.done}, {"out", a.out}, {"broken", result.faults}, {"left_out", found.left_out}};
    std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
  } else if (!globals.quiet) {
    std::printf("%lld photos -> %s\n", static_cast<long long>(result.done), a.out.c_str());
  }
  if (result.faults.empty()) return 0;
  std::error_code ignored;
  if (!std::filesystem::is_directory(a.input, ignored)) throw std::runtime_error(result.faults.front());
  throw CheckFailed(concat_text("[predict] ", result.faults.size(), " of ", all,
                                " photos could not be read; the first: ", result.faults.front()),
                    "the other photos are done; mend or remove these and call again");
}

}  // namespace

void add_predict(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command("predict", "segment photos: class ids, colours and an overlay as PNG");
  command
      .option("checkpoint", a->checkpoint,
              "folder of a checkpoint, or of a run (its best checkpoint); or a file of rein export")
      .required();
  command
      .option("input", a->input, "a photo, or a folder, searched with all below it for JPEG, PNG, BMP, WebP and TIFF")
      .required();
  command.option("--out", a->out, "folder of the pictures").required();
  command
      .option("--ids", a->ids,
              "what the ids PNG holds: train (0 to classes - 1), label (the label ids of a set's own files, as test "
              "servers "
              "want them) or colour (default: train)")
      .one_of({"train", "label", "colour"});
  command.option(
      "--ids-of", a->ids_of,
      "the set of --ids label: a name in configs/datasets such as cityscapes_label_ids, or a .toml (default: "
      "the run's own)");
  command.option("--resize", a->resize, "before the model: native, short:320, scale:2, fit:1024x512");
  command.option("--window", a->window, "side of the sliding window in pixels; 0: whole photos (default: the run's)")
      .between(0, 32768);
  command.option("--stride", a->stride, "distance of windows (default: two thirds of the window)").between(1, 32768);
  command.option("--opacity", a->opacity, "of the colours in the overlay").between(0.0, 1.0);
  command.option("--device", a->device, "cpu, cuda or cuda:N (default: cpu)");
  command.option("--backbone", a->backbone, "the backbone file (default: the recorded path)");
  command
      .option("--precision", a->precision, "f32, or bf16 for products with frozen weights: faster (default: the run's)")
      .one_of({"f32", "bf16"});
  command.option("--weights-root", a->weights, "folder of the backbone file (REIN_WEIGHTS_DIR)");
  command.runs([a, &globals] { return run(*a, globals); });
}

}  // namespace rein::train
