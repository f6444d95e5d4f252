#include "ops/normalization.h"

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

}  // namespace bx
