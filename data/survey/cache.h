// What was counted of label files, by path, size and time of change: one line of text each, so that a survey that was
// stopped goes on where it was. A damaged line is passed over.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "data/survey/survey.h"

namespace rein::data {

class SurveyCache {
 public:
  // Reads what is there; nothing is no fault.
  SurveyCache(std::filesystem::path file, Encoding encoding);

  // Facts of a file that has not changed since. `key` is for put.
  std::optional<LabelFacts> find(const std::filesystem::path& label, std::string& key) const;
  void put(const std::string& key, const LabelFacts& facts) { lines_[key] = facts; }
  // Written beside and renamed; false where the place takes no file (a cache is no duty).
  bool write() const;

 private:
  std::filesystem::path file_;
  char encoding_;
  std::map<std::string, LabelFacts> lines_;
};

}  // namespace rein::data
