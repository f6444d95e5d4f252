// Special functions of one double. Eigen's implementations, which are Cephes', where they reach
// full precision; single precision is computed in double and rounded once.
#pragma once

#include <cmath>
#include <limits>

#include <unsupported/Eigen/SpecialFunctions>

namespace bx::kernels::special {

inline constexpr double kPi = 3.14159265358979323846264338328;
inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kSqrtHalf = 0.707106781186547524400844362105;

/// log |gamma(x)|; the C library's own, without its global sign.
inline double lgamma(double x) {
#if defined(__GLIBC__) || defined(__APPLE__)
  int sign = 0;
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

/// Recurrence up to 10, then the asymptotic series. [Bernardo 1976, AS 103]
inline double digamma(double x) {
  if (x == 0) return std::copysign(kInf, -x);
  if (std::isinf(x)) return x > 0 ? kInf : kNan;
  double shift = 0;
  if (x < 0) {
    if (x == std::floor(x)) return kNan;
    shift = -kPi / std::tan(kPi * (x - std::trunc(x)));
    x = 1 - x;
  }
  for (; x < 10; x += 1) shift -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z *
      (1. / 12 -
       z * (1. / 120 -
            z * (1. / 252 - z * (1. / 240 - z * (1. / 132 - z * (691. / 32760 - z * (1. / 12)))))));
  return shift + (std::log(x) - 0.5 / x - series);
}

/// Hurwitz' sum of (q + k)^-x over k = 0, 1, ...: direct terms, then Euler and Maclaurin.
inline double zeta(double x, double q) {
  if (x == 1) return kInf;
  if (!(x > 1)) return kNan;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (x != std::floor(x)) return kNan;
  }
  return Eigen::numext::zeta(x, q);
}

/// psi', psi'' ...: (-1)^(n+1) n! zeta(n + 1, x); by reflection for negative x where n = 1.
inline double polygamma(double n, double x) {
  if (n == 0) return digamma(x);
  if (n == 1 && x < 0.5 && x != std::floor(x)) {
    const double s = kPi / std::sin(kPi * x);
    return s * s - zeta(2, 1 - x);
  }
  const double sign = std::fmod(n, 2) == 0 ? -1 : 1;
  return sign * std::exp(lgamma(n + 1)) * zeta(n + 1, x);
}

/// e^(x^2) erfc x. The rounding error of x^2 is carried into the exponential; from 25 on the
/// asymptotic series takes over, since erfc runs out of numbers. [Abramowitz & Stegun 7.1.23]
inline double erfcx(double x) {
  if (x < 25) {
    if (x < -26.7) return kInf;
    const double square = x * x, rest = std::fma(x, x, -square);
    return std::exp(square) * (1 + rest) * std::erfc(x);
  }
  const double z = 0.5 / (x * x);
  const double series = 1 - z * (1 - 3 * z * (1 - 5 * z * (1 - 7 * z * (1 - 9 * z))));
  return std::isnan(x) ? x : 0.564189583547756286948079451561 / x * series;
}

/// The y with erf y = x: a closed approximation [Winitzki 2008], then two of Halley's steps on erf,
/// or on erfc where that is the more exact.
inline double erfinv(double x) {
  if (!(x > -1 && x < 1)) return x == 1 ? kInf : x == -1 ? -kInf : kNan;
  const double size = std::abs(x), l = std::log1p(-size * size), t = 4.3307467508 + 0.5 * l;
  double y = std::sqrt(std::sqrt(t * t - l / 0.147) - t);
  if (size < 1e-8) return x * 0.886226925452758013649083741671;
  for (int step = 0; step < 2; ++step) {
    const double miss = size < 0.5 ? std::erf(y) - size : (1 - size) - std::erfc(y);
    const double newton = miss * 0.886226925452758013649083741671 * std::exp(y * y);
    y -= newton / (1 + y * newton);
  }
  return std::copysign(y, x);
}

inline double ndtr(double x) { return 0.5 * std::erfc(-x * kSqrtHalf); }
inline double log_ndtr(double x) {
  if (x < -1) return std::log(0.5 * erfcx(-x * kSqrtHalf)) - 0.5 * x * x;
  return std::log1p(-0.5 * std::erfc(x * kSqrtHalf));
}

inline double entr(double x) {
  if (x > 0) return -x * std::log(x);
  return x == 0 ? 0 : std::isnan(x) ? x : -kInf;
}
inline double sinc(double x) { return x == 0 ? 1 : std::sin(kPi * x) / (kPi * x); }
inline double xlogy(double x, double y) { return std::isnan(y) ? y : x == 0 ? 0 : x * std::log(y); }
inline double xlog1py(double x, double y) {
  return std::isnan(y) ? y : x == 0 ? 0 : x * std::log1p(y);
}

/// The incomplete gamma functions, over gamma(a), with their limits.
inline double igammac(double a, double x) {
  if (!(a >= 0 && x >= 0)) return kNan;
  if (a == 0) return x > 0 ? 0 : kNan;
  if (x == 0) return 1;
  if (std::isinf(a)) return std::isinf(x) ? kNan : 1;
  return std::isinf(x) ? 0 : Eigen::numext::igammac(a, x);
}
inline double igamma(double a, double x) {
  if (!(a >= 0 && x >= 0)) return kNan;
  if (a == 0) return x > 0 ? 1 : kNan;
  if (x == 0) return 0;
  if (std::isinf(a)) return std::isinf(x) ? kNan : 0;
  return std::isinf(x) ? 1 : Eigen::numext::igamma(a, x);
}

inline double spherical_bessel_j0(double x) {
  if (std::isinf(x)) return 0;
  if (std::abs(x) >= 0.5) return std::sin(x) / x;
  const double z = x * x;
  return 1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72 * (1 - z / 110 * (1 - z / 156)))));
}

/// Polynomials by their three-term recurrences, upwards from degree 0 and 1: p_{k+1} is
/// next(k, p_k, p_{k-1}). Degrees below 0 give 0; beyond kLargestDegree, which would run for
/// minutes, NaN.
inline constexpr double kLargestDegree = 1e5;
template <class Next>
double polynomial(double degree, double first, Next next) {
  if (degree <= -1) return 0;
  if (!(degree <= kLargestDegree)) return std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<int64_t>(degree);
  double before = 1, p = n == 0 ? 1 : first;
  for (int64_t k = 1; k < n && !std::isnan(p); ++k) {
    const double after = next(static_cast<double>(k), p, before);
    before = p;
    p = after;
  }
  return p;
}

/// Chebyshev's four kinds share their recurrence and differ in degree 1.
inline double chebyshev(double x, double n, double first) {
  return polynomial(n, first, [x](double, double p, double q) { return 2 * x * p - q; });
}
inline double chebyshev_t(double x, double n) {
  if (n >= 0 && std::abs(x) < 1) return std::cos(std::trunc(n) * std::acos(x));
  return chebyshev(x, n, x);
}
inline double chebyshev_u(double x, double n) { return chebyshev(x, n, 2 * x); }
inline double chebyshev_v(double x, double n) { return chebyshev(x, n, 2 * x - 1); }
inline double chebyshev_w(double x, double n) { return chebyshev(x, n, 2 * x + 1); }
inline double hermite_h(double x, double n) {
  return polynomial(n, 2 * x, [x](double k, double p, double q) { return 2 * (x * p - k * q); });
}
inline double hermite_he(double x, double n) {
  return polynomial(n, x, [x](double k, double p, double q) { return x * p - k * q; });
}
inline double laguerre_l(double x, double n) {
  return polynomial(n, 1 - x, [x](double k, double p, double q) {
    return ((2 * k + 1 - x) * p - k * q) / (k + 1);
  });
}
inline double legendre_p(double x, double n) {
  return polynomial(
      n, x, [x](double k, double p, double q) { return ((2 * k + 1) * x * p - k * q) / (k + 1); });
}

}  // namespace bx::kernels::special
