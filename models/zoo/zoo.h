// Which model is in a weight file: its family, layout and options, from names and shapes; where these are the same for
// two families, from one row of values.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>

#include "models/vit/vit.h"
#include "models/zoo/sources.h"

namespace rein::models::zoo {

// What a file cannot tell, or tells ambiguously.
struct Hints {
  std::string family;      // "" : any; "dinov2"; "dinov2-large": another size is refused, too
  std::int64_t heads = 0;  // 0: the layout's rule, which holds for every published size
  std::string layout{};    // "clip_rein": one of several with the same names, values not asked; "": the one that fits
};

struct Recognised {
  const Layout* layout = nullptr;
  VitOptions options;
  std::array<double, 3> mean{}, std{};               // of images with values from 0 to 1, R,G,B
  std::int64_t native_height = 0, native_width = 0;  // pixels, of the file's position grid

  std::string text() const;  // "dinov2 (dinov2_hf): 12 blocks of 384, 6 heads, patch 14, grid 37x37"
};

// The key under which a converted file's metadata names its layout.
inline constexpr const char* layout_key = "rein.layout";

// Throws std::runtime_error when the names fit no table: what was found, the nearest layout, and what it lacks; and
// when the family asked for has the names of the file but not its values. Of the values, at most the position table is
// read; one of zeros alone (a file of names and shapes) decides nothing.
Recognised recognise(const nn::TensorSource& theirs, const Hints& hints = {});

// Everything in one: recognised, with a source under our names for nn::bind.
struct Weights {
  Recognised model;
  std::shared_ptr<const nn::TensorSource> source;
};
Weights open_weights(const std::filesystem::path& path, const Hints& hints = {});
Weights open_weights(std::shared_ptr<const nn::TensorSource> theirs, const Hints& hints = {});

// The same weights for another patch size and a square position grid (official Rein: patch 16, 32x32 for 512 pixels).
Weights converted(const Weights& weights, std::int64_t patch, std::int64_t grid);

// nn::bind for a ViT, with the file's own names in the report beside ours. Throws std::runtime_error with the whole
// report when anything is missing, unexpected or misshapen.
void bind_weights(nn::Module& vit, const Weights& weights, DType dtype);

}  // namespace rein::models::zoo
