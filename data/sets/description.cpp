#include "data/sets/description.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "data/images/file.h"
#include "data/sets/toml.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data {
namespace {

std::uint8_t class_id(const Table& at, const toml::node* node, const ClassSet& classes, std::string_view name) {
  const auto id = classes.find(name);
  if (!id) {
    at.complain(node, "unknown class \"", name, "\"", did_you_mean(name, classes.names), " (the classes are ",
                quoted_list(classes.names), ")");
  }
  return static_cast<std::uint8_t>(*id);
}

std::string class_name(const Table& at, const toml::node* node) {
  const auto name = node->value<std::string>();
  if (!node->is_string() || !name || name->empty()) at.complain(node, "a class must be a name in quotes");
  return *name;
}

Rgb colour_of(const Table& at, const toml::node* node) {
  const toml::array* parts = node->as_array();
  Rgb out{};
  bool ok = parts != nullptr && parts->size() == 3;
  for (std::size_t c = 0; ok && c < 3; ++c) {
    const auto v = parts->get(c)->value<std::int64_t>();
    ok = parts->get(c)->is_integer() && v && *v >= 0 && *v <= 255;
    if (ok) out[c] = static_cast<std::uint8_t>(*v);
  }
  if (!ok) at.complain(node, "a colour must be [red, green, blue] with 0 to 255 each");
  return out;
}

ClassSet read_classes(const Table& root) {
  ClassSet set;
  const toml::node* names = root.find("classes");
  if (names == nullptr) root.complain(nullptr, "\"classes\" is missing: a list of names, or \"cityscapes\"");
  if (names->is_string()) {
    const std::string known = root.needed_text("classes");
    if (known != "cityscapes") {
      root.complain(names, "unknown set of classes \"", known, "\"; known: \"cityscapes\", or a list of names");
    }
    set = cityscapes_classes();
  } else {
    for (const toml::node* node : root.list("classes")) {
      set.names.push_back(class_name(root, node));
      if (set.find(set.names.back()) != set.count() - 1) root.complain(node, "class \"", set.names.back(), "\" twice");
    }
    if (set.names.empty()) root.complain(names, "\"classes\" needs at least one name");
    if (set.count() > max_classes) root.complain(names, "at most ", max_classes, " classes, got ", set.count());
    set.palette = default_palette(set.count());
  }
  const toml::node* palette = root.find("palette");
  if (palette == nullptr) return set;
  set.palette.clear();
  for (const toml::node* node : root.list("palette")) set.palette.push_back(colour_of(root, node));
  if (set.palette.size() != set.names.size()) {
    root.complain(palette, "\"palette\" must have one colour for each of the ", set.count(), " classes, got ",
                  set.palette.size());
  }
  return set;
}

std::uint32_t packed(Rgb c) {
  return std::uint32_t{c[0]} << 16 | std::uint32_t{c[1]} << 8 | c[2];
}

RawMap read_labels(const Table& labels, const ClassSet& classes) {
  labels.only({"encoding", "map", "ignore", "other"});
  RawMap raw;
  const std::vector<std::string> encodings{"index", "rgb", "red", "red16"};
  const std::string encoding = labels.needed_text("encoding");
  const auto found = std::find(encodings.begin(), encodings.end(), encoding);
  if (found == encodings.end()) {
    labels.complain(labels.find("encoding"), "unknown encoding \"", encoding, "\"", did_you_mean(encoding, encodings),
                    " (known: ", quoted_list(encodings), ")");
  }
  raw.encoding = std::min(static_cast<Encoding>(found - encodings.begin()), Encoding::red);  // red16: an old name
  const std::string other = labels.text("other").value_or("error");
  if (other != "error" && other != "ignore") {
    labels.complain(labels.find("other"), "\"labels.other\" must be \"error\" or \"ignore\", got \"", other, "\"");
  }
  raw.ignore_others = other == "ignore";

  const auto add = [&](const toml::node* node, std::uint8_t train_id) {
    std::uint32_t id = 0;
    if (raw.encoding == Encoding::rgb) {
      id = packed(colour_of(labels, node));
    } else {
      const auto v = node->value<std::int64_t>();
      if (!node->is_integer() || !v || *v < 0 || *v > 65535) {
        labels.complain(node, "a raw label id must be a number from 0 to 65535");
      }
      id = static_cast<std::uint32_t>(*v);
    }
    if (!raw.ids.emplace(id, train_id).second) labels.complain(node, "this raw id is listed twice");
  };
  for (const toml::node* node : labels.list("ignore")) add(node, ignore_id);
  if (const auto map = labels.table("map")) {
    for (const auto& [key, node] : map->raw()) {
      const std::uint8_t id = class_id(*map, &node, classes, key.str());
      for (const toml::node* item : map->list(std::string(key.str()))) add(item, id);
    }
  } else {  // raw ids are train ids already; colours are the palette's
    for (int k = 0; k < classes.count(); ++k) {
      const std::uint32_t id =
          raw.encoding == Encoding::rgb ? packed(classes.palette[std::size_t(k)]) : std::uint32_t(k);
      const auto [place, is_new] = raw.ids.emplace(id, static_cast<std::uint8_t>(k));
      if (!is_new)
        labels.complain(labels.find("encoding"), "classes \"", classes.names[place->second], "\" and \"",
                        classes.names[std::size_t(k)], "\" have one colour: the second would never occur");
    }
    if (raw.encoding != Encoding::rgb) raw.ids.emplace(ignore_id, ignore_id);
  }
  return raw;
}

void check_pattern(const Table& at, const std::string& key, const std::string& pattern) {
  const auto first = pattern.find("{}");
  const bool once = first != std::string::npos && pattern.find("{}", first + 2) == std::string::npos;
  if (!once) at.complain(at.find(key), "\"", at.path(key), "\" must contain {} once, got \"", pattern, "\"");
  const std::filesystem::path path(pattern);
  const bool climbs = std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
  if (path.is_absolute() || climbs) at.complain(at.find(key), "\"", at.path(key), "\" must lie below the set's root");
}

std::array<int, 2> two_sides(const Table& table, const std::string& key, int low, int high, std::string_view example) {
  std::vector<std::int64_t> sides;
  for (const toml::node* node : table.list(key)) sides.push_back(node->value<std::int64_t>().value_or(0));
  if (sides.size() != 2 || std::min(sides[0], sides[1]) < low || std::max(sides[0], sides[1]) > high)
    table.complain(table.find(key), key, " must be two numbers of pixels within ", low, " and ", high, ", such as ",
                   example);
  return {static_cast<int>(sides[0]), static_cast<int>(sides[1])};
}

// A split whose scenes are rendered.
scenes::Split read_scenes(const Table& table) {
  table.only({"scenes", "count", "seed", "size"});
  scenes::Split out;
  std::vector<std::string> words;
  if (table.find("scenes")->is_string())
    words.push_back(table.needed_text("scenes"));
  else
    for (const toml::node* node : table.list("scenes")) words.push_back(node->value_or(std::string()));
  try {
    out.styles = scenes::styles_named(words);
  } catch (const std::invalid_argument& error) {
    table.complain(table.find("scenes"), error.what());
  }
  if (out.styles.empty()) table.complain(table.find("scenes"), "\"", table.path("scenes"), "\" names no style");
  const auto whole = [&](const std::string& key, std::int64_t low, std::int64_t high, std::int64_t otherwise) {
    const auto v = table.value<std::int64_t>(key, "a whole number");
    if (v && (*v < low || *v > high))
      table.complain(table.find(key), "\"", table.path(key), "\" must be within ", low, " and ", high, ", got ", *v);
    return v.value_or(otherwise);
  };
  out.count = whole("count", 1, scenes::max_count, out.count);
  out.seed = static_cast<std::uint64_t>(whole("seed", 0, std::numeric_limits<std::int64_t>::max(), 0));
  if (table.find("size") != nullptr) {
    const auto sides = two_sides(table, "size", scenes::min_side, scenes::max_side, "[128, 256] (height, width)");
    out.size = {sides[0], sides[1]};
  }
  return out;
}

std::map<std::string, Split> read_splits(const Table& root) {
  const auto files = root.table("files");
  if (files) files->only({"image", "label"});
  const auto splits = root.table("splits");
  if (!splits || splits->raw().empty()) root.complain(nullptr, "\"splits\" is missing: at least one [splits.NAME]");
  std::map<std::string, Split> out;
  for (const auto& [key, node] : splits->raw()) {
    const std::string name(key.str());
    const Table table = *splits->table(name);
    Split split;
    if (table.find("scenes") != nullptr) {
      split.scenes = read_scenes(table);
      out.emplace(name, std::move(split));
      continue;
    }
    table.only({"image", "label", "list", "match", "except", "scenes"});
    for (const auto& [field, target] : {std::pair{"image", &split.image}, std::pair{"label", &split.label}}) {
      const Table& owner = table.find(field) || !files ? table : *files;
      *target = owner.needed_text(field);
      check_pattern(owner, field, *target);
    }
    split.list = table.text("list");
    split.match = table.texts("match");
    split.except = table.texts("except");
    out.emplace(name, std::move(split));
  }
  return out;
}

EvalResize read_evaluation(const Table& table) {
  table.only({"shortest_edge", "scale", "keep_ratio"});
  EvalResize out;
  if (table.raw().size() > 1) table.complain(nullptr, "[evaluation] takes one of shortest_edge, scale, keep_ratio");
  if (const auto v = table.value<std::int64_t>("shortest_edge", "a number of pixels")) {
    if (*v < 1 || *v > 16384) table.complain(table.find("shortest_edge"), "shortest_edge must be 1 to 16384, got ", *v);
    out.kind = EvalResize::Kind::shortest_edge;
    out.value = static_cast<double>(*v);
  } else if (const auto f = table.value<double>("scale", "a factor")) {
    if (!(*f > 0) || *f > 16) table.complain(table.find("scale"), "scale must be above 0 and at most 16, got ", *f);
    out.kind = EvalResize::Kind::scale;
    out.value = *f;
  } else if (table.find("keep_ratio") != nullptr) {
    const auto sides = two_sides(table, "keep_ratio", 1, 16384, "[1024, 512]");
    out.kind = EvalResize::Kind::keep_ratio;
    out.bound_a = sides[0];
    out.bound_b = sides[1];
  }
  return out;
}

Scoring read_scoring(const std::optional<Table>& table, const ClassSet& classes) {
  Scoring out;
  out.fold.resize(classes.names.size());
  std::iota(out.fold.begin(), out.fold.end(), std::uint8_t{0});
  if (table) {
    table->only({"fold", "predicted", "predictions", "average"});
    if (const auto fold = table->table("fold")) {
      for (const auto& [key, node] : fold->raw()) {
        const std::uint8_t from = class_id(*fold, &node, classes, key.str());
        out.fold[from] = class_id(*fold, &node, classes, class_name(*fold, &node));
      }
      for (const std::uint8_t to : out.fold)
        if (out.fold[to] != to) fold->complain(nullptr, "class \"", classes.names[to], "\" is folded and folded into");
    }
    const auto predicted = table->text("predicted");
    if (predicted && *predicted != "cityscapes") {
      table->complain(table->find("predicted"), "unknown set of classes \"", *predicted, "\"; known: \"cityscapes\"");
    }
    if (const auto predictions = table->table("predictions")) {
      for (const auto& [key, node] : predictions->raw()) {
        if (predicted) class_id(*predictions, &node, cityscapes_classes(), key.str());
        out.predictions[std::string(key.str())] =
            class_id(*predictions, &node, classes, class_name(*predictions, &node));
      }
    }
    std::set<int> averaged;
    for (const toml::node* node : table->list("average"))
      averaged.insert(class_id(*table, node, classes, class_name(*table, node)));
    out.averaged.assign(averaged.begin(), averaged.end());
    for (const int k : out.averaged) {
      if (out.fold[std::size_t(k)] == k) continue;
      table->complain(table->find("average"), "class \"", classes.names[std::size_t(k)], "\" is folded into another");
    }
  }
  if (out.averaged.empty())
    for (int k = 0; k < classes.count(); ++k)
      if (out.fold[std::size_t(k)] == k) out.averaged.push_back(k);
  return out;
}

}  // namespace

Description parse_description(std::string_view text, const std::filesystem::path& file) {
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    fail_runtime("dataset", file.string(), ":", error.source().begin.line, ": ", error.description());
  }
  const Table root(parsed, file, "");
  root.only({"name", "classes", "palette", "files", "splits", "labels", "evaluation", "scoring"});
  Description out;
  out.file = file;
  out.name = root.needed_text("name");
  out.classes = read_classes(root);
  const auto labels = root.table("labels");
  if (!labels) root.complain(nullptr, "\"labels\" is missing: [labels] with at least an encoding");
  out.raw = read_labels(*labels, out.classes);
  out.splits = read_splits(root);
  if (const auto evaluation = root.table("evaluation")) out.evaluation = read_evaluation(*evaluation);
  out.scoring = read_scoring(root.table("scoring"), out.classes);
  return out;
}

Description read_description(const std::filesystem::path& file) {
  const auto bytes = read_file(file, std::size_t{1} << 20);
  return parse_description({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file);
}

const Split& find_split(const Description& description, const std::string& split) {
  const auto found = description.splits.find(split);
  if (found != description.splits.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [name, unused] : description.splits) known.push_back(name);
  fail_runtime("dataset", description.name, " has no split \"", split, "\"", did_you_mean(split, known), " (it has ",
               quoted_list(known), ")");
}

std::filesystem::path find_description(const std::string& name_or_file,
                                       const std::vector<std::filesystem::path>& folders) {
  if (name_or_file.ends_with(".toml")) return name_or_file;
  std::vector<std::string> known;
  for (const auto& folder : folders) {
    const auto candidate = folder / (name_or_file + ".toml");
    std::error_code ignored;
    if (std::filesystem::is_regular_file(candidate, ignored)) return candidate;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored))
      if (entry.path().extension() == ".toml") known.push_back(entry.path().stem().string());
  }
  std::sort(known.begin(), known.end());
  known.erase(std::unique(known.begin(), known.end()), known.end());
  fail_runtime("dataset", "no description of a set named \"", name_or_file, "\"", did_you_mean(name_or_file, known),
               " (known: ", known.empty() ? "none" : quoted_list(known), "; or give a .toml file)");
}

std::vector<std::uint8_t> prediction_folding(const Description& set, const std::vector<std::string>& model_classes) {
  std::vector<std::uint8_t> out;
  std::vector<std::string> homeless;
  for (const std::string& name : model_classes) {
    const auto listed = set.scoring.predictions.find(name);
    const auto own = set.classes.find(name);
    if (listed != set.scoring.predictions.end() && !(own && model_classes == set.classes.names)) {
      out.push_back(set.scoring.fold[listed->second]);
    } else if (own) {
      out.push_back(set.scoring.fold[std::size_t(*own)]);
    } else {
      homeless.push_back(name);
      out.push_back(ignore_id);
    }
  }
  if (!homeless.empty()) {
    fail_runtime("dataset", set.file.string(), ": the model predicts ", quoted_list(homeless), ", which \"", set.name,
                 "\" cannot score; list them under [scoring.predictions]");
  }
  return out;
}

}  // namespace rein::data
