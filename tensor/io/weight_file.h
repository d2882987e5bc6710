// Any file of named tensors behind one interface: safetensors (one file, or shards with their index) and PyTorch's
// .pth/.pt. Files are mapped: opening reads names and shapes only, a tensor is a view where the file allows it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

class WeightFile {
 public:
  struct Entry {
    DType dtype = DType::u8;  // meaningful when `problem` is empty
    Shape shape;              // as above
    std::string file_dtype;   // as safetensors spells it: "F32", "BOOL"
    std::string problem;      // why tensor() would refuse: a dtype or rank that this library does not have; else empty
  };

  virtual ~WeightFile() = default;
  virtual std::string_view format() const = 0;  // for people: "safetensors", "PyTorch zip"
  virtual const std::filesystem::path& path() const = 0;
  virtual std::size_t file_bytes() const = 0;          // all shards together
  virtual std::vector<std::string> names() const = 0;  // sorted
  virtual bool has(const std::string& name) const = 0;
  // These throw std::runtime_error when there is no such tensor, or when this library cannot hold it.
  virtual Entry entry(const std::string& name) const = 0;  // (only the first of the two)
  // A view of the mapping, which stays alive as long as the tensor; a copy where the file does not align the elements
  // or holds them in another order.
  virtual Tensor tensor(const std::string& name) const = 0;
  virtual std::map<std::string, std::string> metadata() const { return {}; }
  // Converted (tensor/ops/elementwise/cast.h); the view itself when it has that dtype already.
  Tensor tensor(const std::string& name, DType dtype) const;
};

// By content, not by name: safetensors, `*.index.json` of shards, a PyTorch archive, PyTorch's old format. A folder
// stands for the model.safetensors, model.safetensors.index.json or pytorch_model.bin in it. std::runtime_error, whose
// text says what the file is instead, for everything else.
std::shared_ptr<const WeightFile> open_weight_file(const std::filesystem::path& path);

// Files in a folder (not below it) whose names end in .safetensors, .pth, .pt or .bin; sorted, not opened.
std::vector<std::filesystem::path> weight_files_in(const std::filesystem::path& folder);

}  // namespace rein
