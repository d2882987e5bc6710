#include "tensor/io/weight_file.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "tensor/io/safetensors.h"
#include "tensor/io/weight_write.h"
#include "tests/harness/temp_folder.h"

using namespace rein;
using test::TempFolder;
using Tensors = std::map<std::string, Tensor>;

namespace {

std::string error_of(const std::filesystem::path& path) {
  try {
    open_weight_file(path);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("'", text, "' should contain '", part, "'");
  return found;
}

Tensor filled(double value) {
  return Tensor::full({2, 3}, value, DType::f32);
}

// Four shards of one tensor each, t1 … t4, and their index.
void write_shards(const TempFolder& folder) {
  std::string map;
  for (int i = 1; i <= 4; ++i) {
    const std::string file = "model-0000" + std::to_string(i) + "-of-00004.safetensors", name = "t" + std::to_string(i);
    write_safetensors(folder / file, Tensors{{name, filled(i)}});
    map += (map.empty() ? "\"" : ",\"") + name + "\":\"" + file + "\"";
  }
  folder.write("model.safetensors.index.json", "{\"metadata\":{\"total_size\":96},\"weight_map\":{" + map + "}}");
}

}  // namespace

TEST_CASE("weight files: the content says what a file is, not its name") {
  const TempFolder folder;
  write_safetensors(folder / "a.pth", Tensors{{"w", filled(1)}});
  write_pth(folder / "b.safetensors", {TensorToWrite::of("w", filled(2))});
  CHECK(open_weight_file(folder / "a.pth")->format() == "safetensors");
  CHECK(open_weight_file(folder / "b.safetensors")->format() == "PyTorch zip");
  CHECK(open_weight_file(folder / "b.safetensors")->tensor("w", DType::f64).at(5) == 2);
  CHECK(contains(error_of(folder / "absent.pth"), "cannot open"));
  CHECK(contains(error_of(folder.write("c.pth", "garbage")), "no PyTorch file"));
  CHECK(contains(error_of(folder.write("c.safetensors", "garbage")), "[safetensors]"));
  CHECK(contains(error_of(folder.write("d.bin", "<html>")), "web page"));
  CHECK(contains(error_of(folder.write("e.pt", "")), "empty"));
}

TEST_CASE("weight files: other kinds of file are named, folders say what they have") {
  const TempFolder folder;
  const auto other = [&](const std::string& name, const std::string& bytes, const std::string& kind) {
    CHECK(contains(error_of(folder.write(name, bytes)),
                   name + ": is neither a safetensors nor a PyTorch file; it looks like " + kind));
  };
  other("a.png", "\x89PNG\r\n\x1A\n and more", "a PNG picture");
  other("renamed.safetensors", "\xFF\xD8\xFF\xE0 and more", "a JPEG picture");
  other("weights.tar.gz", "\x1F\x8B\x08 and more", "a gzip archive: unpack it first");
  other("config.json", "{\"hidden_size\": 768}", "a JSON text");
  other("README.md", "# A model\n", "a text");
  CHECK(contains(error_of(folder.write("noise", std::string("\0\1\2\3", 4))), "nor a PyTorch file"));
  CHECK(contains(error_of(folder.write("page.htm", "<html>")), "web page"));
  CHECK(contains(error_of("/dev/null"), "[weights] /dev/null: is not a regular file"));
  CHECK(contains(error_of(""), "the file's name is empty"));
  CHECK(weight_files_in(folder.path()) == std::vector<std::filesystem::path>{folder / "renamed.safetensors"});
  CHECK(contains(error_of(folder.path()), "; name one of its files: renamed.safetensors"));
  CHECK(weight_files_in(folder / "absent").empty());
}

TEST_CASE("weight files: shards are one source") {
  const TempFolder folder;
  CHECK(contains(error_of(folder.path()), "this folder has no model.safetensors"));
  write_shards(folder);
  for (const auto& path : {folder.path(), folder / "model.safetensors.index.json"}) {
    const auto file = open_weight_file(path);
    CHECK(file->format() == "sharded safetensors");
    CHECK(file->names() == std::vector<std::string>{"t1", "t2", "t3", "t4"});
    for (int i = 1; i <= 4; ++i) CHECK(file->tensor("t" + std::to_string(i)).at(0) == i);
    CHECK(file->entry("t2").shape == Shape{2, 3});
    CHECK_THROWS_AS(file->tensor("t5"), std::runtime_error);
  }
  std::filesystem::remove(folder / "model-00002-of-00004.safetensors");
  std::filesystem::remove(folder / "model-00004-of-00004.safetensors");
  CHECK(contains(error_of(folder.path()),
                 "2 of 4 shards are missing beside the index: model-00002-of-00004.safetensors, model-00004-of"));
}

TEST_CASE("weight files: broken indices") {
  const TempFolder folder;
  write_shards(folder);
  const auto refusal = [&](const std::string& text) { return error_of(folder.write("x.index.json", text)); };
  for (const char* text : {"[]", "{}", "{\"weight_map\":[]}", "{\"weight_map\":", "not json"})
    CHECK(contains(refusal(text), "must be a JSON object with a \"weight_map\""));
  CHECK(contains(refusal(R"({"weight_map":{}})"), "names no tensors"));
  for (const char* file : {"../a.safetensors", "/etc/passwd", ".hidden", "", "a\\\\b"})
    CHECK(contains(refusal(std::string(R"({"weight_map":{"t":")") + file + "\"}}"), "no file beside the index"));
  CHECK(contains(refusal(R"({"weight_map":{"t":3}})"), "no file beside the index"));
  CHECK(contains(refusal(R"({"weight_map":{"t1":"model-00002-of-00004.safetensors"}})"),
                 "1 tensors that the index names"));
  CHECK(contains(refusal(std::string(200'000, '[')), "weight_map"));
}
