// Tensor: a row-major, contiguous block of numbers. A handle: copies share the storage.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tensor/device.h"
#include "tensor/dtype.h"
#include "tensor/memory.h"
#include "tensor/shape.h"

namespace rein {

class Tensor {
 public:
  Tensor() = default;  // null: no storage; used for "not there" (an absent bias, an unwanted gradient)

  // Uninitialised (NaN under poison_new_tensors).
  static Tensor empty(const Shape& shape, DType dtype, Device device = {});
  static Tensor zeros(const Shape& shape, DType dtype, Device device = {});
  static Tensor full(const Shape& shape, double value, DType dtype, Device device = {});
  static Tensor scalar(double value, DType dtype = DType::f32);
  static Tensor empty_like(const Tensor& other) { return empty(other.shape(), other.dtype(), other.device()); }
  static Tensor zeros_like(const Tensor& other) { return zeros(other.shape(), other.dtype(), other.device()); }
  template <class T>
  static Tensor from(std::span<const T> values, const Shape& shape);
  template <class T>
  static Tensor from(const std::vector<T>& values, const Shape& shape) {
    return from(std::span<const T>(values), shape);
  }
  // A tensor over existing storage; `offset` in elements. Throws when it does not fit.
  static Tensor over(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape, DType dtype);

  explicit operator bool() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  int rank() const { return shape_.rank(); }
  std::int64_t size(int axis) const { return shape_[axis]; }
  std::int64_t count() const { return shape_.count(); }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device() : Device{}; }
  std::size_t bytes() const { return static_cast<std::size_t>(count()) * size_of(dtype_); }

  // Share storage; throw std::invalid_argument when the counts differ or the range is outside.
  Tensor view(const Shape& shape) const;
  Tensor rows(std::int64_t begin, std::int64_t end) const;  // [begin, end) of the first dimension
  Tensor clone() const;                                     // its own storage, same values, same device
  void copy_from(const Tensor& other);                      // same shape and dtype; from any device
  Tensor to(Device device) const;                           // itself when it is there already
  void fill(double value);

  // Throw std::invalid_argument when T is not the tensor's dtype. The call of mutable_data counts as the write: writing
  // through a pointer from before a value was saved goes unseen. On a device: its addresses; `values` needs the CPU.
  template <class T>
  const T* data() const;
  template <class T>
  T* mutable_data();
  const void* raw() const;
  void* mutable_raw();
  template <class T>
  std::span<const T> values() const {
    check_on_cpu("values");
    return {data<T>(), static_cast<std::size_t>(count())};
  }
  // One element as double, whatever the dtype and device (slow; for tests, scalars and reports). `index` is flat.
  double at(std::int64_t index) const;
  double item() const;  // of a tensor with one element
  std::vector<double> to_doubles() const;

  const std::shared_ptr<Storage>& storage() const { return storage_; }
  std::int64_t offset() const { return offset_; }
  std::uint64_t version() const { return storage_ ? storage_->version() : 0; }
  bool owns_storage_alone() const { return storage_ && storage_.use_count() == 1; }

 private:
  void check_dtype(DType wanted) const;
  void check_on_cpu(const char* what) const;
  std::shared_ptr<Storage> storage_;
  Shape shape_;
  DType dtype_ = DType::f32;
  std::int64_t offset_ = 0;  // elements
};

template <class T>
const T* Tensor::data() const {
  check_dtype(dtype_v<T>);
  return static_cast<const T*>(raw());
}

template <class T>
T* Tensor::mutable_data() {
  check_dtype(dtype_v<T>);
  return static_cast<T*>(mutable_raw());
}

// What kernels take for a tensor that may be null: not there, or not wanted.
template <class T>
const T* data_or_null(const Tensor& tensor) {
  return tensor ? tensor.data<T>() : nullptr;
}
template <class T>
T* mutable_or_null(Tensor& tensor) {
  return tensor ? tensor.mutable_data<T>() : nullptr;
}

}  // namespace rein
