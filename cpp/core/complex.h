// A complex number: two reals side by side, as std::complex and PyTorch lay them out. Its product
// is the plain formula, without the rescue of infinities that C's has and that vectors cannot
// afford.
#pragma once

#include <cmath>

namespace bx {

template <class T>
struct Complex {
  T re, im;

  Complex() = default;
  constexpr Complex(double re, double im = 0) : re(static_cast<T>(re)), im(static_cast<T>(im)) {}
};

// clang-format off: macro calls without semicolons
/// The operation on two complex numbers, or one and a real one.
#define BX_COMPLEX(op, Result)                                              \
  template <class T>                                                        \
  constexpr Result operator op(double a, const Complex<T>& b) {             \
    return Complex<T>(a) op b;                                              \
  }                                                                         \
  template <class T>                                                        \
  constexpr Result operator op(const Complex<T>& a, double b) {             \
    return a op Complex<T>(b);                                              \
  }                                                                         \
  template <class T>                                                        \
  constexpr Result operator op(const Complex<T>& a, const Complex<T>& b)
BX_COMPLEX(+, Complex<T>) { return {a.re + b.re, a.im + b.im}; }
BX_COMPLEX(-, Complex<T>) { return {a.re - b.re, a.im - b.im}; }
BX_COMPLEX(*, Complex<T>) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
BX_COMPLEX(==, bool) { return a.re == b.re && a.im == b.im; }
BX_COMPLEX(!=, bool) { return !(a == b); }
/// Scaled by the larger part of b, so that no square overflows. [Smith 1962]
BX_COMPLEX(/, Complex<T>) {
  const T size = std::fmax(std::fabs(b.re), std::fabs(b.im));
  if (size == 0) return {a.re / size, a.im / size};
  const T re = b.re / size, im = b.im / size, square = (re * re + im * im) * size;
  return {(a.re * re + a.im * im) / square, (a.im * re - a.re * im) / square};
}
#undef BX_COMPLEX
// clang-format on

template <class T>
constexpr Complex<T> operator-(const Complex<T>& x) {
  return {-x.re, -x.im};
}
template <class T>
constexpr Complex<T> conj(const Complex<T>& x) {
  return {x.re, -x.im};
}

}  // namespace bx
