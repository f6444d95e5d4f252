// Linear algebra: decompositions and what is made of them. Derivatives are written in operations on
// tensors, so that they have derivatives themselves.
#pragma once

#include <algorithm>

#include "core/linalg_error.h"
#include "decompositions/decompositions.h"
#include "ops/arranging.h"

namespace bx {

/// A matrix or a batch of them, of a floating-point or complex type; RuntimeError, of another type
/// `unknown`.
void check_matrices(const char* op, const Tensor& t, ErrorKind unknown = ErrorKind::Runtime);
void check_square(const char* op, const Tensor& t, ErrorKind unknown = ErrorKind::Runtime);
/// The sizes before the last two.
Dims batch_of(const Tensor& t);
inline int64_t rank_bound(const Tensor& t) { return std::min(t.size(-2), t.size(-1)); }
/// `batch` with more sizes behind it.
Dims joined(Dims batch, std::initializer_list<int64_t> sizes);
/// Contiguous as [B, rows, cols], without a graph.
Tensor as_batch(const Tensor& t);
/// A contiguous tensor in another shape, without a graph.
Tensor reshaped(const Tensor& t, const Dims& shape);
/// t's batch dimensions expanded.
Tensor expand_batch(const Tensor& t, const Dims& batch);
Tensor identity(int64_t n, DType dtype);
/// A number for each column, or for each row, as they meet the matrices.
inline Tensor across(const Tensor& per_column) { return unsqueeze(per_column, -2); }
inline Tensor down(const Tensor& per_row) { return unsqueeze(per_row, -1); }
inline Tensor spread(const Tensor& per_matrix) { return down(down(per_matrix)); }
/// The largest entry of a kernel's reports is 0, or LinAlgError.
void check_info(const char* op, const Tensor& info, const char* what);
/// The same type, or RuntimeError.
void check_dtypes(const char* op, const Tensor& a, const Tensor& b);

// linalg_factor.cpp --------------------------------------------------------------------------
struct Factored {
  Tensor factor, pivots, info;
};
Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unit);
/// L and the reports; not recorded where the input needs no gradient.
Factored cholesky_factor(const Tensor& a, bool upper);
Factored lu_factor(const Tensor& a);
/// The row that stands where after the exchanges that `pivots` tells, int64 [..., m].
Tensor permutation_of(const Tensor& pivots, int64_t rows);
/// Row i of each matrix is row rows[i] of t's.
Tensor gather_rows(const Tensor& t, const Tensor& rows);
Tensor inverse_permutation(const Tensor& rows);
Tensor unit_lower(const Tensor& packed);

// linalg_qr.cpp ------------------------------------------------------------------------------
std::pair<Tensor, Tensor> qr(const Tensor& a, const std::string& mode);

// linalg_solve.cpp ---------------------------------------------------------------------------
Tensor inverse(const Tensor& a);
/// The inverses, and the reports of which matrices have none.
std::pair<Tensor, Tensor> inverse_ex(const Tensor& a);
Tensor solve(const Tensor& a, const Tensor& b, bool left);

// linalg_spectral.cpp ------------------------------------------------------------------------
/// Values in rising order, the vectors in columns (undefined without `vectors`); not recorded.
std::pair<Tensor, Tensor> eigh_values(const char* op, const Tensor& a, bool upper, bool vectors);
/// U, S and V^H: 0: S alone, 1: the columns that S touches, 2: all; not recorded.
Tensors svd_values(const Tensor& a, int mode);
Tensors svd(const Tensor& a, bool full);
Tensor singular_values(const Tensor& a);

void register_linalg(Registry& r);  // linalg.cpp
void register_linalg_factor(Registry& r);
void register_linalg_qr(Registry& r);
void register_linalg_det(Registry& r);
void register_linalg_solve(Registry& r);
void register_linalg_spectral(Registry& r);
void register_linalg_rank(Registry& r);
void register_linalg_norms(Registry& r);
void register_linalg_powers(Registry& r);
void register_linalg_products(Registry& r);

}  // namespace bx
