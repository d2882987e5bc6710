// Masked autoencoding (He et al., "Masked autoencoders are scalable vision learners", 2022): the ViT sees a few patches
// of an image, a small decoder draws the others. No labels. Afterwards the decoder is thrown away.
//
//   encoder        the ViT with its final norm, on the class token and the visible patches
//   decoder.embed  to the decoder's width; decoder.mask_token (1, 1, D) stands for each hidden patch; fixed sine
//                  positions; decoder.blocks.N, decoder.norm, decoder.predict: to patch * patch * 3 values
//   loss           the mean square of (prediction - target) over the predicted patches, which are the hidden ones
//   unless
//                  all are asked for; the target's patches are normalised one by one: (x - mean) / sqrt(variance +
//                  floor), variance with divisor patch * patch * 3; or all patches of a photo as one
#pragma once

#include <deque>

#include "models/vit/vit.h"
#include "nn/linear.h"
#include "nn/norm_layers.h"

namespace rein::models {

// Which patches of each image the encoder sees; each list ascends.
struct PatchMask {
  Tensor visible;  // i64 (N, K)
  Tensor hidden;   // i64 (N, M), K + M = patches of an image
  Tensor places;   // i64 (N, K + M): where patch p lies in [visible; hidden]
};

// round(hidden_part * patches) hidden, at least one of either. Image i has the key's child first_sample + i: a
// micro-batch sees what the whole batch would. std::invalid_argument for a part outside (0, 1) or one patch alone.
PatchMask random_mask(RandomKey key, std::int64_t images, std::int64_t first_sample, std::int64_t patches,
                      double hidden_part);

struct MaskedAutoencoderOptions {
  VitOptions vit{};
  std::int64_t decoder_dim = 64, decoder_depth = 2, decoder_heads = 2;
  bool all_patches = false;  // predict the visible ones, too: of a target that is not the image
  bool whole_photo = false;  // targets are normalised with the mean and variance of all patches of their photo together
  double variance_floor = 1e-6;
};

class MaskedAutoencoder final : public nn::Module {
 public:
  explicit MaskedAutoencoder(const MaskedAutoencoderOptions& options);

  // image (N, H, W, 3), normalised, of the ViT's own grid -> (N, M, patch * patch * 3): the predicted patches, M of
  // them.
  Variable predict(const Variable& image, const PatchMask& mask, const nn::ForwardContext& context) const;
  // What must be predicted of `target`, (N, H, W, 3): usually the image itself.
  Variable target_patches(const Variable& target, const PatchMask& mask) const;
  Variable loss(const Variable& image, const Variable& target, const PatchMask& mask,
                const nn::ForwardContext& context) const;

  Vit& vit() { return vit_; }
  const MaskedAutoencoderOptions& options() const { return options_; }
  std::int64_t patches() const { return options_.vit.grid_height * options_.vit.grid_width; }

 private:
  class Decoder final : public nn::Module {
   public:
    explicit Decoder(const MaskedAutoencoderOptions& options);
    // tokens (N, 1 + K, dim) of the encoder -> (N, M, values)
    Variable operator()(const Variable& tokens, const PatchMask& mask, const nn::ForwardContext& context) const;

   private:
    nn::Linear embed_;
    nn::Param* mask_token_;
    std::deque<nn::Block> blocks_;
    nn::LayerNorm norm_;
    nn::Linear predict_;
    std::vector<double> positions_;
    std::int64_t dim_;
    bool all_;
  };

  MaskedAutoencoderOptions options_;
  Vit vit_;
  Decoder decoder_;
};

// MAE's fixed positions, (h * w, dim) row by row: half of the columns for the column number, half for the row number;
// of each half sin(p / 10000^(k / n)) and then cos, k = 0 … n - 1, n = dim / 4. dim must be a multiple of 4.
std::vector<double> sine_table(std::int64_t h, std::int64_t w, std::int64_t dim);

}  // namespace rein::models
