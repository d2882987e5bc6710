#include "tensor/io/pth.h"

#include <doctest/doctest.h>

#include <cstring>
#include <stdexcept>

#include "tensor/io/safetensors.h"
#include "tensor/io/weight_write.h"
#include "tests/harness/temp_folder.h"
#include "tests/tensor/full_disk.h"
#include "tests/tensor/pth_bytes.h"

using namespace rein;
using namespace rein::test;

namespace {

const std::filesystem::path folder = "tests/tensor/pth";

std::shared_ptr<const PthFile> parse(const std::string& text) {
  return PthFile::parse(std::as_bytes(std::span(text)), "a.pth");
}

// The text of the std::runtime_error; any other exception is a failure.
template <class F>
std::string runtime_error_of(F&& f) {
  try {
    f();
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

std::string refusal(const std::string& bytes) {
  const std::string text = runtime_error_of([&] { parse(bytes); });
  CHECK(contains(text, "[pth] a.pth: "));
  return text;
}
std::string refused_pickle(const std::string& body) {
  return refusal(pth_text("\x80\x02" + body));
}
std::string refused_tensor(const PickledTensor& tensor) {
  return refusal(pth_text(pickled({{"w", tensor}})));
}

void check_same(const WeightFile& a, const SafeTensors& b) {
  REQUIRE(a.names() == b.names());
  for (const std::string& name : b.names()) {
    CAPTURE(name);
    CHECK(a.entry(name).file_dtype == b.entry(name).file_dtype);
    CHECK(a.entry(name).problem == b.entry(name).problem);
    if (!b.entry(name).problem.empty()) {
      CHECK_THROWS_AS(a.tensor(name), std::runtime_error);
      continue;
    }
    const Tensor x = a.tensor(name), y = b.tensor(name);
    CHECK(x.dtype() == y.dtype());
    CHECK(x.shape() == y.shape());
    CHECK((x.bytes() == 0 || std::memcmp(x.raw(), y.raw(), x.bytes()) == 0));
  }
}

// ramp(shape) of the files' README.
void check_ramp(const Tensor& t, const Shape& shape, double add = 0) {
  REQUIRE(t.shape() == shape);
  for (std::int64_t i = 0; i < t.count(); ++i) CHECK(t.at(i) == 0.5 * static_cast<double>(i) - 1 + add);
}

}  // namespace

TEST_CASE("pth: files of PyTorch equal the same tensors in safetensors") {
  const SafeTensors same = SafeTensors::open(folder / "plain.safetensors");
  CHECK(same.names().size() == 10);
  const auto zip = PthFile::open(folder / "plain.pth");
  CHECK(zip->format() == "PyTorch zip");
  CHECK(zip->found_under().empty());
  check_same(*zip, same);
  const auto old = PthFile::open(folder / "old_format.pth");
  CHECK(old->format() == "PyTorch, old format");
  check_same(*old, same);
  check_ramp(zip->tensor("f32"), {3, 4});
  check_ramp(zip->tensor("f16", DType::f64), {5});
  check_ramp(zip->tensor("bf16", DType::f32), {2, 3});
  CHECK(zip->tensor("scalar").item() == 2.5);
  CHECK(zip->tensor("empty").shape() == Shape{0, 7});
  CHECK(zip->tensor("f32").storage()->bytes() == 48);  // a view of the mapping, of the tensor's size
  CHECK(contains(runtime_error_of([&] { zip->tensor("absent"); }), "there is no tensor 'absent' among the 10"));
  CHECK(contains(runtime_error_of([&] { zip->tensor("bool"); }), "dtype BOOL is not supported"));
}

TEST_CASE("pth: the state dictionary is found inside others") {
  const auto names = std::vector<std::string>{"a.bias", "a.weight"};
  const auto check = [&](const char* file, const char* under, double add) {
    CAPTURE(file);
    const auto pth = PthFile::open(folder / file);
    CHECK(pth->names() == names);
    CHECK(pth->found_under() == under);
    check_ramp(pth->tensor("a.weight"), {2, 3}, add);
    check_ramp(pth->tensor("a.bias"), {2}, add);
  };
  check("nested_model.pth", "model", 0);
  check("nested_state_dict.pth", "state_dict", 0);
  check("nested_teacher.pth", "teacher.backbone", 1);
  CHECK(contains(runtime_error_of([] { PthFile::open(folder / "two_dictionaries.pth"); }),
                 "several dictionaries of tensors, 'first' and 'second'"));
  CHECK(contains(refused_pickle("}" + p_text("epoch") + "K\x03s."), "no dictionary of tensors (its keys: 'epoch')"));
  CHECK(contains(refused_pickle("K\x03."), "no dictionary of tensors (it is a number)"));
}

TEST_CASE("pth: shared storages and strides") {
  const auto file = PthFile::open(folder / "shared.pth");
  const Tensor whole = file->tensor("whole");
  check_ramp(whole, {4, 6});
  const auto check = [&](const char* name, const Shape& shape, auto&& flat) {
    CAPTURE(name);
    const Tensor t = file->tensor(name);
    REQUIRE(t.shape() == shape);
    for (std::int64_t i = 0, n = 0; i < shape[0]; ++i)
      for (std::int64_t j = 0; j < shape[1]; ++j) CHECK(t.at(n++) == whole.at(flat(i, j)));
  };
  check("rows", {2, 6}, [](auto i, auto j) { return (i + 1) * 6 + j; });
  check("columns", {4, 3}, [](auto i, auto j) { return i * 6 + j + 2; });
  check("transposed", {6, 4}, [](auto i, auto j) { return j * 6 + i; });
  check("steps", {2, 2}, [](auto i, auto j) { return 2 * i * 6 + 3 * j; });
  check("repeated", {2, 3}, [](auto, auto j) { return j; });
  check("same", {4, 6}, [](auto i, auto j) { return i * 6 + j; });
  CHECK(file->tensor("same").raw() == whole.raw());  // no copy
  const Tensor permuted = file->tensor("permuted");  // (4, 2, 3) of (2, 3, 4)
  REQUIRE(permuted.shape() == Shape{4, 2, 3});
  for (std::int64_t i = 0, n = 0; i < 4; ++i)
    for (std::int64_t jk = 0; jk < 6; ++jk) CHECK(permuted.at(n++) == 0.5 * static_cast<double>(jk * 4 + i) - 1);
  check_ramp(file->tensor("channels_last"), {2, 3, 2, 2});
}

TEST_CASE("pth: modules, parameters and TorchScript archives") {
  for (const char* name : {"module.pth", "parameters.pth", "script.pt"}) {
    CAPTURE(name);
    const auto file = PthFile::open(folder / name);
    check_ramp(file->tensor("fc.weight"), {2, 3});
    check_ramp(file->tensor("norm.bias"), {2});
    check_ramp(file->tensor("inner.0.weight"), {1, 2});
    CHECK(file->has("steps") == (std::string(name) != "parameters.pth"));
    CHECK(file->names().size() == (file->has("steps") ? 7 : 6));
  }
}

TEST_CASE("pth: a malicious pickle runs nothing") {
  const std::filesystem::path ran = "pth_was_run";
  for (const char* name : {"malicious.pth", "malicious_old.pth"}) {
    const std::string text = runtime_error_of([&] { PthFile::open(folder / name); });
    CHECK((contains(text, "'posix.system'") && contains(text, "nothing of it was run")));
  }
  CHECK(!std::filesystem::exists(ran));
  CHECK(contains(runtime_error_of([] { PthFile::open(folder / "whole_module.pth"); }), "'__main__.M'"));
  CHECK(contains(refused_pickle(p_word("builtins", "eval") + p_text("1") + "\x85R."), "'builtins.eval'"));
  CHECK(contains(refused_pickle(p_text("os") + p_text("system") + "\x93)R."), "'os.system'"));
  CHECK(contains(refused_pickle(p_word("torch", "load") + ")R."), "'torch.load'"));
  CHECK(contains(refused_pickle(p_word("torch.FloatStorage", "x") + ")R."), "'torch.FloatStorage.x'"));
  CHECK(contains(refused_pickle("(ios\nsystem\n."), "operation 105 ('i')"));
  CHECK(contains(refused_pickle("(" + p_word("os", "system") + "o."), "'os.system'"));
  CHECK(contains(refused_pickle("\x82\x01."), "operation 130"));  // EXT1
  CHECK(contains(refused_pickle(p_word("torch", "FloatStorage") + ")R."), "call 'torch.FloatStorage'"));
  CHECK(contains(refused_pickle(p_word("collections", "OrderedDict") + ")\x81."), "make an object of"));
  CHECK(contains(refused_pickle(p_word("__torch__.M", "x") + ")R."), "call '__torch__.M.x'"));
  CHECK(contains(refused_pickle("})R."), "call a dictionary"));
}

TEST_CASE("pth: broken pickles") {
  CHECK(contains(refused_pickle(""), "truncated"));
  CHECK(contains(refused_pickle("."), "takes a value where there is none"));
  CHECK(contains(refused_pickle("NN."), "leaves more than one value"));
  CHECK(contains(refused_pickle("(N."), "leaves more than one value"));
  CHECK(contains(refused_pickle("t."), "takes a mark where there is none"));
  CHECK(contains(refused_pickle("}(Nu."), "a key without a value"));
  CHECK(contains(refused_pickle("(Nu."), "fills a value where there is none"));
  CHECK(contains(refused_pickle("N(NNu."), "it fills None"));
  CHECK(contains(refused_pickle("h\x07."), "recalls value 7"));
  CHECK(contains(refused_pickle("X\xff\xff\xff\xff."), "truncated"));
  CHECK(contains(refused_pickle("\x8d" + std::string(8, '\xff') + "."), "truncated"));
  CHECK(contains(refused_pickle("cposix"), "truncated"));
  CHECK(contains(refusal(pth_text("\x80\x09N.")), "protocol 9"));
  CHECK(contains(refused_pickle("NQ."), "no storage"));
  CHECK(contains(refused_pickle("(" + p_text("module") + "NNNNtQ."), "no storage but 'module'"));
  CHECK(contains(refused_pickle(std::string(5'000'000, ')')), "more than 4000000 values"));
  CHECK(contains(refused_pickle(std::string(5'000'000, '(')), "more than 4000000 marks"));
  CHECK(contains(refused_pickle(p_word(std::string(2000, 'a'), "b")), "more than 1000 letters"));
  // A list that holds itself, and dictionaries in each other, cost nothing.
  CHECK(contains(refused_pickle("]q\x01h\x01"
                                "a."),
                 "no dictionary of tensors"));
  CHECK(contains(refused_pickle("}q\x01" + p_text("model") + "h\x01s."), "no dictionary of tensors"));
  // Many copies of a long list.
  std::string copies = p_word("collections", "OrderedDict") + "q\x01(";
  for (int i = 0; i < 3000; ++i) copies += "NN\x86";
  copies += "lq\x02";
  for (int i = 0; i < 3000; ++i) copies += "h\x01h\x02\x85R";
  CHECK(contains(refused_pickle(copies + "."), "copies more than"));
}

TEST_CASE("pth: tensors stay inside their storages") {
  CHECK(parse(pth_text(pickled({{"w", {}}})))->tensor("w").shape() == Shape{2, 2});
  CHECK(contains(refused_tensor({.offset = 1}), "reaches beyond its storage of 4 elements"));
  CHECK(contains(refused_tensor({.offset = -1}), "reaches beyond"));
  CHECK(contains(refused_tensor({.sizes = {3, 2}}), "reaches beyond"));
  CHECK(contains(refused_tensor({.strides = {3, 1}}), "reaches beyond"));
  CHECK(contains(refused_tensor({.sizes = {-1, 2}}), "negative"));
  CHECK(contains(refused_tensor({.strides = {-2, 1}}), "negative"));
  CHECK(contains(refused_tensor({.sizes = {1LL << 62, 1LL << 62}, .strides = {0, 0}}), "overflows"));
  CHECK(contains(refused_tensor({.sizes = {2, 2}, .strides = {INT64_MAX, INT64_MAX}}), "reaches beyond"));
  CHECK(contains(refused_tensor({.sizes = {0, 1LL << 62}, .strides = {1LL << 62, 1}}), "overflows"));
  CHECK(contains(refused_tensor({.sizes = {2}, .strides = {2, 1}}), "as many strides"));
  CHECK(contains(refused_tensor({.elements = 5}), "wants 20 bytes of storage 'a/data/0', which has 16"));
  CHECK(contains(refused_tensor({.elements = 3, .sizes = {1, 2}}), "wants 12 bytes of storage"));
  CHECK(contains(refused_tensor({.elements = INT64_MAX}), "claims"));
  CHECK(contains(refused_tensor({.elements = -1}), "claims -1 elements"));
  CHECK(contains(refused_tensor({.key = "1"}), "lacks 'a/data/1'"));
  CHECK(contains(refused_tensor({.type = "QInt8Storage"}), "'torch.QInt8Storage'"));
  // The stride of a single row or column is any number.
  const PickledTensor single{.sizes = {1, 2, 1}, .strides = {1LL << 62, 2, 1LL << 62}};
  CHECK(parse(pth_text(pickled({{"w", single}})))->tensor("w").shape() == Shape{1, 2, 1});
  const std::vector<std::int64_t> many(65, 1);
  CHECK(contains(refused_tensor({.sizes = many, .strides = many}), "65 dimensions"));
  const std::vector<std::int64_t> seven(7, 1);
  const auto deep = parse(pth_text(pickled({{"w", {.sizes = seven, .strides = seven}}})));
  CHECK(contains(deep->entry("w").problem, "rank 7"));
  const auto wide = parse(pth_text(pickled({{"w", {.sizes = {1LL << 40, 4}, .strides = {0, 1}}}})));
  CHECK(contains(runtime_error_of([&] { wide->tensor("w"); }), "repeats the 4 numbers"));
}

TEST_CASE("pth: broken archives") {
  CHECK(contains(refusal("not a file"), "this is no PyTorch file"));
  CHECK(contains(refusal("version https://git-lfs.github.com/spec/v1\n"), "git-LFS pointer"));
  CHECK(contains(refusal("<!DOCTYPE html>"), "web page"));
  CHECK(contains(refusal(zip_text({{"x/readme", "text"}})), "zip archive without data.pkl"));
  CHECK(contains(refusal(zip_text({{"a/data.pkl", "N."}, {"b/data.pkl", "N."}})), "more than one data.pkl"));
  CHECK(contains(refusal(zip_text({{"a/data.pkl", "N."}, {"a/data.pkl", "N."}})), "two entries of one name"));
  CHECK(contains(refusal(zip_text({{"a/data.pkl", "N."}, {"a/byteorder", "big"}})), "big-endian"));
  CHECK(contains(runtime_error_of([] { PthFile::open(folder / "compressed.pth"); }), "is compressed (method 8)"));
  // The table of contents gives the second entry 40 bytes more: they are the third's.
  std::string longer = pth_text(pickled({{"w", {}}}));
  const std::size_t record = longer.find("PK\x01\x02", longer.find("PK\x01\x02") + 4);
  for (const std::size_t at : {record + 20, record + 24}) longer.replace(at, 4, little<std::uint32_t>(56));
  CHECK(contains(refusal(longer), "two entries overlap"));
  for (const std::size_t at : {record + 20, record + 24}) longer.replace(at, 4, little<std::uint32_t>(1 << 20));
  CHECK(contains(refusal(longer), "reaches into the table of contents"));
  for (const char* name : {"plain.pth", "old_format.pth", "script.pt"}) {
    const std::string whole = contents_of(folder / name);
    for (std::size_t size = 0; size < whole.size(); size += size < 64 ? 1 : 37)
      CHECK_THROWS_AS(parse(whole.substr(0, size)), std::runtime_error);
    CHECK(contains(refusal(whole.substr(0, whole.size() - 1)), "truncated"));
    CHECK_THROWS_AS(parse(whole + "x"), std::runtime_error);
  }
}

TEST_CASE("pth: what is written is read back, and the file appears whole or not at all") {
  const TempFolder scratch;
  const SafeTensors plain = SafeTensors::open(folder / "plain.safetensors");
  std::vector<TensorToWrite> items;
  for (const std::string& name : plain.names())
    if (plain.entry(name).problem.empty()) items.push_back(TensorToWrite::of(name, plain.tensor(name)));
  for (const std::string under : {"", "state_dict"}) {
    write_pth(scratch / "a.pth", items, under);
    const auto file = PthFile::open(scratch / "a.pth");
    CHECK(file->found_under() == under);
    REQUIRE(file->names().size() == items.size());
    for (const TensorToWrite& item : items) {
      const Tensor a = file->tensor(item.name), b = plain.tensor(item.name);
      CHECK((a.dtype() == b.dtype() && a.shape() == b.shape()));
      CHECK((a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0));
    }
  }
  const std::string before = contents_of(scratch / "a.pth");
  items.push_back({"late", DType::f32, {2}, []() -> Tensor { throw std::runtime_error("the source ended"); }});
  CHECK_THROWS_WITH(write_pth(scratch / "a.pth", items), "the source ended");
  items.back() = {"other", DType::f32, {2}, [] { return Tensor::zeros({3}, DType::f32); }};
  CHECK_THROWS_AS(write_pth(scratch / "a.pth", items), std::invalid_argument);
  items.back() = items.front();
  CHECK_THROWS_AS(write_pth(scratch / "a.pth", items), std::invalid_argument);
  items.pop_back();
  {
    const FullDisk full(1000);
    CHECK_THROWS_AS(write_pth(scratch / "a.pth", items), std::runtime_error);
  }
  CHECK(contents_of(scratch / "a.pth") == before);
  CHECK(scratch.file_count() == 1);
}
