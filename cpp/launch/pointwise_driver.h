// Runs lists of pointwise kernels over tensors of any layout, block by block in cache.
#pragma once

#include "launch/launch.h"

namespace bx {

/// One kernel of a list. Slots number the driver's operands.
struct PointwiseStep {
  kernels::PointwiseFn fn;
  const double* params;
  int output;
  int input_count;
  int inputs[4];
};

/// One operand of a list: a tensor's memory read or written with the common shape's strides.
struct PointwiseOperand {
  char* data;
  int64_t item;  // bytes per element
  bool is_output;
  Dims strides;  // elements, 0 where it repeats
};

/// Runs `steps` in order on every block of the index space `shape`.
void run_pointwise(const Dims& shape, std::span<PointwiseOperand> operands,
                   std::span<const PointwiseStep> steps, kernels::FaultInfo* fault);

}  // namespace bx
