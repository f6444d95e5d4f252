// What convolutions, poolings and foldings share: images with and without a batch, and numbers
// given once or per dimension.
#pragma once

#include "kernels/windows.h"
#include "ops/ops.h"

namespace bx {

/// RuntimeError for sizes and paddings that overflow where they are added up.
inline void require_extents(const char* op, const char* name, const Dims& given) {
  for (int64_t n : given)
    if (n > INT32_MAX || n < -INT32_MAX)
      fail_runtime(op, name, "=", given, " has a number beyond ", INT32_MAX, "; pass smaller ones");
}

/// A number per spatial dimension; one number stands for all.
inline Dims per_dimension(const char* op, const char* name, const Dims& given, int dims) {
  require_extents(op, name, given);
  if (given.size() == dims) return given;
  if (given.size() != 1)
    fail_runtime(op, name, "=", given, " has ", given.size(), " numbers; expected one, or ", dims,
                 ", one per spatial dimension");
  return Dims(dims, given[0]);
}

/// Calls f on the batched input [N, C, ...]; where the input has no batch, neither has the result.
template <class F>
Tensor batched(const char* op, const Tensor& input, int dims, F f) {
  if (input.dim() == dims + 2) return f(input);
  if (input.dim() != dims + 1)
    fail_runtime(op, "the input has shape ", input.shape(), "; expected ", dims + 1,
                 " dimensions (unbatched) or ", dims + 2, " (batched)");
  return squeeze(f(unsqueeze(input, 0)), Dims{0});
}

/// x without padding of zeros is [N, C, in...]: extents of the geometry's dimensions, the last
/// `dims` of three.
inline void set_extents(int64_t (&target)[3], const Dims& from, int first, int dims) {
  for (int d = 0; d < dims; ++d) target[3 - dims + d] = from[first + d];
}

}  // namespace bx
