#include "models/pretraining/masked_autoencoder.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/ops/conv/conv.h"
#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/norm/norm.h"
#include "autograd/ops/shape/gather_rows.h"
#include "autograd/ops/shape/reduce.h"
#include "autograd/ops/shape/shape.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

std::int64_t values_of(const VitOptions& vit) {
  return vit.patch * vit.patch * 3;
}

Tensor as_tensor(const std::vector<double>& values, const Shape& shape, DType dtype) {
  if (dtype == DType::f64) return Tensor::from(values, shape);
  return Tensor::from(std::vector<float>(values.begin(), values.end()), shape);
}

}  // namespace

PatchMask random_mask(RandomKey key, std::int64_t images, std::int64_t first_sample, std::int64_t patches,
                      double hidden_part) {
  require(patches >= 2 && hidden_part > 0 && hidden_part < 1, "mask",
          "needs two patches or more and a hidden part within 0 and 1, got ", patches, " and ", hidden_part);
  const auto wanted = static_cast<std::int64_t>(std::lround(hidden_part * static_cast<double>(patches)));
  const std::int64_t hidden = std::clamp<std::int64_t>(wanted, 1, patches - 1), visible = patches - hidden;
  PatchMask mask{Tensor::empty({images, visible}, DType::i64), Tensor::empty({images, hidden}, DType::i64),
                 Tensor::empty({images, patches}, DType::i64)};
  auto* seen = mask.visible.mutable_data<std::int64_t>();
  auto* unseen = mask.hidden.mutable_data<std::int64_t>();
  auto* places = mask.places.mutable_data<std::int64_t>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(patches));
  for (std::int64_t i = 0; i < images; ++i) {
    const RandomKey own = key.child(static_cast<std::uint64_t>(first_sample + i));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    for (std::uint64_t k = order.size() - 1; k > 0; --k) std::swap(order[k], order[own.below(k, k + 1)]);
    std::sort(order.begin(), order.begin() + visible);
    std::sort(order.begin() + visible, order.end());
    for (std::int64_t k = 0; k < patches; ++k) {
      const std::int64_t patch = order[static_cast<std::size_t>(k)];
      (k < visible ? seen[i * visible + k] : unseen[i * hidden + k - visible]) = patch;
      places[i * patches + patch] = k;
    }
  }
  return mask;
}

std::vector<double> sine_table(std::int64_t h, std::int64_t w, std::int64_t dim) {
  require(dim % 4 == 0, "sine_table", "the width must be a multiple of 4, got ", dim);
  const std::int64_t n = dim / 4;
  std::vector<double> table;
  for (std::int64_t row = 0; row < h; ++row)
    for (std::int64_t column = 0; column < w; ++column)
      for (const std::int64_t place : {column, row})
        for (const bool cosine : {false, true})
          for (std::int64_t k = 0; k < n; ++k) {
            const double angle =
                static_cast<double>(place) / std::pow(10000.0, static_cast<double>(k) / static_cast<double>(n));
            table.push_back(cosine ? std::cos(angle) : std::sin(angle));
          }
  return table;
}

MaskedAutoencoder::Decoder::Decoder(const MaskedAutoencoderOptions& o)
    : embed_(o.vit.dim, o.decoder_dim),
      norm_(o.decoder_dim, o.vit.eps),
      predict_(o.decoder_dim, values_of(o.vit)),
      positions_(sine_table(o.vit.grid_height, o.vit.grid_width, o.decoder_dim)),
      dim_(o.decoder_dim),
      all_(o.all_patches) {
  child("embed", embed_);
  mask_token_ = &declare("mask_token", Shape{1, 1, dim_}, nn::Init::normal(0.02));
  for (std::int64_t i = 0; i < o.decoder_depth; ++i)
    child(concat_text("blocks.", i),
          blocks_.emplace_back(
              nn::BlockOptions{.dim = dim_, .heads = o.decoder_heads, .mlp_hidden = 4 * dim_, .eps = o.vit.eps}));
  child("norm", norm_);
  child("predict", predict_);
}

Variable MaskedAutoencoder::Decoder::operator()(const Variable& tokens, const PatchMask& mask,
                                                const nn::ForwardContext& context) const {
  const std::int64_t n = mask.hidden.size(0), hidden = mask.hidden.size(1), patches = mask.places.size(1);
  const Variable seen = embed_(tokens);
  const Variable unseen = expand(view(expand(mask_token_->value, hidden), Shape{1, hidden, dim_}), n);
  Variable all = gather_rows(concat({slice(seen, 1, 1, seen.size(1)), unseen}, 1), mask.places);
  all = add_broadcast(all, constant(as_tensor(positions_, Shape{patches, dim_}, all.dtype()).to(all.value().device())));
  Variable x = concat({slice(seen, 1, 0, 1), all}, 1);
  for (const nn::Block& block : blocks_) x = block(x, context);
  x = slice(x, 1, 1, x.size(1));
  return predict_(norm_(all_ ? x : gather_rows(x, mask.hidden)));
}

MaskedAutoencoder::MaskedAutoencoder(const MaskedAutoencoderOptions& options)
    : options_(options), vit_(options.vit), decoder_(options) {
  const VitOptions& o = options_.vit;
  require(o.class_token && o.registers == 0 && o.position_table && o.final_norm, "masked_autoencoder",
          "needs a ViT with class token, position table and final norm, without registers");
  child("encoder", vit_);
  child("decoder", decoder_);
  // The positions begin as MAE's fixed ones, and are trained.
  std::vector<double> table(static_cast<std::size_t>(o.dim), 0.0);
  const std::vector<double> grid = sine_table(o.grid_height, o.grid_width, o.dim);
  table.insert(table.end(), grid.begin(), grid.end());
  vit_.visit([&](const std::string& path, nn::Param& p) {
    if (path == "pos_embed") p.init = nn::Init::table(table);
  });
}

Variable MaskedAutoencoder::predict(const Variable& image, const PatchMask& mask,
                                    const nn::ForwardContext& context) const {
  const VitOptions& o = options_.vit;
  require(
      image.shape().rank() == 4 && image.size(1) == o.grid_height * o.patch && image.size(2) == o.grid_width * o.patch,
      "masked_autoencoder", "image must be (N, ", o.grid_height * o.patch, ", ", o.grid_width * o.patch, ", 3), got ",
      image.shape());
  const VitOutput seen = vit_.forward(image, context, {.out_indices = {}, .want_final = true, .visible = mask.visible});
  return decoder_(seen.final_tokens, mask, context);
}

Variable MaskedAutoencoder::target_patches(const Variable& target, const PatchMask& mask) const {
  Variable all = patchify(target, options_.vit.patch);
  const auto normalised = [&](const Variable& x) {
    const Shape values{x.size(-1)};
    const Device device = x.value().device();
    return layer_norm(x, constant(Tensor::full(values, 1, x.dtype(), device)),
                      constant(Tensor::zeros(values, x.dtype(), device)), options_.variance_floor);
  };
  if (options_.whole_photo)
    all = view(normalised(view(all, Shape{all.size(0), all.size(1) * all.size(2)})), all.shape());
  const Variable patches = options_.all_patches ? all : gather_rows(all, mask.hidden);
  return options_.whole_photo ? patches : normalised(patches);
}

Variable MaskedAutoencoder::loss(const Variable& image, const Variable& target, const PatchMask& mask,
                                 const nn::ForwardContext& context) const {
  const Variable difference = sub(predict(image, mask, context), target_patches(target, mask));
  return mean(mul(difference, difference));
}

}  // namespace rein::models
