// How a published checkpoint names the tensors of a plain ViT. One table per layout, used in both directions.
// To add a layout: one file with a table, and its function in the list of layout.cpp.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/vit/vit_options.h"
#include "tensor/ops/sampling/resize.h"

namespace rein::models::zoo {

// How their tensor holds the values of ours: the same bytes under another shape.
enum class Form {
  same,
  vector,  // (C)          of our (1, 1, C): CLIP's class token
  table,   // (T, C)       of our (1, T, C): CLIP's positions
  map,     // (1, h, w, C) of our (1, h * w, C): SAM's positions
};
// Their shape seen as ours; unchanged when it has not the form, so that it is reported as it is.
Shape to_our_shape(Form form, const Shape& theirs);
// Ours as theirs; a map is square.
Shape to_their_shape(Form form, const Shape& ours);

// One line of a table. "#" stands for a block's number and "*" for one word ("weight", "bias"), the same on both sides.
// A packed tensor of ours has several lines: part k of n equal row ranges of its first dimension.
struct NameRule {
  std::string_view theirs;
  std::string_view ours;
  int part = 0;
  int parts = 1;
  Form form = Form::same;
};

// What the class token's row of the position table holds: fixed sin-cos tables keep it exactly zero, learned ones do
// not.
enum class ClassRow { any, zero, learned };

struct Layout {
  std::string_view family;  // "dinov2"
  std::string_view name;    // "dinov2_hf"
  std::vector<NameRule> rules;
  // No effect on features. "head.*" stands for everything that begins so; with a "#", "*" is one word as in the rules.
  std::vector<std::string_view> ignored;
  std::vector<std::string_view> marks;     // their names that tell this layout from the others ("#" as 0)
  std::vector<std::string_view> telltale;  // the same, not needed when the user names the family
  std::vector<std::string_view> foreign;   // names that it never has
  // Where layouts of the same names and shapes differ in this value; asked when no telltale is there.
  ClassRow class_row = ClassRow::any;
  double eps = 1e-6;
  std::array<double, 3> mean{}, std{};  // of images with values from 0 to 1, R,G,B
  PositionResize resize = PositionResize::bicubic;
  PositionResize resize_with_registers = PositionResize::bicubic_antialias;
  // How a position grid is resized when the file is converted to another size, as the official Rein converts it.
  ops::Interpolation convert_positions = ops::Interpolation::bicubic;
  nn::MlpKind mlp = nn::MlpKind::gelu;  // of a file with fc1 and fc2
  VitStem stem{};
  bool windows = false;  // attention over maps with relative positions: which blocks are windows is in their tables
  // Rows of the position table, where layouts of the same names differ in them; not asked when the layout is named.
  std::int64_t least_positions = 0, most_positions = 0;  // 0: any
  VitRope rope{};
  std::int64_t native = 0;  // side of the usual image in pixels, for a family without a position table
  std::vector<std::pair<std::int64_t, std::int64_t>> heads{};  // (width, heads) where heads are not width / 64

  bool ignores(std::string_view theirs) const;
  std::int64_t heads_of(std::int64_t width) const;  // 0: cannot be told
};

// A tensor of ours, or a range of its rows.
struct Place {
  std::string name;
  int part = 0, parts = 1;
  Form form = Form::same;
};
std::optional<Place> place_of(const Layout& layout, std::string_view theirs);
// The tensors of theirs that make one of ours, in the order of the parts; empty when the table has none.
std::vector<std::string> pieces_of(const Layout& layout, std::string_view ours);
Form form_of(const Layout& layout, std::string_view ours);

// `name` fits `pattern`: the number at "#" and the word at "*" (-1 and "" where the pattern has none).
struct Match {
  long block = -1;
  std::string_view word;
};
std::optional<Match> match(std::string_view pattern, std::string_view name);

const std::vector<Layout>& layouts();

// The tables.
Layout vit_augreg();
Layout dinov2_original();
Layout dinov2_hugging_face();
Layout dinov3_hugging_face();
Layout dinov3_hugging_face_gated();
Layout eva02_timm();
Layout eva02_timm_fused();
Layout eva02_rein();
Layout eva02_rein_fused();

Layout clip_hugging_face();
Layout clip_openai();
Layout clip_rein();
Layout mae_original();
Layout mae_hugging_face();
Layout sam_original();
Layout sam_hugging_face();

// Names of the original DINOv2 code, which are ours: shared by all layouts that use them.
std::vector<NameRule> original_names();

inline constexpr std::array<double, 3> imagenet_mean = {0.485, 0.456, 0.406};
inline constexpr std::array<double, 3> imagenet_std = {0.229, 0.224, 0.225};

}  // namespace rein::models::zoo
