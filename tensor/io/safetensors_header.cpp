#include "tensor/io/safetensors_header.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "tensor/error.h"

namespace rein::safetensors_detail {
namespace {

struct FileDType {
  std::string_view name;
  unsigned bits;
  std::optional<DType> dtype;  // empty: a dtype of the format that this library does not have
};
constexpr std::array<FileDType, 20> file_dtypes = {{
    {"F64", 64, DType::f64},      {"F32", 32, DType::f32},      {"BF16", 16, DType::bf16},
    {"F16", 16, DType::f16},      {"I64", 64, DType::i64},      {"I32", 32, DType::i32},
    {"U8", 8, DType::u8},         {"I8", 8, std::nullopt},      {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},    {"U32", 32, std::nullopt},    {"U64", 64, std::nullopt},
    {"BOOL", 8, std::nullopt},    {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt}, {"F8_E8M0", 8, std::nullopt}, {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt}, {"F4", 4, std::nullopt},
}};

constexpr std::size_t max_dimensions = 64;  // far beyond any real file; bounds the memory that a shape can take

// One tensor as it stands in the header.
struct RawEntry {
  std::optional<std::string> dtype;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;
};

// Receives the header token by token, so that duplicates and wrong nesting are seen, and nothing but what the format
// allows is ever stored.
class Reader {
 public:
  Reader(Header& header, const std::string& file) : header_(header), file_(file) {}

  bool null() { return wrong_value("null"); }
  bool boolean(bool) { return wrong_value("a boolean"); }
  bool number_integer(std::int64_t value) {
    if (state_ == State::shape || state_ == State::offsets) {
      fail_here(field(), " must hold non-negative integers, got ", value);
    }
    return wrong_value("a number");
  }
  bool number_unsigned(std::uint64_t value) {
    if (state_ == State::shape) {
      if (raw_.shape->size() == max_dimensions) fail_here("shape has more than ", max_dimensions, " sizes");
      raw_.shape->push_back(value);
      return true;
    }
    if (state_ == State::offsets) {
      if (raw_.offsets->size() == 2) fail_here("data_offsets must hold two numbers, got more");
      raw_.offsets->push_back(value);
      return true;
    }
    return wrong_value("a number");
  }
  bool number_float(double, const std::string& text) {
    if (state_ == State::shape || state_ == State::offsets) {
      fail_here(field(), " must hold integers of at most 64 bits, got ", text.substr(0, 40));
    }
    return wrong_value("a number");
  }
  bool string(std::string& value) {
    if (state_ == State::metadata) {
      header_.metadata[key_] = std::move(value);
    } else if (state_ == State::entry && key_ == "dtype") {
      raw_.dtype = std::move(value);
    } else {
      return wrong_value("a string");
    }
    return true;
  }
  bool binary(std::vector<std::uint8_t>&) { return wrong_value("binary data"); }

  bool start_object(std::size_t) {
    if (state_ == State::start) {
      state_ = State::top;
    } else if (state_ == State::top) {
      state_ = in_metadata_ ? State::metadata : State::entry;
      raw_ = {};
    } else {
      return wrong_value("an object");
    }
    return true;
  }
  bool key(std::string& name) {
    if (state_ == State::top) {
      in_metadata_ = name == metadata_key;
      if (in_metadata_ && std::exchange(seen_metadata_, true)) stop("duplicate key '__metadata__' in the header");
      if (!in_metadata_ && header_.entries.contains(name)) stop("duplicate tensor ", in_quotes(name), " in the header");
      tensor_ = std::move(name);
      return true;
    }
    key_ = std::move(name);
    if (state_ == State::metadata) {
      if (header_.metadata.contains(key_)) stop("duplicate key ", in_quotes(key_), " in __metadata__");
      return true;
    }
    const bool seen = key_ == "dtype"          ? raw_.dtype.has_value()
                      : key_ == "shape"        ? raw_.shape.has_value()
                      : key_ == "data_offsets" ? raw_.offsets.has_value()
                                               : (fail_here("unknown key ", in_quotes(key_)), false);
    if (seen) fail_here("duplicate key ", in_quotes(key_));
    return true;
  }
  bool end_object() {
    if (state_ == State::entry) finish_entry();
    state_ = state_ == State::top ? State::done : State::top;
    return true;
  }
  bool start_array(std::size_t) {
    if (state_ == State::entry && key_ == "shape") {
      raw_.shape.emplace();
      state_ = State::shape;
    } else if (state_ == State::entry && key_ == "data_offsets") {
      raw_.offsets.emplace();
      state_ = State::offsets;
    } else {
      return wrong_value("an array");
    }
    return true;
  }
  bool end_array() {
    state_ = State::entry;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) {
    // The library's text begins with its own error number in brackets; what follows says where and why.
    std::string_view text = error.what();
    if (const auto end = text.find("] "); end != std::string_view::npos) text.remove_prefix(end + 2);
    stop("the header is not valid JSON at byte ", position, ": ", in_quotes(text));
  }

 private:
  enum class State { start, top, metadata, entry, shape, offsets, done };

  template <class... Parts>
  [[noreturn]] void stop(const Parts&... parts) const {
    fail_runtime("safetensors", file_, ": ", parts...);
  }
  template <class... Parts>
  [[noreturn]] void fail_here(const Parts&... parts) const {
    stop("tensor ", in_quotes(tensor_), ": ", parts...);
  }
  const char* field() const { return state_ == State::shape ? "shape" : "data_offsets"; }

  bool wrong_value(const char* got) const {
    switch (state_) {
      case State::start:
      case State::done:
        stop("the header must be a JSON object, got ", got);
      case State::top:
        if (in_metadata_) stop("__metadata__ must be a map of strings, got ", got);
        fail_here("must be an object with dtype, shape and data_offsets, got ", got);
      case State::metadata:
        stop("__metadata__ must map strings to strings; ", in_quotes(key_), " holds ", got);
      case State::entry:
        fail_here(key_, key_ == "dtype" ? " must be a string" : " must be an array of integers", ", got ", got);
      case State::shape:
      case State::offsets:
        fail_here(field(), " must hold non-negative integers, got ", got);
    }
    return false;
  }

  void finish_entry() {
    if (!raw_.dtype) fail_here("has no dtype");
    if (!raw_.shape) fail_here("has no shape");
    if (!raw_.offsets) fail_here("has no data_offsets");
    if (raw_.offsets->size() != 2) fail_here("data_offsets must hold two numbers, got ", raw_.offsets->size());
    SafeTensors::Entry entry;
    const auto* known = std::ranges::find(file_dtypes, std::string_view(*raw_.dtype), &FileDType::name);
    if (known == file_dtypes.end()) fail_here("unknown dtype ", in_quotes(*raw_.dtype));
    entry.file_dtype = std::move(*raw_.dtype);

    constexpr std::uint64_t limit = std::uint64_t{1} << 62;
    std::uint64_t bits = known->bits;
    std::string text;
    bool is_empty = false;
    for (const std::uint64_t size : *raw_.shape) {
      text += (text.empty() ? "" : ", ") + std::to_string(size);
      is_empty = is_empty || size == 0;
    }
    for (const std::uint64_t size : *raw_.shape) {
      // Sizes beside a zero must be sane too: their product would overflow in the first user that multiplies them.
      if (size != 0 && bits > limit / size) fail_here("the size of shape (", text, ") overflows");
      if (size != 0) bits *= size;
    }
    if (is_empty) bits = 0;
    if (bits % 8 != 0) fail_here("shape (", text, ") of ", entry.file_dtype, " does not fill whole bytes");
    const std::uint64_t begin = (*raw_.offsets)[0], end = (*raw_.offsets)[1];
    if (begin > end) fail_here("data_offsets [", begin, ", ", end, ") run backwards");
    if (end - begin != bits / 8) {
      fail_here("shape (", text, ") of ", entry.file_dtype, " takes ", bits / 8, " bytes, but data_offsets [", begin,
                ", ", end, ") hold ", end - begin);
    }
    entry.begin = begin;
    entry.end = end;
    if (!known->dtype) {
      entry.problem = "dtype " + entry.file_dtype + " is not supported (F64, F32, F16, BF16, I64, I32 and U8 are)";
    } else if (raw_.shape->size() > Shape::max_rank) {
      entry.problem = concat_text("shape (", text, ") has rank ", raw_.shape->size(), "; at most ",
                                  int{Shape::max_rank}, " is supported");
    } else {
      entry.dtype = *known->dtype;
      const std::vector<std::int64_t> sizes(raw_.shape->begin(), raw_.shape->end());
      entry.shape = Shape(std::span<const std::int64_t>(sizes));
    }
    header_.entries.emplace(tensor_, std::move(entry));
  }

  Header& header_;
  const std::string& file_;
  State state_ = State::start;
  bool in_metadata_ = false;
  bool seen_metadata_ = false;
  std::string tensor_;  // the key at the top level
  std::string key_;     // the key one level below
  RawEntry raw_;
};

void check_cover(const Header& header, std::size_t data_bytes, const std::string& file) {
  std::vector<std::pair<const std::string*, const SafeTensors::Entry*>> order;
  order.reserve(header.entries.size());
  for (const auto& [name, entry] : header.entries) order.emplace_back(&name, &entry);
  std::ranges::sort(order, {}, [](const auto& e) { return std::pair(e.second->begin, e.second->end); });
  std::size_t covered = 0;
  const std::string* before = nullptr;
  for (const auto& [name, entry] : order) {
    if (entry->end > data_bytes) {
      fail_runtime("safetensors", file, ": the file is truncated: tensor ", in_quotes(*name), " needs bytes [",
                   entry->begin, ", ", entry->end, ") of the data, which has ", data_bytes);
    }
    if (entry->begin < covered) {
      fail_runtime("safetensors", file, ": tensors ", in_quotes(*before), " and ", in_quotes(*name),
                   " overlap at byte ", entry->begin, " of the data");
    }
    if (entry->begin > covered) {
      fail_runtime("safetensors", file, ": no tensor covers bytes [", covered, ", ", entry->begin,
                   ") of the data, before tensor ", in_quotes(*name));
    }
    covered = entry->end;
    before = name;
  }
  if (covered != data_bytes) {
    fail_runtime("safetensors", file, ": ", data_bytes - covered, " bytes after the last tensor belong to none");
  }
}

}  // namespace

Header parse_header(std::string_view json, std::size_t data_bytes, const std::string& file) {
  if (json.empty() || json.front() != '{') {
    fail_runtime("safetensors", file, ": the header must begin with '{'; this is not a safetensors file");
  }
  // The JSON library would take a zero byte for the end of its input and ignore what follows.
  if (json.find('\0') != std::string_view::npos) fail_runtime("safetensors", file, ": the header holds a zero byte");
  if (!is_utf8(json)) fail_runtime("safetensors", file, ": the header is not valid UTF-8");
  Header header;
  Reader reader(header, file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  check_cover(header, data_bytes, file);
  return header;
}

std::string_view file_name_of(DType dtype) {
  return std::ranges::find(file_dtypes, std::optional(dtype), &FileDType::dtype)->name;
}

std::string in_quotes(std::string_view text) {
  std::size_t length = std::min<std::size_t>(text.size(), 200);
  while (length != 0 && length < text.size() && (text[length] & 0xC0) == 0x80) --length;  // not inside a character
  std::string out = "'";
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      out += c;
    } else {
      constexpr const char* digits = "0123456789abcdef";
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out + (length < text.size() ? "…'" : "'");
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  const auto at = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  while (i < text.size()) {
    const unsigned char lead = at(i);
    const std::size_t more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : (lead & 0xF0) == 0xE0 ? 2 : 3;
    if (more == 3 && (lead < 0xF0 || lead > 0xF4)) return false;
    if (text.size() - i <= more) return false;
    for (std::size_t k = 1; k <= more; ++k) {
      if ((at(i + k) & 0xC0) != 0x80) return false;
    }
    // Overlong forms, surrogates, and beyond U+10FFFF show in the second byte.
    if (lead == 0xE0 && at(i + 1) < 0xA0) return false;
    if (lead == 0xED && at(i + 1) > 0x9F) return false;
    if (lead == 0xF0 && at(i + 1) < 0x90) return false;
    if (lead == 0xF4 && at(i + 1) > 0x8F) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace rein::safetensors_detail
