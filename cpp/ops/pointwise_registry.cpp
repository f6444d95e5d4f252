// Rows of the op table entered into the registry, and the few that need more than their row.
#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

#include "ops/ops.h"

namespace bx {

namespace {

using formulas::Domain;
using formulas::Face;

using formulas::Numbers;

enum class Form { New, Inplace, InplaceFlag };

/// Rejects values that a row's formula does not take.
void check_values(const PointwiseOp& op, const Tensor* in, const double* p) {
  using namespace formulas;
  if (op.row == row_index<Celu> && p[0] == 0)
    fail_runtime(op.name, "alpha is 0, by which the formula divides; take another");
  if (op.row == row_index<Softshrink> && !(p[0] >= 0))
    fail_runtime(op.name, "lambd is ", p[0], "; it must be 0 or more");
  if (op.row == row_index<Hardtanh> && p[0] > p[1])
    fail_value(op.name, "min_val is ", p[0], ", above max_val, ", p[1], "; swap them");
  if (op.row == row_index<Hardtanh> && in[0].dtype() == DType::UInt8 && p[0] <= -1)
    fail_runtime(op.name, "min_val is ", p[0], ", which uint8 does not hold; pass 0 or more");
  if (op.row == row_index<Addcmul> && in[0].dtype() == DType::Bool &&
      in[1].dtype() == DType::Bool && in[2].dtype() == DType::Bool)
    fail(ErrorKind::NotImplemented, op.name, "not implemented for bool; convert with .int()");
  if (op.row == row_index<Addcdiv> && !is_differentiable(in[1].dtype()) &&
      !is_differentiable(in[2].dtype()))
    fail_runtime(op.name, "tensor1 is ", name_of(in[1].dtype()), ", tensor2 ",
                 name_of(in[2].dtype()),
                 ", whose quotient is no integer; convert one of them with .float()");
}

/// Whether PyTorch reads a row's numbers as Scalars: a complex one is a RuntimeError, not a
/// TypeError.
bool takes_scalars(const PointwiseOp& op) {
  return op.inputs == 3 || (op.face != Face::Tensor && op.face != Face::Hidden &&
                            op.row != formulas::row_index<formulas::Hardtanh>);
}

/// A row as a registry entry: its tensors, its scalars, and for nn.functional the flag `inplace`.
/// A number may stand for the inputs in the bits of `numbers`.
Overload row_overload(const PointwiseOp& op, Form form, unsigned numbers = 0) {
  Overload o;
  for (int k = 0; k < op.inputs; ++k)
    o.arguments.emplace_back(numbers >> k & 1u ? ArgType::Operand : ArgType::Tensor);
  const bool scalars = takes_scalars(op);
  for (int k = 0; k < op.params; ++k)
    o.arguments.emplace_back(scalars ? ArgType::Scalar : ArgType::Float);
  if (form == Form::InplaceFlag) o.arguments.emplace_back(ArgType::Bool);
  o.call = [&op, form, scalars](Value* v) -> Value {
    Tensor in[3];
    double params[kMaxRowParams] = {};
    for (int k = 0; k < op.inputs; ++k) in[k] = std::get<Tensor>(v[k]);
    for (int k = 0; k < op.params; ++k) {
      const Value& number = v[op.inputs + k];
      params[k] = scalars ? std::get<Scalar>(number).as_double() : std::get<double>(number);
    }
    check_values(op, in, params);
    const bool inplace = form == Form::Inplace ||
                         (form == Form::InplaceFlag && std::get<bool>(v[op.inputs + op.params]));
    return inplace ? pointwise_inplace(op, in, params) : pointwise(op, in, params);
  };
  return o;
}

/// The function of a row, once for each way to mix tensors and numbers.
void register_new(Registry& r, Place place, const PointwiseOp& op) {
  const unsigned last = 1u << (op.inputs - 1), all = 2u * last - 1u;
  const unsigned numbers = op.numbers == Numbers::None  ? 0u
                           : op.numbers == Numbers::Any ? all
                                                        : last;
  r.add_overload(place, op.name, op.signature, row_overload(op, Form::New, numbers), op.doc);
  if (op.numbers == Numbers::One)
    r.add_overload(place, op.name, op.signature, row_overload(op, Form::New, all & ~last), op.doc);
}

/// Whether the function in nn.functional writes in place when asked: where PyTorch's does.
bool has_inplace(const std::string_view name) {
  for (const char* never :
       {"softplus", "logsigmoid", "softsign", "tanhshrink", "softshrink", "hardshrink"})
    if (name == never) return false;
  return true;
}

void register_row(Registry& r, const PointwiseOp& op) {
  if (op.face == Face::Hidden) return;
  const bool widens = op.inputs > 1 || op.domain == Domain::Float;
  if (op.face == Face::Special) {
    register_new(r, Place::Special, op);
    if (widens) r.widens(str("special.", op.name).c_str());
    return;
  }
  if (op.face != Face::Tensor && !has_inplace(op.name))
    r.add_overload(Place::Nn, op.name, op.signature, row_overload(op, Form::New), op.doc);
  else if (op.face != Face::Tensor)
    r.add_overload(Place::Nn, op.name, str(op.signature, ", ?inplace=False").c_str(),
                   row_overload(op, Form::InplaceFlag), op.doc);
  if (op.face == Face::Nn) return;
  register_new(r, Place::Both, op);
  if (widens) r.widens(op.name);
  if (op.domain == Domain::Compare || op.masked) return;
  // As in PyTorch, torch.exp_(x) for functions of one tensor, but only x.mul_(y) for others.
  r.add_overload(
      op.inputs == 1 ? Place::Both : Place::Method, str(op.name, "_").c_str(), op.signature,
      row_overload(op, Form::Inplace, op.numbers == Numbers::None ? 0u : 1u << (op.inputs - 1)),
      op.doc);
}

/// The operands of add and sub, which scale the second: then it is a copy, which is apart from
/// what is written.
std::array<Tensor, 2> scaled_operands(const PointwiseOp& op, const Tensor& a, const Tensor& b,
                                      const Scalar& alpha, bool inplace = false) {
  if (alpha.kind == Scalar::Int && alpha.i == 1) return {a, b};
  if (inplace) require_apart(op.name, a, b);
  const Tensor in[] = {a, b};
  const DType type = result_type(in, 2);
  check_types(op, in, type);
  require_fits(op.name, alpha, type);
  if (alpha.kind == Scalar::Bool && type != DType::Bool)
    fail_runtime(op.name, "alpha is a bool, the result ", name_of(type), "; pass a number");
  return {a, scaled(to(b, type), alpha)};
}

template <class Row>
void register_scaled(Registry& r, bool inplace) {
  const PointwiseOp& op = pointwise_op(formulas::row_index<Row>);
  Overload o;
  for (ArgType type :
       {inplace ? ArgType::Tensor : ArgType::Operand, ArgType::Operand, ArgType::Scalar})
    o.arguments.emplace_back(type);
  o.call = [&op, inplace](Value* v) -> Value {
    const auto in = scaled_operands(op, std::get<Tensor>(v[0]), std::get<Tensor>(v[1]),
                                    std::get<Scalar>(v[2]), inplace);
    return inplace ? pointwise_inplace(op, in.data()) : pointwise(op, in.data());
  };
  r.add_overload(inplace ? Place::Method : Place::Both,
                 (std::string(op.name) + (inplace ? "_" : "")).c_str(), "input, other, *, alpha=1",
                 std::move(o), op.doc);
}

/// where's condition, for which uint8 may still stand.
Tensor condition_of(const Tensor& c) {
  return c.dtype() == DType::UInt8 ? as_bool_mask("where", c) : c;
}

}  // namespace

Tensor scaled(const Tensor& t, const Scalar& alpha) {
  if (alpha.kind == Scalar::Complex) {
    if (!is_complex(t.dtype()))
      fail_runtime("add", "alpha is complex, but the operand is ", name_of(t.dtype()),
                   "; use a real number or a complex tensor");
    return t * number_as(alpha, t.dtype());
  }
  if (alpha.as_double() == 1) return t;
  if (alpha.kind == Scalar::Float && !is_differentiable(t.dtype()))
    fail_runtime("add", "alpha is a float, ", alpha.d, ", but the operand is ", name_of(t.dtype()),
                 "; use a whole number or a floating-point tensor");
  return t * (alpha.kind == Scalar::Float ? wrapped_number(alpha.d, DType::Float64)
              : t.dtype() == DType::Bool  ? wrapped_number(int64_t{alpha.i != 0}, DType::Bool)
                                          : wrapped_number(alpha.i, DType::Int64));
}

Tensor subtract(const Tensor& a, const Tensor& b, const Scalar& alpha) {
  const PointwiseOp& op = pointwise_op(formulas::row_index<formulas::Sub>);
  return pointwise(op, scaled_operands(op, a, b, alpha).data());
}

/// A number as the exponent takes the row with the products and roots.
Tensor power(const Tensor& base, const Tensor& exponent) {
  if (!exponent->is_wrapped_number || is_complex(exponent.dtype())) return pow(base, exponent);
  const double p = item_double(exponent);
  if (!is_differentiable(base.dtype())) {
    if (is_floating(exponent.dtype())) return pow(to(base, default_dtype()), p);
    if (p < 0)
      fail_runtime("pow", "integers to negative integer powers are not allowed (exponent ", p,
                   "); convert the base with .float()");
    return pow(base, exponent);
  }
  return pow(base, p);
}

Tensor power_inplace(const Tensor& base, const Tensor& exponent) {
  const Tensor in[] = {base, exponent};
  if (!exponent->is_wrapped_number || is_complex(exponent.dtype()) ||
      !is_differentiable(base.dtype()))
    return pointwise_inplace(pointwise_op(formulas::row_index<formulas::Pow>), in);
  const double p = item_double(exponent);
  return pointwise_inplace(pointwise_op(formulas::row_index<formulas::PowScalar>), &base, &p);
}

namespace {

using Bound = std::optional<Operand>;

/// A 0-d tensor beside a number counts as one.
void make_alike(Bound& low, Bound& high) {
  if (!low || !high || low->tensor->is_wrapped_number == high->tensor->is_wrapped_number) return;
  Tensor& t = (low->tensor->is_wrapped_number ? high : low)->tensor;
  if (t.dim() > 0 || requires_grad(t))
    fail_type("clamp", "min and max are a number and a tensor of shape ", t.shape(),
              requires_grad(t) ? " that requires grad" : "", "; pass two of a kind");
  t = is_floating(t.dtype()) ? wrapped_number(item_double(t), DType::Float64)
                             : wrapped_number(item_int(t), DType::Int64);
}

/// Both bounds where they are numbers, in the type of the result; infinite where there is none.
std::optional<std::array<double, 2>> number_bounds(const Bound& low, const Bound& high,
                                                   DType dtype) {
  if (!low && !high)
    fail_runtime("clamp", "at least one of min and max must be given; both are None");
  auto is_number = [](const Bound& b) { return !b || b->tensor->is_wrapped_number; };
  if (!is_number(low) || !is_number(high)) return std::nullopt;
  constexpr double inf = std::numeric_limits<double>::infinity();
  const auto bound = [dtype](const Bound& b, double none) {
    if (!b) return none;
    return item_double(is_differentiable(dtype) ? b->tensor : fitted("clamp", b->tensor, dtype));
  };
  return std::array{bound(low, -inf), bound(high, inf)};
}

Tensor clamp_inplace(const Tensor& t, const Bound& min, const Bound& max) {
  Bound low = min, high = max;
  make_alike(low, high);
  const auto range = is_floating(t.dtype()) ? number_bounds(low, high, t.dtype()) : std::nullopt;
  if (range)
    return pointwise_inplace(pointwise_op(formulas::row_index<formulas::Clamp>), &t, range->data());
  check_inplace("clamp_", t);
  bool beside = false;
  for (const Bound& bound : {low, high}) {
    if (!bound) continue;
    require_apart("clamp_", t, bound->tensor);
    beside = beside || requires_grad(bound->tensor);
  }
  const Tensor result = clamp(unwritten(t, beside), low, high);
  require_storable("clamp_", result.dtype(), t.dtype());
  return copy_(t, result);
}

}  // namespace

Tensor clamp(const Tensor& t, const std::optional<Operand>& min,
             const std::optional<Operand>& max) {
  Bound low = min, high = max;
  make_alike(low, high);
  Tensor all[3] = {t};
  int count = 1;
  for (const Bound* bound : {&low, &high})
    if (*bound) all[count++] = (*bound)->tensor;
  const DType dtype = result_type(all, count);
  if (const auto range = number_bounds(low, high, dtype)) {
    const Tensor x = to(t, dtype);
    require_number_type("clamp", x);
    return pointwise(pointwise_op(formulas::row_index<formulas::Clamp>), &x, range->data());
  }
  if (!high) return named("ClampBackward0", apply<formulas::ClampMin>(t, low->tensor));
  if (!low) return named("ClampBackward0", apply<formulas::ClampMax>(t, high->tensor));
  return apply<formulas::ClampTensor>(t, low->tensor, high->tensor);
}

Tensor prelu(const Tensor& t, const Tensor& weight) {
  Tensor slope = weight;
  if (weight.dim() > 1)
    fail_runtime("prelu", "weight has shape ", weight.shape(), "; expected one dimension or none");
  if (weight.numel() != 1) {
    const int64_t channels = t.dim() > 1 ? t.size(1) : t.numel();
    if (weight.dim() != 1 || weight.numel() != channels)
      fail_runtime("prelu", "weight has shape ", weight.shape(),
                   "; expected one, or one for each of ", channels, " channels");
    Dims shape(t.dim(), 1);
    if (t.dim() > 0) shape[t.dim() > 1 ? 1 : 0] = channels;
    slope = reshape(weight, shape);
  } else if (t.dim() == 0) {
    slope = reshape(weight, {});
  }
  return apply<formulas::Prelu>(t, slope);
}

/// The first half of a dimension, gated by the second. [Dauphin et al. 2017]
Tensor glu(const Tensor& t, int64_t dim) {
  if (t.dim() == 0) fail_runtime("glu", "a 0-d tensor has no halves; pass one dimension or more");
  const int axis = wrap_axis("glu", dim, t.dim());
  require_float("glu", t.dtype());
  const int64_t n = t.shape()[axis];
  if (n % 2 != 0)
    fail_runtime("glu", "dimension ", axis, " has size ", n, "; halving needs an even one");
  Tensor out;
  {
    GradMode off(false);
    out = slice(t, axis, 0, n / 2, 1) * sigmoid(slice(t, axis, n / 2, n, 1));
  }
  if (Recorder r{&t}; r)
    r.save(t).done("GluBackward0", out, [=](const Backward& b) {
      const Tensor x = b.saved(0), gate = sigmoid(slice(x, axis, n / 2, n, 1));
      const Tensor g = b.grad() * gate;
      b.give(0, cat({g, g * slice(x, axis, 0, n / 2, 1) * (1. - gate)}, axis));
    });
  return out;
}

void register_pointwise(Registry& r) {
  using namespace formulas;
  register_scaled<Add>(r, false);
  register_scaled<Sub>(r, false);
  register_scaled<Add>(r, true);
  register_scaled<Sub>(r, true);
  const int special[] = {row_index<Add>,      row_index<Sub>,   row_index<PowScalar>,
                         row_index<Pow>,      row_index<Clamp>, row_index<Gelu>,
                         row_index<GeluTanh>, row_index<Where>, row_index<Logaddexp>};
  for (int row = 0; row < kRowCount; ++row) {
    const PointwiseOp& op = pointwise_op(row);
    const bool is_loss = row >= row_index<MseLoss>;
    if (!is_loss && std::find(std::begin(special), std::end(special), row) == std::end(special))
      register_row(r, op);
  }
  const char* pow_doc = pointwise_op(row_index<Pow>).doc;
  r.both(
      "pow", "input, exponent", [](const Tensor& a, Operand b) { return power(a, b.tensor); },
      pow_doc);
  r.both(
      "pow", "input, exponent", [](Operand a, const Tensor& b) { return power(a.tensor, b); },
      pow_doc);
  r.method(
      "pow_", "input, exponent",
      [](const Tensor& a, Operand b) { return power_inplace(a, b.tensor); }, pow_doc);
  const char* clamp_doc = pointwise_op(row_index<Clamp>).doc;
  r.both("clamp", "input, min=None, max=None", clamp, clamp_doc);
  r.method("clamp_", "input, min=None, max=None", clamp_inplace, clamp_doc);
  const char* where_doc = pointwise_op(row_index<Where>).doc;
  r.function(
      "where", "condition, input, other",
      [](const Tensor& c, Operand a, Operand b) {
        return select(condition_of(c), a.tensor, b.tensor);
      },
      where_doc);
  r.function(
      "where", "condition",
      [](const Tensor& c) { return unbind(nonzero(c.dim() ? c : reshape(c, {1})), 1); }, where_doc);
  r.method(
      "where", "input, condition, other",
      [](const Tensor& a, const Tensor& c, Operand b) {
        return select(condition_of(c), a, b.tensor);
      },
      where_doc);
  r.both("logaddexp", "input, other", logaddexp, pointwise_op(row_index<Logaddexp>).doc);
  r.widens("logaddexp");
  r.both("prelu", "input, weight", prelu, pointwise_op(row_index<Prelu>).doc);
  r.nn("glu", "input, dim=-1", glu, "y = a sigmoid(b), a and b the halves of dimension dim.");
  r.nn(
      "gelu", "input, *, approximate='none'",
      [](const Tensor& t, const std::string& approximate) {
        if (approximate == "none") return apply<Gelu>(t);
        if (approximate == "tanh") return apply<GeluTanh>(t);
        fail_runtime("gelu", "approximate is '", approximate, "'; expected 'none' or 'tanh'");
      },
      pointwise_op(row_index<Gelu>).doc);
}

}  // namespace bx
