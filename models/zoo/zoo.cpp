#include "models/zoo/zoo.h"

#include <algorithm>
#include <set>

#include "tensor/error.h"

namespace rein::models::zoo {
namespace {

std::string joined(const std::vector<std::string>& words, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < std::min(words.size(), limit); ++i) out += (i == 0 ? "" : ", ") + words[i];
  if (words.size() > limit) out += ", … (" + std::to_string(words.size()) + " in all)";
  return out;
}

std::vector<std::string> missing_marks(const nn::TensorSource& theirs, const Layout& layout, bool family_said) {
  std::vector<std::string> missing;
  for (const std::string_view mark : layout.marks)
    if (!theirs.has(std::string(mark))) missing.emplace_back(mark);
  for (const std::string_view mark : layout.telltale)
    if (!family_said && !theirs.has(std::string(mark))) missing.emplace_back(mark);
  return missing;
}

std::vector<std::string> foreign_names(const nn::TensorSource& theirs, const Layout& layout) {
  std::vector<std::string> found;
  for (const std::string_view name : layout.foreign)
    if (theirs.has(std::string(name))) found.emplace_back(name);
  return found;
}

[[noreturn]] void fail_unrecognised(const nn::TensorSource& theirs, const std::vector<const Layout*>& candidates,
                                    bool said) {
  const auto distance = [&](const Layout* l) {
    return missing_marks(theirs, *l, said).size() * 10 + foreign_names(theirs, *l).size();
  };
  const Layout* near = *std::ranges::min_element(candidates, {}, distance);
  const std::vector<std::string> missing = missing_marks(theirs, *near, said), foreign = foreign_names(theirs, *near);
  const std::vector<std::string> names = theirs.names();
  std::string text = names.empty() ? "it has no tensors" : "it has " + joined(names, 6);
  text += "; the nearest known layout is " + std::string(near->name);
  if (!missing.empty()) text += ", which needs " + joined(missing, 8);
  if (!foreign.empty()) text += (missing.empty() ? ", which never has " : "; it never has ") + joined(foreign, 8);
  fail_runtime("zoo", "no known ViT in ", theirs.describe(), ": ", text);
}

const Layout& find_layout(const nn::TensorSource& theirs, const std::string& family) {
  std::vector<const Layout*> candidates;
  std::set<std::string> families;
  for (const Layout& layout : layouts()) {
    families.emplace(layout.family);
    if (family.empty() || layout.family == family) candidates.push_back(&layout);
  }
  if (candidates.empty())
    fail_runtime("zoo", "unknown family \"", family, "\"; known: ", joined({families.begin(), families.end()}, 20));
  std::vector<const Layout*> fitting;
  for (const Layout* layout : candidates)
    if (missing_marks(theirs, *layout, !family.empty()).empty() && foreign_names(theirs, *layout).empty())
      fitting.push_back(layout);
  if (fitting.empty()) fail_unrecognised(theirs, candidates, !family.empty());
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

}  // namespace

std::string Recognised::text() const {
  return concat_text(layout->family, " (", layout->name, "): ", options.depth, " blocks of ", options.dim, ", ",
                     options.heads, " heads, patch ", options.patch, ", grid ", options.grid_height, "x",
                     options.grid_width,
                     options.registers > 0 ? concat_text(", ", options.registers, " registers") : "");
}

Recognised recognise(const nn::TensorSource& theirs, const Hints& hints) {
  const Layout& layout = find_layout(theirs, hints.family);
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
  const Shape table = shape_of(ours, "pos_embed", 3);
  o.grid_height = o.grid_width =
      grid_side(table[1] - (o.class_token ? 1 : 0), theirs.describe() + ": the position table");
  if (ours.has("blocks.0.mlp.w12.weight")) {
    o.mlp = nn::MlpKind::swiglu;
    o.mlp_hidden = shape_of(ours, "blocks.0.mlp.w12.weight", 2)[0] / 2;
  } else if (ours.has("blocks.0.mlp.fc1.weight")) {
    o.mlp_hidden = shape_of(ours, "blocks.0.mlp.fc1.weight", 2)[0];
  }
  o.qkv_bias = ours.has("blocks.0.attn.qkv.bias");
  o.layer_scale = ours.has("blocks.0.ls1.gamma");
  o.final_norm = ours.has("norm.weight");
  o.eps = layout.eps;
  o.position_resize = o.registers > 0 ? layout.resize_with_registers : layout.resize;
  o.heads = hints.heads > 0 ? hints.heads : o.dim % 64 == 0 ? o.dim / 64 : 0;
  if (o.heads == 0 || o.dim % o.heads != 0)
    fail_runtime("zoo", theirs.describe(), ": the number of heads is not in the file and ", o.dim,
                 o.heads == 0 ? " is no multiple of 64" : concat_text(" is no multiple of ", o.heads),
                 "; say how many");
  return {&layout, o, layout.mean, layout.std, o.grid_height * o.patch, o.grid_width * o.patch};
}

Weights open_weights(std::shared_ptr<const nn::TensorSource> theirs, const Hints& hints) {
  Recognised model = recognise(*theirs, hints);
  const Layout& layout = *model.layout;
  return {std::move(model), std::make_shared<MappedSource>(std::move(theirs), layout)};
}

Weights open_weights(const std::filesystem::path& path, const Hints& hints) {
  return open_weights(std::make_shared<FileSource>(path), hints);
}

Weights converted(const Weights& weights, std::int64_t patch, std::int64_t grid) {
  Weights out{weights.model, std::make_shared<ConvertedSource>(weights.source, patch, grid)};
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
