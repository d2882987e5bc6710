#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>

#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/safetensors_header.h"

namespace rein {
namespace {

using safetensors_detail::in_quotes;
using safetensors_detail::is_utf8;
using Named = std::pair<std::string, Tensor>;

void check(const std::vector<Named>& tensors, const std::map<std::string, std::string>& metadata) {
  std::set<std::string_view> names;
  for (const auto& [name, tensor] : tensors) {
    require(static_cast<bool>(tensor), "write_safetensors", "tensor ", in_quotes(name), " is null");
    require(tensor.device().is_cpu(), "write_safetensors", "tensor ", in_quotes(name), " is on ",
            tensor.device().text());
    require(is_utf8(name), "write_safetensors", "the name ", in_quotes(name), " is not valid UTF-8");
    require(name != safetensors_detail::metadata_key, "write_safetensors", "the name ", in_quotes(name),
            " is reserved");
    require(names.insert(name).second, "write_safetensors", "there are two tensors ", in_quotes(name));
  }
  for (const auto& [key, value] : metadata) {
    require(is_utf8(key) && is_utf8(value), "write_safetensors", "metadata ", in_quotes(key), " is not valid UTF-8");
  }
}

std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string header_of(const std::vector<const Named*>& order, const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += json_string(std::string(safetensors_detail::metadata_key)) + ":" + nlohmann::json(metadata).dump();
  }
  std::size_t begin = 0;
  for (const Named* named : order) {
    const auto& [name, tensor] = *named;
    const std::size_t end = begin + tensor.bytes();
    text += concat_text(text.size() > 1 ? "," : "", json_string(name), ":{\"dtype\":\"",
                        safetensors_detail::file_name_of(tensor.dtype()),
                        "\",\"shape\":", nlohmann::json(tensor.shape().sizes()).dump(), ",\"data_offsets\":[", begin,
                        ",", end, "]}");
    begin = end;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  require(text.size() <= safetensors_detail::max_header_bytes, "write_safetensors", "the header takes ", text.size(),
          " bytes, the format allows ", safetensors_detail::max_header_bytes);
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<Named>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  check(tensors, metadata);
  std::vector<const Named*> order;
  for (const Named& named : tensors) order.push_back(&named);
  std::ranges::sort(order, [](const Named* a, const Named* b) {
    const std::size_t wide_a = size_of(a->second.dtype()), wide_b = size_of(b->second.dtype());
    return wide_a != wide_b ? wide_a > wide_b : a->first < b->first;
  });
  const std::string header = header_of(order, metadata);
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header);
  for (const Named* named : order) file.write(named->second.raw(), named->second.bytes());
  file.commit();
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_safetensors(path, std::vector<Named>(tensors.begin(), tensors.end()), metadata);
}

}  // namespace rein
