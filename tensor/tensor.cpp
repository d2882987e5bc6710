#include "tensor/tensor.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/cuda/door.h"
#include "tensor/cuda/fill.h"
#include "tensor/error.h"
#include "tensor/half.h"

namespace rein {
namespace {

// The bytes of one element that fill() writes.
template <class T>
T element_of(double value) {
  if constexpr (std::is_same_v<T, bf16_t>)
    return to_bf16(static_cast<float>(value));
  else if constexpr (std::is_same_v<T, f16_t>)
    return to_f16(static_cast<float>(value));
  else
    return static_cast<T>(value);
}

// Between any two devices.
void copy_bytes(void* to, Device to_device, const void* from, Device from_device, std::size_t bytes) {
  if constexpr (cuda::built) {
    if (to_device.is_cuda() && from_device.is_cuda()) return cuda::on_device(to, from, bytes, to_device.index);
    if (to_device.is_cuda()) return cuda::to_device(to, from, bytes, to_device.index);
    if (from_device.is_cuda()) return cuda::to_host(to, from, bytes, from_device.index);
  }
  if (bytes > 0) std::memmove(to, from, bytes);
}

}  // namespace

Tensor Tensor::empty(const Shape& shape, DType dtype, Device device) {
  // A shape may count up to 2^62 elements; their bytes would wrap around.
  if (shape.count() > (std::int64_t{1} << 62) / static_cast<std::int64_t>(size_of(dtype))) {
    fail_runtime("memory", "out of memory: a tensor ", shape, " of ", name_of(dtype), " was asked for");
  }
  Tensor t;
  t.shape_ = shape;
  t.dtype_ = dtype;
  t.storage_ = Storage::allocate(static_cast<std::size_t>(shape.count()) * size_of(dtype), device);
  if (poisoning_new_tensors() && (dtype == DType::f32 || dtype == DType::f64)) {
    t.fill(std::numeric_limits<double>::quiet_NaN());
  }
  return t;
}

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  if constexpr (cuda::built) {
    if (device.is_cuda()) {
      cuda::fill_bytes(t.mutable_raw(), 0, t.bytes(), device.index);
      return t;
    }
  }
  std::memset(t.mutable_raw(), 0, t.bytes());
  return t;
}

Tensor Tensor::full(const Shape& shape, double value, DType dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  t.fill(value);
  return t;
}

Tensor Tensor::scalar(double value, DType dtype) {
  return full({}, value, dtype);
}

template <class T>
Tensor Tensor::from(std::span<const T> values, const Shape& shape) {
  require(static_cast<std::int64_t>(values.size()) == shape.count(), "tensor", "shape ", shape, " needs ",
          shape.count(), " values, got ", values.size());
  Tensor t = empty(shape, dtype_v<T>);
  if (!values.empty()) std::memcpy(t.mutable_raw(), values.data(), t.bytes());
  return t;
}
template Tensor Tensor::from(std::span<const double>, const Shape&);
template Tensor Tensor::from(std::span<const float>, const Shape&);
template Tensor Tensor::from(std::span<const std::int64_t>, const Shape&);
template Tensor Tensor::from(std::span<const std::int32_t>, const Shape&);
template Tensor Tensor::from(std::span<const std::uint8_t>, const Shape&);

Tensor Tensor::over(std::shared_ptr<Storage> storage, std::int64_t offset, const Shape& shape, DType dtype) {
  require(storage != nullptr && offset >= 0, "tensor", "needs a storage and an offset of 0 or more, got ", offset);
  const auto capacity = static_cast<std::int64_t>(storage->bytes() / size_of(dtype));
  require(shape.count() <= capacity && offset <= capacity - shape.count(), "tensor", "shape ", shape, " at offset ",
          offset, " does not fit into a storage of ", capacity, " elements");
  Tensor t;
  t.storage_ = std::move(storage);
  t.offset_ = offset;
  t.shape_ = shape;
  t.dtype_ = dtype;
  return t;
}

Tensor Tensor::view(const Shape& shape) const {
  require(shape.count() == count(), "view", "cannot view ", shape_, " as ", shape, ": ", count(), " and ",
          shape.count(), " elements");
  Tensor t = *this;
  t.shape_ = shape;
  return t;
}

Tensor Tensor::rows(std::int64_t begin, std::int64_t end) const {
  require(rank() >= 1 && begin >= 0 && begin <= end && end <= size(0), "rows", "range [", begin, ", ", end,
          ") is outside of the first dimension of ", shape_);
  Tensor t = *this;
  t.offset_ += size(0) == 0 ? 0 : begin * (count() / size(0));
  t.shape_ = shape_.with(0, end - begin);
  return t;
}

Tensor Tensor::clone() const {
  if (!*this) return {};
  Tensor t = empty_like(*this);
  copy_bytes(t.mutable_raw(), device(), raw(), device(), bytes());
  return t;
}

Tensor Tensor::to(Device wanted) const {
  if (!*this || device() == wanted) return *this;
  Tensor t = empty(shape_, dtype_, wanted);
  copy_bytes(t.mutable_raw(), wanted, raw(), device(), bytes());
  return t;
}

void Tensor::copy_from(const Tensor& other) {
  require(other.shape() == shape_ && other.dtype() == dtype_, "copy_from", "needs ", shape_, " ", name_of(dtype_),
          ", got ", other.shape(), " ", name_of(other.dtype()));
  copy_bytes(mutable_raw(), device(), other.raw(), other.device(), bytes());
}

void Tensor::fill(double value) {
  dispatch_any(dtype_, [&]<class T>() {
    const T v = element_of<T>(value);
    if constexpr (cuda::built) {
      if (device().is_cuda()) return cuda::fill<T>(mutable_data<T>(), v, count());
    }
    std::fill_n(mutable_data<T>(), count(), v);
  });
}

const void* Tensor::raw() const {
  require(storage_ != nullptr, "tensor", "a null tensor has no data");
  return storage_->data() + static_cast<std::size_t>(offset_) * size_of(dtype_);
}

void* Tensor::mutable_raw() {
  require(storage_ != nullptr, "tensor", "a null tensor has no data");
  storage_->bump_version();
  return storage_->data() + static_cast<std::size_t>(offset_) * size_of(dtype_);
}

void Tensor::check_dtype(DType wanted) const {
  require(wanted == dtype_, "tensor", "data of dtype ", name_of(dtype_), " asked for as ", name_of(wanted));
}

void Tensor::check_on_cpu(const char* what) const {
  require(device().is_cpu(), "tensor", what, " needs a tensor on the CPU, got ", shape_, " on ", device().text());
}

double Tensor::at(std::int64_t index) const {
  require(index >= 0 && index < count(), "tensor", "element ", index, " is outside of ", shape_);
  if (device().is_cuda()) {
    Tensor one = empty({}, dtype_);
    copy_bytes(one.mutable_raw(), {},
               static_cast<const std::byte*>(raw()) + index * static_cast<std::int64_t>(size_of(dtype_)), device(),
               size_of(dtype_));
    return one.at(0);
  }
  return dispatch_any(dtype_, [&]<class T>() -> double {
    const T v = data<T>()[index];
    if constexpr (std::is_same_v<T, bf16_t> || std::is_same_v<T, f16_t>)
      return to_float(v);
    else
      return static_cast<double>(v);
  });
}

double Tensor::item() const {
  require(count() == 1, "tensor", "item needs one element, got ", shape_);
  return at(0);
}

std::vector<double> Tensor::to_doubles() const {
  if (device().is_cuda()) return to(Device{}).to_doubles();
  std::vector<double> values(static_cast<std::size_t>(count()));
  for (std::int64_t i = 0; i < count(); ++i) values[static_cast<std::size_t>(i)] = at(i);
  return values;
}

}  // namespace rein
