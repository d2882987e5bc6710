// A method: what trains beside the head. freeze, full and rein are methods; each stands in a file of its own and in one
// line of the table in methods.cpp, with the settings that a configuration may give it (model.METHOD.KEY).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rein::models {

class Adapter;
struct VitOptions;

// A method that was chosen, with its settings: what SegmentorOptions hold.
struct Method {
  std::string name = "freeze";
  bool trains_backbone = false;
  // Makes the adapter for a ViT; empty: none. query_width: channels of the queries that the head would take from it;
  // nothing: the head takes none.
  std::function<std::unique_ptr<Adapter>(const VitOptions& vit, std::optional<std::int64_t> query_width)> adapter{};
};

using SettingValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;

// One setting: its default, whose type it has, and what it means. Whole numbers lie within [least, most].
struct Setting {
  std::string key;
  SettingValue value;
  const char* text;
  std::int64_t least = 0, most = 65536;
};

// Values by key. Each is there from the start, with its default.
class Settings {
 public:
  explicit Settings(const std::vector<Setting>& declared);
  // Throw std::invalid_argument naming the key when it is unknown or of another type.
  bool flag(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;
  const std::string& text(std::string_view key) const;
  SettingValue& value(std::string_view key);
  const SettingValue& value(std::string_view key) const;

 private:
  std::map<std::string, SettingValue, std::less<>> values_;
};

// One line of the table.
struct MethodEntry {
  std::string name;
  const char* text;    // for people: "what is trained"
  std::string tree{};  // its adapter's tree_name(); empty: it has none
  std::vector<Setting> settings{};
  Method (*make)(const Settings& settings) = nullptr;
};

const std::vector<MethodEntry>& methods();
std::vector<std::string> method_names();
// Throws std::invalid_argument with the known names.
const MethodEntry& method_entry(const std::string& name);
Method method_named(const std::string& name);  // with its defaults
// A name below a backbone ("reins.scale") is some method's adapter's.
bool is_adapter_name(std::string_view name);

}  // namespace rein::models
