// The singular value decomposition, matrix by matrix: one-sided Jacobi rotations, which find small
// singular values to the last digits, of the triangle of a pivoted QR, which needs few of them.
// [Demmel and Veselic 1992; Drmac and Veselic 2008; Golub and Van Loan, sec. 8.6.3]
#include <Eigen/QR>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "decompositions/complex.h"

namespace bx::decompositions {

namespace {

template <class T>
void rotate(Columns<T>& m, int64_t p, int64_t q, T c, T s) {
  T *x = m.data() + p * m.rows(), *y = m.data() + q * m.rows();
  for (int64_t i = 0; i < m.rows(); ++i) {
    const T xi = x[i], yi = y[i];
    x[i] = c * xi - s * yi;
    y[i] = s * xi + c * yi;
  }
}

/// Rotates pairs of columns of w, and of v with them, until all of w's are orthogonal.
template <class T>
bool orthogonalise(Columns<T>& w, Columns<T>* v) {
  const T close = std::numeric_limits<T>::epsilon() * std::sqrt(static_cast<T>(w.rows()));
  constexpr int kSweeps = 60;
  // Beside the largest, which is about 1, a column whose square vanishes is 0.
  constexpr T kTiny = std::numeric_limits<T>::min();
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    bool rotated = false;
    Eigen::Matrix<T, 1, Eigen::Dynamic> size = w.colwise().squaredNorm();
    for (int64_t p = 0; p + 1 < w.cols(); ++p)
      for (int64_t q = p + 1; q < w.cols(); ++q) {
        const T a = std::max(size[p], kTiny), b = std::max(size[q], kTiny);
        const T c = w.col(p).dot(w.col(q));
        if (std::abs(c) <= close * std::sqrt(a) * std::sqrt(b) || std::abs(c) < kTiny) continue;
        rotated = true;
        const T zeta = (b - a) / (2 * c);
        const T t = std::copysign(T(1), zeta) / (std::abs(zeta) + std::hypot(T(1), zeta));
        const T cosine = 1 / std::sqrt(1 + t * t);
        size[p] = a - t * c;
        size[q] = b + t * c;
        rotate(w, p, q, cosine, cosine * t);
        if (v) rotate(*v, p, q, cosine, cosine * t);
      }
    if (!rotated) return true;
  }
  return false;
}

/// A = U S V^T for at least as many rows as columns; U gets `cols` columns. False: no convergence.
template <class T>
bool decompose(const Columns<T>& a, Columns<T>* u, T* s, Columns<T>* v, int64_t cols) {
  const int64_t n = a.cols();
  const T scale = a.size() ? a.cwiseAbs().maxCoeff() : T(0);
  // A P = Q R, and R^T turned is W, whose columns are orthogonal: A P = (Q turns) S (W / S)^T.
  const Eigen::ColPivHouseholderQR<Columns<T>> outer(scale > 0 ? Columns<T>(a / scale) : a);
  Columns<T> w = Columns<T>(outer.matrixR().topRows(n).template triangularView<Eigen::Upper>());
  w.transposeInPlace();
  Columns<T> turns;
  if (v) turns = Columns<T>::Identity(n, n);
  if (!orthogonalise(w, v ? &turns : nullptr)) return false;
  const Eigen::Matrix<T, 1, Eigen::Dynamic> size = w.colwise().norm();
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t i, int64_t j) { return size[i] > size[j]; });
  for (int64_t j = 0; j < n; ++j) s[j] = size[order[static_cast<size_t>(j)]] * scale;
  if (!u) return true;
  Columns<T> sorted(n, n);
  *u = Columns<T>::Identity(a.rows(), cols);
  for (int64_t j = 0; j < n; ++j) {
    sorted.col(j) = w.col(order[static_cast<size_t>(j)]);
    u->col(j).head(n) = turns.col(order[static_cast<size_t>(j)]);
  }
  u->applyOnTheLeft(outer.householderQ());
  // Q of the sorted columns is W / S, up to signs; where S is 0, it is any orthogonal rest.
  const Eigen::HouseholderQR<Columns<T>> inner(sorted);
  *v = inner.householderQ() * Columns<T>::Identity(n, n);
  for (int64_t j = 0; j < n; ++j)
    if (inner.matrixQR()(j, j) < 0) v->col(j) *= T(-1);
  *v = outer.colsPermutation() * *v;
  return true;
}

template <class T>
void run(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Batch<T> a(in[0]), u(out[0]), s(out[1]), vt(out[2]);
  auto* info = static_cast<int32_t*>(out[3].data);
  const bool vectors = params.i[0] != 0, wide = a.cols > a.rows;
  const int64_t longer = std::max(a.rows, a.cols);
  const int64_t cols = params.i[0] == 2 ? longer : std::min(a.rows, a.cols);
  a.each([&](int64_t i) {
    const Columns<T> m = wide ? Columns<T>(a[i].transpose()) : Columns<T>(a[i]);
    Columns<T> left, right;
    info[i] = m.allFinite() && decompose(m, vectors ? &left : nullptr, s.data + i * s.cols,
                                         vectors ? &right : nullptr, cols)
                  ? 0
                  : 1;
    if (info[i] || !vectors) return;
    u[i] = wide ? right : left;
    vt[i] = (wide ? left : right).transpose();
  });
}

/// Reflections from both sides make it bidiagonal and real. [Golub and Kahan 1965; zgebd2]
void run_complex(const View* out, const View* in, const Params& params, FaultInfo*) {
  auto* info = static_cast<int32_t*>(out[3].data);
  Batch<Z>(in[0]).each([&](int64_t batch) {
    const bool vectors = params.i[0] != 0, wide = in[0].shape[2] > in[0].shape[1];
    ComplexMatrix a(in[0], batch, wide);
    const int64_t m = a.rows, n = a.cols;
    const double scale = a.normalise();
    info[batch] = 1;
    if (std::isnan(scale)) return;
    // A = Q B P^T: the rows are columns of the transpose.
    Reflections p{ComplexMatrix(n, n), {}, 1};
    std::vector<Z> tau;
    Columns<double> b = Columns<double>::Zero(n, n);
    for (int64_t j = 0; j < n; ++j) {
      const Line column{a.at(j, j), 1};
      tau.push_back(reflection(column, m - j));
      b(j, j) = column[0].re;
      Z* next = column.first + m;
      reflect(column, conj(tau.back()), m - j, {next, 1}, n - j - 1, m);
      if (j + 1 == n) break;
      const Line row{next, m};
      p.tau.push_back(reflection(row, n - j - 1));
      b(j, j + 1) = row[0].re;
      reflect(row, conj(p.tau.back()), n - j - 1, {next + 1, m}, m - j - 1, 1);
      for (int64_t i = 1; i < n - j - 1; ++i) p.vectors(j + 1 + i, j) = row[i];
    }
    Columns<double> left, right;
    Eigen::VectorXd s(n);
    if (!decompose(b, vectors ? &left : nullptr, s.data(), vectors ? &right : nullptr, n)) return;
    info[batch] = 0;
    store_row(out[1], batch, s.data(), scale);
    if (!vectors) return;
    ComplexMatrix u(left, m, params.i[0] == 2 ? m : n), v(right, n, n);
    Reflections{std::move(a), std::move(tau)}.apply(u);
    p.apply(v);
    u.store(out[wide ? 2 : 0], batch, wide);
    v.store(out[wide ? 0 : 2], batch, !wide);
  });
}

}  // namespace

Kernel svd(DType dtype) { return choose("svd", dtype, &run<float>, &run<double>, &run_complex); }

}  // namespace bx::decompositions
