// A value that is made from tensors, and stays true until one of them is written to or another takes its place: packed
// weights, tables made from parameters, a pass without images. Not for two threads at once.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace rein {

template <class T>
class Kept {
 public:
  // The value made from `sources`: the kept one while each is the same part of the same storage at the same version
  // (their number and order count), else make() now.
  template <class Make>
  const T& of(std::span<const Tensor> sources, Make&& make) {
    if (!value_ || !from(sources)) {
      value_.reset();
      stamps_.clear();
      T value = std::forward<Make>(make)();
      for (const Tensor& t : sources) stamps_.push_back({t.storage(), t.version(), t.offset()});
      value_ = std::move(value);
    }
    return *value_;
  }
  template <class Make>
  const T& of(const Tensor& source, Make&& make) {
    return of({&source, 1}, std::forward<Make>(make));
  }
  void forget() { *this = {}; }

 private:
  // Weak: a kept value holds no memory of others, and a storage that took the address of a dead one is another.
  struct Stamp {
    std::weak_ptr<Storage> storage;
    std::uint64_t version;
    std::int64_t offset;
  };
  bool from(std::span<const Tensor> sources) const {
    if (sources.size() != stamps_.size()) return false;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const auto& [storage, version, offset] = stamps_[i];
      if (storage.lock() != sources[i].storage() || version != sources[i].version() || offset != sources[i].offset())
        return false;
    }
    return true;
  }
  std::vector<Stamp> stamps_;
  std::optional<T> value_;
};

}  // namespace rein
