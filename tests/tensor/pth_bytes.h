// Small zip archives and pickles, spelt out byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/io/zip.h"

namespace rein::test {

template <class T>
std::string little(T value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i)
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
  return bytes;
}

using ZipEntries = std::vector<std::pair<std::string, std::string>>;

// Stored entries, local headers, table of contents; without zip64.
inline std::string zip_text(const ZipEntries& entries) {
  std::string file, directory;
  for (const auto& [name, data] : entries) {
    const auto size = static_cast<std::uint32_t>(data.size());
    const std::string common = little<std::uint16_t>(20) + std::string(8, '\0') +
                               little(zip::crc32(0, std::as_bytes(std::span(data)))) + little(size) + little(size) +
                               little(static_cast<std::uint16_t>(name.size())) + little<std::uint16_t>(0);
    directory += "PK\x01\x02" + little<std::uint16_t>(20) + common + std::string(10, '\0') +
                 little(static_cast<std::uint32_t>(file.size())) + name;
    file += "PK\x03\x04" + common + name + data;
  }
  const auto count = static_cast<std::uint16_t>(entries.size());
  return file + directory + "PK\x05\x06" + std::string(4, '\0') + little(count) + little(count) +
         little(static_cast<std::uint32_t>(directory.size())) + little(static_cast<std::uint32_t>(file.size())) +
         std::string(2, '\0');
}

// Pieces of pickles, protocol 2.
inline std::string p_text(std::string_view text) {
  return "X" + little(static_cast<std::uint32_t>(text.size())) + std::string(text);
}
inline std::string p_int(std::int64_t value) {
  return "\x8a\x08" + little(value);
}
inline std::string p_tuple(const std::vector<std::int64_t>& values) {
  std::string text = "(";
  for (const std::int64_t value : values) text += p_int(value);
  return text + "t";
}
inline std::string p_word(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string p_storage(std::string_view type, std::string_view key, std::int64_t elements) {
  return "(" + p_text("storage") + p_word("torch", type) + p_text(key) + p_text("cpu") + p_int(elements) + "tQ";
}
struct PickledTensor {
  std::string type = "FloatStorage", key = "0";
  std::int64_t elements = 4, offset = 0;
  std::vector<std::int64_t> sizes = {2, 2}, strides = {2, 1};
  std::string text() const {
    return p_word("torch._utils", "_rebuild_tensor_v2") + "(" + p_storage(type, key, elements) + p_int(offset) +
           p_tuple(sizes) + p_tuple(strides) + "\x89" + p_word("collections", "OrderedDict") + ")RtR";
  }
};
// {"w": tensor, …} as a whole pickle.
inline std::string pickled(const std::vector<std::pair<std::string, PickledTensor>>& tensors) {
  std::string text = "\x80\x02}(";
  for (const auto& [name, tensor] : tensors) text += p_text(name) + tensor.text();
  return text + "u.";
}
inline std::string pth_text(const std::string& pickle, const std::string& data = std::string(16, '\0')) {
  return zip_text({{"a/data.pkl", pickle}, {"a/data/0", data}, {"a/version", "3\n"}});
}

}  // namespace rein::test
