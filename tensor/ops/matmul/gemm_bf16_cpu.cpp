// Two neighbours along k make one element of 32 bits, so blocking, packing by transposition and threads are those of
// f32 (gemm_cpu.cpp) with half the depth; only the innermost multiply-add differs (gemm_kernel_cpu.cpp).
#include "tensor/ops/matmul/gemm_bf16_cpu.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "tensor/ops/matmul/gemm_cpu.h"
#include "tensor/ops/matmul/gemm_kernel_cpu.h"

namespace rein::ops::cpu {
namespace {

// Numbers of the pairs [k0, k0 + kc) of a line of k numbers: an odd k ends with half a pair.
std::int64_t numbers(std::int64_t k, std::int64_t k0, std::int64_t kc) {
  return std::min(2 * kc, k - 2 * k0);
}

float* line_scratch(std::int64_t count) {
  static thread_local std::vector<float> room;
  if (std::ssize(room) < count) room.resize(static_cast<std::size_t>(count));
  return room.data();
}

// Packs `count` lines of kc elements that fill(i, to) writes.
template <class F>
void pack_made(int count, int width, std::int64_t kc, const F& fill, float* out) {
  const float* lines[gemm_max_width];
  float* room = line_scratch(count * kc);
  for (int i = 0; i < count; ++i, room += kc) {
    fill(i, room);
    lines[i] = room;
  }
  pack_lines(lines, count, width, kc, out);
}

// Rows of f32, rounded while they are packed.
class RoundedRows final : public PanelSource<float> {
 public:
  RoundedRows(const float* data, std::int64_t pitch, std::int64_t k) : data_(data), pitch_(pitch), k_(k) {}
  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, float* out) const override {
    const auto fill = [&](int i, float* to) {
      round_to_pairs(data_ + (first + i) * pitch_ + 2 * k0, numbers(k_, k0, kc), to);
    };
    pack_made(count, width, kc, fill, out);
  }

 private:
  const float* data_;
  std::int64_t pitch_, k_;
};

// Lines of bf16: pairs already, but for an odd k.
class PairLines final : public PanelSource<float> {
 public:
  PairLines(const bf16_t* data, std::int64_t pitch, std::int64_t k) : data_(data), pitch_(pitch), k_(k) {}
  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, float* out) const override {
    const auto fill = [&](int i, float* to) {
      to[kc - 1] = 0;
      std::memcpy(to, data_ + (first + i) * pitch_ + 2 * k0, static_cast<std::size_t>(numbers(k_, k0, kc)) * 2);
    };
    pack_made(count, width, kc, fill, out);
  }

 private:
  const bf16_t* data_;
  std::int64_t pitch_, k_;
};

// Columns of bf16: two rows of the matrix give a row of pairs.
class PairColumns final : public PanelSource<float> {
 public:
  PairColumns(const bf16_t* data, std::int64_t pitch, std::int64_t k) : data_(data), pitch_(pitch), k_(k) {}
  void pack(std::int64_t first, int count, int width, std::int64_t k0, std::int64_t kc, float* out) const override {
    std::uint32_t pairs[gemm_max_width] = {};
    for (std::int64_t k = k0; k < k0 + kc; ++k, out += width) {
      const bf16_t* low = data_ + 2 * k * pitch_ + first;
      if (2 * k + 1 < k_) {
        const bf16_t* high = low + pitch_;
        for (int i = 0; i < count; ++i) pairs[i] = low[i].bits | static_cast<std::uint32_t>(high[i].bits) << 16;
      } else {
        for (int i = 0; i < count; ++i) pairs[i] = low[i].bits;
      }
      std::memcpy(out, pairs, static_cast<std::size_t>(width) * sizeof(float));
    }
  }

 private:
  const bf16_t* data_;
  std::int64_t pitch_, k_;
};

}  // namespace

void gemm_bf16(const GemmBf16& p) {
  const RoundedRows a(p.a, p.a_pitch, p.k);
  const PairLines lines(p.b, p.b_pitch, p.k);
  const PairColumns columns(p.b, p.b_pitch, p.k);
  GemmProblem<float> pairs;
  pairs.a = &a;
  pairs.b = p.trans_b ? static_cast<const PanelSource<float>*>(&lines) : &columns;
  pairs.m = p.m;
  pairs.n = p.n;
  pairs.k = (p.k + 1) / 2;
  pairs.c = p.c;
  pairs.c_pitch = p.c_pitch;
  pairs.bias = p.bias;
  pairs.pairs = true;
  gemm(pairs);
}

}  // namespace rein::ops::cpu
