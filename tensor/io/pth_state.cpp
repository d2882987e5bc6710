#include "tensor/io/pth_state.h"

#include <algorithm>
#include <set>
#include <vector>

#include "tensor/error.h"
#include "tensor/io/safetensors_header.h"

namespace rein::pickle {
namespace {

using safetensors_detail::in_quotes;

// Under which keys training programs keep their weights, the likeliest first.
constexpr std::string_view usual_keys[] = {"state_dict", "model_state_dict", "model_state", "model",   "module",
                                           "teacher",    "backbone",         "net",         "network", "params"};
constexpr int deepest = 4;                  // dictionaries around the state dictionary
constexpr std::size_t deepest_module = 64;  // modules around a parameter of a TorchScript archive

class Finder {
 public:
  explicit Finder(const std::string& file) : file_(file) {}

  StateDict find(const Value& root) {
    StateDict found;
    if (const Value* dict = search(root, 0, found.under)) {
      if (dict->kind == Kind::object)
        flatten(*dict, found.tensors);
      else
        for (std::size_t i = 0; i + 1 < dict->items.size(); i += 2)
          add(*dict->items[i], *dict->items[i + 1], "", found.tensors);
    }
    if (found.tensors.empty())
      fail_runtime("pth", file_, ": holds no dictionary of tensors", keys_text(root),
                   "; a file with the state dictionary of a model is needed");
    drop_module(found.tensors);
    return found;
  }

 private:
  static bool holds_tensors(const Value& dict) {
    for (std::size_t i = 1; i < dict.items.size(); i += 2)
      if (dict.items[i]->kind == Kind::tensor) return true;
    return false;
  }
  static const Value* value_of(const Value& dict, std::string_view key) {
    const Value* found = nullptr;  // a later one wins
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2)
      if (dict.items[i]->kind == Kind::text && dict.items[i]->text == key) found = dict.items[i + 1];
    return found;
  }

  // The dictionary (or TorchScript module) with the tensors at or below `value`, null when there is none.
  const Value* search(const Value& value, int depth, std::string& under) {
    if (value.kind == Kind::object) return &value;
    if (value.kind != Kind::dict || depth > deepest) return nullptr;
    // Every dictionary is looked at once, however often it is referred to.
    if (!seen_.insert(&value).second) return nullptr;
    const std::string before = under;
    const auto inside = [&](std::string_view key, const Value& entry) -> const Value* {
      under = before + (before.empty() ? "" : ".") + std::string(key.substr(0, 100));
      const Value* found = search(entry, depth + 1, under);
      if (found == nullptr) under = before;
      return found;
    };
    for (const std::string_view key : usual_keys)
      if (const Value* entry = value_of(value, key))
        if (const Value* found = inside(key, *entry)) return found;
    if (holds_tensors(value)) return &value;
    const Value* only = nullptr;
    std::string only_under;
    for (std::size_t i = 0; i + 1 < value.items.size(); i += 2) {
      const Value &key = *value.items[i], &entry = *value.items[i + 1];
      if (key.kind != Kind::text || (entry.kind != Kind::dict && entry.kind != Kind::object)) continue;
      under = before;
      const Value* found = inside(key.text, entry);
      if (found == nullptr) continue;
      if (only != nullptr)
        fail_runtime("pth", file_, ": holds several dictionaries of tensors, ", in_quotes(only_under), " and ",
                     in_quotes(under), "; keep one of them in a file of its own");
      only = found;
      only_under = under;
    }
    under = only != nullptr ? only_under : before;
    return only;
  }

  void add(const Value& key, const Value& value, const std::string& prefix,
           std::map<std::string, const Value*>& tensors) const {
    if (value.kind != Kind::tensor) return;
    if (key.kind != Kind::text) fail_runtime("pth", file_, ": a tensor has ", name_of(key.kind), " for its name");
    if (prefix.size() + key.text.size() > Machine::longest_name)
      fail_runtime("pth", file_, ": a tensor's name has more than ", Machine::longest_name, " letters");
    if (!safetensors_detail::is_utf8(key.text))
      fail_runtime("pth", file_, ": the name ", in_quotes(key.text), " is not valid UTF-8");
    tensors.insert_or_assign(prefix + std::string(key.text), &value);
  }

  void flatten(const Value& module, std::map<std::string, const Value*>& tensors) const {
    struct Open {
      const Value* module;
      std::string prefix;
      std::size_t depth;
    };
    std::vector<Open> open = {{&module, "", 0}};
    for (std::size_t steps = 0; !open.empty();) {
      const Open at = std::move(open.back());
      open.pop_back();
      steps += 1 + at.module->items.size();
      if (steps > Machine::most_values || at.depth > deepest_module || at.prefix.size() > Machine::longest_name)
        fail_runtime("pth", file_, ": the modules of the TorchScript archive are nested too deep");
      for (std::size_t i = 0; i + 1 < at.module->items.size(); i += 2) {
        const Value &key = *at.module->items[i], &value = *at.module->items[i + 1];
        add(key, value, at.prefix, tensors);
        if (value.kind == Kind::object && key.kind == Kind::text)
          open.push_back(
              {&value, at.prefix + std::string(key.text.substr(0, Machine::longest_name)) + ".", at.depth + 1});
      }
    }
  }

  // What torch.nn.DataParallel puts before every name.
  static void drop_module(std::map<std::string, const Value*>& tensors) {
    constexpr std::string_view prefix = "module.";
    if (!std::ranges::all_of(tensors, [&](const auto& t) { return t.first.starts_with(prefix); })) return;
    std::map<std::string, const Value*> shorter;
    for (const auto& [name, value] : tensors) shorter[name.substr(prefix.size())] = value;
    tensors.swap(shorter);
  }

  static std::string keys_text(const Value& root) {
    if (root.kind != Kind::dict) return concat_text(" (it is ", name_of(root.kind), ")");
    std::string text;
    int count = 0;
    for (std::size_t i = 0; i + 1 < root.items.size() && count < 8; i += 2)
      if (root.items[i]->kind == Kind::text)
        text += (count++ == 0 ? " (its keys: " : ", ") + in_quotes(root.items[i]->text.substr(0, 60));
    return text.empty() ? " (it is empty)" : text + (root.items.size() > 16 ? ", …)" : ")");
  }

  const std::string& file_;
  std::set<const Value*> seen_;
};

}  // namespace

StateDict find_state_dict(const Value& root, const std::string& file) {
  return Finder(file).find(root);
}

}  // namespace rein::pickle
