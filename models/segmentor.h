// Segmentor: backbone, adapter and head in one tree with the official names: backbone.*, backbone.reins.*, neck.*,
// decode_head.*. Training, verification and inference all run these functions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "models/adapters/method.h"
#include "models/heads/mask2former.h"
#include "models/heads/semantic_fpn.h"
#include "models/vit/backbone.h"

namespace rein::models {

enum class HeadKind { semantic_fpn, mask2former };
HeadKind head_kind_of(const std::string& name);  // throws with the known names
std::string name_of(HeadKind kind);

struct SegmentorOptions {
  VitOptions vit{};
  std::vector<int> out_indices{};  // empty: the quarters
  Method method{};                 // what trains beside the head; freeze: nothing
  HeadKind head_kind = HeadKind::semantic_fpn;
  SemanticFpnOptions head{};  // of semantic_fpn; in_channels is taken from vit
  // in_channels is taken from vit. An adapter's queries, where it gives some, are the head's: rein_queries is set, and
  // `queries` becomes their number.
  Mask2FormerOptions mask2former{};
  bool recompute = false;  // run blocks (and the layers of Mask2Former) again in backward instead of keeping values
};

class Segmentor final : public nn::Module {
 public:
  explicit Segmentor(const SegmentorOptions& options);

  // Mixed precision, for bound f32 parameters: weights of the frozen backbone's linear layers become bf16, here and
  // now. On CUDA its activations then are bf16 (nn/block.h), the adapter's products take bf16 operands, and products
  // and convolutions of the head and the patch embedding run in TF32; attention of the head and all losses stay f32. On
  // the CPU all but the frozen products stays f32. Throws when the backbone is trained: its weights must not lose bits.
  void use_bf16();
  // What the products of a step run in, by the device and the above: "f32", …
  std::string products_text() const;

  // Moves all bound parameters (nn::move_to). Images and labels may come from anywhere: they are copied to this device.
  void move_to(Device device);
  Device device() const { return device_; }

  // images (N, H, W, 3), normalised, on the segmentor's device.
  HeadInput features(const Variable& images, const nn::ForwardContext& context) const;
  // labels i64 (N, H, W), 255 = ignore. Terms are named "decode.loss_ce".
  Losses loss(const nn::ForwardContext& context, const Tensor& images, const Tensor& labels,
              const LossScope& scope = {}) const;
  // Class scores at the images' size, (N, H, W, K), on the segmentor's device, in eval mode without recording. Images
  // that are not whole patches, or less than two patches a side, are padded with zeros at the bottom and right, and the
  // scores cut again.
  Tensor scores(const Tensor& images) const;

  const SegmentorOptions& options() const { return options_; }
  Backbone& backbone() { return backbone_; }
  const Backbone& backbone() const { return backbone_; }
  Head& head() { return *head_; }
  const Head& head() const { return *head_; }

 private:
  Segmentor(const SegmentorOptions& options, std::unique_ptr<Adapter> adapter);

  SegmentorOptions options_;
  Device device_;
  bool mixed_ = false;
  Backbone backbone_;
  std::unique_ptr<Head> head_;
};

}  // namespace rein::models
