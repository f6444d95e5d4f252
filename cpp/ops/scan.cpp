// Scans along one dimension. Their derivatives are scans again, backwards: of the cumulative sum
// and of the first-order recurrence y_i = b_i + a_i y_{i-1}, which is closed under differentiation
// and never divides, so that zeros among the factors are no special case. [Blelloch 1990]
#include <limits>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// A row-major tensor as [outer, n, inner] around one dimension.
Tensor around(const Tensor& t, int axis) {
  int64_t outer = 1, inner = 1;
  for (int d = 0; d < axis; ++d) outer *= t.shape()[d];
  for (int d = axis + 1; d < t.dim(); ++d) inner *= t.shape()[d];
  const int64_t n = t.dim() ? t.shape()[axis] : 1;
  return alias(t, {outer, n, inner}, {n * inner, inner, 1}, t->offset);
}

Tensors run_scan(const char* op, Id id, const Tensors& inputs, int64_t axis, bool reverse,
                 bool flag = false, bool with_indices = false) {
  GradMode off(false);
  const Tensor& like = inputs[0];
  const int a = wrap_axis(op, axis, like.dim());
  Tensors outputs{empty(like.shape(), like.dtype())}, flat;
  if (with_indices) outputs.push_back(empty(like.shape(), DType::Int64));
  for (const Tensor& t : outputs) flat.push_back(around(t, a));
  for (const Tensor& t : inputs) flat.push_back(around(contiguous(t), a));
  Operands out, in;
  for (size_t k = 0; k < flat.size(); ++k) (k < outputs.size() ? out : in).add(flat[k]);
  Params params;
  params.i[0] = reverse;
  params.i[1] = flag;
  launch(op, kernel(id, like.dtype()), out, in, params);
  return outputs;
}

/// The elements moved on by one place (back where `reverse`), `fill` where one is missing.
Tensor moved(const Tensor& t, int64_t axis, bool reverse, double fill) {
  if (t.dim() == 0) return full(t.shape(), fill, t.dtype());
  const int a = wrap_axis("cumprod", axis, t.dim());
  const int64_t n = t.shape()[a];
  if (n == 0) return t;
  Dims edge = t.shape();
  edge[a] = 1;
  const Tensor missing = full(edge, fill, t.dtype());
  const Tensor kept = reverse ? slice(t, a, 1, n, 1) : slice(t, a, 0, n - 1, 1);
  return cat(reverse ? Tensors{kept, missing} : Tensors{missing, kept}, a);
}

/// y_i = b_i + a_j y_{i-1}, j = i or (of_previous) i - 1.
///
/// With h the gradient of y: db = t with t_i = h_i + a_k t_{i+1}, k the place that y_{i+1} took
/// its weight from, and da is the product of t and y where they meet.
Tensor linear_scan(const Tensor& a, const Tensor& b, int64_t axis, bool reverse, bool of_previous) {
  Tensor y = run_scan("linear_scan", Id::LinearScan, {a, b}, axis, reverse, of_previous)[0];
  if (Recorder r{&a, &b}; r)
    r.save(a).save_output().done("LinearScanBackward0", y, [=](const Backward& call) {
      const Tensor t = linear_scan(call.saved(0), call.grad(), axis, !reverse, !of_previous);
      if (call.wants(0)) {
        const Tensor out = call.saved(1);
        call.give(0, of_previous ? moved(t, axis, !reverse, 0.) * out
                                 : t * moved(out, axis, reverse, 0.));
      }
      call.give(1, t);
    });
  return y;
}

DType sum_type(const Tensor& t, OptDType dtype) {
  return dtype.value_or(is_differentiable(t.dtype()) ? t.dtype() : DType::Int64);
}

/// What 1, 2, 4, ... elements up to each combine to, recorded as they are made.
Tensor by_doubling(const char* op, const char* node, const Tensor& t, int64_t axis,
                   Tensor (*combine)(const Tensor&, const Tensor&)) {
  const int a = wrap_axis(op, axis, t.dim());
  Tensor y = t.dim() ? t : clone(t);
  const int64_t n = t.dim() ? t.shape()[a] : 1;
  for (int64_t k = 1; k < n; k *= 2)
    y = cat({slice(y, a, 0, k, 1), combine(slice(y, a, k, n, 1), slice(y, a, 0, n - k, 1))}, a);
  return named(node, y.same_as(t) ? clone(t) : y);
}

/// With a_k = e^(y_k - y_{k+1}), at most 1: r_k = g_k + a_k r_{k+1}, dx_k = e^(x_k - y_k) r_k.
Tensor logcumsumexp(const Tensor& given, int64_t axis) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  if (is_complex(given.dtype()))
    return by_doubling("logcumsumexp", "LogcumsumexpBackward0", given, axis, &logaddexp);
  require_float("logcumsumexp", given.dtype());
  const Tensor& t = given;
  Tensor y = run_scan("logcumsumexp", Id::LogCumSumExp, {t}, axis, false)[0];
  if (Recorder r{&t}; r)
    r.save(t).save_output().done("LogcumsumexpBackward0", y, [=](const Backward& call) {
      const Tensor x = call.saved(0), out = call.saved(1);
      const Tensor empty_sum = out == -inf;
      const Tensor weights = exp(select(empty_sum, -inf, out - moved(out, axis, true, inf)));
      const Tensor shares = exp(select(empty_sum, -inf, x - out));
      call.give(0, shares * linear_scan(weights, call.grad(), axis, true, false));
    });
  return y;
}

/// Adds g to zeros at the places along the axis; linear, so that it has derivatives too.
Tensor place_along(const Tensor& g, const Tensor& places, int axis) {
  if (g.dim() == 0) return g;
  Tensors where;
  for (int d = 0; d < g.dim(); ++d) {
    Dims shape(g.dim(), 1);
    shape[d] = g.shape()[d];
    where.push_back(d == axis ? places : reshape(arange_int(0, g.shape()[d], 1), shape));
  }
  return index_put_(zeros(g.shape(), g.dtype()), where, g, true);
}

std::pair<Tensor, Tensor> cumextreme(const char* op, const char* node, Id id, const Tensor& t,
                                     int64_t axis) {
  const Tensors both = run_scan(op, id, {t}, axis, false, false, true);
  if (!is_floating(t.dtype())) return {both[0], both[1]};
  if (Recorder r{&t}; r)
    r.done(node, both[0],
           [places = both[1], a = wrap_axis(op, axis, t.dim())](const Backward& call) {
             call.give(0, place_along(call.grad(), places, a));
           });
  return {both[0], both[1]};
}

}  // namespace

Tensor cumsum(const Tensor& t, int64_t axis, bool reverse) {
  if (is_complex(t.dtype()) && t.dim() == 0) return clone(t);
  if (is_complex(t.dtype()))
    return joined(cumsum(view_as_real(t), wrap_axis("cumsum", axis, t.dim()), reverse));
  Tensor y = in_int32(
      t, [&](const Tensor& x) { return run_scan("cumsum", Id::CumSum, {x}, axis, reverse)[0]; });
  if (Recorder r{&t}; r)
    r.done("CumsumBackward0", y,
           [=](const Backward& call) { call.give(0, cumsum(call.grad(), axis, !reverse)); });
  return y;
}

/// dx_i is the product before i times s_i = g_i + x_{i+1} s_{i+1}, what follows i.
Tensor cumprod(const Tensor& t, int64_t axis, bool reverse) {
  if (is_complex(t.dtype()) && !reverse)
    return by_doubling("cumprod", "CumprodBackward0", t, axis,
                       [](const Tensor& a, const Tensor& b) { return a * b; });
  Tensor y = in_int32(
      t, [&](const Tensor& x) { return run_scan("cumprod", Id::CumProd, {x}, axis, reverse)[0]; });
  if (Recorder r{&t}; r)
    r.save(t).save_output().done("CumprodBackward0", y, [=](const Backward& call) {
      const Tensor before = moved(call.saved(1), axis, reverse, 1.);
      call.give(0, before * linear_scan(call.saved(0), call.grad(), axis, !reverse, true));
    });
  return y;
}

void register_scan(Registry& r) {
  r.both(
      "cumsum", "input, dim, *, dtype=None",
      [](const Tensor& t, int64_t dim, OptDType dtype) {
        return cumsum(to(t, sum_type(t, dtype)), dim);
      },
      "y_i = x_0 + ... + x_i along dim; integers give int64.");
  r.both(
      "cumprod", "input, dim, *, dtype=None",
      [](const Tensor& t, int64_t dim, OptDType dtype) {
        return cumprod(to(t, sum_type(t, dtype)), dim);
      },
      "y_i = x_0 ... x_i along dim; integers give int64.");
  r.both("logcumsumexp", "input, dim", logcumsumexp,
         "y_i = ln(e^x_0 + ... + e^x_i) along dim, without overflow.");
  r.both(
      "cummax", "input, dim -> values, indices",
      [](const Tensor& t, int64_t dim) {
        return cumextreme("cummax", "CummaxBackward0", Id::CumMax, t, dim);
      },
      "The largest of x_0 ... x_i along dim and its place, the last of equals; NaN once met.");
  r.both(
      "cummin", "input, dim -> values, indices",
      [](const Tensor& t, int64_t dim) {
        return cumextreme("cummin", "CumminBackward0", Id::CumMin, t, dim);
      },
      "The smallest of x_0 ... x_i along dim and its place, the last of equals; NaN once met.");
  r.inplace({"cumsum", "cumprod"});
}

}  // namespace bx
