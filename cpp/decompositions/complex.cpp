// Householder's reflections of complex matrices, as LAPACK makes them: R and subdiagonals are real.
#include "decompositions/complex.h"

#include <cmath>
#include <limits>

namespace bx::decompositions {

namespace {

/// Where a matrix of a batch stands, as the real numbers that it is made of.
struct Parts {
  Parts(const View& v, int64_t offset)
      : narrow(real_of(v.dtype) == DType::Float32), data(v.data), offset(offset) {}
  double get(int64_t i) const {
    return narrow ? static_cast<float*>(data)[offset + i] : static_cast<double*>(data)[offset + i];
  }
  void set(int64_t i, double x) const {
    if (narrow) static_cast<float*>(data)[offset + i] = static_cast<float>(x);
    else static_cast<double*>(data)[offset + i] = x;
  }
  bool narrow;
  void* data;
  int64_t offset;
};

Parts parts_of(const View& v, int64_t i) { return {v, 2 * i * v.shape[1] * v.shape[2]}; }

}  // namespace

ComplexMatrix::ComplexMatrix(const View& v, int64_t batch, bool transposed)
    : ComplexMatrix(v.shape[1 + transposed], v.shape[2 - transposed]) {
  const Parts from = parts_of(v, batch);
  const int64_t down = transposed ? 1 : cols, across = transposed ? rows : 1;
  for (int64_t j = 0; j < cols; ++j)
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t k = 2 * (i * down + j * across);
      (*this)(i, j) = {from.get(k), from.get(k + 1)};
    }
}

ComplexMatrix::ComplexMatrix(const Columns<double>& corner, int64_t rows, int64_t cols)
    : ComplexMatrix(rows, cols) {
  for (int64_t j = 0; j < cols; ++j)
    for (int64_t i = 0; i < rows; ++i)
      (*this)(i, j) = i < corner.rows() && j < corner.cols() ? corner(i, j) : double(i == j);
}

void ComplexMatrix::store(const View& v, int64_t batch, bool transposed) const {
  const Parts to = parts_of(v, batch);
  const int64_t down = transposed ? 1 : cols, across = transposed ? rows : 1;
  for (int64_t j = 0; j < cols; ++j)
    for (int64_t i = 0; i < rows; ++i) {
      const int64_t k = 2 * (i * down + j * across);
      to.set(k, (*this)(i, j).re);
      to.set(k + 1, (*this)(i, j).im);
    }
}

double ComplexMatrix::normalise() {
  double largest = 0, sum = 0;
  for (const Z& z : data) {
    largest = std::max({largest, std::abs(z.re), std::abs(z.im)});
    sum += 0 * z.re + 0 * z.im;  // NaN where one is, or infinity
  }
  if (largest == 0 || sum != 0) return sum + 1;
  for (Z& z : data) z = {z.re / largest, z.im / largest};
  return largest;
}

void store_row(const View& v, int64_t batch, const double* numbers, double scale) {
  const int64_t n = v.shape[2];
  for (int64_t i = 0; i < n; ++i) Parts(v, batch * n).set(i, numbers[i] * scale);
}

Z reflection(Line x, int64_t n) {
  double rest = 0;
  for (int64_t i = 1; i < n; ++i) rest = std::hypot(rest, std::hypot(x[i].re, x[i].im));
  const Z alpha = x[0];
  if (rest == 0 && alpha.im == 0) return 0;
  const double beta = -std::copysign(std::hypot(alpha.re, std::hypot(alpha.im, rest)), alpha.re);
  const Z scale = 1. / (alpha - beta);
  for (int64_t i = 1; i < n; ++i) x[i] = x[i] * scale;
  x[0] = beta;
  return {(beta - alpha.re) / beta, -alpha.im / beta};
}

void reflect(Line v, Z tau, int64_t n, Line c, int64_t count, int64_t apart) {
  for (int64_t j = 0; j < count; ++j, c.first += apart) {
    Z sum = c[0];
    for (int64_t i = 1; i < n; ++i) sum = sum + conj(v[i]) * c[i];
    sum = sum * tau;
    c[0] = c[0] - sum;
    for (int64_t i = 1; i < n; ++i) c[i] = c[i] - v[i] * sum;
  }
}

void Reflections::apply(ComplexMatrix& c) {
  for (int64_t j = static_cast<int64_t>(tau.size()); j-- > 0;) {
    const int64_t i = j + below;
    reflect({vectors.at(i, j), 1}, tau[static_cast<size_t>(j)], c.rows - i, {c.at(i, 0), 1}, c.cols,
            c.rows);
  }
}

Reflections reflections_of(ComplexMatrix a) {
  Reflections out{std::move(a), {}};
  ComplexMatrix& m = out.vectors;
  for (int64_t j = 0; j < std::min(m.rows, m.cols); ++j) {
    const Line v{m.at(j, j), 1};
    out.tau.push_back(reflection(v, m.rows - j));
    reflect(v, conj(out.tau.back()), m.rows - j, {v.first + m.rows, 1}, m.cols - j - 1, m.rows);
  }
  return out;
}

Reflections hessenberg(ComplexMatrix& a) {
  const int64_t n = a.rows;
  Reflections out{ComplexMatrix(n, n), {}, 1};
  std::vector<Z> turned(static_cast<size_t>(n));
  for (int64_t j = 0; j + 1 < n; ++j) {
    const int64_t size = n - j - 1;
    const Z tau = reflection({a.at(j + 1, j), 1}, size);
    for (int64_t i = 0; i < size; ++i) {
      Z& z = a(j + 1 + i, j);
      out.vectors(j + 1 + i, j) = z;
      turned[static_cast<size_t>(i)] = conj(z);
      if (i > 0) z = 0;
    }
    out.tau.push_back(tau);
    Z* next = a.at(0, j + 1);
    reflect({out.vectors.at(j + 1, j), 1}, conj(tau), size, {next + j + 1, 1}, size, n);
    reflect({turned.data(), 1}, tau, size, {next, n}, n, 1);
  }
  return out;
}

}  // namespace bx::decompositions
