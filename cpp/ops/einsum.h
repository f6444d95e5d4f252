// Sums of products by index notation.
#pragma once

#include "ops/ops.h"

namespace bx {

void register_einsum(Registry& r);

}  // namespace bx
