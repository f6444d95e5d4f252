// Rows of the op table as operations on tensors: broadcasting, promotion, tape. Also the
// vocabulary of the formulas on Tensor, so that a derivative can itself be recorded.
#pragma once

#include "autograd/node.h"
#include "formulas/all.h"
#include "launch/launch.h"

namespace bx {

inline constexpr int kMaxRowParams = 3;

/// The derivative of a row for one of its inputs.
struct Partial {
  bool exists = false;
  bool passes_gradient = false;  // it is g itself
  unsigned reads = 0;            // bit 0: g, bit 1+i: input i, bit 1+inputs: the output
  Tensor (*formula)(const Tensor& g, const Tensor* in, const Tensor& y, const double* p) = nullptr;
};

/// A row, as data.
struct PointwiseOp {
  int row;
  const char* name;
  std::string node_name;
  const char* inplace_node;
  const char* const* number_nodes;
  const char* signature;
  const char* doc;
  int inputs, params;
  formulas::Domain domain;
  formulas::Face face;
  formulas::Numbers numbers;
  bool masked, rejects_bool, one_type;
  bool kinked;  // its slope is the same between kinks
  Partial partials[3];
  bool recorded = false;  // also without a partial: who asks for its derivative is told
};

/// Every row, by number.
const PointwiseOp& pointwise_op(int row);

/// Raises for inputs whose types, or `type`, which they are computed in, the row does not take.
void check_types(const PointwiseOp& op, const Tensor* in, DType type);

/// y = f(in..., params...), recorded. Wrapped numbers take part in promotion as PyTorch's do.
Tensor pointwise(const PointwiseOp& op, const Tensor* in, const double* params = nullptr);
/// The same written into in[0]; returns it.
Tensor pointwise_inplace(const PointwiseOp& op, const Tensor* in, const double* params = nullptr);

template <class Row, class... In>
Tensor apply(const In&... in) {
  const Tensor list[] = {in...};
  return pointwise(pointwise_op(formulas::row_index<Row>), list);
}
template <class Row>
Tensor apply_scalar(const Tensor& x, double p) {
  return pointwise(pointwise_op(formulas::row_index<Row>), &x, &p);
}

/// The number as a 0-d tensor that gives way to `like` in promotion.
inline Tensor number_like(const Tensor& like, double x) {
  return wrapped_number(x, is_differentiable(like.dtype()) ? like.dtype() : DType::Float64);
}

// The vocabulary of formulas/row.h -----------------------------------------------------------

#define BX_OPERATOR(op, Row)                                                              \
  inline Tensor operator op(const Tensor& a, const Tensor& b) {                           \
    return apply<formulas::Row>(a, b);                                                    \
  }                                                                                       \
  inline Tensor operator op(const Tensor& a, double b) { return a op number_like(a, b); } \
  inline Tensor operator op(double a, const Tensor& b) { return number_like(b, a) op b; }
BX_OPERATOR(+, Add)
BX_OPERATOR(-, Sub)
BX_OPERATOR(*, Mul)
BX_OPERATOR(/, Div)
BX_OPERATOR(<, Lt)
BX_OPERATOR(<=, Le)
BX_OPERATOR(>, Gt)
BX_OPERATOR(>=, Ge)
BX_OPERATOR(==, Eq)
BX_OPERATOR(!=, Ne)
#undef BX_OPERATOR
inline Tensor operator&&(const Tensor& a, const Tensor& b) {
  return apply<formulas::LogicalAnd>(a, b);
}
inline Tensor operator-(const Tensor& x) { return apply<formulas::Neg>(x); }

#define BX_FUNCTION(function, Row) \
  inline Tensor function(const Tensor& x) { return apply<formulas::Row>(x); }
BX_FUNCTION(abs, Abs)
BX_FUNCTION(sign, Sign)
BX_FUNCTION(sqrt, Sqrt)
BX_FUNCTION(rsqrt, Rsqrt)
BX_FUNCTION(exp, Exp)
BX_FUNCTION(expm1, Expm1)
BX_FUNCTION(log, Log)
BX_FUNCTION(log1p, Log1p)
BX_FUNCTION(sin, Sin)
BX_FUNCTION(cos, Cos)
BX_FUNCTION(tanh, Tanh)
BX_FUNCTION(sinh, Sinh)
BX_FUNCTION(cosh, Cosh)
BX_FUNCTION(sigmoid, Sigmoid)
BX_FUNCTION(erf, Erf)
BX_FUNCTION(floor, Floor)
BX_FUNCTION(trunc, Trunc)
#undef BX_FUNCTION

inline Tensor pow(const Tensor& a, const Tensor& b) { return apply<formulas::Pow>(a, b); }
inline Tensor pow(const Tensor& a, double p) { return apply_scalar<formulas::PowScalar>(a, p); }
inline Tensor minimum(const Tensor& a, const Tensor& b) { return apply<formulas::Minimum>(a, b); }
inline Tensor maximum(const Tensor& a, const Tensor& b) { return apply<formulas::Maximum>(a, b); }
Tensor minimum(const Tensor& a, double bound);
Tensor maximum(const Tensor& a, double bound);
inline Tensor select(const Tensor& c, const Tensor& a, const Tensor& b) {
  return apply<formulas::Where>(c, a, b);
}
inline Tensor select(const Tensor& c, const Tensor& a, double b) {
  return select(c, a, number_like(a, b));
}
inline Tensor select(const Tensor& c, double a, const Tensor& b) {
  return select(c, number_like(b, a), b);
}
Tensor zero(const Tensor& like);
Tensor real(const Tensor& t);
inline Tensor choose(bool c, const Tensor& a, const Tensor& b) { return c ? a : b; }
inline Tensor operator||(const Tensor& a, const Tensor& b) {
  return apply<formulas::LogicalOr>(a, b);
}

}  // namespace bx
