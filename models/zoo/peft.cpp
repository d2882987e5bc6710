#include "models/zoo/peft.h"

#include "tensor/error.h"

namespace rein::models::zoo {

std::string layer_name(const Layout& layout, const TunedMatrix& matrix) {
  const std::vector<std::string> pieces = pieces_of(layout, matrix.layer + ".weight");
  if (static_cast<int>(pieces.size()) != matrix.parts) return "";
  const std::string& name = pieces[static_cast<std::size_t>(matrix.part)];
  constexpr std::string_view ending = ".weight";
  return name.ends_with(ending) ? name.substr(0, name.size() - ending.size()) : "";
}

std::map<std::string, std::string> peft_names(const Layout& layout, const LowRankAdapter& adapter) {
  std::map<std::string, std::string> names;
  for (const TunedMatrix& matrix : adapter.matrices()) {
    const std::string theirs = layer_name(layout, matrix);
    if (theirs.empty())
      fail_runtime("zoo", layout.name, " has no one layer for ", matrix.name,
                   ": it holds q, k and v apart where targets name qkv, or packed where they name q, k and v");
    for (const char* factor : {".lora_A.weight", ".lora_B.weight"}) names[matrix.name + factor] = theirs + factor;
  }
  return names;
}

}  // namespace rein::models::zoo
