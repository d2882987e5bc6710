#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/safetensors_header.h"
#include "tensor/io/weight_write.h"

namespace rein {
namespace {

using safetensors_detail::in_quotes;
using safetensors_detail::is_utf8;
using Named = std::pair<std::string, Tensor>;
constexpr const char* writer = "write_safetensors";

void check(const std::vector<TensorToWrite>& tensors, const std::map<std::string, std::string>& metadata) {
  weight_write_detail::check_names(tensors, writer);
  for (const TensorToWrite& t : tensors)
    require(t.name != safetensors_detail::metadata_key, writer, "the name ", in_quotes(t.name), " is reserved");
  for (const auto& [key, value] : metadata) {
    require(is_utf8(key) && is_utf8(value), writer, "metadata ", in_quotes(key), " is not valid UTF-8");
  }
}

std::size_t bytes_of(const TensorToWrite& t) {
  return static_cast<std::size_t>(t.shape.count()) * size_of(t.dtype);
}

std::string json_string(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string header_of(const std::vector<const TensorToWrite*>& order,
                      const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += json_string(std::string(safetensors_detail::metadata_key)) + ":" + nlohmann::json(metadata).dump();
  }
  std::size_t begin = 0;
  for (const TensorToWrite* t : order) {
    const std::size_t end = begin + bytes_of(*t);
    text += concat_text(
        text.size() > 1 ? "," : "", json_string(t->name), ":{\"dtype\":\"", safetensors_detail::file_name_of(t->dtype),
        "\",\"shape\":", nlohmann::json(t->shape.sizes()).dump(), ",\"data_offsets\":[", begin, ",", end, "]}");
    begin = end;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  require(text.size() <= safetensors_detail::max_header_bytes, writer, "the header takes ", text.size(),
          " bytes, the format allows ", safetensors_detail::max_header_bytes);
  return text;
}

}  // namespace

namespace weight_write_detail {

void check_names(const std::vector<TensorToWrite>& tensors, const char* op) {
  std::set<std::string_view> names;
  for (const TensorToWrite& t : tensors) {
    require(static_cast<bool>(t.read), op, "tensor ", in_quotes(t.name), " is null");
    require(is_utf8(t.name), op, "the name ", in_quotes(t.name), " is not valid UTF-8");
    require(names.insert(t.name).second, op, "there are two tensors ", in_quotes(t.name));
  }
}

Tensor read_checked(const TensorToWrite& item, const char* op) {
  Tensor tensor = item.read();
  require(static_cast<bool>(tensor) && tensor.device().is_cpu() && tensor.shape() == item.shape &&
              tensor.dtype() == item.dtype,
          op, "tensor ", in_quotes(item.name), " is not what was announced: ", item.shape, " ", name_of(item.dtype));
  return tensor;
}

}  // namespace weight_write_detail

TensorToWrite TensorToWrite::of(std::string name, Tensor tensor) {
  if (!tensor) return {std::move(name), DType::f32, Shape{}, nullptr};
  const DType dtype = tensor.dtype();
  const Shape shape = tensor.shape();
  return {std::move(name), dtype, shape, [t = std::move(tensor)] { return t; }};
}

void write_safetensors_streamed(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                                const std::map<std::string, std::string>& metadata) {
  check(tensors, metadata);
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& t : tensors) order.push_back(&t);
  std::ranges::sort(order, [](const TensorToWrite* a, const TensorToWrite* b) {
    const std::size_t wide_a = size_of(a->dtype), wide_b = size_of(b->dtype);
    return wide_a != wide_b ? wide_a > wide_b : a->name < b->name;
  });
  const std::string header = header_of(order, metadata);
  const std::uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header);
  for (const TensorToWrite* item : order) {
    const Tensor tensor = weight_write_detail::read_checked(*item, writer);
    file.write(tensor.raw(), tensor.bytes());
  }
  file.commit();
}

void write_safetensors(const std::filesystem::path& path, const std::vector<Named>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::vector<TensorToWrite> items;
  for (const auto& [name, tensor] : tensors) {
    require(!tensor || tensor.device().is_cpu(), writer, "tensor ", in_quotes(name), " is on ", tensor.device().text());
    items.push_back(TensorToWrite::of(name, tensor));
  }
  write_safetensors_streamed(path, items, metadata);
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  write_safetensors(path, std::vector<Named>(tensors.begin(), tensors.end()), metadata);
}

}  // namespace rein
