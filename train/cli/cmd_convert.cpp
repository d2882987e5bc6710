// rein convert IN OUT: weight files and checkpoints from one form to another.
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "tensor/error.h"
#include "tensor/io/weight_file.h"
#include "train/cli/commands.h"
#include "train/convert/convert.h"
#include "train/error.h"
#include "train/run/load.h"

namespace rein::train {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string in, out, config, dtype, backbone;
  bool merge = false, peft = false;
  Conversion conversion;
  Roots roots;
};

std::optional<DType> dtype_named(const std::string& name) {
  if (name.empty()) return std::nullopt;
  return name == "f16" ? DType::f16 : name == "bf16" ? DType::bf16 : DType::f32;
}

bool is_checkpoint(const fs::path& path) {
  return fs::is_directory(path) && (fs::exists(path / "checkpoint.json") || fs::exists(path / "checkpoints"));
}

// A file without an ending that we write is a folder's name.
bool names_a_folder(const fs::path& out) {
  const std::string ending = out.extension().string();
  return ending != ".safetensors" && ending != ".pth" && ending != ".pt";
}

Converted convert(const Arguments& a) {
  const bool computed = !a.conversion.layout.empty() || a.conversion.patch > 0 || a.conversion.image_size > 0;
  require(!a.merge || !a.peft, "convert", "--merge and --peft are two ways: say one of them");
  if (a.merge || a.peft) {
    require(is_checkpoint(a.in), "convert", "--merge and --peft are for runs and checkpoints, got ", a.in);
    require(a.conversion.patch == 0 && a.conversion.image_size == 0, "convert",
            "--merge and --peft keep the patch and the grid; convert the backbone's file afterwards");
    return (a.merge ? export_merged : export_peft)(a.in, a.out, a.conversion, a.backbone, a.roots.weights);
  }
  if (is_checkpoint(a.in)) {
    require(!computed, "convert", "--layout, --patch and --image-size are for backbones, ", a.in, " is a checkpoint");
    return export_checkpoint(find_checkpoint(a.in), a.out, a.conversion.dtype);
  }
  if (names_a_folder(a.out)) {
    const std::vector<std::string> names = open_weight_file(a.in)->names();
    const bool peft = is_peft_adapter(names);
    if (!peft && !is_rein_checkpoint(names))
      fail("convert", "the output must end in .safetensors, .pth or .pt, got ", a.out,
           " (a folder is for official Rein checkpoints and peft adapters only)");
    if (a.config.empty())
      throw HintedError(concat_text("[convert] a ", peft ? "peft adapter" : "Rein checkpoint",
                                    " becomes a folder only together with its configuration"),
                        "--config CONFIG.toml describes the model: backbone, method, head, sizes, classes");
    require(!computed && a.dtype.empty(), "convert", "a checkpoint folder keeps the layout and f32");
    return (peft ? import_peft : import_checkpoint)(a.in, a.out, a.config, a.roots);
  }
  require(a.config.empty(), "convert", "--config is for official Rein checkpoints that become a folder");
  return convert_weights(a.in, a.out, a.conversion);
}

int run(const Arguments& a, const Globals& globals) {
  const Converted done = convert(a);
  const auto bytes = fs::is_regular_file(a.out) ? fs::file_size(a.out) : 0;
  if (globals.json) {
    using nlohmann::ordered_json;
    const ordered_json json = {{"in", a.in},
                               {"out", a.out},
                               {"from", done.from},
                               {"to", done.to},
                               {"tensors", done.tensors},
                               {"bytes", bytes},
                               {"left_out", done.left_out}};
    std::printf("%s\n", json.dump(-1, ' ', false, ordered_json::error_handler_t::replace).c_str());
    return 0;
  }
  if (globals.quiet) return 0;
  std::printf("from  %s\nto    %s\n%s: %zu tensors", done.from.c_str(), done.to.c_str(), a.out.c_str(), done.tensors);
  if (bytes > 0) std::printf(", %ju bytes", static_cast<std::uintmax_t>(bytes));
  std::printf("\n");
  if (!done.left_out.empty())
    std::printf("left out: %zu tensors without use here, first %s\n", done.left_out.size(), done.left_out[0].c_str());
  return 0;
}

}  // namespace

void add_convert(CommandLine line, const Globals& globals) {
  auto a = std::make_shared<Arguments>();
  CommandLine command = line.command(
      "convert",
      "weights and checkpoints: .pth to .safetensors and back, other layouts, patch and position sizes, dtypes;\n"
      "official Rein checkpoints to folders for eval and predict, and back; LoRA and SoMA merged into their "
      "backbone's\n"
      "file; peft's adapters, both ways");
  command
      .option("in", a->in,
              "a .safetensors (or its index, or a folder with either), .pth or .pt file; a run or checkpoint")
      .required();
  command.option("out", a->out, "a .safetensors, .pth or .pt file; of a Rein checkpoint also a new folder").required();
  command.option("--layout", a->conversion.layout,
                 "names and shapes of another published form of the same family: dinov2_hf, dinov2_orig, clip_hf, …");
  command.option("--patch", a->conversion.patch, "side of the patches; 14-pixel kernels are resized (bicubic)")
      .between(1, 256);
  command.option("--image-size", a->conversion.image_size, "pixels: the position grid becomes that of such an image")
      .between(1, 1 << 16);
  command
      .option("--dtype", a->dtype, "of floating tensors; default: the file's, f32 with --layout, --patch, --image-size")
      .one_of({"f32", "f16", "bf16"});
  command.option("--family", a->conversion.hints.family, "what the file is, where its names fit several families");
  command.option("--from-layout", a->conversion.hints.layout, "the names in the file, where several layouts fit");
  command.option("--heads", a->conversion.hints.heads, "attention heads, where the width does not tell");
  command.flag("--merge", a->merge,
               "a run or checkpoint becomes its backbone's own file, with LoRA or SoMA in the weights");
  command.flag("--peft", a->peft,
               "a run or checkpoint of LoRA becomes a peft adapter, with adapter_config.json beside it");
  command.option("--backbone", a->backbone, "with --merge and --peft: the backbone file (default: the recorded path)");
  command.option("--config", a->config,
                 "configuration of the model whose official Rein checkpoint or peft adapter becomes a folder");
  command.option("--data-root", a->roots.data, "folder that data.root and targets' roots are below (REIN_DATA_DIR)");
  command.option("--weights-root", a->roots.weights, "folder that model.backbone is below (REIN_WEIGHTS_DIR)");
  command.runs([a, &globals] {
    a->conversion.dtype = dtype_named(a->dtype);
    return run(*a, globals);
  });
}

}  // namespace rein::train
