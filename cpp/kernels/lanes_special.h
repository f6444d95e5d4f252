// The special functions on Lanes, one lane at a time.
#pragma once

#include "kernels/lanes_math.h"
#include "kernels/special_math.h"

namespace bx::kernels {

#define BX_UNARY(name, value)                       \
  template <class T, bool V>                        \
  inline Lanes<T, V> name(Lanes<T, V> a) {          \
    return by_lane(                                 \
        [](T lane) -> T {                           \
          const auto x = static_cast<double>(lane); \
          return static_cast<T>(value);             \
        },                                          \
        a);                                         \
  }
BX_UNARY(lgamma, special::lgamma(x))
BX_UNARY(digamma, special::digamma(x))
BX_UNARY(erfinv, special::erfinv(x))
BX_UNARY(erfcx, special::erfcx(x))
BX_UNARY(ndtr, special::ndtr(x))
BX_UNARY(log_ndtr, special::log_ndtr(x))
BX_UNARY(ndtri, Eigen::numext::ndtri(x))
BX_UNARY(entr, special::entr(x))
BX_UNARY(sinc, special::sinc(x))
BX_UNARY(i0, Eigen::numext::bessel_i0(x))
BX_UNARY(i0e, Eigen::numext::bessel_i0e(x))
BX_UNARY(i1, Eigen::numext::bessel_i1(x))
BX_UNARY(i1e, Eigen::numext::bessel_i1e(x))
BX_UNARY(j0, Eigen::numext::bessel_j0(x))
BX_UNARY(j1, Eigen::numext::bessel_j1(x))
BX_UNARY(y0, x < 0 ? special::kNan : Eigen::numext::bessel_y0(x))
BX_UNARY(y1, x < 0 ? special::kNan : Eigen::numext::bessel_y1(x))
BX_UNARY(k0, x < 0 ? special::kNan : Eigen::numext::bessel_k0(x))
BX_UNARY(k1, x < 0 ? special::kNan : Eigen::numext::bessel_k1(x))
BX_UNARY(k0e, x < 0 ? special::kNan : Eigen::numext::bessel_k0e(x))
BX_UNARY(k1e, x < 0 ? special::kNan : Eigen::numext::bessel_k1e(x))
BX_UNARY(spherical_bessel_j0, special::spherical_bessel_j0(x))
#undef BX_UNARY

#define BX_BINARY(name, value)                                                        \
  template <class T, bool V>                                                          \
  inline Lanes<T, V> name(Lanes<T, V> a, Lanes<T, V> b) {                             \
    return by_lane(                                                                   \
        [](T first, T second) -> T {                                                  \
          const auto x = static_cast<double>(first), y = static_cast<double>(second); \
          return static_cast<T>(value);                                               \
        },                                                                            \
        a, b);                                                                        \
  }
BX_BINARY(zeta, special::zeta(x, y))
BX_BINARY(igamma, special::igamma(x, y))
BX_BINARY(igammac, special::igammac(x, y))
BX_BINARY(xlogy, special::xlogy(x, y))
BX_BINARY(xlog1py, special::xlog1py(x, y))
BX_BINARY(chebyshev_t, special::chebyshev_t(x, y))
BX_BINARY(chebyshev_u, special::chebyshev_u(x, y))
BX_BINARY(chebyshev_v, special::chebyshev_v(x, y))
BX_BINARY(chebyshev_w, special::chebyshev_w(x, y))
BX_BINARY(hermite_h, special::hermite_h(x, y))
BX_BINARY(hermite_he, special::hermite_he(x, y))
BX_BINARY(laguerre_l, special::laguerre_l(x, y))
BX_BINARY(legendre_p, special::legendre_p(x, y))
#undef BX_BINARY

template <class T, bool V>
inline Lanes<T, V> polygamma(Lanes<T, V> a, double n) {
  return by_lane([n](T x) -> T { return static_cast<T>(special::polygamma(n, x)); }, a);
}

}  // namespace bx::kernels
