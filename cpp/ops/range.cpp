// Elementwise operations that need more than their row: options, several results, other names.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/ops.h"
#include "ops/special.h"

namespace bx {

namespace {

template <class Row>
const PointwiseOp& op_of() {
  return pointwise_op(formulas::row_index<Row>);
}
template <class Row>
const char* doc_of() {
  return op_of<Row>().doc;
}

Tensor polygamma_of(int64_t n, const Tensor& t) {
  if (n < 0) fail_runtime("polygamma", "n is ", n, "; derivatives are counted from 0");
  return polygamma(t, static_cast<double>(n));
}

Tensor mvlgamma(const Tensor& t, int64_t p) {
  if (p < 1) fail_runtime("mvlgamma", "p is ", p, "; matrices have 1 row or more");
  if (p > 100'000) fail_runtime("mvlgamma", "p is ", p, "; at most 100000 rows are summed over");
  require_number_type("mvlgamma", t);
  return apply_scalar<formulas::Mvlgamma>(t, static_cast<double>(p));
}

Tensor logit(const Tensor& t, std::optional<double> eps) {
  return apply_scalar<formulas::Logit>(t, eps.value_or(-1.));
}

Tensor nan_to_num(const Tensor& t, std::optional<double> nan, std::optional<double> posinf,
                  std::optional<double> neginf) {
  if (!is_floating(t.dtype())) return clone(t);
  const double largest = largest_of(t.dtype());
  const double values[] = {nan.value_or(0.), posinf.value_or(largest), neginf.value_or(-largest)};
  return pointwise(op_of<formulas::NanToNum>(), &t, values);
}

std::pair<Tensor, Tensor> frexp(const Tensor& t) {
  if (!is_floating(t.dtype()))
    fail_runtime("frexp", "input is ", name_of(t.dtype()), "; convert it with .float()");
  const Tensor mantissa = apply<formulas::FrexpMantissa>(t);
  const Tensor exponent = apply<formulas::FrexpExponent>(t);
  if (Recorder r{&t}; r)
    r.save(pow(wrapped_number(2., t.dtype()), -exponent))
        .done("FrexpBackward0", mantissa,
              [](const Backward& b) { b.give(0, b.grad() * b.saved(0)); });
  return {mantissa, to(exponent, DType::Int32)};
}

Tensor isclose(const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
  if (a.dtype() != b.dtype())
    fail_runtime("isclose", "types ", name_of(a.dtype()), " and ", name_of(b.dtype()),
                 " differ; convert one of them");
  if (!(rtol >= 0 && atol >= 0))
    fail_runtime("isclose", "tolerances ", rtol, " and ", atol, "; they must be 0 or more");
  if (is_complex(a.dtype())) {
    const Tensor distance = abs(detach(a) - detach(b)),
                 close = distance <= rtol * abs(detach(b)) + atol;
    const Tensor same = (a == b) || (close && apply<formulas::IsFinite>(distance));
    return equal_nan ? same || (apply<formulas::IsNan>(a) && apply<formulas::IsNan>(b)) : same;
  }
  const Tensor in[] = {a, b};
  const double params[] = {rtol, atol, static_cast<double>(equal_nan)};
  return pointwise(op_of<formulas::IsClose>(), in, params);
}

bool all_true(const Tensor& flags) {
  const Tensor t = contiguous(flags);
  const bool* begin = t.data<bool>();
  return std::all_of(begin, begin + t.numel(), [](bool b) { return b; });
}

bool equal(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && all_true(a == b); }

Tensor as_double(const Tensor& t) {
  return to(t, is_complex(t.dtype()) ? DType::Complex128 : DType::Float64);
}

Tensor float_power(const Tensor& base, const Tensor& exponent) {
  return power(as_double(base), as_double(exponent));
}

/// The rows of a division by its rounding.
const PointwiseOp& division(const std::optional<std::string>& rounding) {
  if (!rounding) return op_of<formulas::Div>();
  if (*rounding == "floor") return op_of<formulas::DivFloor>();
  if (*rounding == "trunc") return op_of<formulas::DivTrunc>();
  fail_runtime("div", "rounding_mode is '", *rounding, "'; expected None, 'floor' or 'trunc'");
}

/// Rounded to 10^-decimals; constant but for its jumps.
Tensor round_decimals(const Tensor& t, int64_t decimals) {
  if (!is_floating(t.dtype()))
    fail(ErrorKind::NotImplemented, "round", "decimals=", decimals, " for ", name_of(t.dtype()),
         "; convert it with .float()");
  if (decimals == 0) return apply<formulas::Round>(t);
  const double scale = std::pow(10., static_cast<double>(std::abs(decimals)));
  Tensor out;
  {
    GradMode off(false);
    out = decimals > 0 ? apply<formulas::Round>(t * scale) / scale
                       : apply<formulas::Round>(t / scale) * scale;
  }
  if (Recorder r{&t}; r)
    r.done("RoundBackward1", out, [](const Backward& b) { b.give(0, zero(b.grad())); });
  return out;
}

/// One bound: a number, or a tensor with a gradient of its own.
template <class Row>
Tensor clamp_side(const Tensor& t, Operand bound) {
  if (!bound.tensor->is_wrapped_number) return apply<Row>(t, bound.tensor);
  const std::optional<Operand> none, given = bound;
  return std::is_same_v<Row, formulas::ClampMin>
             ? named("ClampMinBackward0", clamp(t, given, none))
             : named("ClampMaxBackward0", clamp(t, none, given));
}

void register_options(Registry& r) {
  r.function("polygamma", "n, input", polygamma_of, doc_of<formulas::Polygamma>());
  r.method(
      "polygamma", "input, n", [](const Tensor& t, int64_t n) { return polygamma_of(n, t); },
      doc_of<formulas::Polygamma>());
  r.method(
      "polygamma_", "input, n",
      [](const Tensor& t, int64_t n) {
        check_inplace("polygamma_", t);
        const Tensor result = polygamma_of(n, unwritten(t));
        require_storable("polygamma_", result.dtype(), t.dtype());
        return copy_(t, result);
      },
      doc_of<formulas::Polygamma>());
  r.both("mvlgamma", "input, p", mvlgamma, doc_of<formulas::Mvlgamma>());
  r.both("logit", "input, eps=None", logit, doc_of<formulas::Logit>());
  r.both("nan_to_num", "input, nan=None, posinf=None, neginf=None", nan_to_num,
         doc_of<formulas::NanToNum>());
  r.both("frexp", "input -> mantissa, exponent", frexp,
         "input = mantissa 2^exponent, 1/2 <= |mantissa| < 1;  d input = g 2^-exponent");
  r.both("isclose", "input, other, rtol=1e-05, atol=1e-08, equal_nan=False", isclose,
         doc_of<formulas::IsClose>());
  r.both(
      "allclose", "input, other, rtol=1e-05, atol=1e-08, equal_nan=False",
      [](const Tensor& a, const Tensor& b, double rtol, double atol, bool equal_nan) {
        return all_true(isclose(a, b, rtol, atol, equal_nan));
      },
      "Whether isclose holds everywhere.");
  r.both("equal", "input, other", equal, "Whether shapes and all elements are equal.");
  const char* float_power_doc = "y = input ** exponent in float64.";
  r.both(
      "float_power", "input, exponent",
      [](const Tensor& a, Operand b) { return float_power(a, b.tensor); }, float_power_doc);
  r.both(
      "float_power", "input, exponent",
      [](Operand a, const Tensor& b) { return float_power(a.tensor, b); }, float_power_doc);
  r.method(
      "float_power_", "input, exponent",
      [](const Tensor& t, Operand exponent) {
        if (t.dtype() != DType::Float64)
          fail_runtime("float_power_", "the result is float64, the tensor to write ",
                       name_of(t.dtype()), "; convert it with .double()");
        return power_inplace(t, as_double(exponent.tensor));
      },
      "y = input ** exponent in float64, in place.");
  r.both(
      "ldexp", "input, other",
      [](const Tensor& t, const Tensor& e) {
        if (is_differentiable(t.dtype())) require_number_type("ldexp", e);
        const Tensor power = e.dtype() == DType::Bool ? to(e, DType::Int64) : e;
        const Tensor out = t * pow(wrapped_number(2., DType::Float64), power);
        const bool keeps = is_differentiable(t.dtype()) && !is_differentiable(e.dtype());
        return named("LdexpBackward0", keeps ? to(out, t.dtype()) : out);
      },
      "y = input 2^other;  d input = g 2^other, d other = g y ln 2");
  r.both(
      "clamp_min", "input, min",
      [](const Tensor& t, Operand low) { return clamp_side<formulas::ClampMin>(t, low); },
      doc_of<formulas::ClampMin>());
  r.both(
      "clamp_max", "input, max",
      [](const Tensor& t, Operand high) { return clamp_side<formulas::ClampMax>(t, high); },
      doc_of<formulas::ClampMax>());
  r.function(
      "rsub", "input, other, *, alpha=1",
      [](const Tensor& t, Operand other, const Scalar& alpha) {
        const Tensor out = subtract(other.tensor, t, alpha);
        return other.tensor->is_wrapped_number ? out : named("RsubBackward0", out);
      },
      "y = other - alpha input");
  r.both(
      "div", "input, other, *, rounding_mode",
      [](Operand a, Operand b, const std::optional<std::string>& rounding) {
        const Tensor in[] = {a.tensor, b.tensor};
        return pointwise(division(rounding), in);
      },
      "");
  r.method(
      "div_", "input, other, *, rounding_mode",
      [](const Tensor& a, Operand b, const std::optional<std::string>& rounding) {
        const Tensor in[] = {a, b.tensor};
        return pointwise_inplace(division(rounding), in);
      },
      "");
  r.both("round", "input, *, decimals", round_decimals, "");
  r.method(
      "round_", "input, *, decimals",
      [](const Tensor& t, int64_t decimals) {
        check_inplace("round_", t);
        return copy_(t, round_decimals(unwritten(t), decimals));
      },
      "");
}

void register_names(Registry& r) {
  r.inplace({"mvlgamma", "logit", "nan_to_num", "ldexp", "clamp_min", "clamp_max", "eq", "ne", "lt",
             "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not"},
            true);
  r.both(
      "positive", "input",
      [](const Tensor& t) {
        if (t.dtype() == DType::Bool)
          fail_runtime("positive", "not supported for bool tensors; convert with .int()");
        return t;
      },
      "The tensor itself: y = +input.");
  r.alias("abs", {"absolute"});
  r.alias("acos", {"arccos"});
  r.alias("acosh", {"arccosh"});
  r.alias("asin", {"arcsin"});
  r.alias("asinh", {"arcsinh"});
  r.alias("atan", {"arctan"});
  r.alias("atan2", {"arctan2"});
  r.alias("atanh", {"arctanh"});
  r.alias("clamp", {"clip"});
  r.alias("div", {"divide", "true_divide"});
  r.alias("ge", {"greater_equal"});
  r.alias("gt", {"greater"});
  r.alias("le", {"less_equal"});
  r.alias("lt", {"less"});
  r.alias("mul", {"multiply"});
  r.alias("ne", {"not_equal"});
  r.alias("neg", {"negative"});
  r.alias("sub", {"subtract"});
  r.alias("trunc", {"fix"});
}

}  // namespace

void register_range(Registry& r) {
  register_options(r);
  register_names(r);
}

}  // namespace bx
