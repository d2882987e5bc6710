// Self-attention over a map with decomposed relative positions, inside square windows or over the whole map (SAM).
#pragma once

#include "nn/hooks.h"
#include "nn/linear.h"

namespace rein::nn {

struct WindowOptions {
  std::int64_t side = 0;  // of the windows, in tokens; 0: all tokens of the map attend to each other
  // Without windows: the map that the tables are made for. Another map gets them resized (bilinear, given size).
  std::int64_t grid_height = 0, grid_width = 0;
};

// Names qkv.{weight,bias} (rows [q; k; v], each in head order), proj.{weight,bias}, rel_pos_h (2 h - 1, dim / heads)
// and rel_pos_w (2 w - 1, dim / heads), shared by the heads; h = w = side in windows, whose tables are never resized.
// The last windows of a row and column reach beyond the map: zeros stand there before the projection, so q, k and v are
// the biases there, and these keys do take part.
class WindowAttention final : public Module {
 public:
  WindowAttention(std::int64_t dim, std::int64_t heads, const WindowOptions& options);
  // x (N, L, dim) with L = site.grid_height * site.grid_width: a map alone, no class token or prompts.
  Variable operator()(const Variable& x, const BlockSite& site) const;

 private:
  Variable fill(const BlockSite& site, DType dtype) const;

  std::int64_t dim_, heads_;
  WindowOptions options_;
  Linear qkv_;
  Param* qkv_bias_;
  Linear proj_;
  Param* rel_pos_h_;
  Param* rel_pos_w_;
};

// A table of 2 g - 1 relative positions for a map of another extent: (2 n - 1, d), linear.
Variable resized_relative(const Variable& table, std::int64_t extent);

}  // namespace rein::nn
