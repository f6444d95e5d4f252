#include "optim/sgd.h"

#include "launch/launch.h"
#include "ops/ops.h"

namespace bx {

void sgd_step(const Tensors& params, Tensors& buffers, const SgdOptions& options) {
  GradMode off(false);
  for (size_t k = 0; k < params.size(); ++k) {
    const Tensor& p = params[k];
    if (!p->grad) continue;
    if (!(p->grad->shape == p.shape()) || p->grad->dtype != p.dtype())
      fail_runtime("SGD", "a gradient of shape ", p->grad->shape, " for a parameter of shape ",
                   p.shape(), "; they must be equal");
    const Tensor g = contiguous(Tensor(p->grad));
    const Tensor target = contiguous(p);
    Params kernel_params;
    kernel_params.f[0] = options.lr;
    kernel_params.f[1] = options.momentum;
    kernel_params.f[2] = options.dampening;
    kernel_params.f[3] = options.weight_decay;
    kernel_params.i[0] = options.nesterov;
    kernel_params.i[1] = options.maximize;
    auto flat = [](const Tensor& t) { return alias(t, {t.numel()}, {1}, t->offset); };
    const Tensor flat_p = flat(target), flat_g = flat(g);
    const auto& step = kernel(kernels::Id::SgdStep, p.dtype());
    if (options.momentum == 0) {
      launch("SGD", step, flat_p, flat_g, kernel_params);
    } else {
      kernel_params.i[2] = !buffers[k].defined();
      if (!buffers[k].defined()) buffers[k] = empty(p.shape(), p.dtype());
      const Tensor buffer = contiguous(buffers[k]);
      if (!buffer.same_as(buffers[k])) buffers[k] = buffer;
      const Tensor flat_b = flat(buffer);
      launch("SGD", step, {&flat_p, &flat_b}, flat_g, kernel_params);
    }
    if (!target.same_as(p)) launch("SGD", kernel(kernels::Id::Copy, p.dtype()), p, target);
    p->storage->bump_version();
  }
}

}  // namespace bx
