// Element types. The order of the enumerators is the order of promotion.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/complex.h"
#include "core/error.h"

namespace bx {

enum class DType : uint8_t { Bool, Int32, Int64, Float32, Float64, Complex64, Complex128 };
inline constexpr int kDTypeCount = 7;

constexpr int64_t size_of(DType t) {
  constexpr int64_t sizes[kDTypeCount] = {1, 4, 8, 4, 8, 8, 16};
  return sizes[static_cast<int>(t)];
}

/// PyTorch's name: "float32".
constexpr const char* name_of(DType t) {
  constexpr const char* names[kDTypeCount] = {"bool",    "int32",     "int64",     "float32",
                                              "float64", "complex64", "complex128"};
  return names[static_cast<int>(t)];
}

constexpr bool is_complex(DType t) { return t >= DType::Complex64; }
/// Of real numbers.
constexpr bool is_floating(DType t) { return t == DType::Float32 || t == DType::Float64; }
/// Whether a tensor of it can have a gradient.
constexpr bool is_differentiable(DType t) { return t >= DType::Float32; }
/// The type of the parts of a complex one, else the type itself.
constexpr DType real_of(DType t) {
  return t == DType::Complex64 ? DType::Float32 : t == DType::Complex128 ? DType::Float64 : t;
}
/// The complex type with parts of a floating one; complex64 for whole numbers.
constexpr DType complex_of(DType t) {
  return real_of(t) == DType::Float64 ? DType::Complex128 : DType::Complex64;
}
constexpr bool is_integral(DType t) { return t == DType::Int32 || t == DType::Int64; }

/// bool < integer < float < complex: a value is written into its own kind or a higher one.
constexpr int kind_of(DType t) {
  return is_complex(t) ? 3 : is_floating(t) ? 2 : is_integral(t) ? 1 : 0;
}
constexpr bool can_store(DType from, DType to) { return kind_of(from) <= kind_of(to); }

/// The wider of two types: bool < int32 < int64 < float32 < float64, and complex with parts so.
constexpr DType promote(DType a, DType b) {
  if (is_complex(a) != is_complex(b) && (a == DType::Float64 || b == DType::Float64))
    return DType::Complex128;
  return a > b ? a : b;
}

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return DType::Bool;
  else if constexpr (std::is_same_v<T, int32_t>) return DType::Int32;
  else if constexpr (std::is_same_v<T, int64_t>) return DType::Int64;
  else if constexpr (std::is_same_v<T, float>) return DType::Float32;
  else if constexpr (std::is_same_v<T, Complex<float>>) return DType::Complex64;
  else if constexpr (std::is_same_v<T, Complex<double>>) return DType::Complex128;
  else return DType::Float64;
}

/// Calls f with a value of the C++ type that `t` names; NotImplementedError for complex ones.
template <class F>
decltype(auto) visit(DType t, F&& f) {
  switch (t) {
    case DType::Bool: return f(bool{});
    case DType::Int32: return f(int32_t{});
    case DType::Int64: return f(int64_t{});
    case DType::Float32: return f(float{});
    case DType::Float64: return f(double{});
    default:
      fail(ErrorKind::NotImplemented, "dtype", "not implemented for ", name_of(t),
           "; take .real, .imag or .abs()");
  }
}

/// The same, for complex types too.
template <class F>
decltype(auto) visit_all(DType t, F&& f) {
  if (t == DType::Complex64) return f(Complex<float>{});
  if (t == DType::Complex128) return f(Complex<double>{});
  return visit(t, f);
}

}  // namespace bx
