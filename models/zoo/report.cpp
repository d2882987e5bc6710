#include "models/zoo/report.h"

#include <algorithm>
#include <array>

#include "models/adapters/method.h"
#include "tensor/error.h"

namespace rein::models::zoo {
namespace {

struct Size {
  std::string_view name;
  std::int64_t dim, depth;
};
constexpr std::array sizes = {Size{"tiny", 192, 12},   Size{"small", 384, 12}, Size{"base", 768, 12},
                              Size{"large", 1024, 24}, Size{"huge", 1280, 32}, Size{"giant", 1536, 40},
                              Size{"7b", 4096, 40}};

std::size_t count_that(const std::vector<std::string>& names, auto&& holds) {
  return static_cast<std::size_t>(std::ranges::count_if(names, holds));
}

bool is_adapter(std::string_view name) {
  constexpr std::string_view inside = "backbone.";
  return is_adapter_name(name.starts_with(inside) ? name.substr(inside.size()) : name);
}

bool is_head(std::string_view name) {
  for (const std::string_view start : {"decode_head.", "neck.", "head.", "classifier.", "linear_head.", "fc.",
                                       "pixel_decoder.", "transformer_decoder."})
    if (name.starts_with(start)) return true;
  return false;
}

}  // namespace

std::string joined(const std::vector<std::string>& words, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < std::min(words.size(), limit); ++i) out += (i == 0 ? "" : ", ") + words[i];
  if (words.size() > limit) out += ", … (" + std::to_string(words.size()) + " in all)";
  return out;
}

std::vector<std::string> missing_marks(const nn::TensorSource& theirs, const Layout& layout, bool family_said) {
  std::vector<std::string> missing;
  for (const std::string_view mark : layout.marks)
    if (!theirs.has(std::string(mark))) missing.emplace_back(mark);
  for (const std::string_view mark : layout.telltale)
    if (!family_said && !theirs.has(std::string(mark))) missing.emplace_back(mark);
  return missing;
}

std::vector<std::string> foreign_names(const nn::TensorSource& theirs, const Layout& layout) {
  std::vector<std::string> found;
  for (const std::string_view name : layout.foreign)
    if (theirs.has(std::string(name))) found.emplace_back(name);
  return found;
}

std::string_view size_name(std::int64_t dim, std::int64_t depth) {
  for (const Size& size : sizes)
    if (size.dim == dim && size.depth == depth) return size.name;
  return "";
}

std::pair<std::string, std::string> split_family(const std::string& wanted) {
  const std::size_t dash = wanted.find('-');
  if (dash == wanted.npos) return {wanted, ""};
  const std::string size = wanted.substr(dash + 1);
  if (std::ranges::find(sizes, size, &Size::name) == sizes.end()) {
    std::vector<std::string> names;
    for (const Size& s : sizes) names.emplace_back(s.name);
    fail_runtime("zoo", "unknown size \"", size, "\" in \"", wanted, "\"; known: ", joined(names, 20));
  }
  return {wanted.substr(0, dash), size};
}

std::string other_contents(const std::vector<std::string>& names) {
  const std::size_t adapter = count_that(names, is_adapter), head = count_that(names, is_head);
  // Constants of the images, not weights.
  const std::size_t rest = names.size() - adapter - head - count_that(names, [](std::string_view name) {
                             return name.starts_with("data_preprocessor.");
                           });
  const auto tensors = [](const char* what, std::size_t n) { return concat_text(what, " (", n, " tensors)"); };
  if (adapter > 0 && rest == 0)
    return head > 0 ? concat_text("a Rein checkpoint without the backbone: ", tensors("adapter", adapter), " and ",
                                  tensors("head", head))
                    : concat_text("a Rein adapter without the backbone: ", tensors("adapter", adapter));
  if (head > 0 && rest == 0) return concat_text("a head without the backbone: ", tensors("head", head));
  return "";
}

void fail_unrecognised(const nn::TensorSource& theirs, const std::vector<const Layout*>& candidates, bool said,
                       const Layout* fits) {
  const std::vector<std::string> names = theirs.names();
  if (const std::string other = other_contents(names); !other.empty())
    fail_runtime("zoo", "no known ViT in ", theirs.describe(), ": it is ", other);
  if (fits != nullptr)
    fail_runtime("zoo", theirs.describe(), " is ", fits->family, " (", fits->name, "); ", candidates[0]->family,
                 " is asked for");
  const auto distance = [&](const Layout* l) {
    return missing_marks(theirs, *l, said).size() * 10 + foreign_names(theirs, *l).size();
  };
  const Layout* near = *std::ranges::min_element(candidates, {}, distance);
  const std::vector<std::string> missing = missing_marks(theirs, *near, said), foreign = foreign_names(theirs, *near);
  std::string text = names.empty() ? "it has no tensors" : "it has " + joined(names, 6);
  text += "; the nearest known layout is " + std::string(near->name);
  if (!missing.empty()) text += ", which needs " + joined(missing, 8);
  if (!foreign.empty()) text += (missing.empty() ? ", which never has " : "; it never has ") + joined(foreign, 8);
  fail_runtime("zoo", "no known ViT in ", theirs.describe(), ": ", text);
}

}  // namespace rein::models::zoo
