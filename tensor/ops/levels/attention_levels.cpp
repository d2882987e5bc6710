#include "tensor/ops/levels/attention_levels.h"

#include <array>

#include "tensor/cuda/door.h"
#include "tensor/error.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/ops/levels/attention_levels_cuda.h"

namespace rein::ops {
namespace {

constexpr std::array levels{
    AttentionLevel{"1 scores in memory", "three plain kernels", DType::f32, 5e-6},
    AttentionLevel{"2 online softmax", "one pass, no scores in memory", DType::f32, 5e-6},
    AttentionLevel{"3 shared tiles", "a block reads keys and values once", DType::f32, 5e-6},
    AttentionLevel{"4 register tiles", "production in f32: many products per load", DType::f32, 5e-6},
    AttentionLevel{"5 tensor cores", "production in bf16: 4096 operations per instruction", DType::bf16, 1e-2}};

}  // namespace

std::span<const AttentionLevel> attention_levels() {
  return levels;
}

Tensor attention_level(std::size_t level, const Tensor& q, const Tensor& k, const Tensor& v) {
  const char* op = "attention_level";
  require(level < levels.size(), op, "level must be below ", levels.size(), ", got ", level);
  const DType dtype = levels[level].operands;
  require(q && q.rank() == 3 && q.size(1) >= 1 && q.size(2) == attention_level_width, op, "q must be (heads, length, ",
          attention_level_width, ") with a length of at least 1, got ", q ? q.shape().text() : "null");
  for (const Tensor* t : {&q, &k, &v})
    require(*t && t->shape() == q.shape() && t->dtype() == dtype && t->device().is_cuda() && t->device() == q.device(),
            op, "q, k and v must be ", name_of(dtype), " ", q.shape(), " on one CUDA device");
  if (level >= 3) return attention(rows_of(q), rows_of(k), rows_of(v), {}).out;
  Tensor out = Tensor::empty(q.shape(), dtype, q.device());
  if constexpr (rein::cuda::built) {
    const cuda::AttentionLevelArgs args{q.data<float>(),           k.data<float>(), v.data<float>(),
                                        out.mutable_data<float>(), q.size(0),       q.size(1)};
    constexpr std::array kernels{cuda::attention_scores_in_memory, cuda::attention_online, cuda::attention_shared};
    kernels[level](args);
  }
  return out;
}

}  // namespace rein::ops
