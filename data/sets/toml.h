// toml++, compiled once (toml.cpp): its headers alone would cost each file that reads TOML ten seconds. For .cpp files.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/error.h"
#include "tensor/text.h"

// toml++ asserts that some bad files ("[.a]") cannot be, or tells the compiler so; the checks behind say what is wrong.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_HEADER_ONLY 0
#include <toml++/toml.h>

namespace rein::data {

// Reads one table of a data set's description with a closed set of keys; every complaint names file, line and key.
class Table {
 public:
  Table(const toml::table& table, const std::filesystem::path& file, std::string where)
      : table_(table), file_(file), where_(std::move(where)) {}

  template <class... Parts>
  [[noreturn]] void complain(const toml::node* node, const Parts&... parts) const {
    const auto line = (node ? node->source() : table_.source()).begin.line;
    fail_runtime("dataset", file_.string(), ":", line, ": ", parts...);
  }

  void only(const std::vector<std::string>& known) const {
    for (const auto& [key, node] : table_) {
      const std::string word(key.str());
      if (std::find(known.begin(), known.end(), word) != known.end()) continue;
      complain(&node, "unknown key \"", path(word), "\"", did_you_mean(word, known),
               " (known here: ", quoted_list(known), ")");
    }
  }

  const toml::node* find(const std::string& key) const { return table_.get(key); }

  template <class T>
  std::optional<T> value(const std::string& key, std::string_view kind) const {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    const auto found = node->value<T>();
    if (!found) complain(node, "\"", path(key), "\" must be ", kind);
    return found;
  }
  std::optional<std::string> text(const std::string& key) const {
    const toml::node* node = find(key);
    if (node != nullptr && !node->is_string()) complain(node, "\"", path(key), "\" must be a text in quotes");
    return value<std::string>(key, "a text in quotes");
  }
  // One text, or a list of them.
  std::vector<std::string> texts(const std::string& key) const {
    if (const toml::node* node = find(key); node == nullptr || !node->is_array()) {
      const auto one = text(key);
      return one ? std::vector<std::string>{*one} : std::vector<std::string>{};
    }
    std::vector<std::string> out;
    for (const toml::node* node : list(key)) {
      if (!node->is_string()) complain(node, "\"", path(key), "\" must hold texts in quotes");
      out.push_back(node->value_or(std::string()));
    }
    return out;
  }
  std::string needed_text(const std::string& key) const {
    auto found = text(key);
    if (!found || found->empty()) complain(find(key), "\"", path(key), "\" is missing or empty");
    return *found;
  }
  std::optional<Table> table(const std::string& key) const {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (!node->is_table()) complain(node, "\"", path(key), "\" must be a table");
    return Table(*node->as_table(), file_, path(key));
  }
  std::vector<const toml::node*> list(const std::string& key) const {
    const toml::node* node = find(key);
    if (node == nullptr) return {};
    if (!node->is_array()) complain(node, "\"", path(key), "\" must be a list");
    std::vector<const toml::node*> out;
    for (const auto& item : *node->as_array()) out.push_back(&item);
    return out;
  }
  std::string path(const std::string& key) const { return where_.empty() ? key : where_ + "." + key; }
  const toml::table& raw() const { return table_; }

 private:
  const toml::table& table_;
  const std::filesystem::path& file_;
  std::string where_;
};

}  // namespace rein::data
