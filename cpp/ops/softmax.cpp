// Softmax and its logarithm over one dimension. [Bridle 1990]
#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// Runs a kernel along one dimension, which stands between those before it and those after it.
Tensor along(const char* op, Id id, int axis, const Tensor& a, const Tensor* b) {
  GradMode off(false);
  const Tensor out = empty(a.shape(), a.dtype());
  if (out.numel() == 0) return out;
  Dims flat = {1, a.size(axis)};
  int64_t inner = 1;
  for (int d = 0; d < axis; ++d) flat[0] *= a.size(d);
  for (int d = axis + 1; d < a.dim(); ++d) inner *= a.size(d);
  if (inner > 1) flat.push_back(inner);
  const auto flattened = [&](const Tensor& t) {
    const Tensor dense = contiguous(t);
    return alias(dense, flat, contiguous_strides(flat), dense->offset);
  };
  const Tensor x = flattened(a), y = b ? flattened(*b) : Tensor();
  Operands inputs(x);
  if (b) inputs.add(y);
  launch(op, kernel(id, a.dtype()), flattened(out), inputs);
  return out;
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
