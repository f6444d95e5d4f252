#include "ops/normalization.h"

#include <algorithm>

#include "ops/resample.h"

namespace bx {

Tensor keep_mean(const Tensor& t, const Dims& axes) { return mean(t, axes, true, std::nullopt); }

Tensor rstd_of(const Tensor& variance, double eps) { return rsqrt(variance + eps); }

void give_recorded(const Backward& call, const NormalizedLayout& layout, double eps) {
  const Tensor x = reshape(call.saved(0), layout.shape), g = reshape(call.grad(), layout.shape);
  const Tensor w = call.saved(1), centred = x - keep_mean(x, layout.mean_axes);
  const Tensor rstd = rstd_of(keep_mean(centred * centred, layout.mean_axes), eps);
  const Tensor h = centred * rstd;
  if (call.wants(0)) {
    const Tensor u = w.defined() ? g * reshape(w, layout.weight) : g;
    const Tensor dx =
        rstd * (u - keep_mean(u, layout.mean_axes) - h * keep_mean(u * h, layout.mean_axes));
    call.give(0, reshape(dx, call.saved(0).shape()));
  }
  auto total = [&](const Tensor& t) {
    return reshape(sum(t, layout.weight_axes, false, std::nullopt), layout.weight_shape);
  };
  if (call.wants(1)) call.give(1, total(g * h));
  if (call.wants(2)) call.give(2, total(g));
}

namespace {

Tensor local_response_norm(const Tensor& x, int64_t size, double alpha, double beta, double k) {
  const char* op = "local_response_norm";
  require_float(op, x.dtype());
  if (x.dim() < 3)
    fail_value(op, "the input has shape ", x.shape(), "; expected (N, C, ...), 3 or more");
  if (size < 1) fail_runtime(op, "size=", size, "; pass 1 or more");
  if (x.numel() == 0) return clone(x);
  auto window = std::make_shared<Resampling>();
  window->axis = 1;
  TapTable table(x.size(1));
  for (int64_t c = 0; c < x.size(1); ++c)
    table.add_window(std::max<int64_t>(0, c - size / 2), std::min(x.size(1), c + (size + 1) / 2),
                     1. / static_cast<double>(size));
  window->tables.push_back(std::move(table));
  const Tensor average = resample(op, "AvgPool3DBackward0", x * x, window);
  return x / pow(average * alpha + k, beta);
}

}  // namespace

void register_normalization(Registry& r) {
  r.nn("local_response_norm", "input, size, alpha=1e-4, beta=0.75, k=1.0", local_response_norm,
       "y = x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels.");
}

}  // namespace bx
