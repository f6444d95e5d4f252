// The special functions of the formulas' vocabulary on Tensor.
#pragma once

#include "ops/pointwise.h"

namespace bx {

#define BX_UNARY(function, Row) \
  inline Tensor function(const Tensor& x) { return apply<formulas::Row>(x); }
BX_UNARY(lgamma, Lgamma)
BX_UNARY(digamma, Digamma)
BX_UNARY(erfcx, Erfcx)
BX_UNARY(i0, I0)
BX_UNARY(i0e, I0e)
BX_UNARY(i1, I1)
BX_UNARY(i1e, I1e)
BX_UNARY(j0, BesselJ0)
BX_UNARY(j1, BesselJ1)
BX_UNARY(y0, BesselY0)
BX_UNARY(y1, BesselY1)
BX_UNARY(k0, ModifiedK0)
BX_UNARY(k1, ModifiedK1)
BX_UNARY(k0e, ScaledK0)
BX_UNARY(k1e, ScaledK1)
#undef BX_UNARY

inline Tensor polygamma(const Tensor& x, double n) {
  return apply_scalar<formulas::Polygamma>(x, n);
}
inline Tensor zeta(const Tensor& x, const Tensor& q) { return apply<formulas::Zeta>(x, q); }
inline Tensor xlogy(const Tensor& x, const Tensor& y) { return apply<formulas::Xlogy>(x, y); }
inline Tensor xlog1py(const Tensor& x, const Tensor& y) { return apply<formulas::Xlog1py>(x, y); }

}  // namespace bx
