#include "tensor/ops/attention/attention.h"

#include <cmath>

#include "tensor/cpu_features.h"
#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/one_device.h"
#include "tensor/ops/attention/attention_bf16_cuda.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace rein::ops {
namespace {

struct Sizes {
  std::int64_t batches, heads, lq, lk, d, dv;
  double scale;
};

// Places along one axis of the map that a table of relative positions was made for.
std::int64_t places(const Tensor& table) {
  return (table.size(0) + 1) / 2;
}

void check_relative(const char* op, const Rows& q, const Rows& k, std::int64_t d, const AttentionOptions& options) {
  const Tensor &height = options.rel_height, &width = options.rel_width;
  require(height && width, op, "rel_height and rel_width come together or not at all");
  const auto fits = [&](const Tensor& t) {
    return t.rank() == 2 && t.size(0) % 2 == 1 && t.size(1) == d && t.dtype() == q.dtype();
  };
  require(fits(height) && fits(width), op, "rel_height and rel_width must be ", name_of(q.dtype()), " (2 h - 1, ", d,
          ") and (2 w - 1, ", d, "), got ", name_of(height.dtype()), " ", height.shape(), " and ",
          name_of(width.dtype()), " ", width.shape());
  const std::int64_t count = places(height) * places(width);
  require(q.rows == count && k.rows == count, op, "queries and keys must be the ", count, " places of a map of ",
          places(height), " x ", places(width), ", got ", q.rows, " and ", k.rows);
}

Sizes check(const char* op, const Rows& q, const Rows& k, const Rows& v, const AttentionOptions& options) {
  require(q && k && v, op, "needs q, k and v");
  const auto shapes = [&] { return concat_text("q is ", q.text(), ", k is ", k.text(), ", v is ", v.text()); };
  // Texts are made when there is something to say: a step comes by here some hundred times.
  if (q.dtype() != k.dtype() || q.dtype() != v.dtype()) fail(op, "q, k and v must have one dtype; ", shapes());
  if (q.batches != k.batches || q.batches != v.batches || k.rows != v.rows || q.cols != k.cols)
    fail(op, "q must be N x (Lq, heads*d), k N x (Lk, heads*d), v N x (Lk, heads*dv); ", shapes());
  const std::int64_t heads = options.heads;
  if (heads < 1 || q.cols % heads != 0 || v.cols % heads != 0 || q.cols <= 0)
    fail(op, "columns must be a multiple of heads = ", heads, "; ", shapes());
  if (k.rows < 1 && q.rows != 0) fail(op, "needs at least one key; ", shapes());
  const Shape mask{q.batches, q.rows, k.rows};
  require(!options.blocked || (options.blocked.shape() == mask && options.blocked.dtype() == DType::u8), op,
          "blocked must be u8 ", mask, ", got ", name_of(options.blocked.dtype()), " ", options.blocked.shape());
  require(std::isfinite(options.scale) && options.scale >= 0, op,
          "scale must be positive (or 0 for the usual one), got ", options.scale);
  const std::int64_t d = q.cols / heads;
  if (options.rel_height || options.rel_width) check_relative(op, q, k, d, options);
  require_one_device(op, "q, k, v, blocked and the tables of relative positions", q, k, v, options.blocked,
                     options.rel_height, options.rel_width);
  const double scale = options.scale == 0 ? 1.0 / std::sqrt(static_cast<double>(d)) : options.scale;
  return {q.batches, heads, q.rows, k.rows, d, v.cols / heads, scale};
}

template <class T>
AttentionRows<const T> pointers(const Rows& rows) {
  return {rows.data<T>(), rows.row_pitch, rows.batch_pitch};
}

template <class T>
AttentionRows<T> mutable_pointers(Rows& rows) {
  if (!rows) return {};
  return {rows.mutable_data<T>(), rows.row_pitch, rows.batch_pitch};
}

// `out` and its log-sum-exp are written by forward and read by backward.
template <class T>
AttentionArgs<T> arguments(const Sizes& s, const Rows& q, const Rows& k, const Rows& v, const AttentionOptions& options,
                           T* out, AttentionReal<T>* log_sum_exp) {
  AttentionArgs<T> args{pointers<T>(q),
                        pointers<T>(k),
                        pointers<T>(v),
                        s.batches,
                        s.heads,
                        s.lq,
                        s.lk,
                        s.d,
                        s.dv,
                        static_cast<AttentionReal<T>>(s.scale),
                        data_or_null<std::uint8_t>(options.blocked),
                        {out, s.heads * s.dv, s.lq * s.heads * s.dv},
                        log_sum_exp};
  if (options.rel_height) {
    args.rel_height = options.rel_height.data<T>(), args.height = places(options.rel_height);
    args.rel_width = options.rel_width.data<T>(), args.width = places(options.rel_width);
  }
  return args;
}

template <class T>
AttentionArgs<T> backward_arguments(const Sizes& s, const Rows& q, const Rows& k, const Rows& v,
                                    const AttentionOptions& options, const AttentionOut& out) {
  return arguments<T>(s, q, k, v, options, const_cast<T*>(out.out.data<T>()),
                      const_cast<AttentionReal<T>*>(out.log_sum_exp.data<AttentionReal<T>>()));
}

template <class T>
AttentionGradArgs<T> gradients(const Sizes& s, const Tensor& grad_out, AttentionGrads& grads) {
  return {{grad_out.data<T>(), s.heads * s.dv, s.lq * s.heads * s.dv},
          mutable_pointers<T>(grads.q),
          mutable_pointers<T>(grads.k),
          mutable_pointers<T>(grads.v),
          mutable_or_null<T>(grads.rel_height),
          mutable_or_null<T>(grads.rel_width)};
}

DType statistics_dtype(const Rows& q) {
  return q.dtype() == DType::bf16 ? DType::f32 : q.dtype();
}

// True for the plain loops, false for the blocked kernels. Devices have the latter only.
bool use_reference() {
  const std::string forced = forced_kernel("attention");
  require(forced.empty() || forced == "reference" || forced == "blocked", "attention",
          "REIN_KERNEL=attention: must be reference or blocked, got '", forced, "'");
  return forced == "reference";
}

// bf16 has a kernel of its own, on devices alone.
void check_bf16(const char* op, const Sizes& s, const Rows& q, const AttentionOptions& options) {
  require(q.device().is_cuda(), op, "takes bf16 on CUDA only; cast q, k and v to f32 on ", q.device().text());
  require(s.d <= attention_bf16_width && s.dv <= attention_bf16_width && !options.rel_height, op,
          "in bf16 takes heads of at most ", attention_bf16_width, " columns and no relative positions, got ", s.d,
          " and ", s.dv, options.rel_height ? " with relative positions" : "");
}

void check_grad(const Rows& grad, const Rows& x, const char* what) {
  if (grad && (grad.batches != x.batches || grad.rows != x.rows || grad.cols != x.cols || grad.dtype() != x.dtype() ||
               grad.device() != x.device()))
    fail("attention_backward", "the gradient of ", what, " must be like it: ", grad.text(), " for ", x.text());
}

}  // namespace

AttentionOut attention(const Rows& q, const Rows& k, const Rows& v, const AttentionOptions& options) {
  const Sizes s = check("attention", q, k, v, options);
  AttentionOut result{Tensor::empty({s.batches, s.lq, s.heads * s.dv}, q.dtype(), q.device()),
                      Tensor::empty({s.batches, s.heads, s.lq}, statistics_dtype(q), q.device())};
  if (q.dtype() == DType::bf16) {
    check_bf16("attention", s, q, options);
    if constexpr (rein::cuda::built)
      cuda::attention_bf16(arguments<bf16_t>(s, q, k, v, options, result.out.mutable_data<bf16_t>(),
                                             result.log_sum_exp.mutable_data<float>()));
    return result;
  }
  dispatch_real("attention", q.dtype(), [&]<class T>() {
    const AttentionArgs<T> args =
        arguments<T>(s, q, k, v, options, result.out.mutable_data<T>(), result.log_sum_exp.mutable_data<T>());
    const bool reference = use_reference();
    if (reference && q.device().is_cpu()) return cpu::attention_reference<T>(args);
    REIN_ON_DEVICE(q.device(), attention<T>(args));
  });
  return result;
}

void attention_backward(const Tensor& grad_out, const Rows& q, const Rows& k, const Rows& v, const AttentionOut& out,
                        const AttentionOptions& options, AttentionGrads grads) {
  const char* op = "attention_backward";
  const Sizes s = check(op, q, k, v, options);
  const Shape shape{s.batches, s.lq, s.heads * s.dv}, rows_shape{s.batches, s.heads, s.lq};
  require(grad_out && grad_out.shape() == shape && grad_out.dtype() == q.dtype(), op, "grad_out must be ", shape, " ",
          name_of(q.dtype()), ", got ", grad_out.shape(), " ", name_of(grad_out.dtype()));
  require(grad_out.device() == q.device() && out.out.device() == q.device() && out.log_sum_exp.device() == q.device(),
          op, "grad_out and out must be on ", q.device().text(), ", got ", grad_out.device().text(), " and ",
          out.out.device().text());
  require(out.out.shape() == shape && out.log_sum_exp.shape() == rows_shape, op, "out and log_sum_exp must be ", shape,
          " and ", rows_shape, ", got ", out.out.shape(), " and ", out.log_sum_exp.shape());
  check_grad(grads.q, q, "q");
  check_grad(grads.k, k, "k");
  check_grad(grads.v, v, "v");
  const auto like = [&](const Tensor& grad, const Tensor& x) {
    return grad && x && grad.shape() == x.shape() && grad.dtype() == x.dtype() && grad.device() == x.device();
  };
  const bool rel_wanted = grads.rel_height || grads.rel_width;
  require(!rel_wanted || (like(grads.rel_height, options.rel_height) && like(grads.rel_width, options.rel_width)), op,
          "the gradients of rel_height and rel_width must be like them, and come together");
  if (q.dtype() == DType::bf16) {
    check_bf16(op, s, q, options);
    if constexpr (rein::cuda::built)
      cuda::attention_bf16_backward(backward_arguments<bf16_t>(s, q, k, v, options, out),
                                    gradients<bf16_t>(s, grad_out, grads));
    return;
  }
  dispatch_real(op, q.dtype(), [&]<class T>() {
    const AttentionArgs<T> args = backward_arguments<T>(s, q, k, v, options, out);
    const AttentionGradArgs<T> to = gradients<T>(s, grad_out, grads);
    const bool reference = use_reference();
    if (reference && q.device().is_cpu()) return cpu::attention_reference_backward<T>(args, to);
    REIN_ON_DEVICE(q.device(), attention_backward<T>(args, to));
  });
}

}  // namespace rein::ops
