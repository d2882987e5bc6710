// The JSON header of a safetensors file: parsing and text. Internal to tensor/io.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tensor/io/safetensors.h"

namespace rein::safetensors_detail {

inline constexpr std::size_t max_header_bytes = 100'000'000;  // the format's limit
inline constexpr std::string_view metadata_key = "__metadata__";

struct Header {
  std::map<std::string, std::string> metadata;
  std::map<std::string, SafeTensors::Entry> entries;
};

// `file` is for error texts. Checks the JSON, each entry on its own, and that the entries cover [0, data_bytes) without
// holes or overlap. Throws std::runtime_error.
Header parse_header(std::string_view json, std::size_t data_bytes, const std::string& file);

// The format's name of a dtype: "F32".
std::string_view file_name_of(DType dtype);

// Text for an error message: in quotes, control bytes escaped, cut when long.
std::string in_quotes(std::string_view text);

bool is_utf8(std::string_view text);

}  // namespace rein::safetensors_detail
