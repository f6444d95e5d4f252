// What reductions share. A set of dimensions is a set of bits.
#pragma once

#include "ops/ops.h"

namespace bx {

/// The dimensions named (all of them for none), checked.
uint32_t axis_bits(const char* op, const OptDims& axes, int ndim);
/// The shape after a reduction.
Dims reduced_shape(const Dims& shape, uint32_t bits, bool keepdim);
/// A reduced gradient or result, seen in the shape it was reduced from.
Tensor unreduce(const Tensor& r, const Dims& shape, uint32_t bits);
/// How many elements each result stands for.
double group_size(const Tensor& t, uint32_t bits);
/// The largest or smallest value (id Max or Min); ties share the gradient evenly.
Tensor extreme(const char* op, const char* node, kernels::Id id, const Tensor& t,
               const OptDims& axes, bool keepdim);

}  // namespace bx
