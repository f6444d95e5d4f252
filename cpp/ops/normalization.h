// What the normalisations share. Their derivatives are fused kernels; where derivatives of those
// are wanted, one formula in recorded operations.
#pragma once

#include "ops/ops.h"

namespace bx {

/// The mean over axes, which stay with length 1.
Tensor keep_mean(const Tensor& t, const Dims& axes);
/// 1 / sqrt(variance + eps)
Tensor rstd_of(const Tensor& variance, double eps);

/// How x is seen while it is normalised: its shape, the axes of a mean, the weight's shape against
/// it, the axes over which the weight's gradient is summed, and the weight's own shape.
struct NormalizedLayout {
  Dims shape, mean_axes, weight, weight_axes, weight_shape;
};
/// Gradients of y = (x - mean) rstd w + b, x and w saved, in recorded operations.
void give_recorded(const Backward& call, const NormalizedLayout& layout, double eps);

/// What a normalisation is given beside its input.
struct NormTensors {
  std::optional<Tensor> weight, bias, running_mean, running_var;
};
/// f(x, tensors) in float32 throughout, rounded once, for an x of a narrow type; the tensors are of
/// its type or of float32, and running moments take what f wrote.
template <class F>
Tensor normalized_wide(const char* op, const char* node, const Tensor& x, const NormTensors& given,
                       F f) {
  const auto widen = [&](const std::optional<Tensor>& t) {
    if (t && t->dtype() != DType::Float32) require_same_type(op, x, *t);
    return t ? std::optional(to(*t, DType::Float32)) : t;
  };
  const NormTensors wide{widen(given.weight), widen(given.bias), widen(given.running_mean),
                         widen(given.running_var)};
  const Tensor out = to(f(to(x, DType::Float32), wide), x.dtype());
  GradMode off(false);
  for (auto moment : {&NormTensors::running_mean, &NormTensors::running_var})
    if (given.*moment && !(given.*moment)->same_as(*(wide.*moment)))
      copy_(*(given.*moment), *(wide.*moment));
  return named(node, out);
}

}  // namespace bx
