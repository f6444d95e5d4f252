// Fourier transforms along dimensions.
#pragma once

#include "ops/ops.h"

namespace bx {

/// "forward", "backward" (none is that) or "ortho": which direction divides by the length.
using Norm = std::optional<std::string>;

/// Transforms along `dim` (all where none), each cut off or filled with zeros to its length in s:
/// complex; real to half a spectrum, whose last dimension has n / 2 + 1 values; and half a spectrum
/// to real. `inverse`: with + in the exponent. `op` names the caller in errors.
Tensor fftn(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim, const Norm& norm,
            bool inverse);
Tensor rfftn(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim,
             const Norm& norm, bool inverse);
Tensor irfftn(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim,
              const Norm& norm, bool inverse);

}  // namespace bx
