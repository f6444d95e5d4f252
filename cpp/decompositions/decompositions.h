// The factors of matrices and Fourier transforms: kernels that are compiled once and not for each
// instruction set, for their headers would triple the time of a build.
#pragma once

#include "kernels/table.h"

namespace bx::decompositions {

using kernels::Kernel;

/// The kernel of one of the two types, or of the complex ones; for others there is none.
inline Kernel choose(const char* name, DType dtype, kernels::GeneralFn of_float,
                     kernels::GeneralFn of_double, kernels::GeneralFn of_complex = nullptr) {
  if (is_complex(dtype)) return {name, nullptr, of_complex};
  if (!is_wide_float(dtype)) return {name};
  return {name, nullptr, dtype == DType::Float32 ? of_float : of_double};
}

/// out0 [B, n, n] = L with L L^H = in0, of which the lower triangle is read;
/// out1 [B] int32 = 0, or the order of the first leading minor that is not positive.
Kernel cholesky(DType dtype);

/// out0 [B, m, n] = L (below the diagonal, which is 1) and U; out1 [B, k] int32: the row, counted
/// from 1, with which each row changed places; out2 [B] int32 = 0, or the first pivot that is 0.
Kernel lu(DType dtype);

/// out0 [B, n, k] = X with in0 X = in1; in0 [B, n, n] is triangular: the upper triangle is read
/// with i[0], else the lower; its diagonal counts as 1 with i[1].
Kernel solve_triangular(DType dtype);

/// out0 [B, m, n] = R and, below it, the vectors v of the reflections 1 - tau v v^H, whose first
/// element is 1; out1 [B, 1, k] = tau.
Kernel reflections(DType dtype);

/// out0 [B, m, c] = the first c columns of the product of the reflections in in0 [B, m, n] and
/// in1 [B, 1, k].
Kernel product_of_reflections(DType dtype);

/// out0 [B, 1, n] = eigenvalues of in0 [B, n, n], rising; out1 [B, n, n] = eigenvectors in columns,
/// with i[0]; out2 [B] int32 = 0 where they were found. The lower triangle is read, the upper with
/// i[1].
Kernel eigh(DType dtype);

/// The same of general matrices, in no order: out0 and out1 are complex, the vectors of length 1.
Kernel eig(DType dtype);

/// in0 [B, m, n] = U S V^H: out0 [B, m, p] = U, out1 [B, 1, k] = S, falling, out2 [B, q, n] = V^H,
/// out3 [B] int32 = 0 where they were found. i[0] = 0: S alone, 1: p = q = k, 2: p = m, q = n.
Kernel svd(DType dtype);

/// Along the last dimension, of n elements, in any layout, times f[0]:
/// fft: out0_k = sum_j in0_j e^(-2 pi i j k / n), with i[0] e^(+...);  rfft: the first n / 2 + 1 of
/// these for real in0;  irfft: real out0 from n / 2 + 1 values, the inverse of rfft but for n.
Kernel fft(DType dtype);
Kernel rfft(DType dtype);
Kernel irfft(DType dtype);

}  // namespace bx::decompositions
