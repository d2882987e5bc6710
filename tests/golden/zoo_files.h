// The weights of recorded cases as the zoo sees files.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "models/zoo/zoo.h"
#include "tensor/io/safetensors.h"

namespace rein::test {

inline std::map<std::string, Tensor> case_params(const std::string& name,
                                                 const std::filesystem::path& in = "tests/golden") {
  const SafeTensors file = SafeTensors::open(in / (name + ".safetensors"));
  std::map<std::string, Tensor> params;
  for (const std::string& tensor : file.names())
    if (tensor.starts_with("param.")) params[tensor.substr(6)] = file.tensor(tensor).clone();
  return params;
}

inline models::zoo::Weights open(std::map<std::string, Tensor> params, const models::zoo::Hints& hints = {"", 2}) {
  return models::zoo::open_weights(std::make_shared<nn::MapSource>(std::move(params), "a.safetensors"), hints);
}

inline std::string error_of(std::map<std::string, Tensor> params, const models::zoo::Hints& hints = {"", 2}) {
  try {
    const models::zoo::Weights weights = open(std::move(params), hints);
    models::Vit vit(weights.model.options);
    models::zoo::bind_weights(vit, weights, DType::f32);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "";
}

inline bool says(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace rein::test
