#include "tensor/io/weight_file.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <span>

#include "tensor/error.h"
#include "tensor/io/mapped_file.h"
#include "tensor/io/pth.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/safetensors_shards.h"
#include "tensor/ops/elementwise/cast.h"

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
  std::string others;
  for (const fs::path& file : weight_files_in(folder))
    others += (others.empty() ? "" : ", ") + file.filename().string();
  fail_runtime("weights", folder.string(),
               ": this folder has no model.safetensors, model.safetensors.index.json or pytorch_model.bin",
               others.empty() ? "" : "; name one of its files: ", others.substr(0, 400));
}

// What else people name by mistake; empty when it cannot be told.
std::string kind_by_mark(std::string_view head) {
  constexpr std::array<std::pair<std::string_view, const char*>, 8> marks = {{
      {"\x89PNG", "a PNG picture"},
      {"\xFF\xD8\xFF", "a JPEG picture"},
      {"%PDF", "a PDF document"},
      {"\x1F\x8B", "a gzip archive: unpack it first"},
      {"\x89HDF", "an HDF5 file (Keras)"},
      {"GGUF", "a GGUF file (quantised weights)"},
      {"\x7F"
       "ELF",
       "a program"},
      {"\x93NUMPY", "a NumPy array"},
  }};
  for (const auto& [mark, kind] : marks)
    if (head.starts_with(mark)) return kind;
  return "";
}

bool is_text(std::string_view head) {
  return std::ranges::all_of(
      head, [](char c) { return c == '\n' || c == '\r' || c == '\t' || static_cast<unsigned char>(c) >= 0x20; });
}

// Neither its first bytes nor its ending are those of a weight file.
[[noreturn]] void fail_other_kind(const fs::path& path, std::string_view head, std::string kind) {
  refuse_wrong_downloads(head, path.string(), "weights");
  if (kind.empty() && is_text(head)) kind = path.extension() == ".json" ? "a JSON text" : "a text";
  fail_runtime("weights", path.string(), ": is neither a safetensors nor a PyTorch file",
               kind.empty() ? "" : "; it looks like ", kind);
}

}  // namespace

Tensor WeightFile::tensor(const std::string& name, DType dtype) const {
  return ops::cast(tensor(name), dtype);
}

std::vector<fs::path> weight_files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string ending = entry.path().extension().string();
    if ((ending == ".safetensors" || ending == ".pth" || ending == ".pt" || ending == ".bin") &&
        entry.is_regular_file(error))
      files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::shared_ptr<const WeightFile> open_weight_file(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_weight_file(file_in_folder(path));
  if (path.empty()) fail_runtime("weights", "the file's name is empty");
  if (!fs::is_regular_file(path, ignored)) map_file(path, "weights");  // says what is wrong
  const std::string head = head_of(path);
  if (PthFile::looks_like(std::as_bytes(std::span(head)))) return PthFile::open(path);
  if (path.string().ends_with(".index.json")) return open_shards(path);
  const std::string ending = path.extension().string();
  if (const std::string kind = kind_by_mark(head); !kind.empty()) fail_other_kind(path, head, kind);
  // Neither mark: the ending says whose complaint is the more helpful one.
  if (!SafeTensors::looks_like(path) && (ending == ".pth" || ending == ".pt" || ending == ".bin"))
    return PthFile::open(path);
  if (!head.empty() && ending != ".safetensors" && !SafeTensors::looks_like(path)) fail_other_kind(path, head, "");
  return wrap(SafeTensors::open(path));
}

}  // namespace rein
