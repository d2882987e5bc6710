#include "tensor/io/weight_file.h"

#include <array>
#include <fstream>
#include <span>

#include "tensor/error.h"
#include "tensor/io/pth.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/safetensors_shards.h"
#include "tensor/ops/cast.h"

namespace rein {
namespace {

namespace fs = std::filesystem;

class SafeTensorsFile final : public WeightFile {
 public:
  explicit SafeTensorsFile(SafeTensors file) : file_(std::move(file)) {}
  std::string_view format() const override { return "safetensors"; }
  const fs::path& path() const override { return file_.path(); }
  std::size_t file_bytes() const override { return file_.file_bytes(); }
  std::vector<std::string> names() const override { return file_.names(); }
  bool has(const std::string& name) const override { return file_.has(name); }
  Entry entry(const std::string& name) const override {
    const SafeTensors::Entry& e = file_.entry(name);
    return {e.dtype, e.shape, e.file_dtype, e.problem};
  }
  using WeightFile::tensor;
  Tensor tensor(const std::string& name) const override { return file_.tensor(name); }
  std::map<std::string, std::string> metadata() const override { return file_.metadata(); }

 private:
  SafeTensors file_;
};

std::shared_ptr<const WeightFile> wrap(SafeTensors file) {
  return std::make_shared<SafeTensorsFile>(std::move(file));
}

std::string head_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::string head(512, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(in.gcount()));
  return head;
}

// The weights inside a downloaded model folder.
fs::path file_in_folder(const fs::path& folder) {
  constexpr std::array names = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"};
  for (const char* name : names)
    if (fs::is_regular_file(folder / name)) return folder / name;
  fail_runtime("weights", folder.string(),
               ": this folder has no model.safetensors, model.safetensors.index.json or pytorch_model.bin");
}

}  // namespace

Tensor WeightFile::tensor(const std::string& name, DType dtype) const {
  return ops::cast(tensor(name), dtype);
}

std::shared_ptr<const WeightFile> open_weight_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_weight_file(file_in_folder(path));
  if (!fs::is_regular_file(path, ignored)) return wrap(SafeTensors::open(path));  // says what is wrong
  const std::string head = head_of(path);
  if (PthFile::looks_like(std::as_bytes(std::span(head)))) return PthFile::open(path);
  if (path.string().ends_with(".index.json")) return open_shards(path);
  const std::string ending = path.extension().string();
  // Neither mark: the ending says whose complaint is the more helpful one.
  if (!SafeTensors::looks_like(path) && (ending == ".pth" || ending == ".pt" || ending == ".bin"))
    return PthFile::open(path);
  return wrap(SafeTensors::open(path));
}

}  // namespace rein
