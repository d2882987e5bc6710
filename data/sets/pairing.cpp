#include "data/sets/pairing.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "data/images/file.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data {
namespace {

struct Pattern {
  std::string prefix, suffix;
  explicit Pattern(const std::string& text) {
    const auto place = text.find("{}");
    prefix = text.substr(0, place);
    suffix = text.substr(place + 2);
  }
  std::string with(const std::string& name) const { return prefix + name + suffix; }
  std::optional<std::string> name_in(const std::string& path) const {
    if (path.size() <= prefix.size() + suffix.size() || !path.starts_with(prefix) || !path.ends_with(suffix)) {
      return std::nullopt;
    }
    return path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
  }
};

bool wanted(const Split& split, const std::string& name) {
  return (!split.match || glob_match(*split.match, name)) && !(split.except && glob_match(*split.except, name));
}

// Names of all files below root that the pattern fits, sorted.
std::set<std::string> names_on_disk(const Pattern& pattern, const std::filesystem::path& root, const Split& split) {
  namespace fs = std::filesystem;
  const auto slash = pattern.prefix.rfind('/');
  const fs::path folder = slash == std::string::npos ? root : root / pattern.prefix.substr(0, slash);
  std::set<std::string> names;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, fs::directory_options::follow_directory_symlink, error);
  if (error) fail_runtime("dataset", folder.string(), ": ", error.message());
  for (; it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (error) fail_runtime("dataset", folder.string(), ": ", error.message());
    if (it.depth() > 16)
      fail_runtime("dataset", it->path().string(), ": folders nested too deeply (a link that loops?)");
    std::error_code ignored;
    if (!it->is_regular_file(ignored)) continue;
    const auto name = pattern.name_in(it->path().lexically_relative(root).generic_string());
    if (name && wanted(split, *name)) names.insert(*name);
  }
  return names;
}

std::set<std::string> names_in_list(const Pattern& image, const std::filesystem::path& root, const Split& split) {
  const auto file = root / *split.list;
  std::set<std::string> names;
  int line_number = 0;
  for (std::string line : read_lines(file)) {
    ++line_number;
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line[begin] == '#') continue;
    line = line.substr(begin, line.find_last_not_of(" \t") + 1 - begin);
    const std::string name = image.name_in(line).value_or(line);
    if (!wanted(split, name)) continue;
    if (!names.insert(name).second) fail_runtime("dataset", file.string(), ":", line_number, ": \"", name, "\" twice");
  }
  return names;
}

void complain_unpaired(const std::vector<std::string>& files, std::string_view what, std::string_view lacks,
                       const std::filesystem::path& root, const std::string& set_name) {
  if (files.empty()) return;
  fail_runtime("dataset", set_name, " in ", root.string(), ": ", files.size(), " ", what, " without ", lacks, ": ",
               quoted_list(files, 5));
}

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

std::vector<Pair> find_pairs(const Split& split, const std::filesystem::path& root, const std::string& set_name) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (root.empty()) fail_runtime("dataset", set_name, " lies on disk and needs a root, the folder that holds it");
  if (!fs::is_directory(root, error)) fail_runtime("dataset", set_name, ": ", root.string(), " is not a folder");
  const Pattern image(split.image), label(split.label);
  std::set<std::string> names;
  std::vector<std::string> lonely_images, lonely_labels;
  if (split.list) {
    names = names_in_list(image, root, split);
    for (const std::string& name : names) {
      if (!fs::is_regular_file(root / image.with(name), error))
        lonely_labels.push_back(image.with(name));
      else if (!fs::is_regular_file(root / label.with(name), error))
        lonely_images.push_back(image.with(name));
    }
    if (!lonely_labels.empty()) {
      fail_runtime("dataset", set_name, " in ", root.string(), ": ", lonely_labels.size(), " photos of ", *split.list,
                   " do not exist: ", quoted_list(lonely_labels, 5));
    }
  } else {
    names = names_on_disk(image, root, split);
    const auto labelled = names_on_disk(label, root, split);
    std::set_difference(names.begin(), names.end(), labelled.begin(), labelled.end(),
                        std::back_inserter(lonely_images));
    std::set_difference(labelled.begin(), labelled.end(), names.begin(), names.end(),
                        std::back_inserter(lonely_labels));
    for (std::string& name : lonely_images) name = image.with(name);
    for (std::string& name : lonely_labels) name = label.with(name);
  }
  complain_unpaired(lonely_images, "photos", "label", root, set_name);
  complain_unpaired(lonely_labels, "labels", "photo", root, set_name);
  if (names.empty()) {
    fail_runtime("dataset", set_name, " in ", root.string(), ": no photos at \"", split.image, "\"",
                 split.list ? " from " + *split.list : "",
                 split.match ? " with names like \"" + *split.match + "\"" : "");
  }
  std::vector<Pair> pairs;
  for (const std::string& name : names) pairs.push_back({name, root / image.with(name), root / label.with(name)});
  return pairs;
}

}  // namespace rein::data
