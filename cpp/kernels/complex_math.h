// The vocabulary of the formulas on a complex number: what std::complex has, and what it lacks.
#pragma once

#include <complex>

#include "core/complex.h"

namespace bx {

template <class T>
std::complex<T> to_std(const Complex<T>& z) {
  return {z.re, z.im};
}
template <class T>
Complex<T> from_std(const std::complex<T>& z) {
  return {z.real(), z.imag()};
}

#define BX_COMPLEX_FUNCTION(function)          \
  template <class T>                           \
  Complex<T> function(const Complex<T>& x) {   \
    return from_std(std::function(to_std(x))); \
  }
BX_COMPLEX_FUNCTION(exp)
BX_COMPLEX_FUNCTION(log)
BX_COMPLEX_FUNCTION(sqrt)
BX_COMPLEX_FUNCTION(sin)
BX_COMPLEX_FUNCTION(cos)
BX_COMPLEX_FUNCTION(tan)
BX_COMPLEX_FUNCTION(asin)
BX_COMPLEX_FUNCTION(acos)
BX_COMPLEX_FUNCTION(atan)
BX_COMPLEX_FUNCTION(sinh)
BX_COMPLEX_FUNCTION(cosh)
BX_COMPLEX_FUNCTION(tanh)
BX_COMPLEX_FUNCTION(asinh)
BX_COMPLEX_FUNCTION(atanh)
#undef BX_COMPLEX_FUNCTION

template <class T>
T abs(const Complex<T>& x) {
  return std::hypot(x.re, x.im);
}
template <class T>
Complex<T> rsqrt(const Complex<T>& x) {
  return 1. / sqrt(x);
}
template <class T>
Complex<T> exp2(const Complex<T>& x) {
  return exp(x * std::log(2.));
}
template <class T>
Complex<T> log2(const Complex<T>& x) {
  return log(x) / std::log(2.);
}
template <class T>
Complex<T> log10(const Complex<T>& x) {
  return from_std(std::log10(to_std(x)));
}
/// e^re cos im - 1 = expm1(re) cos im - 2 sin^2(im / 2)
template <class T>
Complex<T> expm1(const Complex<T>& x) {
  const T half = std::sin(x.im / 2);
  return {std::expm1(x.re) * std::cos(x.im) - 2 * half * half, std::exp(x.re) * std::sin(x.im)};
}
/// ln |1 + x| from |1 + x|^2 - 1 = re (2 + re) + im^2
template <class T>
Complex<T> log1p(const Complex<T>& x) {
  const T re = std::fabs(x.re) < T(0.5) && std::fabs(x.im) < T(0.5)
                   ? std::log1p(x.re * (2 + x.re) + x.im * x.im) / 2
                   : std::log(std::hypot(1 + x.re, x.im));
  return {re, std::atan2(x.im, 1 + x.re)};
}
template <class T>
Complex<T> sigmoid(const Complex<T>& x) {
  return 1. / (1. + exp(-x));
}
template <class T>
Complex<T> pow(const Complex<T>& a, const Complex<T>& b) {
  return from_std(std::pow(to_std(a), to_std(b)));
}
/// Small whole powers and roots without a logarithm.
template <class T>
Complex<T> pow(const Complex<T>& x, double p) {
  if (p == 2.) return x * x;
  if (p == 3.) return x * x * x;
  if (p == 1.) return x;
  if (p == 0.5) return sqrt(x);
  if (p == -0.5) return rsqrt(x);
  if (p == -1.) return 1. / x;
  if (p == -2.) return 1. / (x * x);
  return pow(x, Complex<T>(p));
}

template <class T>
bool is_infinite(const Complex<T>& x) {
  return std::isinf(x.re) || std::isinf(x.im);
}
template <class T>
T real(const Complex<T>& x) {
  return x.re;
}
template <class T>
Complex<T> select(bool c, const Complex<T>& a, const Complex<T>& b) {
  return c ? a : b;
}
template <class T>
Complex<T> select(bool c, double a, const Complex<T>& b) {
  return c ? Complex<T>(a) : b;
}
template <class T>
Complex<T> select(bool c, const Complex<T>& a, double b) {
  return c ? a : Complex<T>(b);
}
template <class T>
Complex<T> choose(bool c, const Complex<T>& a, const Complex<T>& b) {
  return c ? a : b;
}
template <class T>
Complex<T> zero(const Complex<T>&) {
  return 0.;
}

}  // namespace bx
