#include "data/sets/pairing.h"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "data/images/file.h"
#include "data/images/header.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data {
namespace {

namespace fs = std::filesystem;

struct Pattern {
  std::string prefix, suffix, extension;  // extension: of a picture, with its dot; then suffix is without it
  explicit Pattern(const std::string& text) {
    const auto place = text.find("{}");
    prefix = text.substr(0, place);
    suffix = text.substr(place + 2);
    const auto dot = suffix.rfind('.');
    if (dot == std::string::npos || kind_by_suffix("x" + suffix.substr(dot)) == PictureKind::unknown) return;
    extension = suffix.substr(dot);
    suffix.resize(dot);
  }
  std::string with(const std::string& name) const { return prefix + name + suffix + extension; }
  std::optional<std::string> name_in(std::string path) const {
    if (!extension.empty()) {
      const auto dot = path.rfind('.');
      if (dot == std::string::npos || kind_by_suffix("x" + path.substr(dot)) != kind_by_suffix("x" + extension))
        return std::nullopt;
      path.resize(dot);
    }
    if (path.size() <= prefix.size() + suffix.size() || !path.starts_with(prefix) || !path.ends_with(suffix)) {
      return std::nullopt;
    }
    return path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
  }
  // The folder that all its files lie in, below the root; empty: the root.
  fs::path folder() const {
    const auto slash = prefix.rfind('/');
    return slash == std::string::npos ? fs::path() : fs::path(prefix.substr(0, slash));
  }
  // The file of this name, in whatever spelling of the suffix; nothing when there is none.
  std::optional<fs::path> find(const fs::path& root, const std::string& name) const {
    std::error_code ignored;
    const fs::path exact = root / with(name);
    if (fs::is_regular_file(exact, ignored)) return exact;
    for (const std::string& spelling : suffixes_of(kind_by_suffix("x" + extension))) {
      fs::path other = root / (prefix + name + suffix + spelling);
      if (fs::is_regular_file(other, ignored)) return other;
    }
    return std::nullopt;
  }
};

bool wanted(const Split& split, const std::string& name) {
  const auto fits = [&](const std::string& glob) { return glob_match(glob, name); };
  return (split.match.empty() || std::ranges::any_of(split.match, fits)) && std::ranges::none_of(split.except, fits);
}

using Names = std::map<std::string, fs::path>;

// All files that the pattern fits, by name. Two spellings of one name: the pattern's own, else the first.
Names names_in(const Listing& listing, const Pattern& pattern, const fs::path& root, const Split& split,
               std::vector<LeftOut>& left_out) {
  Names names;
  for (const fs::path& file : listing.files) {
    const std::string relative = file.lexically_relative(root).generic_string();
    const auto name = pattern.name_in(relative);
    if (!name || !wanted(split, *name)) continue;
    const auto [place, is_new] = names.emplace(*name, file);
    if (is_new) continue;
    const bool better = relative == pattern.with(*name);
    left_out.push_back({better ? place->second : file, "beside another of the same name"});
    if (better) place->second = file;
  }
  return names;
}

// Photos where photos are looked for, which are neither photo nor label by the patterns, and what every search leaves
// out.
void note_left_out(const Listing& listing, const Pattern& image, const Pattern& label, const fs::path& root,
                   std::vector<LeftOut>& out) {
  out.insert(out.end(), listing.left_out.begin(), listing.left_out.end());
  for (const fs::path& file : listing.files) {
    const std::string relative = file.lexically_relative(root).generic_string();
    const PictureKind kind = kind_by_suffix(file);
    if (kind == PictureKind::unknown || image.name_in(relative) || label.name_in(relative)) continue;
    out.push_back(
        {file, can_read(kind) ? "not of the pattern " + image.with("{}") : concat_text(name_of(kind), " is not read")});
  }
}

void look_on_disk(const Split& split, const fs::path& root, Pairing& out) {
  const Pattern image(split.image), label(split.label);
  const Listing photos = list_files(root / image.folder());
  const Listing labels = label.folder() == image.folder() ? photos : list_files(root / label.folder());
  const Names named = names_in(photos, image, root, split, out.left_out);
  const Names labelled = names_in(labels, label, root, split, out.left_out);
  for (const auto& [name, file] : named) {
    if (const auto found = labelled.find(name); found != labelled.end())
      out.pairs.push_back({name, file, found->second});
    else
      out.unlabelled.push_back(file.lexically_relative(root).generic_string());
  }
  for (const auto& [name, file] : labelled)
    if (!named.contains(name)) out.orphans.push_back(file.lexically_relative(root).generic_string());
  note_left_out(photos, image, label, root, out.left_out);
}

// The lines of a list: names or paths of photos, the latter also from the root's own place on.
std::set<std::string> names_in_list(const Pattern& image, const fs::path& root, const Split& split) {
  const auto file = root / *split.list;
  std::set<std::string> names;
  int line_number = 0;
  for (std::string line : read_lines(file)) {
    if (++line_number == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // a mark of UTF-8
    if (line.find('\0') != std::string::npos || line.starts_with("\xFF\xFE") || line.starts_with("\xFE\xFF"))
      fail_runtime("dataset", file.string(), ":", line_number, ": the list must be UTF-8, this looks like UTF-16");
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    line = line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
    std::string path = line.starts_with("./") ? line.substr(2) : line;
    if (fs::path(path).is_absolute()) path = fs::path(path).lexically_relative(fs::absolute(root)).generic_string();
    const std::string name = image.name_in(path).value_or(line);
    if (!wanted(split, name)) continue;
    if (!names.insert(name).second) fail_runtime("dataset", file.string(), ":", line_number, ": \"", name, "\" twice");
  }
  return names;
}

void look_in_list(const Split& split, const fs::path& root, Pairing& out) {
  const Pattern image(split.image), label(split.label);
  for (const std::string& name : names_in_list(image, root, split)) {
    const auto photo = image.find(root, name);
    const auto labels = label.find(root, name);
    if (!photo)
      out.absent.push_back(image.with(name));
    else if (!labels)
      out.unlabelled.push_back(photo->lexically_relative(root).generic_string());
    else
      out.pairs.push_back({name, *photo, *labels});
  }
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// A file where `pattern` would have its file of this name, whose name begins like it: below the root.
std::optional<std::string> neighbour(const Pattern& pattern, const std::string& name, const fs::path& root) {
  const fs::path looked_for = root / (pattern.prefix + name);
  const std::string start = lower(looked_for.filename().string());
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(looked_for.parent_path(), ignored)) {
    const std::string file = lower(entry.path().filename().string());
    const bool similar =
        file.starts_with(start) && kind_by_suffix(entry.path()) != PictureKind::unknown &&
        (file.size() == start.size() || std::isalnum(static_cast<unsigned char>(file[start.size()])) == 0);
    if (similar) found.push_back(entry.path().lexically_relative(root).generic_string());
  }
  if (found.empty()) return std::nullopt;
  return *std::ranges::min_element(found);
}

// The name of a description beside this one that reads such a label file: "cityscapes_label_ids.toml".
std::string description_for(const std::string& label, const Description& set) {
  for (const fs::path& folder : {set.file.parent_path(), fs::path("configs/datasets")}) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder.empty() ? "." : folder, ignored)) {
      if (entry.path().extension() != ".toml" || entry.path().filename() == set.file.filename()) continue;
      try {
        const Description other = read_description(entry.path());
        if (other.name != set.name) continue;
        for (const auto& [unused, split] : other.splits)
          if (!split.scenes && Pattern(split.label).name_in(label)) return entry.path().filename().string();
      } catch (const std::runtime_error&) {
        continue;  // not a description, or a broken one: no advice to give
      }
    }
  }
  return "";
}

struct Complaint {
  const Description& set;
  const fs::path& root;

  // `own`: the pattern of the files that are there; `other`: of those they lack.
  void unless_empty(const std::vector<std::string>& files, std::string_view what, std::string_view lacks,
                    const std::string& own, const std::string& other) const {
    if (files.empty()) return;
    const auto name = Pattern(own).name_in(files.front());
    const auto near = name ? neighbour(Pattern(other), *name, root) : std::nullopt;
    std::string advice;
    if (near && *near != files.front()) {
      advice = concat_text("; for the first there is \"", *near, "\", the pattern is \"", other, "\"");
      if (const std::string better = description_for(*near, set); !better.empty())
        advice += concat_text(": ", better, " reads such files");
    }
    fail_runtime("dataset", set.name, " in ", root.string(), ": ", files.size(), " ", what, " without ", lacks, ": ",
                 quoted_list(files, 5), advice);
  }
};

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text) {
  // match[j]: does the pattern read so far fit the first j characters? One row per pattern element: linear memory,
  // no exponential backtracking.
  std::vector<char> match(text.size() + 1, 0);
  match[0] = 1;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const bool star = pattern[i] == '*';
    const bool across = star && i + 1 < pattern.size() && pattern[i + 1] == '*';
    if (across) ++i;
    if (star) {
      for (std::size_t j = 1; j <= text.size(); ++j)
        if (match[j - 1] && (across || text[j - 1] != '/')) match[j] = 1;
      continue;
    }
    for (std::size_t j = text.size(); j > 0; --j) {
      const bool same = pattern[i] == '?' ? text[j - 1] != '/' : pattern[i] == text[j - 1];
      match[j] = match[j - 1] && same;
    }
    match[0] = 0;
  }
  return match[text.size()] != 0;
}

Pairing look_for_pairs(const Description& set, const std::string& split_name, const fs::path& root) {
  const Split& split = set.splits.at(split_name);
  std::error_code error;
  if (root.empty()) fail_runtime("dataset", set.name, " lies on disk and needs a root, the folder that holds it");
  if (!fs::is_directory(root, error)) fail_runtime("dataset", set.name, ": ", root.string(), " is not a folder");
  Pairing out;
  if (split.list)
    look_in_list(split, root, out);
  else
    look_on_disk(split, root, out);
  std::ranges::sort(out.left_out, {}, &LeftOut::file);
  return out;
}

void require_whole(const Pairing& found, const Description& set, const std::string& split_name, const fs::path& root) {
  const Split& split = set.splits.at(split_name);
  if (!found.absent.empty())
    fail_runtime("dataset", set.name, " in ", root.string(), ": ", found.absent.size(), " photos of ", *split.list,
                 " do not exist: ", quoted_list(found.absent, 5));
  const Complaint complain{set, root};
  complain.unless_empty(found.unlabelled, "photos", "label", split.image, split.label);
  complain.unless_empty(found.orphans, "labels", "photo", split.label, split.image);
  if (!found.pairs.empty()) return;
  const std::string others = left_out_text(found.left_out, root);
  fail_runtime("dataset", set.name, " in ", root.string(), ": no photos at \"", split.image, "\"",
               split.list ? " from " + *split.list : "",
               split.match.empty() ? "" : " with names like " + quoted_list(split.match, 3),
               others.empty() ? "" : "; left out there: " + others);
}

}  // namespace rein::data
