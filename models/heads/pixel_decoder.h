// Mask2Former's pixel decoder: a deformable encoder over three levels and an FPN step to stride 4. Equal official
// module: mmdet's MSDeformAttnPixelDecoder. Names as there: input_convs.i.{conv,gn}, encoder.layers.j.{self_attn,ffn,
// norms.0,norms.1}, level_encoding.weight, lateral_convs.0.{conv,gn}, output_convs.0.{conv,gn}, mask_feature.
#pragma once

#include <deque>
#include <vector>

#include "models/heads/semantic_fpn.h"  // ConvGn
#include "nn/conv.h"
#include "nn/ms_deform_attn.h"
#include "nn/norm_layers.h"

namespace rein::models {

struct PixelDecoderOptions {
  std::vector<std::int64_t> in_channels;         // of the four maps, fine to coarse
  std::vector<double> factors = {4, 2, 1, 0.5};  // of the backbone's maps; all 1 when they already are a pyramid
  std::int64_t feat_channels = 256;              // of the memories; a multiple of 4, of heads and of gn_groups
  std::int64_t out_channels = 256;               // of the mask features
  std::int64_t heads = 8, points = 4, layers = 6;
  std::int64_t ffn_channels = 1024;
  std::int64_t gn_groups = 32;
};

struct PixelDecoderOut {
  Variable mask_features;          // (N, h0, w0, out_channels): the size of map 0 after its factor
  std::vector<Variable> memories;  // three, coarse to fine: (N, h, w, feat_channels), sizes of maps 3, 2, 1
};

// "ffn" of the official transformer layers: x + layers.1(relu(layers.0.0(x))).
class Ffn final : public nn::Module {
 public:
  Ffn(std::int64_t dim, std::int64_t hidden);  // Xavier normal weights, PyTorch's biases: the official start
  Variable operator()(const Variable& x) const;

 private:
  nn::Linear in_, out_;
};

class PixelDecoder final : public nn::Module {
 public:
  explicit PixelDecoder(const PixelDecoderOptions& options);
  // Four maps (N, h_i, w_i, in_channels[i]), fine to coarse. With factors, each is enlarged after its projection.
  // `recompute`: backward runs each encoder layer again instead of keeping what it saved.
  PixelDecoderOut operator()(const std::vector<Variable>& features, bool recompute = false) const;

 private:
  class Layer final : public nn::Module {
   public:
    explicit Layer(const PixelDecoderOptions& options);
    Variable operator()(const Variable& x, const Variable& position, const Variable& reference_points,
                        const std::vector<ops::LevelShape>& levels) const;

   private:
    nn::MsDeformAttn self_attn_;
    Ffn ffn_;
    nn::LayerNorm norm0_, norm1_;
  };

  // The reference points of the sizes that came last: made and sent to a device once, not every step.
  struct Reference {
    std::vector<ops::LevelShape> levels;
    Tensor points;
  };
  Tensor kept_reference(std::int64_t n, const std::vector<ops::LevelShape>& levels, DType dtype, Device device) const;

  PixelDecoderOptions options_;
  mutable Reference reference_;
  std::deque<ConvGn> input_convs_;  // of maps 3, 2, 1
  std::deque<Layer> layers_;
  nn::Param* level_encoding_;
  ConvGn lateral_conv_, output_conv_;
  nn::Conv2d mask_feature_;
};

}  // namespace rein::models
