#include "models/zoo/zoo.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "models/zoo/report.h"
#include "tensor/error.h"

namespace rein::models::zoo {
namespace {

const std::string segmentor_prefix = "backbone.";

// Layouts of the same names may differ in the size of the position table.
bool positions_fit(const nn::TensorSource& theirs, const Layout& layout) {
  const std::vector<std::string> table = pieces_of(layout, "pos_embed");
  if (table.size() != 1 || !theirs.has(table[0])) return true;
  const Shape shape = to_our_shape(form_of(layout, "pos_embed"), theirs.shape(table[0]));
  if (shape.rank() != 3) return true;
  return shape[1] >= layout.least_positions && (layout.most_positions == 0 || shape[1] <= layout.most_positions);
}

// The first row of the position table is zeros; nullopt when there is no such table, or nothing else in it either: a
// file of names and shapes alone.
std::optional<bool> class_row_is_zero(const nn::TensorSource& theirs, const Layout& layout) {
  const std::vector<std::string> table = pieces_of(layout, "pos_embed");
  if (table.size() != 1 || !theirs.has(table[0])) return std::nullopt;
  const Shape shape = theirs.shape(table[0]);
  if (shape.rank() != 3 || shape[1] < 2 || shape.count() == 0) return std::nullopt;
  const Tensor values = theirs.read(table[0], DType::f32);
  const std::span<const float> all(values.data<float>(), static_cast<std::size_t>(values.count()));
  const auto row = static_cast<std::size_t>(shape[2]);
  const auto zero = [](float v) { return v == 0; };
  if (!std::ranges::all_of(all.first(row), zero)) return false;
  if (std::ranges::all_of(all.subspan(row), zero)) return std::nullopt;
  return true;
}

bool names_fit(const nn::TensorSource& theirs, const Layout& layout) {
  return missing_marks(theirs, layout, true).empty() && foreign_names(theirs, layout).empty();
}

// What tells the layout from others with its marks is there: a name, else a value, else the user's word.
bool is_told(const nn::TensorSource& theirs, const Layout& layout, bool family_said) {
  const bool named = missing_marks(theirs, layout, false).empty();
  if (layout.class_row == ClassRow::any || (named && !layout.telltale.empty())) return named || family_said;
  const std::optional<bool> zero = class_row_is_zero(theirs, layout);
  return zero ? *zero == (layout.class_row == ClassRow::zero) : named || family_said;
}

bool fits(const nn::TensorSource& theirs, const Layout& layout, bool family_said, bool layout_said) {
  return names_fit(theirs, layout) &&
         (layout_said || (positions_fit(theirs, layout) && is_told(theirs, layout, family_said)));
}

// A layout has the file's names, but not its values. `other`: one that has both, or null.
[[noreturn]] void fail_by_value(const nn::TensorSource& theirs, const Layout& asked, const Layout* other) {
  const bool zero = asked.class_row == ClassRow::zero;
  const std::string why =
      concat_text("the class token's row of ", pieces_of(asked, "pos_embed").at(0),
                  zero ? " is not zero, as it is in " : " is zero, as it never is in ", asked.family);
  if (other == nullptr) fail_runtime("zoo", theirs.describe(), " has the names of ", asked.name, ", but ", why);
  fail_runtime("zoo", theirs.describe(), " is ", other->family, " (", other->name, "): ", why, "; ", asked.family,
               " is asked for");
}

const Layout& find_layout(const nn::TensorSource& theirs, const std::string& family, const std::string& wanted) {
  std::vector<const Layout*> candidates;
  std::set<std::string> families;
  for (const Layout& layout : layouts()) {
    families.emplace(layout.family);
    if ((family.empty() || layout.family == family) && (wanted.empty() || layout.name == wanted))
      candidates.push_back(&layout);
  }
  if (!family.empty() && !families.contains(family))
    fail_runtime("zoo", "unknown family \"", family, "\"; known: ", joined({families.begin(), families.end()}, 20));
  if (candidates.empty()) {
    std::vector<std::string> known;
    for (const Layout& layout : layouts())
      if (family.empty() || layout.family == family) known.emplace_back(layout.name);
    fail_runtime("zoo", "unknown layout \"", wanted, "\"", family.empty() ? "" : " of family " + family,
                 "; known: ", joined(known, 20));
  }
  std::vector<const Layout*> fitting;
  for (const Layout* layout : candidates)
    if (fits(theirs, *layout, !family.empty() || !wanted.empty(), !wanted.empty())) fitting.push_back(layout);
  if (fitting.empty()) {
    const auto found = std::ranges::find_if(layouts(), [&](const Layout& l) { return fits(theirs, l, false, false); });
    const Layout* other = found == layouts().end() ? nullptr : &*found;
    for (const Layout* l : candidates)
      if (names_fit(theirs, *l) && l->class_row != ClassRow::any) fail_by_value(theirs, *l, other);
    fail_unrecognised(theirs, candidates, !family.empty(), other);
  }
  if (fitting.size() > 1) {
    std::vector<std::string> names;
    for (const Layout* l : fitting) names.emplace_back(l->family);
    fail_runtime("zoo", theirs.describe(), " fits several families: ", joined(names, 20), "; say which one it is");
  }
  return *fitting[0];
}

// Blocks 0 … n-1 without a gap; bounded by the number of names, whatever numbers they hold.
std::int64_t count_blocks(const nn::TensorSource& theirs, const Layout& layout) {
  std::set<long> blocks;
  for (const std::string& name : theirs.names())
    for (const NameRule& rule : layout.rules)
      if (const auto m = match(rule.theirs, name); m && m->block >= 0) blocks.insert(m->block);
  long next = 0;
  for (const long block : blocks)
    if (block != next++)
      fail_runtime("zoo", theirs.describe(), " has block ", block, " of ", layout.name, " but no block ", next - 1);
  return next;
}

Shape shape_of(const nn::TensorSource& ours, const std::string& name, int rank) {
  const Shape s = ours.shape(name);
  if (s.rank() != rank || s.count() == 0)
    fail_runtime("zoo", ours.describe(), ": ", name, " must have ", rank, " dimensions, got ", s);
  return s;
}

// A table of 2 n - 1 rows is for n places. Of two sizes the smaller is the windows' and the larger the whole map's; of
// one size it is the map's where it has the side of the position grid. A converted file may keep larger tables.
VitWindows windows_of(const nn::TensorSource& ours, std::int64_t depth, std::int64_t grid) {
  std::map<std::int64_t, std::vector<std::int64_t>> blocks;  // by n
  for (std::int64_t i = 0; i < depth; ++i) {
    const std::string name = concat_text("blocks.", i, ".attn.rel_pos_h");
    if (ours.has(name)) blocks[(shape_of(ours, name, 2)[0] + 1) / 2].push_back(i);  // bind reports absent ones
  }
  if (blocks.empty() || blocks.size() > 2)
    fail_runtime("zoo", ours.describe(), ": relative positions must be of one or two sizes, got ", blocks.size());
  const auto& [largest, whole] = *blocks.rbegin();
  const bool only_windows = blocks.size() == 1 && largest != grid;
  VitWindows windows{.side = blocks.size() == 1 && !only_windows ? 0 : blocks.begin()->first, .global_blocks = {}};
  if (only_windows) return windows;
  windows.global_blocks = whole;
  if (largest != grid) windows.table_grid = largest;
  return windows;
}

}  // namespace

std::string Recognised::text() const {
  return concat_text(
      layout->family, " (", layout->name, "): ", options.depth, " blocks of ", options.dim, ", ", options.heads,
      " heads, patch ", options.patch,
      options.position_table ? concat_text(", grid ", options.grid_height, "x", options.grid_width) : ", any grid",
      options.registers > 0 ? concat_text(", ", options.registers, " registers") : "");
}

Recognised recognise(const nn::TensorSource& theirs, const Hints& hints) {
  const auto [family, size] = split_family(hints.family);
  const Layout& layout = find_layout(theirs, family, hints.layout);
  // A borrowed pointer: the mapped view lives in this function only.
  const MappedSource ours(std::shared_ptr<const nn::TensorSource>(&theirs, [](const nn::TensorSource*) {}), layout);
  VitOptions o;
  const Shape kernel = shape_of(ours, "patch_embed.proj.weight", 4);
  if (kernel[1] != 3 || kernel[2] != kernel[3])
    fail_runtime("zoo", theirs.describe(), ": the patch kernel must be (C, 3, P, P), got ", kernel);
  o.dim = kernel[0];
  o.patch = kernel[2];
  o.depth = count_blocks(theirs, layout);
  o.class_token = ours.has("cls_token");
  o.registers = ours.has("register_tokens") ? shape_of(ours, "register_tokens", 3)[1] : 0;
  o.mask_token = ours.has("mask_token");
  o.position_table = layout.native == 0;
  if (o.position_table) {
    const Shape table = shape_of(ours, "pos_embed", 3);
    o.grid_height = o.grid_width =
        grid_side(table[1] - (o.class_token ? 1 : 0), theirs.describe() + ": the position table");
  } else {
    o.grid_height = o.grid_width = std::max<std::int64_t>(layout.native / o.patch, 1);
  }
  o.stem = layout.stem;
  if (layout.windows) o.windows = windows_of(ours, o.depth, o.grid_height);
  o.rope = layout.rope;  // of the grid that the family was trained on, also when the file's table was resized since
  if (ours.has("blocks.0.mlp.w12.weight")) {
    o.mlp = nn::MlpKind::swiglu;
    o.mlp_hidden = shape_of(ours, "blocks.0.mlp.w12.weight", 2)[0] / 2;
    o.mlp_norm = ours.has("blocks.0.mlp.norm.weight");
  } else if (ours.has("blocks.0.mlp.fc1.weight")) {
    o.mlp = layout.mlp;
    o.mlp_hidden = shape_of(ours, "blocks.0.mlp.fc1.weight", 2)[0];
  }
  o.qkv_bias = ours.has("blocks.0.attn.q_bias")     ? nn::QkvBias::qv
               : ours.has("blocks.0.attn.qkv.bias") ? nn::QkvBias::qkv
                                                    : nn::QkvBias::none;
  o.layer_scale = ours.has("blocks.0.ls1.gamma");
  o.final_norm = ours.has("norm.weight");
  o.eps = layout.eps;
  o.position_resize = o.registers > 0 ? layout.resize_with_registers : layout.resize;
  o.heads = hints.heads > 0 ? hints.heads : layout.heads_of(o.dim);
  if (o.heads == 0 || o.dim % o.heads != 0)
    fail_runtime("zoo", theirs.describe(), ": the number of heads is not in the file and ", o.dim,
                 o.heads == 0 ? " is no multiple of 64" : concat_text(" is no multiple of ", o.heads),
                 "; say how many");
  if (!size.empty() && size_name(o.dim, o.depth) != size) {
    const std::string_view found = size_name(o.dim, o.depth);
    fail_runtime("zoo", theirs.describe(), " is ", layout.family, found.empty() ? "" : "-", found, " (", layout.name,
                 ": ", o.depth, " blocks of ", o.dim, "); ", hints.family, " is asked for");
  }
  return {&layout, o, layout.mean, layout.std, o.grid_height * o.patch, o.grid_width * o.patch};
}

Weights open_weights(std::shared_ptr<const nn::TensorSource> theirs, const Hints& hints) {
  // A whole segmentor's file has its backbone below a prefix.
  if (theirs->has(segmentor_prefix + "patch_embed.proj.weight") || theirs->has(segmentor_prefix + "pos_embed"))
    theirs = std::make_shared<PrefixSource>(std::move(theirs), segmentor_prefix);
  Recognised model = recognise(*theirs, hints);
  const Layout& layout = *model.layout;
  return {std::move(model), std::make_shared<MappedSource>(std::move(theirs), layout)};
}

Weights open_weights(const std::filesystem::path& path, const Hints& hints) {
  const auto file = std::make_shared<FileSource>(path);
  Hints all = hints;
  // What `rein convert` left beside the tensors decides between layouts of the same names.
  const auto metadata = file->file().metadata();
  if (const auto layout = metadata.find(layout_key); layout != metadata.end() && all.layout.empty()) {
    const auto known = std::ranges::find(layouts(), layout->second, &Layout::name);
    const std::string family = split_family(all.family).first;
    if (known != layouts().end() && (family.empty() || family == known->family)) all.layout = layout->second;
  }
  return open_weights(file, all);
}

Weights converted(const Weights& weights, std::int64_t patch, std::int64_t grid) {
  const VitOptions& before = weights.model.options;
  const Conversion wanted{.patch = patch,
                          .grid = grid,
                          .positions = weights.model.layout->convert_positions,
                          .class_row = before.class_token};
  Weights out{weights.model, std::make_shared<ConvertedSource>(weights.source, wanted)};
  // Tables of relative positions stay as they are: a global block resizes them to its map.
  if (before.windows && before.windows->table_grid == 0) out.model.options.windows->table_grid = before.grid_height;
  out.model.options.patch = patch;
  out.model.options.grid_height = out.model.options.grid_width = grid;
  out.model.native_height = out.model.native_width = patch * grid;
  return out;
}

void bind_weights(nn::Module& vit, const Weights& weights, DType dtype) {
  nn::BindReport report = nn::bind(vit, *weights.source, dtype);
  if (report.ok()) return;
  // The reports speak of our names; say theirs beside them.
  const Layout& layout = *weights.model.layout;
  const auto add_theirs = [&](std::string& line, bool with_shapes) {
    const std::string name = line.substr(0, line.find(':'));
    const auto* mapped = dynamic_cast<const MappedSource*>(weights.source.get());
    std::string list;
    for (const std::string& piece : pieces_of(layout, name)) {
      if (piece == name) continue;
      list += (list.empty() ? "" : ", ") + piece;
      if (with_shapes && mapped != nullptr) list += " " + mapped->inner().shape(piece).text();
    }
    if (!list.empty()) line += " (in this layout: " + list + ")";
  };
  for (std::string& line : report.missing) add_theirs(line, false);
  for (std::string& line : report.misshapen) add_theirs(line, true);
  fail_runtime("zoo", weights.source->describe(), " does not fit ", weights.model.text(), ":\n", report.text());
}

}  // namespace rein::models::zoo
