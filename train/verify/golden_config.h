// The JSON configuration of a recorded reference case, read by key. A missing or mistyped key is a std::runtime_error
// that names the file and the key: cases come from outside.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace rein::train {

class GoldenConfig {
 public:
  // `where` stands in error texts, e.g. the file's name.
  static GoldenConfig parse(const std::string& json, const std::string& where);

  bool has(const std::string& key) const;  // present and not null
  std::int64_t integer(const std::string& key) const;
  std::int64_t integer_or(const std::string& key, std::int64_t otherwise) const;
  double number(const std::string& key) const;
  double number_or(const std::string& key, double otherwise) const;
  bool flag(const std::string& key) const;
  bool flag_or(const std::string& key, bool otherwise) const;
  std::string text(const std::string& key) const;
  std::string text_or(const std::string& key, const std::string& otherwise) const;
  std::vector<std::int64_t> integers(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<std::string> keys() const;                                              // of this object, sorted
  GoldenConfig object(const std::string& key) const;                                  // a nested object
  std::vector<GoldenConfig> objects(const std::string& key) const;                    // a list of objects
  std::vector<std::vector<std::int64_t>> integer_rows(const std::string& key) const;  // a list of lists

 private:
  struct Json;
  std::shared_ptr<const Json> json_;
  std::string where_;
};

}  // namespace rein::train
