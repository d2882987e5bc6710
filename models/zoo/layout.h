// How a published checkpoint names the tensors of a plain ViT. One table per layout, used in both directions.
// To add a layout: one file with a table, and its function in the list of layout.cpp.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/vit/vit_options.h"

namespace rein::models::zoo {

// One line of a table. "#" stands for a block's number and "*" for one word ("weight", "bias"), the same on both sides.
// A packed tensor of ours has several lines: part k of n equal row ranges of its first dimension.
struct NameRule {
  std::string_view theirs;
  std::string_view ours;
  int part = 0;
  int parts = 1;
};

struct Layout {
  std::string_view family;  // "dinov2"
  std::string_view name;    // "dinov2_hf"
  std::vector<NameRule> rules;
  std::vector<std::string_view> ignored;   // no effect on features; "head.*" stands for everything that begins so
  std::vector<std::string_view> marks;     // their names that tell this layout from the others ("#" as 0)
  std::vector<std::string_view> telltale;  // the same, not needed when the user names the family
  std::vector<std::string_view> foreign;   // names that it never has
  double eps = 1e-6;
  std::array<double, 3> mean{}, std{};  // of images with values from 0 to 1, R,G,B
  PositionResize resize = PositionResize::bicubic;
  PositionResize resize_with_registers = PositionResize::bicubic_antialias;

  bool ignores(std::string_view theirs) const;
};

// A tensor of ours, or a range of its rows.
struct Place {
  std::string name;
  int part = 0, parts = 1;
};
std::optional<Place> place_of(const Layout& layout, std::string_view theirs);
// The tensors of theirs that make one of ours, in the order of the parts; empty when the table has none.
std::vector<std::string> pieces_of(const Layout& layout, std::string_view ours);

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

// Names of the original DINOv2 code, which are ours: shared by all layouts that use them.
std::vector<NameRule> original_names();

inline constexpr std::array<double, 3> imagenet_mean = {0.485, 0.456, 0.406};
inline constexpr std::array<double, 3> imagenet_std = {0.229, 0.224, 0.225};

}  // namespace rein::models::zoo
