// Asphalt with its markings, paving, grass.
#include "data/scenes/noise.h"
#include "data/scenes/render/materials.h"

namespace rein::data::scenes {
namespace {

// How much paint lies here, 0..1.
float markings(const Street& st, float s, float z, float blur_s, float blur_z) {
  const float lanes = st.lane * static_cast<float>(st.lanes), off = std::abs(s);
  if (st.in_crossing(z)) return 0;
  if (st.zebra > 0 && z > st.zebra && z < st.zebra + 3.2f && off < st.side(s).kerb - 0.1f)
    return bands(s + 100, 1.0f, 0.52f, blur_s) * cover(z, st.zebra, st.zebra + 3.2f, blur_z);
  if (st.crossing_half > 0) {
    const float stop = st.crossing - st.crossing_half - (st.zebra > 0 ? 7.0f : 1.8f);
    if (s > 0.15f && s < lanes) {
      const float line = cover(z, stop, stop + 0.45f, blur_z);
      if (line > 0) return line;
    }
    if (z > stop + 0.5f && z < st.crossing) return 0;
  }
  const float dash = st.dashed ? bands(z + 3, 9, 3.6f, blur_z) : 1;
  float paint = cover(off, 0, 0.08f, blur_s) * dash;
  if (!st.dashed && st.yellow) paint = cover(off, 0.08f, 0.2f, blur_s);
  for (int i = 1; i < st.lanes; ++i)
    paint =
        std::max(paint, cover(off - st.lane * static_cast<float>(i), -0.06f, 0.06f, blur_s) * bands(z, 9, 3, blur_z));
  const float edge = lanes - (st.side(s).parking ? 0.0f : 0.05f);
  if (st.seed % 3 != 0) paint = std::max(paint, cover(off - edge, -0.06f, 0.06f, blur_s));
  if (st.side(s).parking && (st.seed & 8) != 0 && off > lanes)
    paint = std::max(paint, bands(z, 5.8f, 0.12f, blur_z) * 0.9f);
  return paint;
}

Look asphalt(const Street& st, const Style& style, const Spot& spot, float s, float z, float blur_s) {
  const std::uint32_t seed = st.seed;
  const float tone = 0.8f + 0.5f * unit(hash(seed, 5u));
  const float grain = (noise2(s * 22, z * 22, seed) - 0.5f) * detail(0.05f, spot.blur);
  const float large = fbm2(s * 0.5f, z * 0.12f, seed + 1, 3) - 0.5f;
  Look look{style.asphalt * (tone * (1 + spot.texture * (0.3f * grain + 0.45f * large)))};
  const float lane_at = fraction(s / st.lane) - 0.5f;  // tyres polish two tracks
  look.albedo = look.albedo * (1 - 0.1f * spot.texture * smooth(0.1f, 0.0f, std::abs(std::abs(lane_at) - 0.24f)));
  const int patch_x = floor_int(s / 2.2f), patch_z = floor_int(z / 7);
  if (unit(hash(patch_x, patch_z, seed + 2)) < 0.1f) look.albedo = look.albedo * 0.82f;
  const float crack = std::abs(noise2(s * 0.9f, z * 0.5f, seed + 3) - 0.5f);
  look.albedo = look.albedo * (1 - 0.35f * spot.texture * smooth(0.012f, 0.003f, crack) * detail(0.1f, spot.blur));
  const float mx = fraction(s / 6 + 0.3f) * 6 - 3, mz = fraction(z / 17) * 17 - 8;
  if (mx * mx + mz * mz < 0.1f && unit(hash(floor_int(s / 6 + 0.3f), floor_int(z / 17), seed)) < 0.4f)
    look.albedo = look.albedo * 0.55f;
  if (st.tram && !st.in_crossing(z)) {
    const float rail = std::abs(std::abs(s - st.tram_s) - 0.72f);
    look.albedo = mix(look.albedo, rgb(0x8E9296), 0.8f * cover(rail, 0, 0.05f, blur_s));
    look.albedo = look.albedo * (1 - 0.5f * cover(rail, 0.05f, 0.1f, blur_s));
  }
  look.gloss = 0.03f;
  return look;
}

}  // namespace

Look look_at_ground(const Street& st, const Style& style, const Spot& spot, float s, float z, Id label) {
  const float off = std::abs(s);
  const Side& side = st.side(s);
  // A sample covers more along the view than across it.
  const float blur_s = spot.blur, blur_z = spot.blur * std::max(1.0f, std::abs(z) / 1.6f);
  if (label == road) {
    Look look = asphalt(st, style, spot, s, z, blur_s);
    const float worn = 0.9f - 0.35f * spot.texture * noise2(s * 5, z * 5, st.seed + 4);
    const Colour paint = st.yellow && off < 0.5f ? rgb(0xD9A92E) : style.line;
    look.albedo = mix(look.albedo, paint, clamp01(worn) * clamp01(markings(st, s, z, blur_s, blur_z)));
    if (!st.in_crossing(z))
      look.albedo = look.albedo * (1 - 0.35f * cover(off, side.kerb - 0.25f, side.kerb, blur_s));  // the gutter
    return look;
  }
  if (label == sidewalk) {
    Look look{style.paving * (0.85f + 0.35f * unit(hash(st.seed, 6u)))};
    const float kerb = cover(off, side.kerb - 1, side.kerb + 0.2f, blur_s);
    const float tile = 0.3f + 0.5f * unit(hash(st.seed, 7u));
    const int tx = floor_int(s / tile), tz = floor_int(z / tile);
    const float own = unit(hash(tx, tz, st.seed + 8)) - 0.5f, large = fbm2(s * 0.7f, z * 0.4f, st.seed + 9, 2) - 0.5f;
    look.albedo = look.albedo * (1 + spot.texture * (0.22f * own * detail(tile, blur_z) + 0.35f * large));
    const float joints = std::max(bands(s + 50, tile, 0.02f, blur_s), bands(z + 50, tile, 0.02f, blur_z));
    look.albedo = look.albedo * (1 - 0.35f * joints);
    if (!(st.crossing_half > 0 && std::abs(z - st.crossing) < st.crossing_half + 2.6f)) {
      look.albedo = mix(look.albedo, style.paving * 1.25f, kerb);
      look.albedo = look.albedo * (1 - 0.45f * cover(off, side.kerb - 0.05f, side.kerb + 0.06f, blur_s));
    }
    return look;
  }
  const float blades = (noise2(s * 9, z * 7, st.seed + 10) - 0.5f) * detail(0.12f, spot.blur),
              large = fbm2(s * 0.4f, z * 0.3f, st.seed + 11, 3);
  Look look{style.grass * (1 + spot.texture * (0.7f * blades + 0.5f * (large - 0.5f)))};
  look.albedo = mix(look.albedo, rgb(0x8A7A58), smooth(0.6f, 0.78f, large) * 0.7f);
  return look;
}

}  // namespace rein::data::scenes
