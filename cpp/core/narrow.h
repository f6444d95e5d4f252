// Numbers of the narrow types, which are kept in 8 or 16 bits and computed with in 32.
#pragma once

#include "core/dtype.h"

namespace bx {

/// n numbers, `step` apart, as so many of wide_of(type) in a row.
void widen(DType type, const void* from, int64_t step, void* to, int64_t n);
/// The same back: floats rounded to the nearest, ties to even; integers wrap around.
void narrow(DType type, const void* from, void* to, int64_t step, int64_t n);

/// x as the nearest number of a narrow floating type.
float rounded(DType type, float x);

}  // namespace bx
