#include "train/config/config.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "data/sets/toml.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::train {
namespace {

constexpr std::string_view targets_key = "eval.target";

[[noreturn]] void bad(const std::string& where, const std::string& text) {
  throw std::runtime_error("[config] " + where + ": " + text);
}

const char* wanted_type(const FieldPointer& value) {
  static constexpr const char* names[] = {"a string", "true or false",      "an integer",
                                          "a number", "a list of integers", "a list of numbers"};
  return names[value.index()];
}

std::string shown(const toml::node& node) {
  std::ostringstream out;
  node.visit([&](const auto& n) {
    if constexpr (toml::is_table<decltype(n)>)
      out << "a table";
    else if constexpr (toml::is_array<decltype(n)>)
      out << "a list";
    else
      out << n;
  });
  return out.str();
}

template <class T>
bool read_value(const toml::node& node, T& out) {
  if constexpr (std::is_same_v<T, double>) {
    if (!node.is_number()) return false;
    out = *node.value<double>();
  } else {
    const auto value = node.value_exact<T>();
    if (!value) return false;
    out = *value;
  }
  return true;
}

template <class T>
bool read_value(const toml::node& node, std::vector<T>& out) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return false;
  std::vector<T> values(array->size());
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!read_value((*array)[i], values[i])) return false;
  out = std::move(values);
  return true;
}

void assign(const Field& field, const toml::node& node, const std::string& where, const std::string& key) {
  const bool ok = std::visit([&](auto* value) { return read_value(node, *value); }, field.value);
  if (!ok) bad(where, "\"" + key + "\" must be " + wanted_type(field.value) + ", got " + shown(node));
}

std::string place(const std::string& file, const toml::node& node) {
  return file + ", line " + std::to_string(node.source().begin.line);
}

const Field& find(const std::vector<Field>& all, const std::string& key, const std::string& prefix,
                  const std::string& where) {
  const auto found = std::ranges::find(all, key, &Field::key);
  if (found != all.end()) return *found;
  std::vector<std::string> known;
  for (const Field& f : all) known.push_back(f.key);
  bad(where, "unknown key \"" + prefix + key + "\"" + did_you_mean(key, known));
}

class Reader {
 public:
  Reader(Config& config, std::string file) : config_(config), file_(std::move(file)), fields_(fields(config)) {}

  void read(const toml::table& table, const std::string& prefix = "") {
    for (const auto& [name, node] : table) {
      const std::string key = prefix + std::string(name.str());
      if (key == targets_key && config_.purpose == Purpose::train)
        read_targets(node);
      else if (node.is_table() && is_section(key))
        read(*node.as_table(), key + ".");
      else if (node.is_table())
        unknown_section(key, node);
      else
        assign(find(fields_, key, "", place(file_, node)), node, place(file_, node), key);
    }
  }

  void override_one(const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == text.npos) bad("--set " + text, "must have the form key=value");
    const std::string key = text.substr(0, equals), value = text.substr(equals + 1), where = "--set " + text;
    const std::string prefix = std::string(targets_key) + ".";
    if (!key.starts_with(prefix)) return override_field(find(fields_, key, "", where), key, value, where);
    const std::size_t dot = key.rfind('.');
    if (dot < prefix.size()) bad(where, "a target's key is eval.target.NAME.key");
    const std::string name = key.substr(prefix.size(), dot - prefix.size());
    const auto target = std::ranges::find(config_.eval.targets, name, &TargetConfig::name);
    if (target == config_.eval.targets.end()) {
      std::vector<std::string> known;
      for (const TargetConfig& t : config_.eval.targets) known.push_back(t.name);
      bad(where, "there is no target \"" + name + "\"" + did_you_mean(name, known));
    }
    const std::vector<Field> own = fields(*target);
    override_field(find(own, key.substr(dot + 1), prefix + name + ".", where), key, value, where);
  }

 private:
  bool is_section(const std::string& key) const {
    return std::ranges::any_of(fields_, [&](const Field& f) { return f.key.starts_with(key + "."); });
  }

  [[noreturn]] void unknown_section(const std::string& key, const toml::node& node) const {
    std::vector<std::string> known;
    if (config_.purpose == Purpose::train) known.emplace_back(targets_key);
    for (const Field& f : fields_) known.push_back(f.key.substr(0, f.key.rfind('.')));
    bad(place(file_, node), "unknown section \"" + key + "\"" + did_you_mean(key, known));
  }

  void read_targets(const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array == nullptr || !std::ranges::all_of(*array, [](const auto& n) { return n.is_table(); }))
      bad(place(file_, node), "targets are written as [[eval.target]] sections");
    for (const auto& entry : *array) {
      TargetConfig target;
      const std::vector<Field> own = fields(target);
      for (const auto& [name, value] : *entry.as_table()) {
        const std::string key(name.str());
        assign(find(own, key, "eval.target.", place(file_, value)), value, place(file_, value), "eval.target." + key);
      }
      if (target.name.empty() || target.dataset.empty())
        bad(place(file_, entry), "a target needs \"name\" and \"dataset\", and a \"root\" if it lies on disk");
      if (std::ranges::find(config_.eval.targets, target.name, &TargetConfig::name) != config_.eval.targets.end())
        bad(place(file_, entry), "there are two targets named \"" + target.name + "\"");
      config_.eval.targets.push_back(std::move(target));
    }
  }

  static void override_field(const Field& field, const std::string& key, const std::string& value,
                             const std::string& where) {
    if (auto* text = std::get_if<std::string*>(&field.value); text != nullptr && !value.starts_with('"')) {
      **text = value;
      return;
    }
    toml::table table;
    try {
      table = toml::parse("value = " + value);
    } catch (const toml::parse_error&) {
      bad(where, "\"" + key + "\" must be " + wanted_type(field.value) + ", got " + value);
    }
    const toml::node* node = table.get("value");
    if (node == nullptr || table.size() != 1) bad(where, "must be one value");
    assign(field, *node, where, key);
  }

  Config& config_;
  std::string file_;
  std::vector<Field> fields_;
};

}  // namespace

Config parse_config(const std::string& text, const std::string& file, const std::vector<std::string>& overrides,
                    Purpose purpose) {
  toml::table table;
  try {
    table = toml::parse(text, file);
  } catch (const toml::parse_error& error) {
    bad(file + ", line " + std::to_string(error.source().begin.line), std::string(error.description()));
  }
  Config config;
  config.purpose = purpose;
  Reader reader(config, file);
  reader.read(table);
  for (const std::string& one : overrides) reader.override_one(one);
  complete(config);
  check(config, file);
  return config;
}

Config read_config(const std::filesystem::path& file, const std::vector<std::string>& overrides, Purpose purpose) {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) fail_runtime("config", "cannot read ", file.string());
  std::ostringstream text;
  text << in.rdbuf();
  return parse_config(text.str(), file.string(), overrides, purpose);
}

}  // namespace rein::train
