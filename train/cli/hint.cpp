#include "train/cli/hint.h"

#include <utility>

namespace rein::train {

std::string hint_for(const std::string& error) {
  constexpr const char* quantised = "quantised files cannot be used: take the f32, f16 or bf16 file of the same model";
  constexpr const char* not_weights = "rein inspect --tensors FILE lists what the file holds, each with its dtype";
  // First match wins: the more particular text comes first.
  static const std::pair<const char*, const char*> hints[] = {
      {"git-LFS", "fetch the real file: git lfs pull, or download it from its page again"},
      {"is a web page", "the download saved a web page; open the link in a browser and check that you are logged in"},
      {"shards are missing", "download every file that the index names into one folder"},
      {"builds no tensor",
       "nothing was run; load it where it came from and keep its tensors alone: torch.save(model.state_dict(), FILE)"},
      {"is truncated", "the download stopped early: fetch the file again and compare its size with the page's"},
      {"is compressed", "torch.load and torch.save write it again uncompressed"},
      {"without the backbone",
       "this place takes the backbone's own file; a Rein checkpoint becomes a folder for rein eval with rein convert"},
      {"the class token's row",
       "a backbone that was trained further needs its layout's name: model.layout = \"mae_orig\", or rein inspect "
       "--layout"},
      {"unknown layout", "docs/weights.md lists the layouts; rein inspect says which one a file has"},
      {"is not a regular file",
       "name a .safetensors, .pth or .pt file, or the folder of a model, a checkpoint or a run"},
      {"neither a safetensors nor a PyTorch file", "docs/weights.md says where to get each backbone"},
      {"is asked for", "rein inspect FILE says what a file is; docs/weights.md where to get each one"},
      {"fits several families", "say which it is: --family NAME, in a configuration model.family"},
      {"dtype I8 is not", quantised},
      {"dtype F8_", quantised},
      {"dtype F6_", quantised},
      {"dtype F4 is not", quantised},
      {"dtype U32 is not", quantised},      // MLX packs 4-bit numbers so
      {"holds integers (I32)", quantised},  // GPTQ and AWQ
      {"holds integers (U8)", quantised},   // bitsandbytes, GGUF's blocks
      {"weights must be F32", not_weights},
      {"is not supported (F64", not_weights},
      {"unknown dtype", "the file is damaged, or newer than the safetensors format that this program knows"},
      {"no known ViT", "docs/weights.md lists the files that are known; rein inspect --tensors FILE shows this one's"},
      {"number of heads is not in the file", "say it: --heads N, in a configuration model.heads"},
      {"a multiple of the patch side",
       "with model.patch = 16 (rein convert --patch 16) kernels of 14 pixels are resized, as the official recipe does"},
      {"does not fit", "rein inspect --tensors FILE lists what the file holds; docs/weights.md where whole files are"},
      {"SHA-256", "use the backbone file the checkpoint was trained with, or train again with this one"},
      {"unknown key", "every key and its default: rein train --keys"},
      {"out of memory", "lower train.micro_batch, or set train.recompute = true"},
      {"no CUDA backend", "build with cmake --preset cuda"},
      {"is not in the set's label map",
       "in the set's description, give the id a class under [labels.map], name it in labels.ignore, or set "
       "labels.other = \"ignore\""},
      {"No space left", "free some space and call again; a run of rein train goes on with --resume"},
  };
  for (const auto& [text, hint] : hints)
    if (error.find(text) != std::string::npos) return hint;
  return "";
}

}  // namespace rein::train
