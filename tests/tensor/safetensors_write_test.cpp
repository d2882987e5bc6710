#include <doctest/doctest.h>

#include <stdexcept>

#include "tensor/io/safetensors.h"
#include "tests/harness/temp_folder.h"
#include "tests/tensor/full_disk.h"

using rein::DType;
using rein::SafeTensors;
using rein::Shape;
using rein::Tensor;
using rein::write_safetensors;
using rein::test::contents_of;
using rein::test::FullDisk;
using rein::test::TempFolder;

using Named = std::vector<std::pair<std::string, Tensor>>;

TEST_CASE("write_safetensors: the bytes are those of the format") {
  const TempFolder folder;
  write_safetensors(folder / "a",
                    Named{{"z", Tensor::from(std::vector<std::uint8_t>{7}, {1})},
                          {"b", Tensor::from(std::vector<float>{1, 2}, {2, 1})},
                          {"a", Tensor::from(std::vector<float>{3}, {})}},
                    {{"format", "pt"}});
  // Widest elements first, then by name: what safetensors.torch.save_file writes too.
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[4,12]},"z":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}})";
  const std::string text = contents_of(folder / "a");
  const std::size_t padded = (header.size() + 7) / 8 * 8;
  REQUIRE(text.size() == 8 + padded + 13);
  CHECK(static_cast<unsigned char>(text[0]) == padded);
  CHECK(text.substr(8, padded) == header + std::string(padded - header.size(), ' '));
  CHECK(text.substr(8 + padded) == std::string("\0\0\x40\x40\0\0\x80\x3F\0\0\0\x40\x07", 13));
}

TEST_CASE("write_safetensors: every dtype, odd names, empty files and empty tensors come back") {
  const TempFolder folder;
  std::map<std::string, Tensor> tensors;
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32, DType::u8}) {
    Tensor t = Tensor::full({3, 5}, 2, dtype);
    t.rows(1, 2).fill(7);
    tensors[std::string("dtype ") + std::string(rein::name_of(dtype))] = t;
  }
  tensors["\"\\/ \n\x01 ä 漢 \xF0\x9F\x98\x80"] = Tensor::scalar(-4);
  tensors[""] = Tensor::empty({0, 3}, DType::f32);
  tensors["six"] = Tensor::zeros({1, 2, 1, 2, 1, 2}, DType::u8);
  // A row range must write its own rows, not the storage from its start.
  tensors["rows"] = Tensor::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {3, 2}).rows(1, 3);
  const std::map<std::string, std::string> metadata = {{"", "\"\n"}, {"ä", "漢"}};
  write_safetensors(folder / "a", tensors, metadata);
  const auto file = SafeTensors::open(folder / "a");
  CHECK(file.metadata() == metadata);
  REQUIRE(file.names().size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CAPTURE(name);
    const Tensor read = file.tensor(name);
    CHECK(read.dtype() == tensor.dtype());
    CHECK(read.shape() == tensor.shape());
    CHECK(read.to_doubles() == tensor.to_doubles());
    CHECK(reinterpret_cast<std::uintptr_t>(read.raw()) % rein::size_of(read.dtype()) == 0);
  }
  // Not copied: the writer's order and padding align every tensor.
  CHECK(file.tensor("dtype f64").raw() == file.tensor("dtype f64").raw());
  write_safetensors(folder / "none", Named{});
  CHECK(SafeTensors::open(folder / "none").names().empty());
  CHECK(folder.file_count() == 2);
}

TEST_CASE("write_safetensors: overwrites a file that is being read; the reader keeps the old one") {
  const TempFolder folder;
  write_safetensors(folder / "a", Named{{"t", Tensor::full({1000}, 1, DType::f32)}});
  const auto old = SafeTensors::open(folder / "a");
  const Tensor t = old.tensor("t");
  write_safetensors(folder / "a", Named{{"t", Tensor::full({2}, 2, DType::f32)}});
  CHECK(t.at(999) == 1.0);
  CHECK(SafeTensors::open(folder / "a").tensor("t").at(1) == 2.0);
}

TEST_CASE("write_safetensors: refuses what cannot be read back, before it touches the disk") {
  const TempFolder folder;
  const Tensor t = Tensor::scalar(1);
  const auto path = folder / "a";
  CHECK_THROWS_WITH_AS(write_safetensors(path, Named{{"t", {}}}), "[write_safetensors] tensor 't' is null",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(write_safetensors(path, Named{{"t", t}, {"t", t}}),
                       "[write_safetensors] there are two tensors 't'", std::invalid_argument);
  CHECK_THROWS_WITH_AS(write_safetensors(path, Named{{"__metadata__", t}}),
                       "[write_safetensors] the name '__metadata__' is reserved", std::invalid_argument);
  CHECK_THROWS_AS(write_safetensors(path, Named{{"\xFF", t}}), std::invalid_argument);
  CHECK_THROWS_AS(write_safetensors(path, Named{{"t", t}}, {{"k", "\xC3"}}), std::invalid_argument);
  CHECK_THROWS_AS(write_safetensors(folder / "no" / "a", Named{{"t", t}}), std::runtime_error);
  CHECK(folder.file_count() == 0);
}

TEST_CASE("write_safetensors: a full disk is an error and leaves the old file") {
  const TempFolder folder;
  write_safetensors(folder / "a", Named{{"t", Tensor::full({2}, 3, DType::f32)}});
  {
    const FullDisk full(10'000);
    CHECK_THROWS_AS(write_safetensors(folder / "a", Named{{"t", Tensor::zeros({100'000}, DType::f32)}}),
                    std::runtime_error);
    CHECK_THROWS_AS(write_safetensors(folder / "b", Named{{"t", Tensor::zeros({100'000}, DType::f32)}}),
                    std::runtime_error);
  }
  CHECK(folder.file_count() == 1);
  CHECK(SafeTensors::open(folder / "a").tensor("t").at(1) == 3.0);
}
