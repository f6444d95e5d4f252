// Special functions: rows of the op table. Their values come from kernels/special_math.h, in double
// and rounded once; formulas in the notation of Abramowitz & Stegun.
#pragma once

#include <limits>

#include "formulas/activation.h"
#include "formulas/transcendental.h"

namespace bx::formulas {

inline constexpr double kPi = 3.14159265358979323846264338328;
inline constexpr double kSqrtPiHalf = 0.886226925452758013649083741671;  // sqrt(pi) / 2
inline constexpr double kSqrtTwoPi = 2.50662827463100050241576528481;

// What derivatives below say beyond row.h's vocabulary.
// clang-format off: macro calls without semicolons
BX_PROBE_FUNCTION(digamma) BX_PROBE_FUNCTION(polygamma) BX_PROBE_FUNCTION(zeta)
BX_PROBE_FUNCTION(lgamma) BX_PROBE_FUNCTION(erfcx) BX_PROBE_FUNCTION(xlogy)
BX_PROBE_FUNCTION(xlog1py)
    // clang-format on

    struct SpecialUnary : Unary {
  static constexpr auto face = Face::Special;
};
struct SpecialBinary : Binary {
  static constexpr auto face = Face::Special;
  static constexpr auto numbers = Numbers::One;
};

// Gamma and its logarithmic derivatives --------------------------------------------------------

struct Lgamma : Unary {
  static constexpr auto name = "lgamma";
  static constexpr auto doc = "y = ln |gamma(input)|;  d input = g digamma(input)";
  static constexpr auto f = [](auto x) { return lgamma(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * digamma(x); }};
};
struct Digamma : Unary {
  static constexpr auto name = "digamma";
  static constexpr auto doc =
      "y = the derivative of ln gamma(input), NaN at negative integers;  "
      "d input = g polygamma(1, input)";
  static constexpr auto f = [](auto x) { return digamma(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * polygamma(x, 1.); }};
};
struct Polygamma : Unary {
  static constexpr auto name = "polygamma";
  static constexpr auto face = Face::Hidden;
  static constexpr int params = 1;
  static constexpr auto doc =
      "y = the n-th derivative of digamma at input;  d input = g polygamma(n + 1, input)";
  static constexpr auto f = [](auto x, double n) { return polygamma(x, n); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto, double n) { return g * polygamma(x, n + 1.); }};
};
struct Mvlgamma : Unary {
  static constexpr auto name = "mvlgamma";
  static constexpr auto face = Face::Hidden;
  static constexpr int params = 1;
  static constexpr auto doc =
      "y = ln of the gamma function of p x p matrices: p (p - 1) / 4 ln pi + "
      "sum lgamma(input - j / 2), j < p";
  static constexpr auto f = [](auto x, double p) {
    auto y = lgamma(x);
    for (double j = 1; j < p; ++j) y = y + lgamma(x - 0.5 * j);
    return y + p * (p - 1) / 4 * 1.14472988584940017414342735135;
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double p) {
    auto slope = digamma(x);
    for (double j = 1; j < p; ++j) slope = slope + digamma(x - 0.5 * j);
    return g * slope;
  }};
};
struct Igamma : Binary {
  static constexpr auto name = "igamma";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto doc =
      "y = the lower incomplete gamma function of (input, other) over gamma(input);  "
      "d other = g other^(input - 1) e^-other / gamma(input)";
  static constexpr auto f = [](auto a, auto x) { return igamma(a, x); };
  static constexpr auto partials = std::tuple{nullptr, [](auto g, auto a, auto x, auto) {
                                                return g * exp((a - 1.) * log(x) - x - lgamma(a));
                                              }};
};
struct Igammac : Binary {
  static constexpr auto name = "igammac";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto doc = "y = 1 - igamma(input, other), exact in the tail";
  static constexpr auto f = [](auto a, auto x) { return igammac(a, x); };
  static constexpr auto partials = std::tuple{nullptr, [](auto g, auto a, auto x, auto) {
                                                return -g * exp((a - 1.) * log(x) - x - lgamma(a));
                                              }};
};
struct Zeta : SpecialBinary {
  static constexpr auto name = "zeta";
  static constexpr auto doc =
      "y = sum of (other + k)^-input over k >= 0;  d other = -g input zeta(input + 1, other)";
  static constexpr auto f = [](auto x, auto q) { return zeta(x, q); };
  static constexpr auto partials =
      std::tuple{nullptr, [](auto g, auto x, auto q, auto) { return g * -x * zeta(x + 1., q); }};
};

// The normal distribution ----------------------------------------------------------------------

struct Erfinv : Unary {
  static constexpr auto name = "erfinv";
  static constexpr auto doc = "y with erf y = input;  d input = g sqrt(pi)/2 e^(y^2)";
  static constexpr auto f = [](auto x) { return erfinv(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return g * (kSqrtPiHalf * exp(y * y)); }};
};
struct Erfcx : SpecialUnary {
  static constexpr auto name = "erfcx";
  static constexpr auto doc = "y = e^(input^2) erfc(input);  d input = g (2 input y - 2/sqrt(pi))";
  static constexpr auto f = [](auto x) { return erfcx(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto y) { return g * (2. * x * y - kTwoOverSqrtPi); }};
};
struct Ndtr : SpecialUnary {
  static constexpr auto name = "ndtr";
  static constexpr auto node = "MulBackward1";
  static constexpr auto doc = "y = Phi(input), the normal distribution;  d input = g phi(input)";
  static constexpr auto f = [](auto x) { return ndtr(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * (kInvSqrtTwoPi * exp(-0.5 * (x * x))); }};
};
struct LogNdtr : SpecialUnary {
  static constexpr auto name = "log_ndtr";
  static constexpr auto doc = "y = ln Phi(input), exact in the tail;  d input = g phi / Phi";
  static constexpr auto f = [](auto x) { return log_ndtr(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * (kSqrtTwoOverPi / erfcx(-x * kSqrtHalf)); }};
};
struct Ndtri : SpecialUnary {
  static constexpr auto name = "ndtri";
  static constexpr auto doc = "y with Phi(y) = input;  d input = g sqrt(2 pi) e^(y^2 / 2)";
  static constexpr auto f = [](auto x) { return ndtri(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return g * (kSqrtTwoPi * exp(0.5 * (y * y))); }};
};

// Logarithms that know their limits --------------------------------------------------------------

struct Xlogy : Binary {
  static constexpr auto name = "xlogy";
  static constexpr auto numbers = Numbers::One;
  static constexpr const char* number_nodes[] = {"XlogyBackward1", "XlogyBackward2", nullptr};
  static constexpr auto doc =
      "y = input ln other, 0 where input is 0;  d input = g ln other, d other = g input / other";
  static constexpr auto f = [](auto x, auto y) { return xlogy(x, y); };
  static constexpr auto partials = std::tuple{
      [](auto g, auto x, auto y, auto) { return select((x == 0.) && (y <= 0.), 0., xlogy(g, y)); },
      [](auto g, auto x, auto y, auto) { return g * x / y; }};
};
struct Xlog1py : SpecialBinary {
  static constexpr auto name = "xlog1py";
  static constexpr auto node = "SpecialXlog1PyBackward0";
  static constexpr auto doc =
      "y = input ln(1 + other), 0 where input is 0;  d input = g ln(1 + other), "
      "d other = g input / (1 + other)";
  static constexpr auto f = [](auto x, auto y) { return xlog1py(x, y); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto y, auto) {
                   return select((x == 0.) && (y <= -1.), 0., xlog1py(g, y));
                 },
                 [](auto g, auto x, auto y, auto) { return g * x / (y + 1.); }};
};
struct Entr : SpecialUnary {
  static constexpr auto name = "entr";
  static constexpr auto doc = "y = -input ln input, -inf below 0;  d input = -g (1 + ln input)";
  static constexpr auto f = [](auto x) { return entr(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * -(log(x) + 1.); }};
};
struct Logit : Unary {
  static constexpr auto name = "logit";
  static constexpr auto face = Face::Hidden;
  static constexpr int params = 1;
  static constexpr auto doc =
      "y = ln(x / (1 - x)), x = input, or clamped to [eps, 1 - eps];  d input = g / (x (1 - x)), "
      "0 where it was clamped";
  static constexpr auto f = [](auto x, double eps) {
    // Without eps it is -1, and what lies beyond [0, 1] stays beyond: a negative's logarithm.
    auto z = select(x < eps, eps, select(x > 1. - eps, 1. - eps, x));
    return log(z / (1. - z));
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double eps) {
    const double low = eps < 0 ? 0. : eps;
    const double beyond = eps < 0 ? std::numeric_limits<double>::quiet_NaN() : 0.;
    return select((x >= low) && (x <= 1. - low), g / (x * (1. - x)), beyond);
  }};
};
struct Sinc : Unary {
  static constexpr auto name = "sinc";
  static constexpr auto doc =
      "y = sin(pi input) / (pi input), 1 at 0;  d input = g (cos(pi input) - y) / input";
  static constexpr auto f = [](auto x) { return sinc(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    auto angle = kPi * x;
    auto square = kPi * (x * x);
    return select(square == 0., 0., g * ((angle * cos(angle) - sin(angle)) / square));
  }};
};

using SpecialRows = std::tuple<Lgamma, Digamma, Polygamma, Mvlgamma, Igamma, Igammac, Zeta, Erfinv,
                               Erfcx, Ndtr, LogNdtr, Ndtri, Xlogy, Xlog1py, Entr, Logit, Sinc>;

}  // namespace bx::formulas
