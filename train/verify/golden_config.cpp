#include "train/verify/golden_config.h"

#include <nlohmann/json.hpp>

#include "tensor/error.h"

namespace rein::train {

using json = nlohmann::json;

struct GoldenConfig::Json {
  json value;
};

namespace {

const json& at(const json& object, const std::string& key, const std::string& where) {
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) fail_runtime(where, "config has no \"", key, "\"");
  return *it;
}

template <class T>
T get(const json& value, const std::string& key, const std::string& where) {
  const bool fits = std::is_same_v<T, bool>           ? value.is_boolean()
                    : std::is_same_v<T, std::int64_t> ? value.is_number_integer()
                    : std::is_same_v<T, double>       ? value.is_number()
                                                      : value.is_string();
  if (!fits) fail_runtime(where, "config.", key, " has the wrong type: ", value.dump().substr(0, 60));
  return value.get<T>();
}

template <class T>
std::vector<T> list(const json& value, const std::string& key, const std::string& where) {
  if (!value.is_array()) fail_runtime(where, "config.", key, " must be a list, got ", value.dump().substr(0, 60));
  std::vector<T> items;
  for (const json& item : value) items.push_back(get<T>(item, key, where));
  return items;
}

}  // namespace

GoldenConfig GoldenConfig::parse(const std::string& text, const std::string& where) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded() || !value.is_object()) fail_runtime(where, "its config is not a JSON object");
  GoldenConfig config;
  config.json_ = std::make_shared<const Json>(Json{std::move(value)});
  config.where_ = where;
  return config;
}

bool GoldenConfig::has(const std::string& key) const {
  const auto it = json_->value.find(key);
  return it != json_->value.end() && !it->is_null();
}

std::int64_t GoldenConfig::integer(const std::string& key) const {
  return get<std::int64_t>(at(json_->value, key, where_), key, where_);
}
std::int64_t GoldenConfig::integer_or(const std::string& key, std::int64_t otherwise) const {
  return has(key) ? integer(key) : otherwise;
}
double GoldenConfig::number(const std::string& key) const {
  return get<double>(at(json_->value, key, where_), key, where_);
}
double GoldenConfig::number_or(const std::string& key, double otherwise) const {
  return has(key) ? number(key) : otherwise;
}
bool GoldenConfig::flag(const std::string& key) const {
  return get<bool>(at(json_->value, key, where_), key, where_);
}
bool GoldenConfig::flag_or(const std::string& key, bool otherwise) const {
  return has(key) ? flag(key) : otherwise;
}
std::string GoldenConfig::text(const std::string& key) const {
  return get<std::string>(at(json_->value, key, where_), key, where_);
}
std::string GoldenConfig::text_or(const std::string& key, const std::string& otherwise) const {
  return has(key) ? text(key) : otherwise;
}
std::vector<std::int64_t> GoldenConfig::integers(const std::string& key) const {
  return list<std::int64_t>(at(json_->value, key, where_), key, where_);
}
std::vector<double> GoldenConfig::numbers(const std::string& key) const {
  return list<double>(at(json_->value, key, where_), key, where_);
}
std::vector<std::string> GoldenConfig::texts(const std::string& key) const {
  return list<std::string>(at(json_->value, key, where_), key, where_);
}

std::vector<std::string> GoldenConfig::keys() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : json_->value.items()) names.push_back(name);
  return names;
}

GoldenConfig GoldenConfig::object(const std::string& key) const {
  const json& value = at(json_->value, key, where_);
  if (!value.is_object()) fail_runtime(where_, "config.", key, " must be an object");
  GoldenConfig inner;
  inner.json_ = std::make_shared<const Json>(Json{value});
  inner.where_ = where_;
  return inner;
}

std::vector<GoldenConfig> GoldenConfig::objects(const std::string& key) const {
  const json& value = at(json_->value, key, where_);
  if (!value.is_array()) fail_runtime(where_, "config.", key, " must be a list of objects");
  std::vector<GoldenConfig> items;
  for (const json& item : value) {
    if (!item.is_object()) fail_runtime(where_, "config.", key, " must be a list of objects");
    GoldenConfig inner;
    inner.json_ = std::make_shared<const Json>(Json{item});
    inner.where_ = where_;
    items.push_back(std::move(inner));
  }
  return items;
}

std::vector<std::vector<std::int64_t>> GoldenConfig::integer_rows(const std::string& key) const {
  const json& value = at(json_->value, key, where_);
  if (!value.is_array()) fail_runtime(where_, "config.", key, " must be a list of lists");
  std::vector<std::vector<std::int64_t>> rows;
  for (const json& row : value) rows.push_back(list<std::int64_t>(row, key, where_));
  return rows;
}

}  // namespace rein::train
