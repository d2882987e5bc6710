#include "models/vit/vit.h"

#include <algorithm>
#include <utility>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/sampling/resize.h"
#include "autograd/ops/shape/gather_rows.h"
#include "autograd/ops/shape/shape.h"
#include "autograd/recompute.h"
#include "tensor/error.h"

namespace rein::models {
namespace {

std::optional<nn::WindowOptions> window_options(const VitOptions& options, std::int64_t index) {
  if (!options.windows) return std::nullopt;
  const VitWindows& windows = *options.windows;
  if (!windows.global(index)) return nn::WindowOptions{windows.side, 0, 0};
  if (windows.table_grid > 0) return nn::WindowOptions{0, windows.table_grid, windows.table_grid};
  return nn::WindowOptions{0, options.grid_height, options.grid_width};
}

nn::BlockOptions block_options(const VitOptions& options, std::int64_t index) {
  const std::int64_t last = std::max<std::int64_t>(options.depth - 1, 1);
  return {.dim = options.dim,
          .heads = options.heads,
          .mlp_hidden = options.hidden(),
          .mlp = options.mlp,
          .mlp_norm = options.mlp_norm,
          .qkv_bias = options.qkv_bias,
          .windows = window_options(options, index),
          .layer_scale = options.layer_scale,
          .layer_scale_init = options.layer_scale_init,
          .eps = options.eps,
          .drop_path = options.drop_path * static_cast<double>(index) / static_cast<double>(last)};
}

constexpr std::size_t most_cached = 8;  // grids

ops::ResizeOptions position_rule(const VitOptions& options, std::int64_t h, std::int64_t w) {
  using ops::Interpolation;
  switch (options.position_resize) {
    case PositionResize::bicubic:
      return ops::to_size(h, w, Interpolation::bicubic);
    case PositionResize::bicubic_antialias:
      return ops::to_size(h, w, Interpolation::bicubic_antialias);
    case PositionResize::bilinear:
      return ops::to_size(h, w, Interpolation::bilinear);
    case PositionResize::bicubic_offset:
    default: {
      const auto factor = [](std::int64_t n, std::int64_t g) {
        return (static_cast<double>(n) + 0.1) / static_cast<double>(g);
      };
      return ops::by_factor(options.grid_height, options.grid_width, factor(h, options.grid_height),
                            factor(w, options.grid_width), Interpolation::bicubic);
    }
  }
}

}  // namespace

Vit::Vit(const VitOptions& options)
    : options_(options), patch_embed_(options.patch, options.dim, options.stem.patch_bias) {
  require(options.depth >= 1 && options.grid_height >= 1 && options.grid_width >= 1, "vit",
          "needs at least one block and a position grid, got depth ", options.depth, " and grid ", options.grid_height,
          " x ", options.grid_width);
  require(options.patch >= 1 && options.registers >= 0, "vit", "needs a patch size of 1 or more and no fewer than 0 ",
          "registers, got ", options.patch, " and ", options.registers);
  const nn::Init small = nn::Init::normal(0.02);
  const std::int64_t dim = options.dim;
  const std::int64_t positions = options.grid_height * options.grid_width + (options.class_token ? 1 : 0);
  if (options.class_token) cls_token_ = &declare("cls_token", Shape{1, 1, dim}, small);
  if (options.position_table) pos_embed_ = &declare("pos_embed", Shape{1, positions, dim}, small);
  if (options.registers > 0) register_tokens_ = &declare("register_tokens", Shape{1, options.registers, dim}, small);
  if (options.mask_token) declare("mask_token", Shape{1, dim}, nn::Init::constant(0));
  child("patch_embed", patch_embed_);
  if (options.stem.pre_norm) child("norm_pre", norm_pre_.emplace(dim, options.eps));
  for (std::int64_t i = 0; i < options.depth; ++i) {
    child(concat_text("blocks.", i), blocks_.emplace_back(block_options(options, i)));
  }
  if (options.final_norm) child("norm", norm_.emplace(dim, options.eps));
}

Variable Vit::positions(std::int64_t h, std::int64_t w) const {
  const Variable& table = pos_embed_->value;
  const std::int64_t dim = options_.dim;
  const std::int64_t first = options_.class_token ? 1 : 0;
  const bool native = h == options_.grid_height && w == options_.grid_width;
  const auto make = [&] {
    const Variable grid = slice(table, 1, first, table.size(1));
    if (native) return view(grid, Shape{h * w, dim});
    const Variable map = view(grid, Shape{1, options_.grid_height, options_.grid_width, dim});
    const Variable resized = resize(map, position_rule(options_, h, w));
    require(resized.size(1) == h && resized.size(2) == w, "vit", "position grid ", resized.shape(), " must be ", h,
            " x ", w);
    return view(resized, Shape{h * w, dim});
  };
  if (table.requires_grad()) return make();
  auto size = std::ranges::find_if(cache_, [&](const CachedPositions& c) { return c.h == h && c.w == w; });
  if (size == cache_.end()) {
    if (cache_.size() >= most_cached) cache_.erase(cache_.begin());
    size = cache_.insert(cache_.end(), {h, w});
  }
  return constant(size->rows.of(table.value(), [&] { return make().value(); }));
}

ops::RopeTable Vit::rope(std::int64_t h, std::int64_t w, const Tensor& like) const {
  if (options_.rope.kind == RopeKind::none) return {};
  for (const CachedRope& c : rope_cache_)
    if (c.h == h && c.w == w && c.table.cos.dtype() == like.dtype() && c.table.cos.device() == like.device())
      return c.table;
  if (rope_cache_.size() >= most_cached) rope_cache_.erase(rope_cache_.begin());
  const ops::RopeTable table = rope_table(options_.rope, h, w, options_.dim / options_.heads, like.dtype());
  rope_cache_.push_back({h, w, table.to(like.device())});
  return rope_cache_.back().table;
}

Variable Vit::embed(const Variable& image, const Tensor& visible) const {
  const std::int64_t n = image.size(0), h = image.size(1) / options_.patch, w = image.size(2) / options_.patch;
  Variable patches = patch_embed_(image);
  if (pos_embed_ != nullptr) patches = add_broadcast(patches, positions(h, w));
  if (visible) patches = gather_rows(patches, visible);
  std::vector<Variable> parts;
  if (cls_token_ != nullptr) {
    const auto times = static_cast<double>(options_.stem.class_token_times);
    const Variable token = times == 1 ? cls_token_->value : scale(cls_token_->value, times);
    parts.push_back(expand(pos_embed_ != nullptr ? add(token, slice(pos_embed_->value, 1, 0, 1)) : token, n));
  }
  if (register_tokens_ != nullptr) parts.push_back(expand(register_tokens_->value, n));
  parts.push_back(patches);
  const Variable tokens = parts.size() == 1 ? patches : concat(parts, 1);
  return norm_pre_ ? (*norm_pre_)(tokens) : tokens;
}

Variable Vit::map_of(const TokenState& state, std::int64_t h, std::int64_t w) const {
  const Variable& tokens = state.tokens;
  require(tokens.size(1) == state.prefix + h * w, "vit", "tokens ", tokens.shape(), " must be ", state.prefix,
          " prefix tokens and ", h, " x ", w, " patches");
  const Variable patches = state.prefix == 0 ? tokens : slice(tokens, 1, state.prefix, tokens.size(1));
  return view(patches, Shape{tokens.size(0), h, w, options_.dim});
}

VitOutput Vit::forward(const Variable& image, const nn::ForwardContext& context, const VitForward& wanted) const {
  require(image.shape().rank() == 4 && image.size(3) == 3, "vit", "image must be (N, H, W, 3), got ", image.shape());
  const std::int64_t p = options_.patch;
  require(image.size(1) >= p && image.size(2) >= p && image.size(1) % p == 0 && image.size(2) % p == 0, "vit",
          "height and width must be multiples of the patch size ", p, ", got ", image.shape());
  const std::vector<int>& out = wanted.out_indices;
  require(std::ranges::is_sorted(out) && (out.empty() || (out.front() >= 0 && out.back() < options_.depth)), "vit",
          "out_indices must be ascending and below the depth ", options_.depth);
  require(!wanted.want_final || norm_, "vit", "this model has no final norm");
  require(!wanted.visible || (wanted.want_final && out.empty() && wanted.adapter == nullptr && !options_.windows &&
                              options_.rope.kind == RopeKind::none),
          "vit", "visible patches give the final tokens alone, without adapter, windows and rotary positions");
  const std::int64_t h = image.size(1) / p, w = image.size(2) / p;
  const int end = wanted.want_final || out.empty() ? static_cast<int>(options_.depth) : out.back() + 1;

  const std::shared_ptr<const AdapterPass> pass = wanted.adapter ? wanted.adapter->begin(context) : nullptr;
  nn::ForwardContext inside = context;
  inside.training = context.training && !wanted.frozen;
  TokenState state{embed(image, wanted.visible), options_.prefix()};
  const ops::RopeTable turns = rope(h, w, state.tokens.value());
  VitOutput output;
  for (int i = 0; i < end; ++i) {
    if (pass) pass->before_block(i, state);
    const nn::Block& block = blocks_[static_cast<std::size_t>(i)];
    // `pass` is held by value: the body may run again after this function returned.
    const auto run = [&block, inside, pass, i, turns, h, w](std::span<const Variable> x) {
      return std::vector<Variable>{block(x[0], inside, {pass.get(), i, turns, h, w})};
    };
    const bool recompute = wanted.recompute && recording() && (wanted.blocks_trainable || state.tokens.requires_grad());
    state.tokens = recompute ? rein::recompute(run, {state.tokens}, wanted.blocks_trainable)[0]
                             : run(std::span(&state.tokens, 1))[0];
    if (pass) pass->after_block(i, state);
    if (std::ranges::binary_search(out, i)) output.features.push_back(map_of(state, h, w));
  }
  if (wanted.visible)
    output.final_tokens = (*norm_)(state.tokens);
  else if (wanted.want_final)
    output.final_map = (*norm_)(map_of(state, h, w));
  if (pass) output.queries = pass->queries();
  return output;
}

}  // namespace rein::models
