// Trees and bushes: clouds of ragged spheres.
#include "data/scenes/build/build.h"

namespace rein::data::scenes {
namespace {

constexpr Colour common_leaves[] = {rgb(0x4E7A2E), rgb(0x5F8A38), rgb(0x3F6B2C), rgb(0x6E8F3F), rgb(0x54752F)};

std::uint32_t leaves_of(Builder& b, const Style& style, Draw& draw, float clump) {
  const std::span<const Colour> table = style.leaves.empty() ? std::span<const Colour>(common_leaves) : style.leaves;
  const Colour green = draw.near(draw.pick(table), 0.2f);
  return b.surface({Material::foliage, vegetation, green, green * 0.45f, clump, draw.range(0.25f, 0.6f), draw.seed()});
}

}  // namespace

void build_tree(Builder& b, const Style& style, Draw draw, float height) {
  const auto bark = b.surface({Material::bark, vegetation, draw.near(rgb(0x5A4636), 0.3f), {}, 0, 0, draw.seed()});
  const auto leaves = leaves_of(b, style, draw, draw.range(0.25f, 0.5f));
  const float lean = draw.range(-0.03f, 0.03f) * height;
  if (draw.chance(0.2f)) {  // a conifer
    b.capsule(bark, {0, -0.2f, 0}, {0, height * 0.5f, 0}, 0.12f + height * 0.008f);
    const int rings = 6;
    for (int i = 0; i < rings; ++i) {
      const float t = (static_cast<float>(i) + 0.5f) / rings;
      b.sphere(leaves, {lean * t, height * (0.2f + 0.8f * t), 0}, height * 0.2f * (1.08f - t));
    }
  } else {
    const float crown = height * draw.range(0.52f, 0.66f), radius = height * draw.range(0.2f, 0.3f);
    b.capsule(bark, {0, -0.2f, 0}, {lean, crown, 0}, 0.07f + height * 0.017f);
    const int limbs = draw.between(2, 3);
    for (int i = 0; i < limbs; ++i) {
      const float angle = draw.range(0, 6.28f);
      b.capsule(bark, {lean * 0.6f, crown * 0.62f, 0},
                {lean + std::cos(angle) * radius * 0.7f, crown + radius * 0.2f, std::sin(angle) * radius * 0.7f},
                0.03f + height * 0.007f);
    }
    b.sphere(leaves, {lean, crown + radius * 0.35f, 0}, radius * 0.85f);
    const int clumps = draw.between(5, 8);
    for (int i = 0; i < clumps; ++i) {
      const float angle = 6.28f * (static_cast<float>(i) + draw.uniform()) / static_cast<float>(clumps);
      const float out = radius * draw.range(0.45f, 0.8f);
      b.sphere(leaves, {lean + std::cos(angle) * out, crown + radius * draw.range(-0.25f, 0.9f), std::sin(angle) * out},
               radius * draw.range(0.42f, 0.68f));
    }
  }
  b.contact(0.5f, 0.5f);
}

void build_bush(Builder& b, const Style& style, Draw draw, float height) {
  const auto leaves = leaves_of(b, style, draw, 0.22f);
  const int clumps = draw.between(3, 5);
  for (int i = 0; i < clumps; ++i) {
    const float r = height * draw.range(0.35f, 0.55f);
    b.sphere(leaves, {draw.range(-0.7f, 0.7f) * height, r * 0.8f, draw.range(-0.7f, 0.7f) * height}, r);
  }
  b.contact(height * 0.9f, height * 0.9f);
}

}  // namespace rein::data::scenes
