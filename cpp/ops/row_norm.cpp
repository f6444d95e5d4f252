// Normalisation by row: layer_norm, rms_norm.
#include <limits>

#include "ops/normalization.h"

namespace bx {

using kernels::Id;

namespace {

/// The number of elements of normalized_shape, which must end the input's shape.
int64_t check_rows(const char* op, const Tensor& x, const Dims& shape, const Tensor& w,
                   const Tensor& b) {
  require_float(op, x.dtype());
  bool fits = !shape.empty() && shape.size() <= x.dim();
  for (int d = 0; fits && d < shape.size(); ++d)
    fits = x.size(x.dim() - shape.size() + d) == shape[d];
  if (!fits)
    fail_runtime(op, "normalized_shape=", shape, " against an input of shape ", x.shape(),
                 "; the input's last dimensions must be these");
  for (const Tensor* t : {&w, &b}) {
    require_same_type(op, x, *t);
    if (t->defined() && !(t->shape() == shape))
      fail_runtime(op, "weight or bias of shape ", t->shape(), " with normalized_shape=", shape,
                   "; they must be equal");
  }
  return shape.product();
}

Tensor layer_norm(const Tensor& x, const Sizes& shape, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, double eps) {
  const char* op = "layer_norm";
  if (is_narrow_float(x.dtype()))
    return normalized_wide(op, "NativeLayerNormBackward0", x, {weight, bias, {}, {}},
                           [&](const Tensor& t, const NormTensors& with) {
                             return layer_norm(t, shape, with.weight, with.bias, eps);
                           });
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  const int64_t n = check_rows(op, x, shape, w, b), rows = n ? x.numel() / n : 0;
  auto as_rows = [rows, n](const Tensor& t) {
    const Tensor dense = contiguous(t);
    return alias(dense, {rows, n}, {n, 1}, dense->offset);
  };
  Tensor out = empty(x.shape(), x.dtype());
  Tensor means = empty({rows}, x.dtype()), rstds = empty({rows}, x.dtype());
  {
    GradMode off(false);
    const Tensor in = as_rows(x), to = as_rows(out);
    const Tensor wd = w.defined() ? contiguous(w) : w, bd = b.defined() ? contiguous(b) : b;
    Operands inputs{&in};
    Params params;
    params.f[0] = eps;
    params.i[0] = w.defined();
    params.i[1] = b.defined();
    if (w.defined()) inputs.add(wd);
    if (b.defined()) inputs.add(bd);
    launch(op, kernel(Id::LayerNorm, x.dtype()), {&to, &means, &rstds}, inputs, params);
  }
  Recorder r{&x, &w, &b};
  if (!r) return out;
  r.save(x).save(w).save(means).save(rstds).done(
      "NativeLayerNormBackward0", out, [op, as_rows, rows, n, eps, shape](const Backward& call) {
        const Tensor x = call.saved(0), w = call.saved(1);
        if (grad_enabled()) return give_recorded(call, {{rows, n}, {1}, {n}, {0}, shape}, eps);
        const Tensor g = as_rows(call.grad()), in = as_rows(x);
        const Tensor dx = empty(x.shape(), x.dtype()), to = as_rows(dx);
        const Tensor dw = empty(shape, x.dtype()), db = empty(shape, x.dtype());
        const Tensor wd = w.defined() ? contiguous(w) : w;
        const Tensor means = call.saved(2), rstds = call.saved(3);
        Operands inputs{&g, &in, &means, &rstds};
        Params params;
        params.i[0] = w.defined();
        if (w.defined()) inputs.add(wd);
        launch(op, kernel(Id::LayerNormBackward, x.dtype()), {&to, &dw, &db}, inputs, params);
        if (call.wants(0)) call.give(0, dx);
        if (call.wants(1)) call.give(1, dw);
        if (call.wants(2)) call.give(2, db);
      });
  return out;
}

Tensor rms_norm(const Tensor& x, const Sizes& shape, const std::optional<Tensor>& weight,
                std::optional<double> eps) {
  if (is_narrow_float(x.dtype()))
    return normalized_wide("rms_norm", "MulBackward0", x, {weight, {}, {}, {}},
                           [&](const Tensor& t, const NormTensors& with) {
                             return rms_norm(t, shape, with.weight, eps);
                           });
  const Tensor w = weight ? to(*weight, x.dtype()) : Tensor();
  if (x.dim() < shape.size() && (!weight || w.shape() == shape))
    fail_value("rms_norm", "input has shape ", x.shape(), "; normalized_shape=", shape,
               " needs as many dimensions");
  check_rows("rms_norm", x, shape, w, {});
  Dims axes;
  for (int d = 0; d < shape.size(); ++d) axes.push_back(d - shape.size());
  const double least = eps ? *eps
                       : x.dtype() == DType::Float32
                           ? static_cast<double>(std::numeric_limits<float>::epsilon())
                           : std::numeric_limits<double>::epsilon();
  const Tensor y = x * rstd_of(keep_mean(x * x, axes), least);
  return w.defined() ? y * w : y;
}

}  // namespace

void register_row_norm(Registry& r) {
  r.nn("layer_norm", "input, normalized_shape, weight=None, bias=None, eps=1e-5", layer_norm,
       "y = (x - mean) / sqrt(variance + eps) weight + bias, moments over the last dimensions.");
  r.nn("rms_norm", "input, normalized_shape, weight=None, eps=None", rms_norm,
       "y = x / sqrt(mean(x^2) + eps) weight, the mean over the last dimensions.");
}

}  // namespace bx
