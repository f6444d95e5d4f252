// Signs, ranges and whole numbers on Lanes, one lane at a time.
#pragma once

#include <numeric>

#include "kernels/lanes_math.h"

namespace bx::kernels {

#define BX_FLOAT(name, ...)                                                 \
  template <class T, bool V, class... L>                                    \
  inline Lanes<T, V> name(Lanes<T, V> a, L... rest) {                       \
    return by_lane([](auto... x) -> T { return __VA_ARGS__; }, a, rest...); \
  }
BX_FLOAT(copysign, std::copysign(x...))
BX_FLOAT(nextafter, std::nextafter(x...))
BX_FLOAT(hypot, std::hypot(x...))
#undef BX_FLOAT

template <class T, bool V>
inline Lanes<T, V> frexp_mantissa(Lanes<T, V> a) {
  return by_lane(
      [](T x) -> T {
        int e = 0;
        return std::frexp(x, &e);
      },
      a);
}
template <class T, bool V>
inline Lanes<T, V> frexp_exponent(Lanes<T, V> a) {
  return by_lane(
      [](T x) -> T {
        int e = 0;
        std::frexp(x, &e);
        return std::isfinite(x) ? static_cast<T>(e) : T(0);
      },
      a);
}

template <class T>
inline Mask<T, false> sign_bit(Lanes<T, false> a) {
  if constexpr (std::is_floating_point_v<T>) return {std::signbit(a.v)};
  else if constexpr (std::is_same_v<T, bool>) return {false};
  else return {a.v < 0};
}
template <class T>
inline Mask<T, false> is_close(Lanes<T, false> a, Lanes<T, false> b, double rtol, double atol,
                               bool equal_nan) {
  if (a.v == b.v) return {true};
  if (a.v != a.v || b.v != b.v) return {equal_nan && a.v != a.v && b.v != b.v};
  // Bounds in the tensors' own precision, as PyTorch computes them; integers' in double.
  using F = std::conditional_t<std::is_floating_point_v<T>, T, double>;
  const F x = static_cast<F>(a.v), y = static_cast<F>(b.v);
  const F allowed = static_cast<F>(atol) + std::abs(static_cast<F>(rtol) * y);
  const F actual = std::abs(x - y);
  return {std::isfinite(actual) && actual <= allowed};
}

template <class T>
inline Lanes<T, false> gcd(Lanes<T, false> a, Lanes<T, false> b) {
  if constexpr (std::is_same_v<T, bool>) return a | b;
  else {
    using U = std::make_unsigned_t<T>;
    auto size = [](T x) { return x < 0 ? U(0) - static_cast<U>(x) : static_cast<U>(x); };
    return Lanes<T, false>(static_cast<T>(std::gcd(size(a.v), size(b.v))));
  }
}
template <class T>
inline Lanes<T, false> lcm(Lanes<T, false> a, Lanes<T, false> b) {
  if constexpr (std::is_same_v<T, bool>) return a & b;
  else {
    const T d = gcd(a, b).v;
    return Lanes<T, false>(d == 0 ? T(0) : abs(Lanes<T, false>(static_cast<T>(a.v / d * b.v))).v);
  }
}
template <class T>
inline Lanes<T, false> left_shift(Lanes<T, false> a, Lanes<T, false> b) {
  if constexpr (std::is_same_v<T, bool>) return a;
  else {
    using U = std::make_unsigned_t<T>;
    const bool inside = b.v >= 0 && b.v < std::numeric_limits<U>::digits;
    return Lanes<T, false>(inside ? static_cast<T>(static_cast<U>(a.v) << b.v) : T(0));
  }
}
template <class T>
inline Lanes<T, false> right_shift(Lanes<T, false> a, Lanes<T, false> b) {
  if constexpr (std::is_same_v<T, bool>) return a;
  else {
    constexpr int last = std::numeric_limits<T>::digits;
    return Lanes<T, false>(static_cast<T>(a.v >> (b.v >= 0 && b.v < last ? b.v : T(last))));
  }
}
template <class T, bool V>
inline Lanes<T, V> trunc_divide(Lanes<T, V> a, Lanes<T, V> b) {
  if constexpr (std::is_floating_point_v<T>) return trunc(a / b);
  else if (is_minus_one(b.v)) return -a;
  else return Lanes<T, V>(static_cast<T>(a.v / checked_divisor(b.v)));
}

}  // namespace bx::kernels
