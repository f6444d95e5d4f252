// Operations that move elements, and the files among which they are divided.
#pragma once

#include "ops/ops.h"

namespace bx {

Tensor flip(const Tensor& t, const Dims& axes);
Tensor repeat(const Tensor& t, const Dims& times);
/// Elements before and after dimensions, pairs from the last on: mode "constant", "reflect", ...
Tensor pad(const Tensor& t, const Sizes& pad, const std::string& mode,
           const std::optional<Scalar>& value);
/// The elements on and below (tril) or above (triu) a diagonal, 0 elsewhere.
Tensor tril(const Tensor& t, int64_t diagonal);
Tensor triu(const Tensor& t, int64_t diagonal);
/// Zeros with t's last dimension on a diagonal of two dimensions.
Tensor diag_embed(const Tensor& t, int64_t offset, int64_t axis0, int64_t axis1);
/// The (row, column) pairs of a triangle, by rows: [2, n].
Tensor triangle_indices(const char* op, int64_t rows, int64_t cols, int64_t offset, bool upper,
                        DType dtype);
/// slice, its node named after what it is a part of.
Tensor slice_as(const char* node, const Tensor& t, int64_t axis, int64_t start, int64_t end,
                int64_t step);
/// A view of any sizes and strides over the memory.
Tensor as_strided(const Tensor& t, const Dims& size, const Dims& stride, int64_t offset);

void register_arranging(Registry& r);   // arranging.cpp
void register_splitting(Registry& r);   // splitting.cpp
void register_padding(Registry& r);     // padding.cpp
void register_assembling(Registry& r);  // assembling.cpp

}  // namespace bx
