// The exponential and the logarithm of float registers. Polynomials and the splitting of ln 2 are
// those of Cephes (Moshier, expf.c and logf.c); powers of two are made in the exponent's bits.
#pragma once

#include <limits>

#include "kernels/lanes.h"

namespace bx::kernels {

/// Register types whose integers Eigen computes with.
template <class T, bool V>
inline constexpr bool is_float_packet = std::is_same_v<T, float> && Lanes<T, V>::is_packet;

namespace exp_detail {

inline constexpr float kLn2High = 0.693359375F;  // 9 bits: its products with exponents are exact
inline constexpr float kLn2Low = -2.12194440e-4F;

/// c[0] x^(n-1) + ... + c[n-1]
template <class P, size_t N>
[[gnu::always_inline]] inline P polynomial(P x, const float (&c)[N]) {
  P y = ei::pset1<P>(c[0]);
  for (size_t k = 1; k < N; ++k) y = ei::pmadd(y, x, ei::pset1<P>(c[k]));
  return y;
}

/// 2^n for whole numbers -126 to 127.
template <class P>
[[gnu::always_inline]] inline P power_of_two(typename ei::unpacket_traits<P>::integer_packet n) {
  using I = decltype(n);
  return ei::preinterpret<P>(ei::plogical_shift_left<23>(ei::padd(n, ei::pset1<I>(127))));
}

}  // namespace exp_detail

/// e^x = 2^n e^r with |r| <= ln 2 / 2; exact to an ulp, gradual underflow included.
template <class P>
[[gnu::always_inline]] inline P packet_exp(P x) {
  using namespace exp_detail;
  using I = typename ei::unpacket_traits<P>::integer_packet;
  constexpr float coefficients[] = {1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F,
                                    4.1665795894e-2F, 1.6666665459e-1F, 5.0000001201e-1F};
  // Beyond these, the result is infinity or 0; NaN stays what it is.
  const P bounded = ei::pmax(ei::pmin(x, ei::pset1<P>(89.F)), ei::pset1<P>(-104.F));
  // Adding and taking away 1.5 2^23 rounds to a whole number.
  const P round = ei::pset1<P>(12582912.F);
  const P n = ei::psub(ei::pmadd(bounded, ei::pset1<P>(1.44269504088896341F), round), round);
  P r = ei::pmadd(n, ei::pset1<P>(-kLn2High), bounded);
  r = ei::pmadd(n, ei::pset1<P>(-kLn2Low), r);
  const P y =
      ei::pmadd(polynomial(r, coefficients), ei::pmul(r, r), ei::padd(r, ei::pset1<P>(1.F)));
  // In two steps, since 2^n alone may overflow or underflow before the result does.
  const I whole = ei::pcast<P, I>(n), half = ei::parithmetic_shift_right<1>(whole);
  return ei::pmul(ei::pmul(y, power_of_two<P>(half)), power_of_two<P>(ei::psub(whole, half)));
}

/// log x = e ln 2 + log m with sqrt(1/2) <= m < sqrt(2).
template <class P>
[[gnu::always_inline]] inline P packet_log(P x) {
  using namespace exp_detail;
  using I = typename ei::unpacket_traits<P>::integer_packet;
  constexpr float coefficients[] = {7.0376836292e-2F,  -1.1514610310e-1F, 1.1676998740e-1F,
                                    -1.2420140846e-1F, 1.4249322787e-1F,  -1.6668057665e-1F,
                                    2.0000714765e-1F,  -2.4999993993e-1F, 3.3333331174e-1F};
  constexpr float smallest = std::numeric_limits<float>::min();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  // Denormals are scaled up by 2^23 first.
  const P tiny = ei::pcmp_lt(x, ei::pset1<P>(smallest));
  const P scaled = ei::pselect(tiny, ei::pmul(x, ei::pset1<P>(8388608.F)), x);
  const I root = ei::pset1<I>(0x3f3504f3);  // the bits of sqrt(1/2)
  const I bits = ei::psub(ei::preinterpret<I>(scaled), root);
  const P m = ei::preinterpret<P>(ei::padd(ei::pand(bits, ei::pset1<I>(0x007fffff)), root));
  const P e = ei::psub(ei::pcast<I, P>(ei::parithmetic_shift_right<23>(bits)),
                       ei::pand(tiny, ei::pset1<P>(23.F)));
  const P f = ei::psub(m, ei::pset1<P>(1.F)), square = ei::pmul(f, f);
  P y = ei::pmul(ei::pmul(polynomial(f, coefficients), f), square);
  y = ei::pmadd(e, ei::pset1<P>(kLn2Low), y);
  y = ei::pmadd(square, ei::pset1<P>(-0.5F), y);
  y = ei::pmadd(e, ei::pset1<P>(kLn2High), ei::padd(f, y));
  // log 0 = -inf, log inf = inf, NaN for the rest.
  const P zero = ei::pset1<P>(0.F);
  const P usual = ei::pand(ei::pcmp_lt(zero, x), ei::pcmp_lt(x, ei::pset1<P>(infinity)));
  const P nan = ei::pset1<P>(std::numeric_limits<float>::quiet_NaN());
  const P rare = ei::pselect(ei::pcmp_eq(x, zero), ei::pset1<P>(-infinity),
                             ei::pselect(ei::pcmp_lt(x, zero), nan, x));
  return ei::pselect(usual, y, rare);
}

}  // namespace bx::kernels
