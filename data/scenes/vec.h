// Vectors and colours of the scene generator. x points right, y up, z ahead; metres. Colours are linear light.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace rein::data::scenes {

struct Vec3 {
  float x = 0, y = 0, z = 0;
};
using Colour = Vec3;  // red, green, blue in x, y, z

constexpr Vec3 operator+(Vec3 a, Vec3 b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
constexpr Vec3 operator-(Vec3 a, Vec3 b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
constexpr Vec3 operator*(Vec3 a, float k) {
  return {a.x * k, a.y * k, a.z * k};
}
constexpr Vec3 operator*(Vec3 a, Vec3 b) {
  return {a.x * b.x, a.y * b.y, a.z * b.z};
}
constexpr float dot(Vec3 a, Vec3 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
constexpr Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline float length(Vec3 a) {
  return std::sqrt(dot(a, a));
}
inline Vec3 normalised(Vec3 a) {
  return a * (1 / std::max(length(a), 1e-12f));
}

constexpr float mix(float a, float b, float t) {
  return a + (b - a) * t;
}
constexpr Vec3 mix(Vec3 a, Vec3 b, float t) {
  return a + (b - a) * t;
}
constexpr float clamp01(float t) {
  return t < 0 ? 0 : t > 1 ? 1 : t;
}
constexpr float smooth(float lo, float hi, float x) {  // 0 below lo, 1 above hi
  const float t = clamp01((x - lo) / (hi - lo));
  return t * t * (3 - 2 * t);
}
// floor of numbers of moderate size, without a library call.
inline int floor_int(float x) {
  const int i = static_cast<int>(x);
  return i - (x < static_cast<float>(i));
}
inline float fraction(float x) {
  return x - static_cast<float>(floor_int(x));
}

// The display curve is a square: close to sRGB, exact both ways, cheap.
constexpr Colour rgb(std::uint32_t hex) {
  const float r = static_cast<float>(hex >> 16 & 255) / 255, g = static_cast<float>(hex >> 8 & 255) / 255,
              b = static_cast<float>(hex & 255) / 255;
  return {r * r, g * g, b * b};
}
constexpr float luminance(Colour c) {
  return 0.2126f * c.x + 0.7152f * c.y + 0.0722f * c.z;
}

struct Range {
  float lo = 0, hi = 0;
};

constexpr float radians(float degrees) {
  return degrees * 0.017453293f;
}

}  // namespace rein::data::scenes
