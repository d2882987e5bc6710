#include "tensor/io/safetensors.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>

#include "tensor/error.h"
#include "tensor/io/mapped_file.h"
#include "tensor/io/safetensors_header.h"
#include "tensor/ops/elementwise/cast.h"

namespace rein {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

struct SafeTensors::File {
  std::filesystem::path path;
  std::shared_ptr<Storage> bytes;  // the whole file
  const std::byte* data = nullptr;
  safetensors_detail::Header header;
};

namespace {

using safetensors_detail::in_quotes;

// Downloads that went wrong are common; say what the file is.
void refuse_other_formats(std::string_view text, const std::string& file) {
  refuse_wrong_downloads(text, file, "safetensors");
  if (text.starts_with("PK\x03\x04")) {
    fail_runtime("safetensors", file, ": this is a zip archive (a PyTorch checkpoint?), not a safetensors file");
  }
}

std::uint64_t little_endian_64(const std::byte* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

}  // namespace

namespace safetensors_detail {

// The header's bytes and the data's start; everything that can be said before the JSON is read.
std::string_view header_text(std::span<const std::byte> bytes, const std::string& file) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  refuse_other_formats(text.substr(0, 512), file);
  if (bytes.size() < 8) {
    fail_runtime("safetensors", file, ": the file is truncated: ", bytes.size(), " bytes, the header's length takes 8");
  }
  const std::uint64_t length = little_endian_64(bytes.data());
  if (length > max_header_bytes) {
    fail_runtime("safetensors", file, ": the header claims ", length, " bytes, the format allows ", max_header_bytes,
                 "; this is not a safetensors file");
  }
  if (length > bytes.size() - 8) {
    fail_runtime("safetensors", file, ": the file is truncated: the header claims ", length, " bytes, ",
                 bytes.size() - 8, " follow");
  }
  return text.substr(8, length);
}

}  // namespace safetensors_detail

namespace {

template <class File>
std::shared_ptr<const File> read(std::shared_ptr<Storage> bytes, const std::filesystem::path& path) {
  auto file = std::make_shared<File>();
  const std::string name = path.string();
  const std::string_view json = safetensors_detail::header_text({bytes->data(), bytes->bytes()}, name);
  const std::size_t data_begin = 8 + json.size();
  file->header = safetensors_detail::parse_header(json, bytes->bytes() - data_begin, name);
  file->data = bytes->data() + data_begin;
  file->bytes = std::move(bytes);
  file->path = path;
  return file;
}

}  // namespace

SafeTensors SafeTensors::open(const std::filesystem::path& path) {
  return SafeTensors(read<File>(map_file(path, "safetensors"), path));
}

SafeTensors SafeTensors::parse(std::span<const std::byte> bytes, const std::string& name) {
  auto copy = Storage::allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy->data(), bytes.data(), bytes.size());
  return SafeTensors(read<File>(std::move(copy), name));
}

bool SafeTensors::looks_like(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  std::ifstream in(path, std::ios::binary);
  char head[9];
  if (!in.read(head, sizeof head)) return false;
  return head[8] == '{' &&
         little_endian_64(reinterpret_cast<const std::byte*>(head)) <= safetensors_detail::max_header_bytes;
}

const std::map<std::string, std::string>& SafeTensors::metadata() const {
  return file_->header.metadata;
}

std::vector<std::string> SafeTensors::names() const {
  std::vector<std::string> names;
  names.reserve(file_->header.entries.size());
  for (const auto& [name, entry] : file_->header.entries) names.push_back(name);
  return names;
}

bool SafeTensors::has(const std::string& name) const {
  return file_->header.entries.contains(name);
}

const SafeTensors::Entry& SafeTensors::entry(const std::string& name) const {
  const auto found = file_->header.entries.find(name);
  if (found == file_->header.entries.end()) {
    fail_runtime("safetensors", file_->path.string(), ": there is no tensor ", in_quotes(name), " among the ",
                 file_->header.entries.size(), " of this file");
  }
  return found->second;
}

Tensor SafeTensors::tensor(const std::string& name) const {
  const Entry& e = entry(name);
  if (!e.problem.empty()) {
    fail_runtime("safetensors", file_->path.string(), ": tensor ", in_quotes(name), ": ", e.problem);
  }
  const std::byte* data = file_->data + e.begin;
  const std::size_t bytes = e.end - e.begin;
  if (reinterpret_cast<std::uintptr_t>(data) % size_of(e.dtype) != 0) {
    Tensor copy = Tensor::empty(e.shape, e.dtype);
    if (bytes != 0) std::memcpy(copy.mutable_raw(), data, bytes);
    return copy;
  }
  // A storage per tensor, so that the account of bytes per storage sees the tensor and not the whole file.
  auto view = Storage::borrow(const_cast<std::byte*>(data), bytes, [keep = file_] {});
  return Tensor::over(std::move(view), 0, e.shape, e.dtype);
}

Tensor SafeTensors::tensor(const std::string& name, DType dtype) const {
  return ops::cast(tensor(name), dtype);
}

const std::filesystem::path& SafeTensors::path() const {
  return file_->path;
}
std::size_t SafeTensors::file_bytes() const {
  return file_->bytes->bytes();
}

}  // namespace rein
