#include "tensor/ops/optim/clip_grad_norm.h"

#include <vector>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/optim/clip_grad_norm_kernels.h"

namespace rein::ops {
namespace {

Device device_of(std::span<const Tensor> tensors) {
  const Device device = tensors.empty() ? Device{} : tensors.front().device();
  for (const Tensor& t : tensors) {
    require(t && (t.dtype() == DType::f32 || t.dtype() == DType::f64), "clip_grad_norm", "takes f32 and f64, got ",
            name_of(t.dtype()), " ", t.shape());
    require(t.device() == device, "clip_grad_norm", "all must be on one device, got ", device.text(), " and ",
            t.device().text());
  }
  return device;
}

template <class T>
std::vector<ClipSlot<T>> read_slots(std::span<const Tensor> tensors) {
  std::vector<ClipSlot<T>> slots;
  for (const Tensor& t : tensors)
    if (t.dtype() == dtype_v<T>) slots.push_back({t.data<T>(), nullptr, t.count()});
  return slots;
}

template <class T>
void scale(std::span<Tensor> tensors, const Tensor& norm, double max_norm) {
  std::vector<ClipSlot<T>> slots;
  for (Tensor& t : tensors)
    if (t.dtype() == dtype_v<T>) slots.push_back({t.data<T>(), t.mutable_data<T>(), t.count()});
  if (slots.empty()) return;
  REIN_ON_DEVICE(norm.device(), scale_to_norm<T>(slots, norm.data<double>(), max_norm));
}

}  // namespace

Tensor grad_norm(std::span<const Tensor> tensors) {
  const Device device = device_of(tensors);
  Tensor squares = Tensor::empty({}, DType::f64, device), norm = Tensor::empty({}, DType::f64, device);
  REIN_ON_DEVICE(device, sum_squares<float>(read_slots<float>(tensors), false, squares.mutable_data<double>()));
  REIN_ON_DEVICE(device, sum_squares<double>(read_slots<double>(tensors), true, squares.mutable_data<double>()));
  REIN_ON_DEVICE(device, norm_of_squares(squares.data<double>(), norm.mutable_data<double>()));
  return norm;
}

Tensor clip_grad_norm(std::span<Tensor> tensors, double max_norm) {
  require(max_norm > 0, "clip_grad_norm", "max_norm must be above 0, got ", max_norm);
  const Tensor norm = grad_norm(tensors);
  scale<float>(tensors, norm, max_norm);
  scale<double>(tensors, norm, max_norm);
  return norm;
}

}  // namespace rein::ops
