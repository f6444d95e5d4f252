// Matrices of complex numbers: those of complex64 too are computed in double precision, by one
// text.
#pragma once

#include <vector>

#include "core/complex.h"
#include "decompositions/batch.h"

namespace bx::decompositions {

using Z = Complex<double>;

/// Columns one after the other, as those of a tensor's matrix i.
struct ComplexMatrix {
  ComplexMatrix(int64_t rows, int64_t cols)
      : rows(rows), cols(cols), data(static_cast<size_t>(rows * cols)) {}
  ComplexMatrix(const View& v, int64_t i, bool transposed = false);
  /// The real matrix in the corner of the identity, of so many rows and columns.
  ComplexMatrix(const Columns<double>& corner, int64_t rows, int64_t cols);

  void store(const View& v, int64_t i, bool transposed = false) const;
  /// Divides by the largest part, which is returned; NaN where a number is not finite, or 1.
  double normalise();

  Z* at(int64_t i, int64_t j) { return data.data() + j * rows + i; }
  Z& operator()(int64_t i, int64_t j) { return *at(i, j); }
  const Z& operator()(int64_t i, int64_t j) const {
    return data[static_cast<size_t>(j * rows + i)];
  }

  int64_t rows, cols;
  std::vector<Z> data;
};

/// Writes real numbers as row i of a real tensor [B, 1, n].
void store_row(const View& v, int64_t i, const double* numbers, double scale);

/// Elements in equal steps.
struct Line {
  Z* first;
  int64_t step;
  Z& operator[](int64_t i) const { return first[i * step]; }
};

/// x becomes (beta, v_1, ..) with beta real and H^H x = (beta, 0, ..), H = 1 - tau v v^H and v =
/// (1, v_1, ..); returns tau. [zlarfg]
Z reflection(Line x, int64_t n);

/// (1 - tau v v^H) C for `count` columns of C that are `apart`; v_0 counts as 1.
void reflect(Line v, Z tau, int64_t n, Line c, int64_t count, int64_t apart);

/// Reflections below the `below`-th diagonal of each column, with their factors.
struct Reflections {
  /// Q C, where Q is their product.
  void apply(ComplexMatrix& c);

  ComplexMatrix vectors;
  std::vector<Z> tau;
  int64_t below = 0;
};

/// The reflections of A = Q R, with R above them.
Reflections reflections_of(ComplexMatrix a);

/// Q^H A Q has nothing below the first subdiagonal, which is real: H, and the reflections of Q.
/// Where A is Hermitian only the lower triangle of both counts. [zgehd2]
Reflections hessenberg(ComplexMatrix& a);

}  // namespace bx::decompositions
