// Bessel functions and orthogonal polynomials: rows of the op table.
#pragma once

#include "formulas/special.h"

namespace bx::formulas {

// clang-format off: macro calls without semicolons
BX_PROBE_FUNCTION(i0) BX_PROBE_FUNCTION(i0e) BX_PROBE_FUNCTION(i1) BX_PROBE_FUNCTION(i1e)
BX_PROBE_FUNCTION(j0) BX_PROBE_FUNCTION(j1) BX_PROBE_FUNCTION(y0) BX_PROBE_FUNCTION(y1)
BX_PROBE_FUNCTION(k0) BX_PROBE_FUNCTION(k1) BX_PROBE_FUNCTION(k0e) BX_PROBE_FUNCTION(k1e)
    // clang-format on

    struct I0 : Unary {
  static constexpr auto name = "i0";
  static constexpr auto doc = "y = I_0(input), modified Bessel function;  d input = g I_1(input)";
  static constexpr auto f = [](auto x) { return i0(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * i1(x); }};
};
struct I0e : SpecialUnary {
  static constexpr auto name = "i0e";
  static constexpr auto node = "SpecialI0EBackward0";
  static constexpr auto doc = "y = e^-|input| I_0(input)";
  static constexpr auto f = [](auto x) { return i0e(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto y) { return g * (i1e(x) - sign(x) * y); }};
};
struct I1 : SpecialUnary {
  static constexpr auto name = "i1";
  static constexpr auto doc = "y = I_1(input);  d input = g (I_0(input) - y / input)";
  static constexpr auto f = [](auto x) { return i1(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto y) {
    return g * select(x == 0., 0.5, i0(x) - y / select(x == 0., 1., x));
  }};
};
struct I1e : SpecialUnary {
  static constexpr auto name = "i1e";
  static constexpr auto node = "SpecialI1EBackward0";
  static constexpr auto doc = "y = e^-|input| I_1(input)";
  static constexpr auto f = [](auto x) { return i1e(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto y) {
    return g * select(x == 0., 0.5, i0e(x) - y * (sign(x) + 1. / select(x == 0., 1., x)));
  }};
};

#define BX_BESSEL(Type, python, text, value, slope)                                                \
  struct Type : SpecialUnary {                                                                     \
    static constexpr auto name = python;                                                           \
    static constexpr auto doc = text;                                                              \
    static constexpr auto f = [](auto x) { return value; };                                        \
    static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * (slope); }}; \
  };
BX_BESSEL(BesselJ0, "bessel_j0", "y = J_0(input);  d input = -g J_1(input)", j0(x), -j1(x))
BX_BESSEL(BesselJ1, "bessel_j1", "y = J_1(input);  d input = g (J_0(input) - y / input)", j1(x),
          select(x == 0., 0.5, j0(x) - j1(x) / x))
BX_BESSEL(BesselY0, "bessel_y0", "y = Y_0(input), input > 0;  d input = -g Y_1(input)", y0(x),
          -y1(x))
BX_BESSEL(BesselY1, "bessel_y1", "y = Y_1(input), input > 0;  d input = g (Y_0 - y / input)", y1(x),
          y0(x) - y1(x) / x)
BX_BESSEL(ModifiedI0, "modified_bessel_i0", "y = I_0(input);  d input = g I_1(input)", i0(x), i1(x))
BX_BESSEL(ModifiedI1, "modified_bessel_i1", "y = I_1(input);  d input = g (I_0 - y / input)", i1(x),
          select(x == 0., 0.5, i0(x) - i1(x) / x))
BX_BESSEL(ModifiedK0, "modified_bessel_k0", "y = K_0(input), input > 0;  d input = -g K_1(input)",
          k0(x), -k1(x))
BX_BESSEL(ModifiedK1, "modified_bessel_k1",
          "y = K_1(input), input > 0;  d input = -g (K_0 + y / input)", k1(x), -k0(x) - k1(x) / x)
BX_BESSEL(ScaledK0, "scaled_modified_bessel_k0", "y = e^input K_0(input), input > 0", k0e(x),
          k0e(x) - k1e(x))
BX_BESSEL(ScaledK1, "scaled_modified_bessel_k1", "y = e^input K_1(input), input > 0", k1e(x),
          k1e(x) - k0e(x) - k1e(x) / x)
#undef BX_BESSEL
struct SphericalBesselJ0 : SpecialUnary {
  static constexpr auto name = "spherical_bessel_j0";
  static constexpr auto doc = "y = sin(input) / input;  d input = g (cos(input) - y) / input";
  static constexpr auto f = [](auto x) { return spherical_bessel_j0(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto y) { return g * select(x == 0., 0., (cos(x) - y) / x); }};
};

// Orthogonal polynomials: not differentiable, as in PyTorch --------------------------------------

#define BX_POLYNOMIAL(Type, python, text, value)                    \
  struct Type : SpecialBinary {                                     \
    static constexpr auto name = python;                            \
    static constexpr auto signature = "input, n";                   \
    static constexpr auto doc = text;                               \
    static constexpr auto f = [](auto x, auto n) { return value; }; \
  };
BX_POLYNOMIAL(ChebyshevT, "chebyshev_polynomial_t", "y = T_n(input)", chebyshev_t(x, n))
BX_POLYNOMIAL(ChebyshevU, "chebyshev_polynomial_u", "y = U_n(input)", chebyshev_u(x, n))
BX_POLYNOMIAL(ChebyshevV, "chebyshev_polynomial_v", "y = V_n(input)", chebyshev_v(x, n))
BX_POLYNOMIAL(ChebyshevW, "chebyshev_polynomial_w", "y = W_n(input)", chebyshev_w(x, n))
BX_POLYNOMIAL(ShiftedT, "shifted_chebyshev_polynomial_t", "y = T_n(2 input - 1)",
              chebyshev_t(2. * x - 1., n))
BX_POLYNOMIAL(ShiftedU, "shifted_chebyshev_polynomial_u", "y = U_n(2 input - 1)",
              chebyshev_u(2. * x - 1., n))
BX_POLYNOMIAL(ShiftedV, "shifted_chebyshev_polynomial_v", "y = V_n(2 input - 1)",
              chebyshev_v(2. * x - 1., n))
BX_POLYNOMIAL(ShiftedW, "shifted_chebyshev_polynomial_w", "y = W_n(2 input - 1)",
              chebyshev_w(2. * x - 1., n))
BX_POLYNOMIAL(HermiteH, "hermite_polynomial_h", "y = H_n(input), physicists'", hermite_h(x, n))
BX_POLYNOMIAL(HermiteHe, "hermite_polynomial_he", "y = He_n(input), probabilists'",
              hermite_he(x, n))
BX_POLYNOMIAL(LaguerreL, "laguerre_polynomial_l", "y = L_n(input)", laguerre_l(x, n))
BX_POLYNOMIAL(LegendreP, "legendre_polynomial_p", "y = P_n(input)", legendre_p(x, n))
#undef BX_POLYNOMIAL

using BesselRows =
    std::tuple<I0, I0e, I1, I1e, BesselJ0, BesselJ1, BesselY0, BesselY1, ModifiedI0, ModifiedI1,
               ModifiedK0, ModifiedK1, ScaledK0, ScaledK1, SphericalBesselJ0, ChebyshevT,
               ChebyshevU, ChebyshevV, ChebyshevW, ShiftedT, ShiftedU, ShiftedV, ShiftedW, HermiteH,
               HermiteHe, LaguerreL, LegendreP>;

}  // namespace bx::formulas
