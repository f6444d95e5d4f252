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

}  // namespace bx
