#include "autograd/ops/attention/attention.h"

#include "autograd/record.h"
#include "tensor/error.h"
#include "tensor/ops/attention/attention.h"

namespace rein {
namespace {

// Per head, with S = scale Q K^T, P = softmax(S) (recomputed as exp(S - log_sum_exp)), O = P V and G = grad_out:
//   grad_V = P^T G
//   dP = G V^T;  dS = P * (dP - D),  D_i = sum_j P_ij dP_ij = G_i . O_i  (so D needs no matrix)
//   grad_Q = scale dS K,  grad_K = scale dS^T Q
// (FlashAttention: Dao et al. 2022, arXiv:2205.14135, appendix B.2.)
// With relative positions S_ij also has q_i . (H_a + W_b), a and b the rows of both tables for i and j:
//   grad_Q_i += sum_j dS_ij (H_a + W_b),  grad_H_a = sum of dS_ij q_i over all (i, j) with row a; likewise W
struct AttentionSaved {
  SavedTensor q, k, v, out, log_sum_exp;
  ops::AttentionOptions options;
  SavedTensor blocked, rel_height, rel_width;

  void check() const {  // refuses what was written to since
    for (const SavedTensor* tensor : {&blocked, &rel_height, &rel_width}) tensor->get();
  }
};

ops::AttentionOptions tensor_options(const AttentionOptions& o) {
  const auto tensor = [](const Variable& x) { return x ? x.value() : Tensor{}; };
  return {.heads = o.heads,
          .scale = o.scale,
          .blocked = o.blocked,
          .rel_height = tensor(o.rel_height),
          .rel_width = tensor(o.rel_width)};
}

// The gradients of the tables, inputs `first` and `first + 1`: made together when one is wanted.
void make_relative(const ops::AttentionOptions& options, int first, const GradContext& g, ops::AttentionGrads& grads) {
  if (!g.wants(first) && !g.wants(first + 1)) return;
  grads.rel_height = Tensor::empty_like(options.rel_height);
  grads.rel_width = Tensor::empty_like(options.rel_width);
}

void set_relative(int first, ops::AttentionGrads& grads, GradContext& g) {
  if (g.wants(first)) g.set(first, std::move(grads.rel_height));
  if (g.wants(first + 1)) g.set(first + 1, std::move(grads.rel_width));
}

void attention_vjp(const AttentionSaved& s, GradContext& g) {
  s.check();
  const Tensor &q = s.q.get(), &k = s.k.get(), &v = s.v.get();
  Tensor gq = g.wants(0) ? Tensor::empty_like(q) : Tensor{};
  Tensor gk = g.wants(1) ? Tensor::empty_like(k) : Tensor{};
  Tensor gv = g.wants(2) ? Tensor::empty_like(v) : Tensor{};
  const auto rows_or_null = [](const Tensor& t) { return t ? rows_of(t) : Rows{}; };
  ops::AttentionGrads grads{rows_or_null(gq), rows_or_null(gk), rows_or_null(gv)};
  make_relative(s.options, 3, g, grads);
  ops::attention_backward(g.out(), rows_of(q), rows_of(k), rows_of(v), {s.out.get(), s.log_sum_exp.get()}, s.options,
                          grads);
  set_relative(3, grads, g);
  g.set(0, std::move(gq));
  g.set(1, std::move(gk));
  g.set(2, std::move(gv));
}

// The same with q, k and v as thirds of one tensor: the gradient is written into the thirds of one buffer.
struct Thirds {
  Rows q, k, v;
};

Thirds thirds_of(const Tensor& qkv) {
  const std::int64_t c = qkv.size(-1) / 3;
  return {rows_of(qkv, {}, {0, c}), rows_of(qkv, {}, {c, 2 * c}), rows_of(qkv, {}, {2 * c, 3 * c})};
}

struct AttentionPackedSaved {
  SavedTensor qkv, out, log_sum_exp;
  ops::AttentionOptions options;
  SavedTensor blocked, rel_height, rel_width;

  void check() const {
    for (const SavedTensor* tensor : {&blocked, &rel_height, &rel_width}) tensor->get();
  }
};

void attention_packed_vjp(const AttentionPackedSaved& s, GradContext& g) {
  s.check();
  const Thirds x = thirds_of(s.qkv.get());
  Tensor grad = Tensor::empty_like(s.qkv.get());
  const Thirds to = thirds_of(grad);
  ops::AttentionGrads grads = g.wants(0) ? ops::AttentionGrads{to.q, to.k, to.v} : ops::AttentionGrads{};
  make_relative(s.options, 1, g, grads);
  ops::attention_backward(g.out(), x.q, x.k, x.v, {s.out.get(), s.log_sum_exp.get()}, s.options, grads);
  if (g.wants(0)) g.set(0, std::move(grad));
  set_relative(1, grads, g);
}

void check_rank(const char* op, const char* what, const Variable& x) {
  require(x.value().rank() == 3, op, what, " must have shape (N, L, C), got ", x.shape());
}

}  // namespace

Variable attention(const Variable& q, const Variable& k, const Variable& v, const AttentionOptions& options) {
  check_rank("attention", "q", q);
  check_rank("attention", "k", k);
  check_rank("attention", "v", v);
  const auto plain = tensor_options(options);
  const auto result = ops::attention(rows_of(q.value()), rows_of(k.value()), rows_of(v.value()), plain);
  return record(
      "attention", {q, k, v, options.rel_height, options.rel_width}, result.out,
      [&](Saver& save) {
        return AttentionSaved{save(q.value()),       save(k.value()),          save(v.value()),
                              save(result.out),      save(result.log_sum_exp), plain,
                              save(options.blocked), save(plain.rel_height),   save(plain.rel_width)};
      },
      attention_vjp);
}

Variable attention_packed(const Variable& qkv, const AttentionOptions& options) {
  check_rank("attention", "qkv", qkv);
  require(qkv.size(-1) % 3 == 0, "attention", "qkv must have 3 * heads * d columns, got ", qkv.shape());
  const auto plain = tensor_options(options);
  const Thirds x = thirds_of(qkv.value());
  const auto result = ops::attention(x.q, x.k, x.v, plain);
  return record(
      "attention", {qkv, options.rel_height, options.rel_width}, result.out,
      [&](Saver& save) {
        return AttentionPackedSaved{save(qkv.value()),     save(result.out),       save(result.log_sum_exp), plain,
                                    save(options.blocked), save(plain.rel_height), save(plain.rel_width)};
      },
      attention_packed_vjp);
}

}  // namespace rein
