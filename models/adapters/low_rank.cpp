#include "models/adapters/low_rank.h"

#include <algorithm>
#include <array>

#include "autograd/ops/elementwise/elementwise.h"
#include "autograd/ops/matmul/matmul.h"
#include "autograd/ops/matmul/mixed.h"
#include "autograd/ops/shape/shape.h"
#include "models/vit/vit.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/cast.h"
#include "tensor/ops/matmul/gemm.h"
#include "tensor/text.h"

namespace rein::models {
namespace {

using nn::LinearSite;

// What a name in a list of targets stands for.
struct Target {
  std::string_view name;
  LinearSite site;
  int part, parts;
  const char* plain;  // below "blocks.N."; of a plain and of a gated MLP
  const char* gated;
};
constexpr std::array targets_table = {
    Target{"qkv", LinearSite::qkv, 0, 1, "attn.qkv", "attn.qkv"},
    Target{"q", LinearSite::qkv, 0, 3, "attn.q", "attn.q"},
    Target{"k", LinearSite::qkv, 1, 3, "attn.k", "attn.k"},
    Target{"v", LinearSite::qkv, 2, 3, "attn.v", "attn.v"},
    Target{"proj", LinearSite::proj, 0, 1, "attn.proj", "attn.proj"},
    Target{"fc1", LinearSite::fc1, 0, 1, "mlp.fc1", "mlp.w12"},
    Target{"fc2", LinearSite::fc2, 0, 1, "mlp.fc2", "mlp.w3"},
};

const Target& target_of(const std::string& name, const char* who) {
  const auto found = std::ranges::find(targets_table, name, &Target::name);
  if (found != targets_table.end()) return *found;
  std::vector<std::string> known;
  for (const Target& t : targets_table) known.emplace_back(t.name);
  fail(who, "targets must be some of ", quoted_list(known), ", got \"", name, "\"", did_you_mean(name, known));
}

struct Size {
  std::int64_t in = 0, rows = 0;
};
Size size_of_layer(const VitOptions& vit, LinearSite site) {
  const std::int64_t c = vit.dim, hidden = vit.hidden();
  switch (site) {
    case LinearSite::qkv:
      return {c, 3 * c};
    case LinearSite::proj:
      return {c, c};
    case LinearSite::fc1:
      return {c, vit.mlp == nn::MlpKind::swiglu ? 2 * hidden : hidden};
    case LinearSite::fc2:
    default:
      return {hidden, c};
  }
}

Variable zeros(std::int64_t rows, std::int64_t cols, const Variable& like) {
  return constant(Tensor::zeros(Shape{rows, cols}, like.dtype(), like.value().device()));
}

// Several products of one layer as one: a (R, in), b (rows, R).
struct Joined {
  Variable a, b;
};

}  // namespace

std::vector<std::string> target_names(const std::string& list) {
  std::vector<std::string> names(1);
  for (const char c : list) {
    if (c == ',')
      names.emplace_back();
    else if (c != ' ')
      names.back() += c;
  }
  return names;
}

std::vector<TunedMatrix> tuned_matrices(const VitOptions& vit, const std::vector<std::string>& targets,
                                        std::int64_t first_block, bool apart, const char* who) {
  require(first_block >= 0 && first_block < vit.depth, who, "the first block must be one of ", vit.depth,
          " (counted from 0), got ", first_block);
  bool packed = false, split = false;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Target& t = target_of(targets[i], who);
    packed = packed || t.name == "qkv";
    split = split || t.parts == 3;
    require(std::find(targets.begin(), targets.begin() + static_cast<std::ptrdiff_t>(i), targets[i]) ==
                targets.begin() + static_cast<std::ptrdiff_t>(i),
            who, "targets name \"", targets[i], "\" twice");
  }
  require(!packed || !split, who, "targets must name qkv, or some of q, k and v, not both");
  const bool gated = vit.mlp == nn::MlpKind::swiglu;
  std::vector<TunedMatrix> found;
  for (std::int64_t block = first_block; block < vit.depth; ++block) {
    for (const std::string& name : targets) {
      const Target& t = target_of(name, who);
      const Size size = size_of_layer(vit, t.site);
      const std::string start = concat_text("blocks.", block, ".");
      const std::string own = start + (gated ? t.gated : t.plain);
      const bool halves = apart && gated && t.site == LinearSite::fc1;
      const int parts = halves ? 2 : t.parts;
      for (int part = halves ? 0 : t.part; part < (halves ? 2 : t.part + 1); ++part)
        found.push_back({.block = static_cast<int>(block),
                         .site = t.site,
                         .part = part,
                         .parts = parts,
                         .name = halves ? concat_text(start, "mlp.w", part + 1) : own,
                         .layer = t.site == LinearSite::qkv ? start + "attn.qkv" : own,
                         .in = size.in,
                         .rows = size.rows / parts});
    }
  }
  return found;
}

class LowRankPass final : public AdapterPass {
 public:
  explicit LowRankPass(const LowRankAdapter& adapter) : adapter_(adapter) {}

  Variable on_linear(int block, LinearSite site, const Variable& x, const Variable& y) const override {
    const auto layer = adapter_.by_layer_.find({block, site});
    if (layer == adapter_.by_layer_.end()) return y;
    const nn::Param& first = *adapter_.pairs_[layer->second.front()].a;
    const bool rounds = x.dtype() == DType::bf16 || (first.precision == nn::Precision::bf16 &&
                                                     x.dtype() == DType::f32 && x.value().device().is_cuda());
    const Joined pair = join(layer->second, y.size(-1), rounds);
    if (!rounds) return add(y, linear(linear(x, pair.a), pair.b));
    const Variable inside = linear_bf16(cast(x, DType::bf16), rounded(pair.a), true, {}, DType::bf16);
    const Variable change = linear_bf16(inside, rounded(pair.b), true, {}, DType::f32);
    return y.dtype() == DType::bf16 ? add_rounded(y, change) : add(y, change);
  }

 private:
  // `whole_bytes`: the rank becomes a multiple of 8.
  Joined join(const std::vector<std::size_t>& list, std::int64_t rows, bool whole_bytes) const {
    std::int64_t rank = 0;
    for (const std::size_t i : list) rank += adapter_.pairs_[i].a->shape[0];
    const std::int64_t width = whole_bytes ? (rank + 7) / 8 * 8 : rank;
    std::vector<Variable> a;
    std::map<int, std::vector<Variable>> strips;  // columns of b, by part; what is not there yet are zeros before it
    std::map<int, std::int64_t> filled;
    std::int64_t column = 0;
    int parts = 1;
    for (const std::size_t i : list) {
      const LowRankAdapter::Pair& pair = adapter_.pairs_[i];
      const TunedMatrix& matrix = adapter_.matrices_[pair.matrix];
      parts = matrix.parts;
      a.push_back(pair.a->value);
      const Variable b = pair.factor == 1 ? pair.b->value : scale(pair.b->value, pair.factor);
      std::int64_t& end = filled[matrix.part];
      if (end < column) strips[matrix.part].push_back(zeros(matrix.rows, column - end, b));
      strips[matrix.part].push_back(b);
      end = column += b.size(1);
    }
    const Variable like = a.front();  // a copy: `a` grows
    if (width > rank) a.push_back(zeros(width - rank, like.size(1), like));
    std::vector<Variable> b;
    for (int part = 0; part < parts; ++part) {
      std::vector<Variable>& strip = strips[part];
      if (filled[part] < width) strip.push_back(zeros(rows / parts, width - filled[part], like));
      b.push_back(strip.size() == 1 ? strip.front() : concat(strip, 1));
    }
    return {a.size() == 1 ? a.front() : concat(a, 0), b.size() == 1 ? b.front() : concat(b, 0)};
  }

  const LowRankAdapter& adapter_;
};

LowRankAdapter::LowRankAdapter(std::vector<TunedMatrix> matrices) : matrices_(std::move(matrices)) {}

std::pair<nn::Param*, nn::Param*> LowRankAdapter::add_pair(std::size_t matrix, std::int64_t rank, double factor,
                                                           const std::pair<std::string, std::string>& names,
                                                           nn::Init a_start, bool frozen) {
  const TunedMatrix& m = matrices_.at(matrix);
  // A frozen linear layer's weight would be rounded to bf16 (nn/bind.h); these are exact constants.
  const nn::Layout layout = frozen ? nn::Layout::plain : nn::Layout::linear;
  nn::Param& a = declare(m.name + "." + names.first, Shape{rank, m.in}, std::move(a_start), layout);
  nn::Param& b = declare(m.name + "." + names.second, Shape{m.rows, rank}, nn::Init::constant(0), layout);
  a.frozen = b.frozen = frozen;
  by_layer_[{m.block, m.site}].push_back(pairs_.size());
  pairs_.push_back({matrix, &a, &b, factor});
  return {&a, &b};
}

std::shared_ptr<const AdapterPass> LowRankAdapter::begin(const nn::ForwardContext&) const {
  return std::make_shared<LowRankPass>(*this);
}

bool LowRankAdapter::merge_into(Vit& vit) const {
  std::map<std::string, std::vector<const Pair*>> changes;  // by the weight's path
  for (const Pair& pair : pairs_) changes[matrices_[pair.matrix].layer + ".weight"].push_back(&pair);
  vit.visit([&](const std::string& path, nn::Param& weight) {
    const auto found = changes.find(path);
    if (found == changes.end()) return;
    const Tensor& before = weight.value.value();
    Tensor sum = ops::cast(before.to(Device{}), DType::f64);
    if (sum.storage() == before.storage()) sum = sum.clone();
    const auto wide = [](const nn::Param& p) { return ops::cast(p.value.value().to(Device{}), DType::f64); };
    for (const Pair* pair : found->second) {
      const TunedMatrix& m = matrices_[pair->matrix];
      const Tensor change = ops::matmul(wide(*pair->b), wide(*pair->a));
      double* to = sum.mutable_data<double>() + m.part * m.rows * m.in;
      const double* from = change.data<double>();
      for (std::int64_t i = 0; i < change.count(); ++i) to[i] += pair->factor * from[i];
    }
    const Tensor after = ops::cast(sum, before.dtype()).to(before.device());
    weight.value = weight.frozen ? constant(after) : parameter(after);
  });
  return true;
}

}  // namespace rein::models
