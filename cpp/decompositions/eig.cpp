// Eigenvalues and vectors of general matrices, matrix by matrix, always in double precision.
#include <cmath>
#include <limits>

#include "decompositions/complex.h"
#include "decompositions/schur.h"

namespace bx::decompositions {

namespace {

using Matrix = Columns<double>;

/// The largest element of each vector is made real; it keeps its sign, in double precision only
/// where its real part was the larger one, as LAPACK's rotations do.
void turn(Columns<std::complex<double>>& vectors, bool single) {
  for (Eigen::Index j = 0; j < vectors.cols(); ++j) {
    Eigen::Index largest = 0;
    vectors.col(j).cwiseAbs2().maxCoeff(&largest);
    const std::complex<double> z = vectors(largest, j);
    if (z.imag() == 0) continue;
    const bool negative = z.real() < 0 && (single || std::abs(z.real()) > std::abs(z.imag()));
    vectors.col(j) *= std::conj(z) / (negative ? -std::abs(z) : std::abs(z));
    vectors(largest, j).imag(0);
  }
}

template <class T>
void run(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Batch<T> a(in[0]);
  const Batch<std::complex<T>> values(out[0]), vectors(out[1]);
  auto* info = static_cast<int32_t*>(out[2].data);
  a.each([&](int64_t i) {
    constexpr bool single = std::is_same_v<T, float>;
    Matrix t = a[i].template cast<double>(), q;
    info[i] = 1;
    if (!t.allFinite()) return;
    const Balance balanced = balance(t);
    Eigen::VectorXcd found_values;
    if (!schur(t, q, balanced, found_values, single)) return;
    info[i] = 0;
    values[i] = found_values.transpose().template cast<std::complex<T>>();
    if (!params.i[0]) return;
    Columns<std::complex<double>> found = q * triangular_vectors(t, found_values);
    balanced.undo(found);
    found.colwise().normalize();
    turn(found, single);
    vectors[i] = found.template cast<std::complex<T>>();
  });
}

constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
constexpr double kTiny = std::numeric_limits<double>::min() / kEpsilon;

double size(Z z) { return std::abs(z.re) + std::abs(z.im); }

Z root(Z z) {
  const std::complex<double> r = std::sqrt(std::complex<double>(z.re, z.im));
  return {r.real(), r.imag()};
}

/// Of the two eigenvalues of [a u; u d] the one nearer to d. [Wilkinson]
Z shift(Z a, Z u, Z d) {
  if (size(u) == 0) return d;
  const Z half = (a - d) * 0.5;
  const double s = std::max(size(half), size(u));
  const Z x = half / s;
  Z y = root(x * x + u * u / (s * s)) * s;
  if (x.re * y.re + x.im * y.im < 0) y = -y;
  return d - u * (u / (half + y));
}

/// H, of nothing below the first subdiagonal, becomes triangular, and Q as well turned. [zlahqr]
bool triangulate(ComplexMatrix& h, ComplexMatrix& q) {
  const int64_t n = h.rows;
  int64_t stalled = 0, left = 30 * std::max<int64_t>(10, n);
  for (int64_t last = n - 1; last >= 0;) {
    int64_t first = last;
    for (; first > 0; --first) {
      const double below = size(h(first, first - 1)), above = size(h(first - 1, first));
      const double gap = size(h(first - 1, first - 1) - h(first, first));
      const double own = size(h(first, first)), around = size(h(first - 1, first - 1)) + own;
      if (below <= kTiny) break;
      const double s = std::max(own, gap) + std::max(below, above);
      if (below <= kEpsilon * around &&
          below * (above / s) <= std::max(kTiny, kEpsilon * (own * (gap / s))))
        break;
    }
    if (first > 0) h(first, first - 1) = 0;
    if (first == last) {
      --last, stalled = 0;
      continue;
    }
    if (--left < 0) return false;
    Z t;
    if (++stalled % 20 == 0) t = h(last, last) + 0.75 * size(h(last, last - 1));
    else if (stalled % 10 == 0) t = h(first, first) + 0.75 * size(h(first + 1, first));
    else
      t = shift(h(last - 1, last - 1), root(h(last - 1, last)) * root(h(last, last - 1)),
                h(last, last));
    Z v[2] = {h(first, first) - t, h(first + 1, first)};
    for (int64_t k = first; k < last; ++k) {
      if (k > first) v[0] = h(k, k - 1), v[1] = h(k + 1, k - 1);
      const Z tau = reflection({v, 1}, 2);
      if (k > first) h(k, k - 1) = v[0], h(k + 1, k - 1) = 0;
      reflect({v, 1}, conj(tau), 2, {h.at(k, k), 1}, n - k, n);
      v[1] = conj(v[1]);
      reflect({v, 1}, tau, 2, {h.at(0, k), n}, std::min(k + 2, last) + 1, 1);
      reflect({v, 1}, tau, 2, {q.at(0, k), n}, n, 1);
    }
  }
  return true;
}

/// Vectors of a triangular matrix, times Q, of length 1 and with their largest element real.
ComplexMatrix vectors_of(ComplexMatrix& t, ComplexMatrix& q) {
  const int64_t n = t.rows;
  ComplexMatrix out(n, n);
  for (int64_t k = 0; k < n; ++k) {
    const double least = std::max(kEpsilon * size(t(k, k)), kTiny);
    std::vector<Z> x(static_cast<size_t>(k) + 1);
    auto at = [&](int64_t i) -> Z& { return x[static_cast<size_t>(i)]; };
    at(k) = 1;
    double largest = 1;
    for (int64_t i = k; i-- > 0;) {
      Z sum = 0;
      for (int64_t j = i + 1; j <= k; ++j) sum = sum + t(i, j) * at(j);
      const Z gap = t(i, i) - t(k, k);
      at(i) = -sum / (size(gap) < least ? Z(least) : gap);
      largest = std::max(largest, size(at(i)));
      if (largest < 1e100) continue;
      for (Z& z : x) z = z / largest;
      largest = 1;
    }
    for (int64_t j = 0; j <= k; ++j)
      for (int64_t i = 0; i < n; ++i) out(i, k) = out(i, k) + q(i, j) * at(j);
    double sum = 0, most = 0;
    int64_t where = 0;
    for (int64_t i = 0; i < n; ++i) {
      const Z z = out(i, k) / largest;
      const double square = z.re * z.re + z.im * z.im;
      sum += square;
      if (square > most) most = square, where = i;
      out(i, k) = z;
    }
    const Z turn = conj(out(where, k)) / (std::sqrt(most) * std::sqrt(sum));
    for (int64_t i = 0; i < n; ++i) out(i, k) = out(i, k) * turn;
    out(where, k).im = 0;
  }
  return out;
}

void run_complex(const View* out, const View* in, const Params& params, FaultInfo*) {
  auto* info = static_cast<int32_t*>(out[2].data);
  Batch<Z>(in[0]).each([&](int64_t i) {
    ComplexMatrix h(in[0], i);
    const double scale = h.normalise();
    info[i] = 1;
    if (std::isnan(scale)) return;
    ComplexMatrix q(Columns<double>(), h.rows, h.rows);
    hessenberg(h).apply(q);
    if (!triangulate(h, q)) return;
    info[i] = 0;
    ComplexMatrix values(1, h.rows);
    for (int64_t j = 0; j < h.rows; ++j) values(0, j) = scale * h(j, j);
    values.store(out[0], i);
    if (params.i[0]) vectors_of(h, q).store(out[1], i);
  });
}

}  // namespace

Kernel eig(DType dtype) { return choose("eig", dtype, &run<float>, &run<double>, &run_complex); }

}  // namespace bx::decompositions
