// The sigmoid, tanh and erf of float registers, within 2 ulp (docs/accuracy.md). Polynomials:
// minimax, by Remez' algorithm.
#pragma once

#include "kernels/lanes_exp.h"

namespace bx::kernels {

namespace exp_detail {

inline constexpr float kLog2E = 1.44269504088896341F;

/// e^r - 1 for |r| <= ln 2 / 2. Unlike e^r, it keeps all its bits near 0.
template <class P>
[[gnu::always_inline]] inline P reduced_expm1(P r) {
  constexpr float coefficients[] = {1.38358958e-3F, 8.36708955e-3F, 4.16677631e-2F, 1.6666539e-1F,
                                    4.9999997e-1F};
  return ei::pmadd(polynomial(r, coefficients), ei::pmul(r, r), r);
}

/// Moves the last bits of an integer into the exponent.
template <class P>
[[gnu::always_inline]] inline P as_exponent(typename ei::unpacket_traits<P>::integer_packet bits) {
  return ei::preinterpret<P>(ei::plogical_shift_left<23>(bits));
}

}  // namespace exp_detail

/// 2^n / (2^n + e^r) with r = n ln 2 - x, |r| <= ln 2 / 2; gradual underflow included.
template <class P>
[[gnu::always_inline]] inline P packet_sigmoid(P x) {
  using namespace exp_detail;
  using I = typename ei::unpacket_traits<P>::integer_packet;
  // Beyond these, the result is 1 or 0; NaN stays what it is.
  const P bounded = ei::pmax(ei::pmin(x, ei::pset1<P>(30.F)), ei::pset1<P>(-105.F));
  // Adding 1.5 2^23 rounds to a whole number and leaves it in the last bits; 254, two biases of
  // exponents, makes both halves exponents.
  const P round = ei::pset1<P>(12582912.F + 254.F);
  const P shifted = ei::pmadd(bounded, ei::pset1<P>(kLog2E), round);
  const P n = ei::psub(shifted, round);
  P r = ei::pmadd(n, ei::pset1<P>(kLn2High), ei::pnegate(bounded));
  r = ei::pmadd(n, ei::pset1<P>(kLn2Low), r);
  const I bits = ei::preinterpret<I>(shifted), half = ei::plogical_shift_right<1>(bits);
  const P a = as_exponent<P>(half), b = as_exponent<P>(ei::psub(bits, half));
  const P d = ei::padd(ei::pmadd(a, b, reduced_expm1(r)), ei::pset1<P>(1.F));
  return ei::pmul(ei::pdiv(a, d), b);  // a b alone may underflow before the result does
}

/// (s e^r - 1) / (s e^r + 1) with s = 2^n and -2|x| = n ln 2 + r; exact near 0, where n = 0.
template <class P>
[[gnu::always_inline]] inline P packet_tanh(P x) {
  using namespace exp_detail;
  using I = typename ei::unpacket_traits<P>::integer_packet;
  const P one = ei::pset1<P>(1.F), sign = ei::pset1<P>(-0.F);
  // Beyond 10, the result is 1.
  const P v = ei::pmax(ei::por(ei::padd(x, x), sign), ei::pset1<P>(-20.F));
  const P round = ei::pset1<P>(12582912.F + 127.F);
  const P shifted = ei::pmadd(v, ei::pset1<P>(kLog2E), round);
  const P n = ei::psub(shifted, round);
  // One product is enough: where n is large, s is small.
  const P p = reduced_expm1(ei::pmadd(n, ei::pset1<P>(-0.693147180559945309F), v));
  const P s = as_exponent<P>(ei::preinterpret<I>(shifted));
  const P y = ei::pdiv(ei::pmadd(s, p, ei::psub(s, one)), ei::pmadd(s, p, ei::padd(s, one)));
  return ei::por(ei::pandnot(y, sign), ei::pand(x, sign));
}

/// x + x q(x^2) up to |x| = 1, then 1 - erfc with erfc's fourth root a polynomial, which costs less
/// than an exponential.
template <class P>
[[gnu::always_inline]] inline P packet_erf(P x) {
  using namespace exp_detail;
  constexpr float near[] = {-5.61995897e-4F, 4.91491519e-3F, -2.67092176e-2F,
                            1.12801135e-1F,  -3.7612319e-1F, 1.28379121e-1F};
  constexpr float far[] = {-2.20561124e-5F, 1.74789253e-4F,  7.95913395e-4F,
                           -1.28202923e-2F, 4.39610034e-2F,  -1.76780093e-2F,
                           -9.31861997e-2F, -2.93645024e-1F, 1.0021894F};
  const P one = ei::pset1<P>(1.F), sign = ei::pset1<P>(-0.F), size = ei::pabs(x);
  const P inner = ei::pmadd(polynomial(ei::pmul(x, x), near), x, x);
  P root = polynomial(ei::pmin(size, ei::pset1<P>(4.F)), far);  // beyond 4, the result is 1
  root = ei::pmul(root, root);
  const P outer = ei::psub(one, ei::pmul(root, root));
  return ei::pselect(ei::pcmp_lt(size, one), inner, ei::por(outer, ei::pand(x, sign)));
}

}  // namespace bx::kernels
