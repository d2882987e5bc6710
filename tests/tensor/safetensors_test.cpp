#include "tensor/io/safetensors.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <stdexcept>

#include "tensor/error.h"
#include "tests/harness/temp_folder.h"
#include "tests/tensor/safetensors_text.h"

using rein::concat_text;
using rein::DType;
using rein::SafeTensors;
using rein::Shape;
using rein::Tensor;
using rein::test::length_bytes;
using rein::test::safetensors_text;
using rein::test::TempFolder;

namespace {

SafeTensors parse(const std::string& text) {
  return SafeTensors::parse(std::as_bytes(std::span(text)), "a.safetensors");
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

std::string refusal(const std::string& header, const std::string& data = "") {
  const std::string text = runtime_error_of([&] { parse(safetensors_text(header, data)); });
  CHECK(contains(text, "[safetensors] a.safetensors: "));
  return text;
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

}  // namespace

TEST_CASE("safetensors: reads values, metadata and scalars; header padding is skipped") {
  const auto file = parse(safetensors_text(
      R"({"__metadata__":{"format":"pt","ä":"\u00e4"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("s":{"dtype":"I64","shape":[],"data_offsets":[8,16]},"e":{"dtype":"U8","shape":[3,0],"data_offsets":[8,8]}}   )",
      bytes_of<float>({1.5f, -2.0f}) + bytes_of<std::int64_t>({-7})));
  CHECK(file.names() == std::vector<std::string>{"b", "e", "s"});
  CHECK(file.metadata().at("format") == "pt");
  CHECK(file.metadata().at("ä") == "ä");
  CHECK(file.has("b"));
  CHECK_FALSE(file.has("__metadata__"));
  CHECK(file.entry("b").begin == 0);
  CHECK(file.entry("b").end == 8);
  CHECK(file.entry("b").file_dtype == "F32");
  CHECK(file.tensor("b").shape() == Shape{2, 1});
  CHECK(file.tensor("b").to_doubles() == std::vector<double>{1.5, -2.0});
  CHECK(file.tensor("s").item() == -7.0);
  CHECK(file.tensor("s").rank() == 0);
  CHECK(file.tensor("e").shape() == Shape{3, 0});
  CHECK(file.tensor("b", DType::f64).dtype() == DType::f64);
  CHECK(file.tensor("b", DType::f64).to_doubles() == std::vector<double>{1.5, -2.0});
  CHECK(contains(runtime_error_of([&] { file.entry("x"); }), "a.safetensors: there is no tensor 'x' among the 3"));
  CHECK(parse(safetensors_text("{}", "")).names().empty());
}

TEST_CASE("safetensors: every dtype of the library") {
  const auto read = [](const char* dtype, const std::string& data) {
    const auto header =
        concat_text(R"({"t":{"dtype":")", dtype, R"(","shape":[1],"data_offsets":[0,)", data.size(), "]}}");
    return parse(safetensors_text(header, data)).tensor("t").item();
  };
  CHECK(read("F64", bytes_of<double>({0.1})) == 0.1);
  CHECK(read("F32", bytes_of<float>({0.1f})) == 0.1f);
  CHECK(read("F16", bytes_of<std::uint16_t>({0xC000})) == -2.0);
  CHECK(read("BF16", bytes_of<std::uint16_t>({0xC040})) == -3.0);
  CHECK(read("I64", bytes_of<std::int64_t>({-5})) == -5.0);
  CHECK(read("I32", bytes_of<std::int32_t>({-6})) == -6.0);
  CHECK(read("U8", bytes_of<std::uint8_t>({200})) == 200.0);
}

TEST_CASE("safetensors: what this library cannot hold is listed, and refused only when asked for") {
  const auto file = parse(safetensors_text(
      R"({"b":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]},"f":{"dtype":"F4","shape":[4],"data_offsets":[2,4]},)"
      R"("r":{"dtype":"U8","shape":[1,1,1,1,1,1,3],"data_offsets":[4,7]},"u":{"dtype":"U8","shape":[1],"data_offsets":[7,8]}})",
      "12345678"));
  CHECK(file.names().size() == 4);
  CHECK(file.entry("b").file_dtype == "BOOL");
  CHECK(
      contains(runtime_error_of([&] { file.tensor("b"); }), "a.safetensors: tensor 'b': dtype BOOL is not supported"));
  CHECK(contains(runtime_error_of([&] { file.tensor("f", DType::f32); }), "dtype F4 is not supported"));
  CHECK(contains(runtime_error_of([&] { file.tensor("r"); }), "tensor 'r': shape (1, 1, 1, 1, 1, 1, 3) has rank 7"));
  CHECK(file.tensor("u").item() == '8');
}

TEST_CASE("safetensors: views share the mapping and outlive the reader; misaligned ones are copies") {
  const TempFolder folder;
  const std::string data = bytes_of<float>({1, 2, 3, 4});
  const std::string aligned = R"({"t":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  REQUIRE(aligned.size() % 4 == 3);
  Tensor view, again, copy;
  rein::reset_peak_memory();
  const auto before = rein::memory_stats();
  {
    const auto file = SafeTensors::open(folder.write("aligned", safetensors_text(aligned + " ", data)));
    view = file.tensor("t");
    again = file.tensor("t");
    CHECK(file.path() == folder / "aligned");
    CHECK(file.file_bytes() == 8 + aligned.size() + 1 + 16);
    CHECK(file.tensor("t", DType::f32).raw() == view.raw());
  }
  CHECK(view.raw() == again.raw());
  CHECK(view.to_doubles() == std::vector<double>{1, 2, 3, 4});
  CHECK(view.storage()->bytes() == 16);
  CHECK(rein::memory_stats().live == before.live);
  std::filesystem::remove(folder / "aligned");
  CHECK(again.at(3) == 4.0);
  copy = SafeTensors::open(folder.write("misaligned", safetensors_text(aligned, data))).tensor("t");
  CHECK(copy.to_doubles() == std::vector<double>{1, 2, 3, 4});
  CHECK(rein::memory_stats().live == before.live + 16);
}

TEST_CASE("safetensors: files that are something else, or cut short") {
  const auto message = [](const std::string& bytes) { return runtime_error_of([&] { parse(bytes); }); };
  CHECK(contains(message(""), "truncated: 0 bytes"));
  CHECK(contains(message("1234567"), "truncated: 7 bytes"));
  CHECK(contains(message(length_bytes(3) + "{}"), "truncated: the header claims 3 bytes, 2 follow"));
  CHECK(contains(message(length_bytes(100'000'001) + "{}"), "claims 100000001 bytes, the format allows 100000000"));
  CHECK(contains(message(length_bytes(~0ull) + "{}"), "claims 18446744073709551615 bytes"));
  CHECK(contains(message(length_bytes(0)), "must begin with '{'"));
  CHECK(contains(message(safetensors_text(" {}", "")), "must begin with '{'"));
  CHECK(contains(message("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git-LFS pointer"));
  CHECK(contains(message("\n <!DOCTYPE html><html>"), "web page"));
  CHECK(contains(message("<HTML><body>404</body>"), "web page"));
  CHECK(contains(message("PK\x03\x04"
                         "abcdefgh"),
                 "zip archive"));
}

TEST_CASE("safetensors: files that cannot be opened") {
  const TempFolder folder;
  const auto message = [](const std::filesystem::path& p) { return runtime_error_of([&] { SafeTensors::open(p); }); };
  CHECK(contains(message(folder / "absent"), "absent: cannot open: No such file"));
  CHECK(contains(message(folder.path()), "not a regular file"));
  CHECK(contains(message(folder.write("empty", "")), "empty: the file is empty"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(contains(message(folder / "pipe"), "not a regular file"));
  CHECK(SafeTensors::looks_like(folder.write("good", safetensors_text("{}", ""))));
  CHECK_FALSE(SafeTensors::looks_like(folder.write("bad", "hello, hello")));
  CHECK_FALSE(SafeTensors::looks_like(folder / "pipe"));
}

TEST_CASE("safetensors: headers that are not what the format says") {
  CHECK(contains(refusal("{,}"), "not valid JSON at byte 2"));
  CHECK(contains(refusal(R"({"t":)"), "not valid JSON"));
  CHECK(contains(refusal("{} {}"), "not valid JSON"));
  CHECK(contains(refusal(std::string("{}\0 {", 5)), "zero byte"));
  CHECK(contains(refusal("{\"\xFF\":1}"), "not valid UTF-8"));
  CHECK(contains(refusal("{\"\xED\xA0\x80\":1}"), "not valid UTF-8"));
  CHECK(contains(refusal("{\"\xC0\xAF\":1}"), "not valid UTF-8"));
  CHECK(contains(refusal(R"({"\ud800":1})"), "not valid JSON"));
  CHECK(contains(refusal(R"({"t":1})"), "tensor 't': must be an object"));
  CHECK(contains(refusal(R"({"t":[]})"),
                 "tensor 't': must be an object with dtype, shape and data_offsets, got an array"));
  CHECK(contains(refusal(R"({"t":{}})"), "tensor 't': has no dtype"));
  CHECK(contains(refusal(R"({"t":{"dtype":"F32"}})"), "has no shape"));
  CHECK(contains(refusal(R"({"t":{"dtype":"F32","shape":[]}})"), "has no data_offsets"));
  CHECK(contains(refusal(R"({"t":{"dtype":3}})"), "dtype must be a string, got a number"));
  CHECK(contains(refusal(R"({"t":{"shape":"3"}})"), "shape must be an array of integers, got a string"));
  CHECK(contains(refusal(R"({"t":{"shape":[-1]}})"), "shape must hold non-negative integers, got -1"));
  CHECK(contains(refusal(R"({"t":{"shape":[1.5]}})"), "shape must hold integers of at most 64 bits, got 1.5"));
  CHECK(contains(refusal(R"({"t":{"shape":[18446744073709551616]}})"), "at most 64 bits"));
  CHECK(contains(refusal(R"({"t":{"shape":[1e999]}})"), "not valid JSON"));
  CHECK(contains(refusal(R"({"t":{"shape":[[1]]}})"), "shape must hold non-negative integers, got an array"));
  CHECK(contains(refusal(R"({"t":{"data_offsets":[0,1,2]}})"), "must hold two numbers, got more"));
  CHECK(contains(refusal(R"({"t":{"dtype":"F32","shape":[],"data_offsets":[0]}})"), "must hold two numbers, got 1"));
  CHECK(contains(refusal(R"({"t":{"dtype":{"a":1}}})"), "dtype must be a string, got an object"));
  CHECK(contains(refusal(R"({"t":{"colour":1}})"), "unknown key 'colour'"));
  CHECK(contains(refusal(R"({"t":{"dtype":"F33","shape":[],"data_offsets":[0,4]}})", "1234"),
                 "'t': unknown dtype 'F33'"));
  CHECK(contains(refusal(R"({"__metadata__":1})"), "__metadata__ must be a map of strings, got a number"));
  CHECK(
      contains(refusal(R"({"__metadata__":{"a":1}})"), "__metadata__ must map strings to strings; 'a' holds a number"));
  std::string deep = R"({"t":)";
  for (int i = 0; i < 1'000'000; ++i) deep += '[';
  CHECK(contains(refusal(deep), "must be an object"));
  std::string long_shape = R"({"t":{"shape":[1)";
  for (int i = 0; i < 100; ++i) long_shape += ",1";
  CHECK(contains(refusal(long_shape + "]}}"), "more than 64 sizes"));
  // Control characters and lengths of hostile names stay out of the message.
  const std::string odd = refusal("{\"\\u001b[31m" + std::string(5000, 'x') + "\":1}");
  CHECK(contains(odd, R"('\x1b[31mxxx)"));
  CHECK(odd.size() < 400);
}

TEST_CASE("safetensors: duplicates") {
  const std::string t = R"("t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  CHECK(contains(refusal("{" + t + "," + t + "}", "x"), "duplicate tensor 't'"));
  CHECK(contains(refusal(R"({"t":{"dtype":"U8","dtype":"U8"}})"), "tensor 't': duplicate key 'dtype'"));
  CHECK(contains(refusal(R"({"t":{"shape":[],"shape":[]}})"), "duplicate key 'shape'"));
  CHECK(contains(refusal(R"({"__metadata__":{"a":"1","a":"2"}})"), "duplicate key 'a' in __metadata__"));
  CHECK(contains(refusal(R"({"__metadata__":{},"__metadata__":{}})"), "duplicate key '__metadata__'"));
}

TEST_CASE("safetensors: offsets must cover the data without holes or overlap, and fit dtype and shape") {
  const auto two = [](int b0, int e0, int b1, int e1) {
    return concat_text(R"({"a":{"dtype":"U8","shape":[)", e0 - b0, R"(],"data_offsets":[)", b0, ",", e0,
                       R"(]},"b":{"dtype":"U8","shape":[)", e1 - b1, R"(],"data_offsets":[)", b1, ",", e1, "]}}");
  };
  CHECK(parse(safetensors_text(two(2, 4, 0, 2), "1234")).tensor("a").at(0) == '3');
  CHECK(contains(refusal(two(0, 2, 1, 4), "1234"), "tensors 'a' and 'b' overlap at byte 1"));
  CHECK(contains(refusal(two(0, 1, 2, 4), "1234"), "no tensor covers bytes [1, 2) of the data, before tensor 'b'"));
  CHECK(contains(refusal(two(1, 2, 2, 4), "1234"), "no tensor covers bytes [0, 1)"));
  CHECK(contains(refusal(two(0, 2, 2, 4), "12345"), "1 bytes after the last tensor"));
  CHECK(contains(refusal(two(0, 2, 2, 4), "123"), "truncated: tensor 'b' needs bytes [2, 4) of the data, which has 3"));
  CHECK(contains(refusal("{}", "1"), "1 bytes after the last tensor"));
  const auto one = [](const char* dtype, const char* shape, const char* offsets) {
    return concat_text(R"({"t":{"dtype":")", dtype, R"(","shape":)", shape, R"(,"data_offsets":)", offsets, "}}");
  };
  CHECK(contains(refusal(one("F32", "[2]", "[0,4]"), "1234"),
                 "'t': shape (2) of F32 takes 8 bytes, but data_offsets [0, 4) hold 4"));
  CHECK(contains(refusal(one("U8", "[2]", "[4,2]"), "1234"), "'t': data_offsets [4, 2) run backwards"));
  CHECK(contains(refusal(one("F32", "[4294967296,4294967296]", "[0,0]")), "overflows"));
  CHECK(contains(refusal(one("F32", "[4611686018427387904,4]", "[0,0]")), "overflows"));
  CHECK(contains(refusal(one("U8", "[18446744073709551615]", "[0,0]")), "overflows"));
  CHECK(contains(refusal(one("U8", "[0,18446744073709551615]", "[0,0]")), "overflows"));
  CHECK(contains(refusal(one("F4", "[3]", "[0,1]"), "1"), "does not fill whole bytes"));
  CHECK(contains(refusal(one("U8", "[9223372036854775807]", "[0,9223372036854775807]"), "1"), "overflows"));
  CHECK(contains(refusal(one("U8", "[1]", "[18446744073709551614,18446744073709551615]"), "1"), "truncated"));
}
