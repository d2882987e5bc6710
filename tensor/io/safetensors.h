// safetensors files: 8 bytes of header length, a JSON header, then the tensors' bytes (row-major, little-endian).
// https://huggingface.co/docs/safetensors. A file from outside is never trusted: every rule of the format is checked
// when it is opened, and a file that breaks one gives a std::runtime_error that names the file and the tensor.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

// A handle: copies share the open file. Equal PyTorch call: safetensors.safe_open(path, "pt").
class SafeTensors {
 public:
  struct Entry {
    DType dtype = DType::u8;  // meaningful when `problem` is empty
    Shape shape;              // as above
    std::size_t begin = 0;    // bytes from the start of the data section
    std::size_t end = 0;
    std::string file_dtype;  // as the file spells it: "F32", "BOOL"
    std::string problem;     // why tensor() would refuse: a dtype or rank that this library does not have; else empty
  };

  // Maps the file read-only and private: nothing written through a tensor can reach the file (it is a fault instead;
  // clone() what is to be changed). A file that another process shortens while it is open is a fault too: replace
  // files by rename, as write_safetensors does. Throws std::runtime_error on every broken rule.
  static SafeTensors open(const std::filesystem::path& path);
  // The same for bytes in memory, which are copied. `name` stands for the path in error texts.
  static SafeTensors parse(std::span<const std::byte> bytes, const std::string& name = "(memory)");
  // True when the file begins like a safetensors file (length, then '{'). Does not throw.
  static bool looks_like(const std::filesystem::path& path);

  const std::map<std::string, std::string>& metadata() const;
  std::vector<std::string> names() const;  // sorted
  bool has(const std::string& name) const;
  // These throw std::runtime_error when there is no such tensor, or when this library cannot hold it.
  const Entry& entry(const std::string& name) const;  // (only the first of the two)
  // A view of the mapping, which stays alive as long as the tensor; a copy where the file does not align the elements.
  Tensor tensor(const std::string& name) const;
  // Converted (tensor/ops/elementwise/cast.h); the view itself when it has that dtype already.
  Tensor tensor(const std::string& name, DType dtype) const;

  const std::filesystem::path& path() const;
  std::size_t file_bytes() const;

 private:
  struct File;
  explicit SafeTensors(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  std::shared_ptr<const File> file_;
};

// Writes beside, flushes, renames (tensor/io/atomic_file.h): `path` holds the whole new file or what it held before.
// Header padded to 8 bytes; tensors ordered by element size (widest first), then name, so that all are aligned.
// std::invalid_argument for null tensors, duplicate or reserved names, text that is not UTF-8; std::runtime_error for
// the disk. Equal call: safetensors.torch.save_file(tensors, path, metadata).
void write_safetensors(const std::filesystem::path& path, const std::vector<std::pair<std::string, Tensor>>& tensors,
                       const std::map<std::string, std::string>& metadata = {});
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace rein
