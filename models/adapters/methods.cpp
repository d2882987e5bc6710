// The table of methods. A new one: its file, the include of its header, and its line here.
#include <algorithm>
#include <utility>

#include "models/adapters/adapter.h"
#include "models/adapters/adaptformer.h"
#include "models/adapters/bitfit.h"
#include "models/adapters/lora.h"
#include "models/adapters/method.h"
#include "models/adapters/rein_adapter.h"
#include "models/adapters/soma.h"
#include "models/adapters/vpt.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::models {

const std::vector<MethodEntry>& methods() {
  static const std::vector<MethodEntry> table = {
      {.name = "freeze", .text = "head only", .make = [](const Settings&) { return Method{}; }},
      {.name = "full",
       .text = "everything",
       .make =
           [](const Settings&) {
             return Method{"full", true};
           }},
      rein_entry(),
      lora_entry(),
      vpt_entry(),
      adaptformer_entry(),
      soma_entry(),
      bitfit_entry(),
  };
  return table;
}

std::vector<std::string> method_names() {
  std::vector<std::string> names;
  for (const MethodEntry& entry : methods()) names.push_back(entry.name);
  return names;
}

const MethodEntry& method_entry(const std::string& name) {
  for (const MethodEntry& entry : methods())
    if (entry.name == name) return entry;
  const std::vector<std::string> names = method_names();
  fail("method", "must be one of ", quoted_list(names), ", got \"", name, "\"", did_you_mean(name, names));
}

Method method_named(const std::string& name) {
  const MethodEntry& entry = method_entry(name);
  return entry.make(Settings(entry.settings));
}

bool is_adapter_name(std::string_view name) {
  return std::ranges::any_of(methods(), [&](const MethodEntry& entry) {
    return !entry.tree.empty() && name.starts_with(entry.tree) && name.substr(entry.tree.size()).starts_with('.');
  });
}

Settings::Settings(const std::vector<Setting>& declared) {
  for (const Setting& setting : declared) values_.emplace(setting.key, setting.value);
}

const SettingValue& Settings::value(std::string_view key) const {
  const auto found = values_.find(key);
  require(found != values_.end(), "method", "there is no setting \"", key, "\"");
  return found->second;
}

SettingValue& Settings::value(std::string_view key) {
  return const_cast<SettingValue&>(std::as_const(*this).value(key));
}

namespace {

template <class T>
const T& typed(const Settings& settings, std::string_view key, const char* type) {
  const T* value = std::get_if<T>(&settings.value(key));
  require(value != nullptr, "method", "the setting \"", key, "\" is no ", type);
  return *value;
}

}  // namespace

bool Settings::flag(std::string_view key) const {
  return typed<bool>(*this, key, "switch");
}
std::int64_t Settings::integer(std::string_view key) const {
  return typed<std::int64_t>(*this, key, "whole number");
}
double Settings::number(std::string_view key) const {
  return typed<double>(*this, key, "number");
}
const std::string& Settings::text(std::string_view key) const {
  return typed<std::string>(*this, key, "text");
}

}  // namespace rein::models
