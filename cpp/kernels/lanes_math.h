// The functions of the formulas' vocabulary on Lanes: ours (lanes_exp.h, lanes_sigmoid.h) or
// Eigen's packet functions where there are any, lane by lane where there are none.
#pragma once

#include <cmath>
#include <limits>
#include <utility>

#include <unsupported/Eigen/SpecialFunctions>

#include "kernels/lanes_sigmoid.h"

namespace bx::kernels {

// Functions ---------------------------------------------------------------------------------

/// Applies a scalar function to each lane.
template <class T, bool V, class F, class... L>
inline Lanes<T, V> by_lane(F f, Lanes<T, V> first, L... rest) {
  if constexpr (Lanes<T, V>::is_packet) {
    constexpr int w = Lanes<T, V>::width;
    constexpr int n = 1 + sizeof...(L);
    T in[n][w];
    int k = 0;
    ((first.store(in[k++])), ..., (rest.store(in[k++])));
    T out[w];
    for (int i = 0; i < w; ++i)
      out[i] = [&]<size_t... K>(std::index_sequence<K...>) {
        return f(in[K][i]...);
      }(std::make_index_sequence<n>{});
    return Lanes<T, V>::load(out);
  } else {
    return Lanes<T, V>(static_cast<T>(f(first.v, rest.v...)));
  }
}

/// A packet function where the type is a vectorised one and Eigen has it, else lane by lane.
#define BX_FUNCTION(name, has, packet, scalar)                               \
  template <class T, bool V>                                                 \
  inline Lanes<T, V> name(Lanes<T, V> a) {                                   \
    if constexpr (Lanes<T, V>::is_packet && has) return Lanes<T, V>(packet); \
    else return by_lane([](T x) -> T { return static_cast<T>(scalar); }, a); \
  }
#define BX_HAS(feature) (ei::packet_traits<T>::feature != 0)
BX_FUNCTION(abs, true, ei::pabs(a.v), x < 0 ? -x : x)
BX_FUNCTION(clamped_exp, BX_HAS(HasExp), ei::pexp(a.v), std::exp(x))
BX_FUNCTION(normal_log, BX_HAS(HasLog), ei::plog(a.v), std::log(x))
BX_FUNCTION(log1p, BX_HAS(HasLog1p), ei::plog1p(a.v), std::log1p(x))
BX_FUNCTION(expm1, BX_HAS(HasExpm1), ei::pexpm1(a.v), std::expm1(x))
BX_FUNCTION(sin, BX_HAS(HasSin), ei::psin(a.v), std::sin(x))
BX_FUNCTION(cos, BX_HAS(HasCos), ei::pcos(a.v), std::cos(x))
BX_FUNCTION(tanh, (is_float_packet<T, V>), packet_tanh(a.v), std::tanh(x))
BX_FUNCTION(floor, BX_HAS(HasFloor), ei::pfloor(a.v), std::floor(x))
BX_FUNCTION(ceil, BX_HAS(HasCeil), ei::pceil(a.v), std::ceil(x))
BX_FUNCTION(round, BX_HAS(HasRint), ei::print(a.v), std::nearbyint(x))
BX_FUNCTION(erf, (is_float_packet<T, V>), packet_erf(a.v), std::erf(x))
BX_FUNCTION(erfc, false, a.v, std::erfc(x))
BX_FUNCTION(tan, false, a.v, std::tan(x))
BX_FUNCTION(asin, false, a.v, std::asin(x))
BX_FUNCTION(acos, false, a.v, std::acos(x))
BX_FUNCTION(atan, false, a.v, std::atan(x))
BX_FUNCTION(sinh, false, a.v, std::sinh(x))
BX_FUNCTION(cosh, false, a.v, std::cosh(x))
BX_FUNCTION(asinh, false, a.v, std::asinh(x))
BX_FUNCTION(acosh, false, a.v, std::acosh(x))
BX_FUNCTION(atanh, false, a.v, std::atanh(x))
#undef BX_HAS
#undef BX_FUNCTION

/// The processor's own square root: Eigen's approximates it in single precision, and takes
/// infinity to NaN and denormals to 0.
template <class Packet>
inline Packet square_root(Packet p) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<Packet, ei::Packet16f>) return _mm512_sqrt_ps(p);
  if constexpr (std::is_same_v<Packet, ei::Packet8d>) return _mm512_sqrt_pd(p);
#endif
#if defined(__AVX__)
  if constexpr (std::is_same_v<Packet, ei::Packet8f>) return _mm256_sqrt_ps(p);
#endif
#if defined(__SSE2__)
  if constexpr (std::is_same_v<Packet, ei::Packet4f>) return _mm_sqrt_ps(p);
#endif
#if defined(__aarch64__)
  if constexpr (std::is_same_v<Packet, ei::Packet4f>) return vsqrtq_f32(p);
#endif
  return ei::psqrt(p);
}
template <class T, bool V>
inline Lanes<T, V> sqrt(Lanes<T, V> a) {
  if constexpr (Lanes<T, V>::is_packet) return Lanes<T, V>(square_root(a.v));
  else return Lanes<T, V>(static_cast<T>(std::sqrt(a.v)));
}

/// Eigen's exponential of doubles stops falling among the denormals; from there on it is 0.
template <class T, bool V>
inline Lanes<T, V> exp(Lanes<T, V> a) {
  if constexpr (is_float_packet<T, V>) {
    return Lanes<T, V>(packet_exp(a.v));
  } else if constexpr (Lanes<T, V>::is_packet) {
    return select(a < -709.7, 0., clamped_exp(a));
  } else {
    return clamped_exp(a);
  }
}

/// Eigen's logarithm of doubles knows normal numbers only; denormals are scaled up first.
template <class T, bool V>
inline Lanes<T, V> log(Lanes<T, V> a) {
  if constexpr (is_float_packet<T, V>) {
    return Lanes<T, V>(packet_log(a.v));
  } else if constexpr (Lanes<T, V>::is_packet) {
    constexpr int shift = std::numeric_limits<T>::digits + 1;
    const auto small = a < static_cast<double>(std::numeric_limits<T>::min());
    const auto scaled = select(small, a * static_cast<double>(int64_t{1} << shift), a);
    const auto y = normal_log(scaled);
    return select(small, y - shift * 0.693147180559945309417232121458, y);
  } else {
    return normal_log(a);
  }
}

template <class T, bool V>
inline Lanes<T, V> trunc(Lanes<T, V> a) {
  if constexpr (Lanes<T, V>::is_packet) return select(a < 0., ceil(a), floor(a));
  else if constexpr (std::is_floating_point_v<T>) return Lanes<T, V>(std::trunc(a.v));
  else return a;
}
template <class T, bool V>
inline Lanes<T, V> rsqrt(Lanes<T, V> a) {
  return 1. / sqrt(a);
}
template <class T, bool V>
inline Lanes<T, V> exp2(Lanes<T, V> a) {
  return by_lane([](T x) -> T { return std::exp2(x); }, a);
}
template <class T, bool V>
inline Lanes<T, V> log2(Lanes<T, V> a) {
  return by_lane([](T x) -> T { return std::log2(x); }, a);
}
template <class T, bool V>
inline Lanes<T, V> log10(Lanes<T, V> a) {
  return by_lane([](T x) -> T { return std::log10(x); }, a);
}
template <class T, bool V>
inline Lanes<T, V> sigmoid(Lanes<T, V> a) {
  if constexpr (is_float_packet<T, V>) return Lanes<T, V>(packet_sigmoid(a.v));
  else return 1. / (1. + exp(-a));
}
template <class T, bool V>
inline Lanes<T, V> sign(Lanes<T, V> a) {
  if constexpr (std::is_same_v<T, bool>) return a;
  else
    return select(a > 0., Lanes<T, V>(T(1)), select(a < 0., Lanes<T, V>(T(-1)), Lanes<T, V>(T(0))));
}
template <class T, bool V>
inline Lanes<T, V> zero(Lanes<T, V>) {
  return Lanes<T, V>(T(0));
}
/// a or b by a scalar of the row.
template <class T, bool V>
inline Lanes<T, V> choose(bool c, Lanes<T, V> a, Lanes<T, V> b) {
  return c ? a : b;
}
template <class T>
inline Mask<T, false> is_infinite(Lanes<T, false> a) {
  if constexpr (std::is_floating_point_v<T>) return {std::isinf(a.v)};
  else return {false};
}

template <class T, bool V, class P>
inline Lanes<T, V, P> maximum(Lanes<T, V, P> a, Lanes<T, V, P> b) {
  using L = Lanes<T, V, P>;
  if constexpr (L::is_packet) return L(ei::pmax<Eigen::PropagateNaN>(a.v, b.v));
  else return L(a.v != a.v ? a.v : b.v != b.v ? b.v : (a.v < b.v ? b.v : a.v));
}
template <class T, bool V, class P>
inline Lanes<T, V, P> minimum(Lanes<T, V, P> a, Lanes<T, V, P> b) {
  using L = Lanes<T, V, P>;
  if constexpr (L::is_packet) return L(ei::pmin<Eigen::PropagateNaN>(a.v, b.v));
  else return L(a.v != a.v ? a.v : b.v != b.v ? b.v : (b.v < a.v ? b.v : a.v));
}
/// A bound given as double, kept inside T's range so that clamp(max=inf) works for integers.
template <class T>
T bound(double b) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (b <= static_cast<double>(std::numeric_limits<T>::min()))
      return std::numeric_limits<T>::min();
    if (b >= static_cast<double>(std::numeric_limits<T>::max()))
      return std::numeric_limits<T>::max();
  }
  return static_cast<T>(b);
}
template <class T, bool V>
inline Lanes<T, V> maximum(Lanes<T, V> a, double b) {
  return maximum(a, Lanes<T, V>(bound<T>(b)));
}
template <class T, bool V>
inline Lanes<T, V> minimum(Lanes<T, V> a, double b) {
  return minimum(a, Lanes<T, V>(bound<T>(b)));
}

template <class T, bool V>
inline Lanes<T, V> atan2(Lanes<T, V> a, Lanes<T, V> b) {
  return by_lane([](T x, T y) -> T { return static_cast<T>(std::atan2(x, y)); }, a, b);
}

/// The number itself: of complex ones the real part.
template <class T, bool V>
inline Lanes<T, V> real(Lanes<T, V> a) {
  return a;
}

/// Whole powers of integers wrap around; a negative exponent truncates to 0 (or +-1 for base +-1).
template <class T>
T integer_power(T base, T exponent) {
  if constexpr (std::is_same_v<T, bool>) {
    return base || !exponent;
  } else {
    if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
    using U = std::make_unsigned_t<T>;
    U result = 1, square = static_cast<U>(base);
    for (U e = static_cast<U>(exponent); e; e >>= 1, square *= square)
      if (e & 1) result *= square;
    return static_cast<T>(result);
  }
}
template <class T, bool V>
inline Lanes<T, V> pow(Lanes<T, V> a, Lanes<T, V> b) {
  if constexpr (Lanes<T, V>::is_packet) {
    return Lanes<T, V>(ei::generic_pow(a.v, b.v));
  } else if constexpr (std::is_floating_point_v<T>) {
    return Lanes<T, V>(std::pow(a.v, b.v));
  } else {
    return Lanes<T, V>(integer_power(a.v, b.v));
  }
}
/// The usual exponents are products and roots, exactly as PyTorch computes them.
template <class T, bool V>
inline Lanes<T, V> pow(Lanes<T, V> a, double p) {
  if (p == 2.) return a * a;
  if (p == 1.) return a;
  if constexpr (std::is_floating_point_v<T>) {
    if (p == 3.) return a * a * a;
    if (p == 0.5) return sqrt(a);
    if (p == 0.) return Lanes<T, V>(T(1));
    if (p == -1.) return 1. / a;
    if (p == -2.) return 1. / (a * a);
    if (p == -0.5) return rsqrt(a);
  }
  return pow(a, Lanes<T, V>(to<T>(p)));
}

/// Set while an integer kernel runs; read by the launch that asked.
inline thread_local bool divided_by_zero = false;

template <class T>
T checked_divisor(T b) {
  if (b == 0) divided_by_zero = true;
  return b == 0 ? T(1) : b;
}
/// Whether a division by y only turns the sign, of the smallest number too, which overflows.
template <class T>
bool is_minus_one(T y) {
  return std::is_signed_v<T> && y == T(-1);
}
template <class T, bool V>
inline Lanes<T, V> fmod(Lanes<T, V> a, Lanes<T, V> b) {
  return by_lane(
      [](T x, T y) -> T {
        if constexpr (std::is_floating_point_v<T>) return std::fmod(x, y);
        else return is_minus_one(y) ? T(0) : static_cast<T>(x % checked_divisor(y));
      },
      a, b);
}
template <class T, bool V>
inline Lanes<T, V> remainder(Lanes<T, V> a, Lanes<T, V> b) {
  return by_lane(
      [](T x, T y) -> T {
        if constexpr (std::is_floating_point_v<T>) {
          const T r = std::fmod(x, y);
          return r != 0 && (r < 0) != (y < 0) ? r + y : r;
        } else {
          if (is_minus_one(y)) return 0;
          const T r = static_cast<T>(x % checked_divisor(y));
          return r != 0 && (r < 0) != (y < 0) ? static_cast<T>(r + y) : r;
        }
      },
      a, b);
}
template <class T, bool V>
inline Lanes<T, V> floor_divide(Lanes<T, V> a, Lanes<T, V> b) {
  return by_lane(
      [](T x, T y) -> T {
        if constexpr (std::is_floating_point_v<T>) {
          if (y == 0) return x / y;
          const T r = std::fmod(x, y);
          T q = (x - r) / y;
          if (r != 0 && (r < 0) != (y < 0)) q -= 1;
          const T whole = std::floor(q);
          return q == 0 ? std::copysign(T(0), x / y) : (q - whole > T(0.5) ? whole + 1 : whole);
        } else {
          if (is_minus_one(y)) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(x));
          const T d = checked_divisor(y);
          const T q = static_cast<T>(x / d);
          return (x % d != 0 && (x < 0) != (d < 0)) ? static_cast<T>(q - 1) : q;
        }
      },
      a, b);
}

}  // namespace bx::kernels
