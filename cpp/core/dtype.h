// Element types. The order of the enumerators is the order of promotion.
#pragma once

#include <cstdint>
#include <type_traits>

namespace bx {

enum class DType : uint8_t { Bool, UInt8, Int32, Int64, Float32, Float64 };
inline constexpr int kDTypeCount = 6;

constexpr int64_t size_of(DType t) {
  constexpr int64_t sizes[kDTypeCount] = {1, 1, 4, 8, 4, 8};
  return sizes[static_cast<int>(t)];
}

/// PyTorch's name: "float32".
constexpr const char* name_of(DType t) {
  constexpr const char* names[kDTypeCount] = {"bool",  "uint8",   "int32",
                                              "int64", "float32", "float64"};
  return names[static_cast<int>(t)];
}

constexpr bool is_floating(DType t) { return t >= DType::Float32; }
constexpr bool is_integral(DType t) { return t > DType::Bool && !is_floating(t); }
constexpr bool is_signed(DType t) { return t >= DType::Int32; }

/// bool < integer < float: a value is written into its own kind or a higher one.
constexpr int kind_of(DType t) { return is_floating(t) ? 2 : is_integral(t) ? 1 : 0; }
constexpr bool can_store(DType from, DType to) { return kind_of(from) <= kind_of(to); }

/// The wider of two types: bool < uint8 < int32 < int64 < float32 < float64.
constexpr DType promote(DType a, DType b) { return a > b ? a : b; }

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return DType::Bool;
  else if constexpr (std::is_same_v<T, uint8_t>) return DType::UInt8;
  else if constexpr (std::is_same_v<T, int32_t>) return DType::Int32;
  else if constexpr (std::is_same_v<T, int64_t>) return DType::Int64;
  else if constexpr (std::is_same_v<T, float>) return DType::Float32;
  else return DType::Float64;
}

/// x as a To. A float becomes a uint8 by way of int64, so that it wraps around like an integer.
template <class To, class From>
constexpr To convert(From x) {
  if constexpr (std::is_same_v<To, uint8_t> && std::is_floating_point_v<From>)
    return static_cast<To>(static_cast<int64_t>(x));
  else return static_cast<To>(x);
}

/// Calls f with a value of the C++ type that `t` names.
template <class F>
decltype(auto) visit(DType t, F&& f) {
  switch (t) {
    case DType::Bool: return f(bool{});
    case DType::UInt8: return f(uint8_t{});
    case DType::Int32: return f(int32_t{});
    case DType::Int64: return f(int64_t{});
    case DType::Float32: return f(float{});
    default: return f(double{});
  }
}

}  // namespace bx
