// PyTorch's .pth and .pt files, read without Python: a zip archive with a pickle that describes the tensors and one
// entry of raw bytes per storage; or the old format, pickles with the bytes behind them. The pickle runs on a machine
// that knows the words of tensor building and no others (tensor/io/pickle.h): a file cannot run anything.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tensor/io/weight_file.h"

namespace rein {

// Equal PyTorch call: torch.load(path, map_location="cpu", weights_only=True), then the state dictionary inside.
// That is the dictionary itself when it holds tensors, else what it has under "state_dict", "model", "module",
// "teacher" …, else its only entry that holds tensors. Other entries (epoch, args, optimizer) are left alone. Of a
// TorchScript archive: parameters and buffers by their dotted names. "module." before every name is dropped.
class PthFile final : public WeightFile {
 public:
  // std::runtime_error on every broken rule: a name that builds no tensor, a tensor beyond its storage, a storage that
  // is not there or has another size, compressed or encrypted entries, a file that was cut.
  static std::shared_ptr<const PthFile> open(const std::filesystem::path& path);
  // The same for bytes in memory, which are copied. `name` stands for the path in error texts.
  static std::shared_ptr<const PthFile> parse(std::span<const std::byte> bytes, const std::string& name = "(memory)");
  // True when the file begins like one of the two formats. Does not throw.
  static bool looks_like(std::span<const std::byte> head);

  std::string_view format() const override { return format_; }
  const std::filesystem::path& path() const override { return path_; }
  std::size_t file_bytes() const override { return bytes_->bytes(); }
  std::vector<std::string> names() const override;
  bool has(const std::string& name) const override { return places_.contains(name); }
  Entry entry(const std::string& name) const override;
  using WeightFile::tensor;
  Tensor tensor(const std::string& name) const override;
  // The key under which the state dictionary was found, "state_dict" or "model.teacher"; empty at the top.
  const std::string& found_under() const { return found_under_; }

  // One tensor inside the file.
  struct Place {
    Entry entry;
    std::size_t begin = 0, end = 0;     // bytes of its storage in the file
    std::size_t element = 1;            // bytes of one element
    std::int64_t offset = 0;            // elements from the storage's begin
    std::vector<std::int64_t> strides;  // in elements, one per size
  };

 private:
  friend class PthReader;
  PthFile() = default;
  const Place& place(const std::string& name) const;

  std::filesystem::path path_;
  std::shared_ptr<Storage> bytes_;
  std::string_view format_;
  std::string found_under_;
  std::map<std::string, Place> places_;
};

}  // namespace rein
