// Files of published checkpoints' names and shapes without their numbers: whole safetensors files whose data is a hole
// in the file system, made from tests/golden/manifests.txt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/harness/temp_folder.h"

namespace rein::test {

struct ManifestTensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
};

struct Manifest {
  std::string name, layout;  // of the golden README: "dinov2_hf_reg"
  std::int64_t heads = 0, native = 0, patch = 0;
  std::map<std::string, ManifestTensor> tensors;
};

// "0-2,5" -> 0 1 2 5
inline std::vector<long> numbers_in(const std::string& ranges) {
  std::vector<long> all;
  std::istringstream in(ranges);
  for (std::string part; std::getline(in, part, ',');) {
    const std::size_t dash = part.find('-');
    const long first = std::stol(part), last = dash == part.npos ? first : std::stol(part.substr(dash + 1));
    for (long i = first; i <= last; ++i) all.push_back(i);
  }
  return all;
}

inline std::vector<Manifest> read_manifests(const std::filesystem::path& file = "tests/golden/manifests.txt") {
  std::vector<Manifest> all;
  std::istringstream in(contents_of(file));
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string first, dtype, shape, blocks;
    words >> first >> dtype;
    if (first == "=") {
      Manifest& m = all.emplace_back();
      m.name = dtype;
      for (std::string word; words >> word;) {
        const std::string value = word.substr(word.find('=') + 1);
        if (word.starts_with("layout=")) m.layout = value;
        if (word.starts_with("heads=")) m.heads = std::stol(value);
        if (word.starts_with("native=")) m.native = std::stol(value);
        if (word.starts_with("patch=")) m.patch = std::stol(value);
      }
      continue;
    }
    words >> shape >> blocks;
    ManifestTensor tensor{dtype, {}};
    std::istringstream sizes(shape == "-" ? "" : shape);
    for (std::string size; std::getline(sizes, size, 'x');) tensor.shape.push_back(std::stol(size));
    if (blocks.empty()) all.back().tensors[first] = tensor;
    for (const long block : numbers_in(blocks)) {
      std::string name = first;
      all.back().tensors[name.replace(name.find('#'), 1, std::to_string(block))] = tensor;
    }
  }
  return all;
}

inline const Manifest& manifest_named(const std::vector<Manifest>& all, const std::string& name) {
  for (const Manifest& m : all)
    if (m.name == name) return m;
  throw std::runtime_error("no manifest " + name);
}

// The file; its data takes no room on the disk.
inline void write_hollow(const std::filesystem::path& path, const std::map<std::string, ManifestTensor>& tensors) {
  std::string header;
  std::uint64_t at = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::string& dtype = tensor.dtype;
    std::uint64_t bytes = dtype == "F16" || dtype == "BF16"                              ? 2
                          : dtype == "I8" || dtype == "BOOL" || dtype.starts_with("F8_") ? 1
                          : dtype == "I64" || dtype == "C64"                             ? 8
                                                                                         : 4;
    std::string shape;
    for (const std::int64_t size : tensor.shape) {
      bytes *= static_cast<std::uint64_t>(size);
      shape += (shape.empty() ? "" : ",") + std::to_string(size);
    }
    header += (header.empty() ? "{\"" : ",\"") + name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[" + shape +
              "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + bytes) + "]}";
    at += bytes;
  }
  header += "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  std::string length;
  for (int i = 0; i < 8; ++i) length += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  std::ofstream(path, std::ios::binary) << length << header;
  std::filesystem::resize_file(path, 8 + header.size() + at);
}

}  // namespace rein::test
