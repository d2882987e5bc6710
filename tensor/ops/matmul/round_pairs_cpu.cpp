// Rows of f32 to pairs of bf16, for products (gemm_bf16_cpu.cpp).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/ops/matmul/round_pairs_cpu.cpp"
#include <cstring>

#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "tensor/ops/matmul/gemm_kernel_cpu.h"

HWY_BEFORE_NAMESPACE();
namespace rein::ops::cpu::HWY_NAMESPACE {
namespace {  // no two kernel files may share a symbol: tensor/README.md
namespace hn = hwy::HWY_NAMESPACE;

// The tie to even by integers: half of the last kept place, less one, plus that place's own bit. NaN would become
// infinite or zero; it gets a bit of its own.
void round_to_pairs_f32(const float* x, std::int64_t count, float* out) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<std::uint32_t> d;
  const hn::RebindToFloat<decltype(d)> df;
  constexpr auto lanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<float>()));
  const auto rounded = [&](auto value) HWY_ATTR {
    const auto bits = hn::BitCast(d, value);
    const auto even = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1u));
    const auto near = hn::Add(bits, hn::Add(even, hn::Set(d, 0x7FFFu)));
    const auto nan = hn::Or(bits, hn::Set(d, 0x00400000u));
    return hn::IfThenElse(hn::RebindMask(d, hn::IsNaN(value)), nan, near);
  };
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    auto low = hn::Undefined(df), high = low;
    hn::LoadInterleaved2(df, x + i, low, high);
    const auto pair = hn::Or(hn::ShiftRight<16>(rounded(low)), hn::And(rounded(high), hn::Set(d, 0xFFFF0000u)));
    hn::StoreU(hn::BitCast(df, pair), df, out + i / 2);
  }
#endif
  const auto one = [&](std::int64_t at) {
    std::uint32_t bits = 0;
    if (at < count) std::memcpy(&bits, x + at, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (bits | 0x00400000u) >> 16;
    return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
  };
  for (; i < count; i += 2) {
    const std::uint32_t pair = one(i) | one(i + 1) << 16;
    std::memcpy(out + i / 2, &pair, sizeof pair);
  }
}

}  // namespace
}  // namespace rein::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace rein::ops::cpu {
HWY_EXPORT(round_to_pairs_f32);

void round_to_pairs(const float* x, std::int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(round_to_pairs_f32)(x, count, out);
}

}  // namespace rein::ops::cpu
#endif  // HWY_ONCE
