// The real Schur form, the way LAPACK goes, so that eigenvalues come in LAPACK's order.
#pragma once

#include <complex>
#include <vector>

#include "decompositions/batch.h"

namespace bx::decompositions {

/// What balance did: rows and columns first .. last still mix, the others are triangular.
struct Balance {
  Eigen::Index first = 0, last = 0;
  /// Of rows first .. last their factor, of the others the row that they were exchanged with.
  std::vector<double> scale;

  /// Vectors of the balanced matrix become vectors of the matrix before.
  void undo(Columns<std::complex<double>>& vectors) const;
};

/// a becomes P^-1 a P with rows and columns of about the same norms. [dgebal]
Balance balance(Columns<double>& a);

/// a becomes quasi-triangular T, with a = Q T Q^T, and values its eigenvalues; false where the
/// iteration does not converge. single: as exact as a float32 needs, in as many steps as LAPACK's
/// sgeev takes.
bool schur(Columns<double>& a, Columns<double>& q, const Balance& range, Eigen::VectorXcd& values,
           bool single);

/// The eigenvectors of a quasi-triangular matrix, columns of an upper triangular one. [dtrevc]
Columns<std::complex<double>> triangular_vectors(const Columns<double>& t,
                                                 const Eigen::VectorXcd& values);

}  // namespace bx::decompositions
