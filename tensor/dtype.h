// Element types of tensors, and the one place where a run-time dtype becomes a compile-time type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace rein {

// f16 exists for storage in weight files only; no kernel computes in it.
enum class DType : std::uint8_t { f64, f32, bf16, f16, i64, i32, u8 };

// Raw 16-bit patterns. Conversions live in tensor/ops/cast.
struct bf16_t {
  std::uint16_t bits;
};
struct f16_t {
  std::uint16_t bits;
};

std::size_t size_of(DType dtype);
std::string_view name_of(DType dtype);  // "f32", …
inline bool is_floating(DType d) {
  return d == DType::f64 || d == DType::f32 || d == DType::bf16 || d == DType::f16;
}

template <class T>
struct dtype_of;
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct dtype_of<bf16_t> {
  static constexpr DType value = DType::bf16;
};
template <>
struct dtype_of<f16_t> {
  static constexpr DType value = DType::f16;
};
template <>
struct dtype_of<std::int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct dtype_of<std::int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct dtype_of<std::uint8_t> {
  static constexpr DType value = DType::u8;
};
template <class T>
inline constexpr DType dtype_v = dtype_of<std::remove_const_t<T>>::value;

[[noreturn]] void unsupported_dtype(std::string_view op, DType dtype, std::string_view allowed);

// dispatch_real("softmax", dtype, [&]<class T>() { kernel<T>(...); }) with T = float or double.
template <class F>
decltype(auto) dispatch_real(std::string_view op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f.template operator()<float>();
    case DType::f64:
      return f.template operator()<double>();
    default:
      unsupported_dtype(op, dtype, "f32 or f64");
  }
}

// The same over every dtype, for copies and shape operations.
template <class F>
decltype(auto) dispatch_any(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64:
      return f.template operator()<double>();
    case DType::f32:
      return f.template operator()<float>();
    case DType::bf16:
      return f.template operator()<bf16_t>();
    case DType::f16:
      return f.template operator()<f16_t>();
    case DType::i64:
      return f.template operator()<std::int64_t>();
    case DType::i32:
      return f.template operator()<std::int32_t>();
    case DType::u8:
    default:
      return f.template operator()<std::uint8_t>();
  }
}

}  // namespace rein
