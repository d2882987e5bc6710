// Levels 1 to 3 of attention_levels.h, with device addresses.
#pragma once

#include <cstdint>

namespace rein::ops::cuda {

struct AttentionLevelArgs {
  const float *q, *k, *v;  // (heads, length, 64)
  float* out;
  std::int64_t heads, length;
};

void attention_scores_in_memory(const AttentionLevelArgs& args);
void attention_online(const AttentionLevelArgs& args);
void attention_shared(const AttentionLevelArgs& args);

}  // namespace rein::ops::cuda
