// Softmax and its logarithm over one dimension. [Bridle 1990]
#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// Runs a row kernel along one dimension: that dimension goes last, the others become rows.
Tensor along(const char* op, Id id, int axis, const Tensor& a, const Tensor* b) {
  GradMode off(false);
  const int last = a.dim() - 1;
  auto rows = [&](const Tensor& t) {
    const Tensor moved = contiguous(axis == last ? t : transpose(t, axis, last));
    const int64_t n = moved.size(-1);
    return alias(moved, {n ? moved.numel() / n : 0, n}, {n, 1}, moved->offset);
  };
  const Dims shape = (axis == last ? a : transpose(a, axis, last)).shape();
  Tensor out = empty(shape, a.dtype());
  const int64_t n = shape.back();
  if (out.numel() == 0) return a.shape() == shape ? out : empty(a.shape(), a.dtype());
  const Tensor flat = alias(out, {out.numel() / n, n}, {n, 1}, 0);
  const Tensor x = rows(a), y = b ? rows(*b) : Tensor();
  Operands inputs(x);
  if (b) inputs.add(y);
  launch(op, kernel(id, a.dtype()), flat, inputs);
  return axis == last ? out : contiguous(transpose(out, axis, last));
}

/// A 0-d tensor is treated as one row of one element.
template <class F>
Tensor with_axis(const char* op, const Tensor& given, int64_t axis, OptDType dtype, F f) {
  Tensor t = to(given, dtype.value_or(given.dtype()));
  require_float(op, t.dtype());
  const int a = wrap_axis(op, axis, t.dim());
  return t.dim() == 0 ? reshape(f(reshape(t, {1}), 0), {}) : f(t, a);
}

/// dx = y (g - sum(g y))
Tensor softmax_backward(const Tensor& g, const Tensor& y, int axis) {
  if (!grad_enabled()) return along("softmax", Id::SoftmaxBackward, axis, g, &y);
  const Tensor gy = g * y;
  return gy - y * sum(gy, Dims{axis}, true, std::nullopt);
}

/// dx = g - e^y sum(g)
Tensor log_softmax_backward(const Tensor& g, const Tensor& y, int axis) {
  if (!grad_enabled()) return along("log_softmax", Id::LogSoftmaxBackward, axis, g, &y);
  return g - exp(y) * sum(g, Dims{axis}, true, std::nullopt);
}

}  // namespace

Tensor softmax(const Tensor& given, int64_t axis, OptDType dtype) {
  return with_axis("softmax", given, axis, dtype, [](const Tensor& t, int a) {
    Tensor out = along("softmax", Id::Softmax, a, t, nullptr);
    if (Recorder r{&t}; r)
      r.save_output().done("SoftmaxBackward0", out, [a](const Backward& b) {
        b.give(0, softmax_backward(b.grad(), b.saved(0), a));
      });
    return out;
  });
}

Tensor log_softmax(const Tensor& given, int64_t axis, OptDType dtype) {
  return with_axis("log_softmax", given, axis, dtype, [](const Tensor& t, int a) {
    Tensor out = along("log_softmax", Id::LogSoftmax, a, t, nullptr);
    if (Recorder r{&t}; r)
      r.save_output().done("LogSoftmaxBackward0", out, [a](const Backward& b) {
        b.give(0, log_softmax_backward(b.grad(), b.saved(0), a));
      });
    return out;
  });
}

void register_softmax(Registry& r) {
  r.both("softmax", "input, dim, dtype=None", softmax, "y_i = e^(x_i) / sum_j e^(x_j) along dim.");
  r.both("log_softmax", "input, dim, dtype=None", log_softmax,
         "y_i = x_i - log sum_j e^(x_j) along dim.");
}

}  // namespace bx
