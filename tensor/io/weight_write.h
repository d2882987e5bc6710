// Writing weight files tensor by tensor: a conversion of any size holds one tensor at a time.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

// A tensor that is made when its turn comes. `read` must give this dtype and shape, on the CPU.
struct TensorToWrite {
  std::string name;
  DType dtype = DType::f32;
  Shape shape;
  std::function<Tensor()> read;

  static TensorToWrite of(std::string name, Tensor tensor);
};

// As write_safetensors (tensor/io/safetensors.h): the whole new file or what was there before.
void write_safetensors_streamed(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
                                const std::map<std::string, std::string>& metadata = {});

// A zip archive as torch.save(state_dict, path) writes it, readable by torch.load(path, weights_only=True): stored
// entries whose data begin at multiples of 64 bytes, zip64 where sizes need it, check sums. `under` nests the
// dictionary as {under: {…}}; empty: at the top. The same errors and the same all-or-nothing as write_safetensors.
void write_pth(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors,
               const std::string& under = "");

namespace weight_write_detail {
// std::invalid_argument for null readers, duplicate names, names that are not UTF-8.
void check_names(const std::vector<TensorToWrite>& tensors, const char* writer);
// The tensor of its turn, checked.
Tensor read_checked(const TensorToWrite& item, const char* writer);
}  // namespace weight_write_detail

}  // namespace rein
