#include "tensor/ops/shape/shape_ops.h"

#include <cstddef>
#include <numeric>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/shape/shape_ops_kernels.h"

namespace rein::ops {
namespace {

int checked_axis(const char* op, const Shape& shape, int axis) {
  const int a = axis < 0 ? axis + shape.rank() : axis;
  require(a >= 0 && a < shape.rank(), op, "axis ", axis, " is outside of ", shape);
  return a;
}

// A tensor seen along one axis: `outer` blocks of size(axis) * inner elements.
struct AxisView {
  std::int64_t outer = 1, inner = 1;
};

AxisView view_along(const Shape& shape, int axis) {
  AxisView v;
  for (int i = 0; i < axis; ++i) v.outer *= shape[i];
  for (int i = axis + 1; i < shape.rank(); ++i) v.inner *= shape[i];
  return v;
}

const std::byte* bytes_of(const Tensor& t) {
  return static_cast<const std::byte*>(t.raw());
}
std::byte* mutable_bytes_of(Tensor& t) {
  return static_cast<std::byte*>(t.mutable_raw());
}

std::vector<Tensor> split_checked(const Tensor& x, int axis, const std::vector<std::int64_t>& sizes) {
  const AxisView v = view_along(x.shape(), axis);
  const std::int64_t unit = v.inner * static_cast<std::int64_t>(size_of(x.dtype())), pitch = x.size(axis) * unit;
  std::vector<Tensor> parts;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    Tensor part = Tensor::empty(x.shape().with(axis, size), x.dtype(), x.device());
    REIN_ON_DEVICE(x.device(), copy_rows(bytes_of(x) + begin * unit, pitch, mutable_bytes_of(part), size * unit,
                                         v.outer, size * unit));
    parts.push_back(std::move(part));
    begin += size;
  }
  return parts;
}

// Places parts of the given sizes side by side along `axis`; null parts become zeros.
Tensor side_by_side(const std::vector<Tensor>& parts, const std::vector<std::int64_t>& sizes, const Shape& shape,
                    DType dtype, Device device, int axis) {
  Tensor out = Tensor::empty(shape, dtype, device);
  const AxisView v = view_along(shape, axis);
  const std::int64_t unit = v.inner * static_cast<std::int64_t>(size_of(dtype)), pitch = shape[axis] * unit;
  std::byte* to = mutable_bytes_of(out);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::int64_t bytes = sizes[i] * unit;
    if (parts[i]) {
      REIN_ON_DEVICE(device, copy_rows(bytes_of(parts[i]), bytes, to, pitch, v.outer, bytes));
    } else {
      REIN_ON_DEVICE(device, zero_rows(to, pitch, v.outer, bytes));
    }
    to += bytes;
  }
  return out;
}

void check_sizes(const char* op, const Shape& shape, int axis, const std::vector<std::int64_t>& sizes) {
  std::int64_t sum = 0;
  for (const std::int64_t size : sizes) {
    require(size >= 0, op, "sizes must not be negative, got ", size);
    sum += size;
  }
  require(sum == shape[axis], op, "sizes must sum to ", shape[axis], ", the size of axis ", axis, " of ", shape,
          ", got ", sum);
}

}  // namespace

std::vector<int> inverse_axes(const std::vector<int>& axes) {
  const int rank = static_cast<int>(axes.size());
  std::vector<int> inverse(axes.size(), -1);
  for (int k = 0; k < rank; ++k) {
    const int a = axes[static_cast<std::size_t>(k)] < 0 ? axes[static_cast<std::size_t>(k)] + rank
                                                        : axes[static_cast<std::size_t>(k)];
    require(a >= 0 && a < rank && inverse[static_cast<std::size_t>(a)] < 0, "permute", "axes must name each of the ",
            rank, " axes once, got ", axes[static_cast<std::size_t>(k)], " at place ", k);
    inverse[static_cast<std::size_t>(a)] = k;
  }
  return inverse;
}

Tensor permute(const Tensor& x, const std::vector<int>& axes) {
  require(x && static_cast<int>(axes.size()) == x.rank(), "permute", "needs one entry of axes per axis of ", x.shape(),
          ", got ", axes.size());
  inverse_axes(axes);  // checks
  std::int64_t strides[Shape::max_rank], out_sizes[Shape::max_rank], out_strides[Shape::max_rank];
  std::int64_t stride = 1;
  for (int i = x.rank() - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= x.size(i);
  }
  for (int k = 0; k < x.rank(); ++k) {
    const int a = axes[static_cast<std::size_t>(k)] < 0 ? axes[static_cast<std::size_t>(k)] + x.rank()
                                                        : axes[static_cast<std::size_t>(k)];
    out_sizes[k] = x.size(a);
    out_strides[k] = strides[a];
  }
  Tensor y = Tensor::empty(Shape(std::span<const std::int64_t>(out_sizes, axes.size())), x.dtype(), x.device());
  if (x.count() == 0) return y;
  const auto run = [&]<class T>(T) {
    REIN_ON_DEVICE(x.device(), permute<T>(static_cast<const T*>(x.raw()), out_sizes, out_strides, x.rank(),
                                          static_cast<T*>(y.mutable_raw())));
  };
  switch (size_of(x.dtype())) {
    case 1:
      run(std::uint8_t{});
      break;
    case 2:
      run(std::uint16_t{});
      break;
    case 4:
      run(std::uint32_t{});
      break;
    default:
      run(std::uint64_t{});
      break;
  }
  return y;
}

Tensor nchw_to_nhwc(const Tensor& x) {
  require(x && x.rank() == 4, "nchw_to_nhwc", "x must have shape (N, C, H, W), got ", x.shape());
  return permute(x, {0, 2, 3, 1});
}

Tensor nhwc_to_nchw(const Tensor& x) {
  require(x && x.rank() == 4, "nhwc_to_nchw", "x must have shape (N, H, W, C), got ", x.shape());
  return permute(x, {0, 3, 1, 2});
}

Tensor concat(const std::vector<Tensor>& parts, int axis) {
  require(!parts.empty() && parts[0], "concat", "needs at least one part");
  const Tensor& first = parts[0];
  const int a = checked_axis("concat", first.shape(), axis);
  std::vector<std::int64_t> sizes;
  for (const Tensor& part : parts) {
    require(part && part.rank() == first.rank() && part.shape().with(a, first.size(a)) == first.shape(), "concat",
            "parts must agree except along axis ", a, ", got ", first.shape(), " and ", part.shape());
    require(part.dtype() == first.dtype(), "concat", "parts must have one dtype, got ", name_of(first.dtype()), " and ",
            name_of(part.dtype()));
    require_one_device("concat", "parts", first, part);
    sizes.push_back(part.size(a));
  }
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  return side_by_side(parts, sizes, first.shape().with(a, total), first.dtype(), first.device(), a);
}

std::vector<Tensor> split(const Tensor& x, int axis, const std::vector<std::int64_t>& sizes) {
  const int a = checked_axis("split", x.shape(), axis);
  check_sizes("split", x.shape(), a, sizes);
  return split_checked(x, a, sizes);
}

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end) {
  const int a = checked_axis("slice", x.shape(), axis);
  require(begin >= 0 && begin <= end && end <= x.size(a), "slice", "range [", begin, ", ", end, ") is outside of axis ",
          a, " of ", x.shape());
  const AxisView v = view_along(x.shape(), a);
  const std::int64_t unit = v.inner * static_cast<std::int64_t>(size_of(x.dtype())), bytes = (end - begin) * unit;
  Tensor y = Tensor::empty(x.shape().with(a, end - begin), x.dtype(), x.device());
  REIN_ON_DEVICE(x.device(),
                 copy_rows(bytes_of(x) + begin * unit, x.size(a) * unit, mutable_bytes_of(y), bytes, v.outer, bytes));
  return y;
}

Tensor expand(const Tensor& x, std::int64_t n) {
  require(x && x.rank() >= 1 && x.size(0) == 1 && n >= 0, "expand",
          "x must have shape (1, ...) and n be 0 or more, got ", x.shape(), " and ", n);
  Tensor y = Tensor::empty(x.shape().with(0, n), x.dtype(), x.device());
  const auto bytes = static_cast<std::int64_t>(x.bytes());
  REIN_ON_DEVICE(x.device(), copy_rows(bytes_of(x), 0, mutable_bytes_of(y), bytes, n, bytes));
  return y;
}

Tensor split_backward(const std::vector<Tensor>& grads, const Shape& x_shape, DType dtype, int axis,
                      const std::vector<std::int64_t>& sizes) {
  const int a = checked_axis("split_backward", x_shape, axis);
  check_sizes("split_backward", x_shape, a, sizes);
  require(grads.size() == sizes.size(), "split_backward", "needs ", sizes.size(), " gradients, got ", grads.size());
  Device device;
  for (const Tensor& grad : grads)
    if (grad) device = grad.device();
  for (std::size_t i = 0; i < grads.size(); ++i) {
    require(!grads[i] || grads[i].device() == device, "split_backward", "gradients must be on one device, got ",
            grads[i].device().text(), " and ", device.text());
    require(!grads[i] || (grads[i].shape() == x_shape.with(a, sizes[i]) && grads[i].dtype() == dtype), "split_backward",
            "gradient ", i, " must have shape ", x_shape.with(a, sizes[i]), ", got ", grads[i].shape());
  }
  return side_by_side(grads, sizes, x_shape, dtype, device, a);
}

Tensor slice_backward(const Tensor& grad_out, const Shape& x_shape, int axis, std::int64_t begin) {
  const int a = checked_axis("slice_backward", x_shape, axis);
  require(grad_out && grad_out.rank() == x_shape.rank(), "slice_backward", "grad_out ", grad_out.shape(),
          " does not fit into ", x_shape);
  const std::int64_t size = grad_out.size(a), after = x_shape[a] - begin - size;
  require(begin >= 0 && after >= 0, "slice_backward", "grad_out ", grad_out.shape(), " at ", begin, " of axis ", a,
          " does not fit into ", x_shape);
  return split_backward({Tensor{}, grad_out, Tensor{}}, x_shape, grad_out.dtype(), a, {begin, size, after});
}

Tensor patchify(const Tensor& image, std::int64_t patch) {
  require(image && image.rank() == 4, "patchify", "image must have shape (N, H, W, C), got ", image.shape());
  require(patch >= 1 && image.size(1) % patch == 0 && image.size(2) % patch == 0, "patchify",
          "height and width must be multiples of the patch size ", patch, ", image is ", image.shape());
  const std::int64_t n = image.size(0), h = image.size(1) / patch, w = image.size(2) / patch,
                     line = patch * image.size(3);
  return permute(image.view({n, h, patch, w, line}), {0, 1, 3, 2, 4}).view({n, h * w, patch * line});
}

Tensor unpatchify(const Tensor& patches, std::int64_t height, std::int64_t width, std::int64_t patch) {
  require(patch >= 1 && height >= 0 && width >= 0 && height % patch == 0 && width % patch == 0, "unpatchify",
          "height and width must be multiples of the patch size ", patch, ", got ", height, " x ", width);
  const std::int64_t h = height / patch, w = width / patch;
  require(patches && patches.rank() == 3 && patches.size(1) == h * w && patches.size(2) % (patch * patch) == 0,
          "unpatchify", "patches must have shape (N, ", h * w, ", ", patch * patch, " * C), got ", patches.shape());
  const std::int64_t n = patches.size(0), line = patches.size(2) / patch;
  return permute(patches.view({n, h, w, patch, line}), {0, 1, 3, 2, 4}).view({n, height, width, line / patch});
}

}  // namespace rein::ops
