// Kernels for tensors of narrow types: those of the wide type, on widened operands.
#pragma once

#include "launch/launch.h"

namespace bx {

/// Whether an operand is of a narrow type.
inline bool any_narrow(const Operands& outputs, const Operands& inputs) {
  for (const Operands* list : {&outputs, &inputs})
    for (int k = 0; k < list->size(); ++k)
      if (is_narrow((*list)[k].dtype)) return true;
  return false;
}

/// launch() on copies of narrow operands in their wide types; results are rounded once.
void launch_widened(const char* op, const kernels::Kernel& kernel, const Operands& outputs,
                    const Operands& inputs, const Params& params, const Owner& owner);

}  // namespace bx
