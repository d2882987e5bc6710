// A config as text again, and the differences between two.
#include <charconv>
#include <cstdio>

#include "train/config/config.h"

namespace rein::train {
namespace {

std::string text_of(const std::string& value) {
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04X", static_cast<unsigned>(c));
      out += code;
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(std::int64_t value) {
  return std::to_string(value);
}

// The shortest text that reads back to the same double.
std::string text_of(double value) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  std::string text(buffer, end);
  return text.find_first_of(".en") == text.npos ? text + ".0" : text;
}

template <class T>
std::string text_of(const std::vector<T>& values) {
  std::string out = "[";
  for (const T& v : values) out += (out.size() > 1 ? ", " : "") + text_of(v);
  return out + "]";
}

std::string text_of(const FieldPointer& value) {
  return std::visit([](const auto* v) { return text_of(*v); }, value);
}

// Fields come section by section; a header is written where the section changes.
std::string section_of(const std::string& key) {
  return key.substr(0, key.rfind('.'));
}

}  // namespace

std::string config_text(const Config& config) {
  Config copy = config;
  std::string out, section;
  for (const Field& f : fields(copy)) {
    if (const std::string own = section_of(f.key); own != section) {
      section = own;
      out += (out.empty() ? "[" : "\n[") + section + "]\n";
    }
    out += f.key.substr(section.size() + 1) + " = " + text_of(f.value) + "\n";
  }
  for (TargetConfig& t : copy.eval.targets) {
    out += "\n[[eval.target]]\n";
    for (const Field& f : fields(t)) out += f.key + " = " + text_of(f.value) + "\n";
  }
  return out;
}

std::vector<std::string> resume_differences(const Config& now, const Config& then) {
  Config a = now, b = then;
  const std::vector<Field> ours = fields(a), theirs = fields(b);
  std::vector<std::string> differences;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    if (ours[i].free_on_resume) continue;
    const std::string x = text_of(ours[i].value), y = text_of(theirs[i].value);
    if (x != y) differences.push_back(ours[i].key + ": " + x + " here, " + y + " in the checkpoint");
  }
  return differences;
}

std::string config_help(Purpose purpose) {
  Config defaults;
  defaults.purpose = purpose;
  TargetConfig target;
  std::string out;
  const auto line = [&](const std::string& key, const Field& f) {
    out += key + " = " + text_of(f.value) + "\n    " + f.text + "\n";
  };
  for (const Field& f : fields(defaults)) line(f.key, f);
  if (purpose == Purpose::train)
    for (const Field& f : fields(target)) line("eval.target." + f.key, f);
  return out;
}

}  // namespace rein::train
