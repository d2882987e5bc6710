#include "tensor/io/safetensors_shards.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string_view>

#include "tensor/error.h"
#include "tensor/io/mapped_file.h"
#include "tensor/io/safetensors.h"
#include "tensor/io/safetensors_header.h"

namespace rein {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using safetensors_detail::in_quotes;

class ShardedFile final : public WeightFile {
 public:
  explicit ShardedFile(const fs::path& index) : path_(index) {
    read_index();
    open_all();
  }
  std::string_view format() const override { return "sharded safetensors"; }
  const fs::path& path() const override { return path_; }
  std::size_t file_bytes() const override {
    std::size_t bytes = 0;
    for (const auto& [name, shard] : shards_) bytes += shard.file_bytes();
    return bytes;
  }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, shard] : shard_of_) names.push_back(name);
    return names;
  }
  bool has(const std::string& name) const override { return shard_of_.contains(name); }
  Entry entry(const std::string& name) const override {
    const SafeTensors::Entry& e = shard(name).entry(name);
    return {e.dtype, e.shape, e.file_dtype, e.problem};
  }
  using WeightFile::tensor;
  Tensor tensor(const std::string& name) const override { return shard(name).tensor(name); }
  std::map<std::string, std::string> metadata() const override { return shards_.begin()->second.metadata(); }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail_runtime("safetensors", path_.string(), ": ", parts...);
  }
  const SafeTensors& shard(const std::string& name) const {
    const auto found = shard_of_.find(name);
    if (found == shard_of_.end())
      refuse("there is no tensor ", in_quotes(name), " among the ", shard_of_.size(), " of this index");
    return shards_.at(found->second);
  }

  void read_index() {
    const auto bytes = map_file(path_, "safetensors");
    const std::string_view text(reinterpret_cast<const char*>(bytes->data()), bytes->bytes());
    refuse_wrong_downloads(text.substr(0, 512), path_.string(), "safetensors");
    if (text.size() > safetensors_detail::max_header_bytes) refuse("the index has ", text.size(), " bytes");
    // Names only: nothing nested deeper than weight_map is kept, so that the memory stays near the file's size.
    const json index = json::parse(
        text.begin(), text.end(), [](int depth, json::parse_event_t, json&) { return depth <= 2; }, false);
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
      refuse("an index of shards must be a JSON object with a \"weight_map\"");
    for (const auto& [name, shard] : index["weight_map"].items()) {
      const std::string file = shard.is_string() ? shard.get<std::string>() : "";
      // A file beside the index: no folders, nothing hidden.
      if (file.empty() || file.front() == '.' || file.find_first_of("/\\") != file.npos || file.find('\0') != file.npos)
        refuse("tensor ", in_quotes(name), " lies in ", in_quotes(file), ", which is no file beside the index");
      shard_of_[name] = file;
    }
    if (shard_of_.empty()) refuse("the index names no tensors");
  }

  void open_all() {
    std::set<std::string> files, absent;
    for (const auto& [name, file] : shard_of_) files.insert(file);
    for (const std::string& file : files)
      if (!fs::is_regular_file(path_.parent_path() / file)) absent.insert(file);
    if (!absent.empty()) {
      std::string list;
      int listed = 0;
      for (const std::string& file : absent)
        if (listed++ < 4) list += (list.empty() ? "" : ", ") + file;
      refuse(absent.size(), " of ", files.size(), " shards are missing beside the index: ", list,
             absent.size() > 4 ? ", …" : "");
    }
    for (const std::string& file : files) shards_.emplace(file, SafeTensors::open(path_.parent_path() / file));
    std::size_t lacking = 0;
    std::string first;
    for (const auto& [name, file] : shard_of_) {
      if (shards_.at(file).has(name)) continue;
      if (lacking++ == 0) first = in_quotes(name) + " of " + file;
    }
    if (lacking != 0) refuse(lacking, " tensors that the index names are not in their shards, first ", first);
  }

  fs::path path_;
  std::map<std::string, std::string> shard_of_;  // by tensor
  std::map<std::string, SafeTensors> shards_;    // by file
};

}  // namespace

std::shared_ptr<const WeightFile> open_shards(const fs::path& index) {
  return std::make_shared<ShardedFile>(index);
}

}  // namespace rein
