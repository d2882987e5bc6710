// The value of a block with rotary positions, biases for q and v only and a norm inside its gated MLP, against plain
// loops.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <vector>

#include "models/cases/tiny_families.h"
#include "tensor/error.h"

using namespace rein;
using namespace rein::models;
using namespace rein::testing;

namespace {

using Row = std::vector<double>;
using Weights = std::map<std::string, Tensor>;

Row linear(const Row& x, const Tensor& weight, const Tensor& bias) {
  const auto out = weight.size(0), in = weight.size(1);
  Row y;
  for (std::int64_t o = 0; o < out; ++o) {
    double sum = bias ? bias.at(o) : 0;
    for (std::int64_t i = 0; i < in; ++i) sum += weight.at(o * in + i) * x[static_cast<std::size_t>(i)];
    y.push_back(sum);
  }
  return y;
}

Row norm(const Row& x, const Weights& w, const std::string& name, double eps) {
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Row y = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    y[i] = (x[i] - mean) / std::sqrt(variance + eps) * w.at(name + ".weight").at(at) + w.at(name + ".bias").at(at);
  }
  return y;
}

// A head of `d` channels from `from` on, of the patch at (y, x) in the family's coordinates.
void turn(Row& row, std::size_t from, std::size_t d, double y, double x, bool dinov3) {
  const std::size_t n = d / 4;
  for (std::size_t j = 0; j < d / 2; ++j) {
    const double theta = dinov3 ? 100 : 10000;
    const double angle = (j < n ? y : x) * std::pow(theta, -static_cast<double>(j % n) / static_cast<double>(n));
    double& u = row[from + (dinov3 ? j : 2 * j)];
    double& v = row[from + (dinov3 ? j + d / 2 : 2 * j + 1)];
    const double before = u;
    u = before * std::cos(angle) - v * std::sin(angle);
    v = v * std::cos(angle) + before * std::sin(angle);
  }
}

struct Grid {
  std::size_t prefix, h, w;
  bool dinov3;
};

std::vector<Row> block_loops(std::vector<Row> x, const Weights& w, const VitOptions& o, const Grid& grid) {
  const auto C = static_cast<std::size_t>(o.dim), d = C / static_cast<std::size_t>(o.heads);
  std::vector<Row> qkv;
  for (std::size_t t = 0; t < x.size(); ++t) {
    Row row = linear(norm(x[t], w, "norm1", o.eps), w.at("attn.qkv.weight"), {});
    for (std::size_t c = 0; c < C; ++c) {
      row[c] += w.at("attn.q_bias").at(static_cast<std::int64_t>(c));
      row[2 * C + c] += w.at("attn.v_bias").at(static_cast<std::int64_t>(c));
    }
    if (t >= grid.prefix) {
      const auto r = static_cast<double>((t - grid.prefix) / grid.w),
                 c = static_cast<double>((t - grid.prefix) % grid.w);
      const auto h = static_cast<double>(grid.h), width = static_cast<double>(grid.w);
      const auto side = static_cast<double>(o.rope.reference_grid);
      const double y = grid.dinov3 ? 2 * M_PI * (2 * (r + 0.5) / h - 1) : r / h * side;
      const double z = grid.dinov3 ? 2 * M_PI * (2 * (c + 0.5) / width - 1) : c / width * side;
      for (std::size_t head = 0; head < 2 * C; head += d) turn(row, head, d, y, z, grid.dinov3);
    }
    qkv.push_back(row);
  }
  for (std::size_t t = 0; t < x.size(); ++t) {
    Row mixed(C, 0.0);
    for (std::size_t head = 0; head < C; head += d) {
      Row weights;
      double sum = 0;
      for (const Row& other : qkv) {
        double logit = 0;
        for (std::size_t c = 0; c < d; ++c) logit += qkv[t][head + c] * other[C + head + c];
        weights.push_back(std::exp(logit / std::sqrt(static_cast<double>(d))));
        sum += weights.back();
      }
      for (std::size_t s = 0; s < qkv.size(); ++s)
        for (std::size_t c = 0; c < d; ++c) mixed[head + c] += weights[s] / sum * qkv[s][2 * C + head + c];
    }
    const Row out = linear(mixed, w.at("attn.proj.weight"), w.at("attn.proj.bias"));
    for (std::size_t c = 0; c < C; ++c)
      x[t][c] += out[c] * (o.layer_scale ? w.at("ls1.gamma").at(static_cast<std::int64_t>(c)) : 1);
    const Row both = linear(norm(x[t], w, "norm2", o.eps), w.at("mlp.w12.weight"), w.at("mlp.w12.bias"));
    Row inner;
    for (std::size_t m = 0; m < both.size() / 2; ++m)
      inner.push_back(both[m] / (1 + std::exp(-both[m])) * both[both.size() / 2 + m]);
    if (o.mlp_norm) inner = norm(inner, w, "mlp.norm", o.eps);
    const Row last = linear(inner, w.at("mlp.w3.weight"), w.at("mlp.w3.bias"));
    for (std::size_t c = 0; c < C; ++c)
      x[t][c] += last[c] * (o.layer_scale ? w.at("ls2.gamma").at(static_cast<std::int64_t>(c)) : 1);
  }
  return x;
}

}  // namespace

TEST_CASE("a block with rotary positions is what plain loops say") {
  VitOptions plain_eva = tiny_eva02(), dino = tiny_dinov3();
  plain_eva.mlp_norm = false;
  dino.mlp = nn::MlpKind::swiglu;
  for (const VitOptions& o : {tiny_eva02(), plain_eva, dino}) {
    Vit vit(o);
    fill_random(vit, 5, DType::f64);
    const Weights all = nn::collect(vit, {});
    Weights weights;
    for (const auto& [name, value] : all)
      if (name.starts_with("blocks.1.")) weights[name.substr(9)] = value;
    const std::int64_t h = 2, w = 3, length = o.prefix() + h * w;
    const Tensor x = random_normal(RandomKey(7), {2, length, o.dim}, 0, 1, DType::f64);
    nn::BlockSite site;
    site.rope = rope_table(o.rope, h, w, o.dim / o.heads, DType::f64);
    const Tensor y = vit.block(1)(constant(x), {}, site).value();
    for (std::int64_t n = 0; n < 2; ++n) {
      std::vector<Row> rows;
      for (std::int64_t t = 0; t < length; ++t) {
        Row row;
        for (std::int64_t c = 0; c < o.dim; ++c) row.push_back(x.at((n * length + t) * o.dim + c));
        rows.push_back(row);
      }
      const Grid grid{static_cast<std::size_t>(o.prefix()), 2, 3, o.rope.kind == RopeKind::dinov3};
      const std::vector<Row> expected = block_loops(rows, weights, o, grid);
      for (std::int64_t t = 0; t < length; ++t)
        for (std::int64_t c = 0; c < o.dim; ++c)
          CHECK(std::abs(y.at((n * length + t) * o.dim + c) -
                         expected[static_cast<std::size_t>(t)][static_cast<std::size_t>(c)]) < 1e-11);
    }
  }
}
