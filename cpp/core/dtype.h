// Element types. The order of the enumerators is the order of promotion. Narrow ones are types of
// memory alone: what computes with them is a kernel of the wide type, float32 or int32, and the one
// door widens its operands and narrows its results (launch/narrow.cpp).
#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/complex.h"
#include "core/error.h"

namespace bx {

enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64,
  Complex64,
  Complex128
};
inline constexpr int kDTypeCount = 12;

constexpr int64_t size_of(DType t) {
  constexpr int64_t sizes[kDTypeCount] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  return sizes[static_cast<int>(t)];
}

/// PyTorch's name: "float32".
constexpr const char* name_of(DType t) {
  constexpr const char* names[kDTypeCount] = {"bool",    "uint8",   "int8",      "int16",
                                              "int32",   "int64",   "float16",   "bfloat16",
                                              "float32", "float64", "complex64", "complex128"};
  return names[static_cast<int>(t)];
}

constexpr bool is_complex(DType t) { return t >= DType::Complex64; }
/// Of real numbers.
constexpr bool is_floating(DType t) { return t >= DType::Float16 && t <= DType::Float64; }
/// Whether a tensor of it can have a gradient.
constexpr bool is_differentiable(DType t) { return t >= DType::Float16; }
/// The type of the parts of a complex one, else the type itself.
constexpr DType real_of(DType t) {
  return t == DType::Complex64 ? DType::Float32 : t == DType::Complex128 ? DType::Float64 : t;
}
/// The complex type with parts of a floating one; complex64 for whole numbers.
constexpr DType complex_of(DType t) {
  return real_of(t) == DType::Float64 ? DType::Complex128 : DType::Complex64;
}
constexpr bool is_integral(DType t) { return t > DType::Bool && t < DType::Float16; }
constexpr bool is_signed(DType t) { return t >= DType::Int8; }

constexpr bool is_narrow_float(DType t) { return t == DType::Float16 || t == DType::BFloat16; }
/// Of 32 or 64 bits.
constexpr bool is_wide_float(DType t) { return t == DType::Float32 || t == DType::Float64; }
constexpr bool is_narrow(DType t) {
  return t == DType::Int8 || t == DType::Int16 || is_narrow_float(t);
}
/// The type that computes for a narrow one, else the type itself.
constexpr DType wide_of(DType t) {
  return is_narrow_float(t) ? DType::Float32 : is_narrow(t) ? DType::Int32 : t;
}

/// The largest and the least number of bool or an integer type.
constexpr int64_t most_of(DType t) {
  if (t == DType::Bool) return 1;
  return static_cast<int64_t>(~uint64_t{0} >> (64 - 8 * size_of(t) + is_signed(t)));
}
constexpr int64_t least_of(DType t) { return is_signed(t) ? -most_of(t) - 1 : 0; }
/// The largest finite number of a floating type; that of its parts for a complex one.
constexpr double largest_of(DType t) {
  t = real_of(t);
  return t == DType::Float16    ? 65504.
         : t == DType::BFloat16 ? 0x1.fep127
         : t == DType::Float32  ? double{std::numeric_limits<float>::max()}
                                : std::numeric_limits<double>::max();
}

/// bool < integer < float < complex: a value is written into its own kind or a higher one.
constexpr int kind_of(DType t) {
  return is_complex(t) ? 3 : is_floating(t) ? 2 : is_integral(t) ? 1 : 0;
}
constexpr bool can_store(DType from, DType to) { return kind_of(from) <= kind_of(to); }

/// The wider of two types in the order of the enumerators; uint8 and int8 meet in int16, float16
/// and bfloat16 in float32, complex64 and float64 in complex128.
constexpr DType promote(DType a, DType b) {
  if (a != b && is_narrow_float(a) && is_narrow_float(b)) return DType::Float32;
  if ((a == DType::UInt8 && b == DType::Int8) || (a == DType::Int8 && b == DType::UInt8))
    return DType::Int16;
  if (is_complex(a) != is_complex(b) && (a == DType::Float64 || b == DType::Float64))
    return DType::Complex128;
  return a > b ? a : b;
}

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return DType::Bool;
  else if constexpr (std::is_same_v<T, uint8_t>) return DType::UInt8;
  else if constexpr (std::is_same_v<T, int32_t>) return DType::Int32;
  else if constexpr (std::is_same_v<T, int64_t>) return DType::Int64;
  else if constexpr (std::is_same_v<T, float>) return DType::Float32;
  else if constexpr (std::is_same_v<T, Complex<float>>) return DType::Complex64;
  else if constexpr (std::is_same_v<T, Complex<double>>) return DType::Complex128;
  else return DType::Float64;
}

/// x as a To. A float becomes a uint8 by way of int64, so that it wraps around like an integer.
template <class To, class From>
constexpr To convert(From x) {
  if constexpr (std::is_same_v<To, uint8_t> && std::is_floating_point_v<From>)
    return static_cast<To>(static_cast<int64_t>(x));
  else return static_cast<To>(x);
}

/// Calls f with a value of the C++ type that `t` names; NotImplementedError for complex and narrow
/// ones.
template <class F>
decltype(auto) visit(DType t, F&& f) {
  switch (t) {
    case DType::Bool: return f(bool{});
    case DType::UInt8: return f(uint8_t{});
    case DType::Int32: return f(int32_t{});
    case DType::Int64: return f(int64_t{});
    case DType::Float32: return f(float{});
    case DType::Float64: return f(double{});
    default:
      fail(ErrorKind::NotImplemented, "dtype", "not implemented for ", name_of(t),
           is_narrow(t) ? "; convert it, e.g. with .float()" : "; take .real, .imag or .abs()");
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
