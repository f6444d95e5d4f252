// Lanes<T>: one SIMD register of T with the vocabulary of the formulas, on Eigen's packet math.
//
// Every element is computed by the same packet code whatever its position, the last few included
// (they are padded), so that a result never depends on how a loop was cut into blocks or threads.
// Types and functions that Eigen does not vectorise go lane by lane.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <type_traits>

#include "core/dtype.h"

namespace bx::kernels {

namespace ei = Eigen::internal;

/// Vector = false: one element at a time, which the compiler vectorises by itself.
template <class T, bool Vector>
using PacketOf = std::conditional_t<Vector && std::is_floating_point_v<T>,
                                    typename ei::packet_traits<T>::type, T>;

template <class T, bool V>
struct Mask;

template <class T, bool V = true, class P = PacketOf<T, V>>
struct Lanes {
  using Scalar = T;
  using Packet = P;
  static constexpr bool is_packet = !std::is_same_v<Packet, T>;
  static constexpr int width = is_packet ? ei::unpacket_traits<Packet>::size : 1;

  Packet v;

  Lanes() = default;
  explicit Lanes(Packet p)
    requires(is_packet)
      : v(p) {}
  explicit Lanes(T x) {
    if constexpr (is_packet) v = ei::pset1<Packet>(x);
    else v = x;
  }

  static Lanes load(const T* p) {
    if constexpr (is_packet) return Lanes(ei::ploadu<Packet>(p));
    else return Lanes(*p);
  }
  void store(T* p) const {
    if constexpr (is_packet) ei::pstoreu(p, v);
    else *p = v;
  }
};

template <class T, bool V>
struct Mask {
  using L = Lanes<T, V>;
  std::conditional_t<L::is_packet, typename L::Packet, bool> v;

  static Mask load(const bool* p) {
    if constexpr (L::is_packet) {
      T bits[L::width];
      for (int i = 0; i < L::width; ++i) bits[i] = static_cast<T>(p[i]);
      const auto zero = ei::pset1<typename L::Packet>(T(0));
      return {ei::pcmp_lt(zero, ei::ploadu<typename L::Packet>(bits))};
    } else {
      return {*p};
    }
  }
};

/// T itself, also where a template parameter would be deduced otherwise.
template <class T>
T to(double x) {
  return convert<T>(x);
}

// Operators ---------------------------------------------------------------------------------

#define BX_BINARY(op, packet, scalar)                                     \
  template <class T, bool V, class P>                                     \
  inline Lanes<T, V, P> operator op(Lanes<T, V, P> a, Lanes<T, V, P> b) { \
    using L = Lanes<T, V, P>;                                             \
    if constexpr (L::is_packet) return L(packet);                         \
    else return L(static_cast<T>(scalar));                                \
  }                                                                       \
  template <class T, bool V>                                              \
  inline Lanes<T, V> operator op(Lanes<T, V> a, double b) {               \
    return a op Lanes<T, V>(to<T>(b));                                    \
  }                                                                       \
  template <class T, bool V>                                              \
  inline Lanes<T, V> operator op(double a, Lanes<T, V> b) {               \
    return Lanes<T, V>(to<T>(a)) op b;                                    \
  }
BX_BINARY(+, ei::padd(a.v, b.v), a.v + b.v)
BX_BINARY(-, ei::psub(a.v, b.v), a.v - b.v)
BX_BINARY(*, ei::pmul(a.v, b.v), a.v* b.v)
BX_BINARY(/, ei::pdiv(a.v, b.v), a.v / b.v)
#undef BX_BINARY

template <class T, bool V>
inline Lanes<T, V> operator-(Lanes<T, V> a) {
  if constexpr (Lanes<T, V>::is_packet) return Lanes<T, V>(ei::pnegate(a.v));
  else return Lanes<T, V>(static_cast<T>(-a.v));
}

#define BX_COMPARE(op, packet)                                  \
  template <class T, bool V>                                    \
  inline Mask<T, V> operator op(Lanes<T, V> a, Lanes<T, V> b) { \
    if constexpr (Lanes<T, V>::is_packet) return {packet};      \
    else return {a.v op b.v};                                   \
  }                                                             \
  template <class T, bool V>                                    \
  inline Mask<T, V> operator op(Lanes<T, V> a, double b) {      \
    return a op Lanes<T, V>(to<T>(b));                          \
  }
BX_COMPARE(<, ei::pcmp_lt(a.v, b.v))
BX_COMPARE(<=, ei::pcmp_le(a.v, b.v))
BX_COMPARE(>, ei::pcmp_lt(b.v, a.v))
BX_COMPARE(>=, ei::pcmp_le(b.v, a.v))
BX_COMPARE(==, ei::pcmp_eq(a.v, b.v))
BX_COMPARE(!=, ei::pxor(ei::pcmp_eq(a.v, b.v), ei::ptrue(a.v)))
#undef BX_COMPARE

template <class T, bool V>
inline Mask<T, V> operator&&(Mask<T, V> a, Mask<T, V> b) {
  if constexpr (Lanes<T, V>::is_packet) return {ei::pand(a.v, b.v)};
  else return {static_cast<bool>(a.v & b.v)};
}
template <class T, bool V>
inline Mask<T, V> operator||(Mask<T, V> a, Mask<T, V> b) {
  if constexpr (Lanes<T, V>::is_packet) return {ei::por(a.v, b.v)};
  else return {static_cast<bool>(a.v | b.v)};
}
template <class T>
inline Mask<T, false> operator!=(Mask<T, false> a, Mask<T, false> b) {
  return {a.v != b.v};
}
template <class T>
inline Mask<T, false> operator==(Mask<T, false> a, Mask<T, false> b) {
  return {a.v == b.v};
}

template <class T, bool V>
inline Lanes<T, V> select(Mask<T, V> c, Lanes<T, V> a, Lanes<T, V> b) {
  if constexpr (Lanes<T, V>::is_packet) return Lanes<T, V>(ei::pselect(c.v, a.v, b.v));
  else return c.v ? a : b;
}
template <class T, bool V>
inline Lanes<T, V> select(Mask<T, V> c, Lanes<T, V> a, double b) {
  return select(c, a, Lanes<T, V>(to<T>(b)));
}
template <class T, bool V>
inline Lanes<T, V> select(Mask<T, V> c, double a, Lanes<T, V> b) {
  return select(c, Lanes<T, V>(to<T>(a)), b);
}

template <class T>
inline Lanes<T, false> operator&(Lanes<T, false> a, Lanes<T, false> b) {
  return Lanes<T, false>(static_cast<T>(a.v & b.v));
}
template <class T>
inline Lanes<T, false> operator|(Lanes<T, false> a, Lanes<T, false> b) {
  return Lanes<T, false>(static_cast<T>(a.v | b.v));
}
template <class T>
inline Lanes<T, false> operator^(Lanes<T, false> a, Lanes<T, false> b) {
  return Lanes<T, false>(static_cast<T>(a.v ^ b.v));
}
template <class T>
inline Lanes<T, false> operator~(Lanes<T, false> a) {
  if constexpr (std::is_same_v<T, bool>) return Lanes<T, false>(!a.v);
  else return Lanes<T, false>(static_cast<T>(~a.v));
}

}  // namespace bx::kernels
