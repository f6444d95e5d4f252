// Blocks in which products compute in a narrow type: torch.autocast("cpu").
#pragma once

#include "bindings/arguments.h"

namespace bx {

/// The type of products in this thread's block; float32 outside of one.
inline thread_local DType autocast_type BX_FAST_TLS = DType::Float32;

/// What a product of the block is given: floats in its type, but float64 as it is.
Tensor lowered(const Tensor& t);

/// The arguments of a call inside of a block: those of products lowered, those of losses and of
/// what else wants precision in float32.
void autocast(const Operation& operation, Arguments& arguments);

}  // namespace bx
