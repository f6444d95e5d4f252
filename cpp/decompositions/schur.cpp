// The double-shift QR algorithm. [Francis 1961; Ahues and Tisseur 1997; LAPACK's dlahqr, dlanv2 and
// dtrevc]
#include "decompositions/schur.h"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <limits>

namespace bx::decompositions {

namespace {

using Matrix = Columns<double>;
using Eigen::Index;
using std::abs;

/// What is negligible beside 1, and at all.
struct Precision {
  double eps, tiny;
};

template <class T>
constexpr Precision kOf{std::numeric_limits<T>::epsilon(),
                        std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon()};

/// Where a subdiagonal element in rows first + 1 .. last is negligible, or first.
Index small_below(const Matrix& h, Index first, Index last, Index low, Index high, Precision of) {
  Index k = last;
  for (; k > first; --k) {
    const double below = abs(h(k, k - 1));
    if (below <= of.tiny) break;
    double around = abs(h(k - 1, k - 1)) + abs(h(k, k));
    if (around == 0) {
      if (k - 2 >= low) around += abs(h(k - 1, k - 2));
      if (k + 1 <= high) around += abs(h(k + 1, k));
    }
    if (below > of.eps * around) continue;
    const double above = abs(h(k - 1, k)), gap = abs(h(k - 1, k - 1) - h(k, k));
    const double most = std::max(below, above), least = std::min(below, above);
    const double high_d = std::max(abs(h(k, k)), gap), low_d = std::min(abs(h(k, k)), gap);
    const double s = high_d + most;
    if (least * (most / s) <= std::max(of.tiny, of.eps * (low_d * (high_d / s)))) break;
  }
  return k;
}

/// The two shifts of the block [a b; c d]; both are the nearer to d where they are real.
std::pair<std::complex<double>, std::complex<double>> shifts(double a, double b, double c,
                                                             double d) {
  const double s = abs(a) + abs(b) + abs(c) + abs(d);
  if (s == 0) return {0., 0.};
  a /= s, b /= s, c /= s, d /= s;
  const double half = (a + d) / 2, det = (a - half) * (d - half) - b * c;
  const double root = std::sqrt(abs(det));
  if (det >= 0) return {{half * s, root * s}, {half * s, -root * s}};
  const double x = half + root, y = half - root;
  const double nearer = (abs(x - d) <= abs(y - d) ? x : y) * s;
  return {nearer, nearer};
}

/// v becomes (1, v_1, ..) of the reflection that takes it to (v_0, 0, ..), which is returned.
double reflection(double* v, Index n, double& tau) {
  const double rest = n == 3 ? std::hypot(v[1], v[2]) : abs(v[1]);
  tau = 0;
  if (rest == 0) return v[0];
  const double beta = -std::copysign(std::hypot(v[0], rest), v[0]);
  tau = (beta - v[0]) / beta;
  for (Index i = 1; i < n; ++i) v[i] /= v[0] - beta;
  return beta;
}

/// One step from row m on in rows first .. last; v starts it.
void step(Matrix& h, Matrix& q, Index first, Index last, Index m, double* v) {
  const Index n = h.rows();
  for (Index k = m; k < last; ++k) {
    const Index size = std::min<Index>(3, last - k + 1);
    if (k > m)
      for (Index i = 0; i < size; ++i) v[i] = h(k + i, k - 1);
    double tau;
    const double beta = reflection(v, size, tau);
    if (k > m) {
      h(k, k - 1) = beta;
      for (Index i = 1; i < size; ++i) h(k + i, k - 1) = 0;
    } else if (m > first) {
      h(k, k - 1) *= 1 - tau;
    }
    const double w[3] = {1, v[1], size == 3 ? v[2] : 0};
    auto reflect = [&](auto at) {  // at(i): the i-th of the elements that are mixed
      double sum = 0;
      for (Index i = 0; i < size; ++i) sum += w[i] * at(i);
      for (Index i = 0; i < size; ++i) at(i) -= sum * tau * w[i];
    };
    for (Index j = k; j < n; ++j) reflect([&](Index i) -> double& { return h(k + i, j); });
    for (Index j = 0; j <= std::min(k + 3, last); ++j)
      reflect([&](Index i) -> double& { return h(j, k + i); });
    for (Index j = 0; j < n; ++j) reflect([&](Index i) -> double& { return q(j, k + i); });
  }
}

/// Turns rows and columns i, i + 1 so that the block there is triangular, or has equal elements on
/// its diagonal and a complex pair of eigenvalues. [dlanv2]
void split(Matrix& h, Matrix& q, Index i) {
  double &a = h(i, i), &b = h(i, i + 1), &c = h(i + 1, i), &d = h(i + 1, i + 1);
  double cs = 1, sn = 0;
  const double gap = a - d;
  if (c == 0) {
  } else if (b == 0) {
    cs = 0, sn = 1;
    std::swap(a, d);
    b = -c, c = 0;
  } else if (gap != 0 || std::signbit(b) == std::signbit(c)) {
    const double p = gap / 2, most = std::max(abs(b), abs(c));
    const double least = std::min(abs(b), abs(c)) * std::copysign(1, b) * std::copysign(1, c);
    const double scale = std::max(abs(p), most);
    double z = p / scale * p + most / scale * least;
    if (z >= 4 * kOf<double>.eps) {
      z = p + std::copysign(std::sqrt(scale) * std::sqrt(z), p);
      a = d + z;
      d -= most / z * least;
      const double tau = std::hypot(c, z);
      cs = z / tau, sn = c / tau;
      b -= c, c = 0;
    } else {
      const double sigma = b + c, tau = std::hypot(sigma, gap);
      cs = std::sqrt((1 + abs(sigma) / tau) / 2);
      sn = -(p / (tau * cs)) * std::copysign(1, sigma);
      const double aa = a * cs + b * sn, bb = b * cs - a * sn;
      const double cc = c * cs + d * sn, dd = d * cs - c * sn;
      a = aa * cs + cc * sn, b = bb * cs + dd * sn;
      c = cc * cs - aa * sn, d = dd * cs - bb * sn;
      a = d = (a + d) / 2;
      if (c != 0 && b == 0) {
        b = -c, c = 0;
        std::swap(cs, sn);
        cs = -cs;
      } else if (c != 0 && std::signbit(b) == std::signbit(c)) {
        const double root_b = std::sqrt(abs(b)), root_c = std::sqrt(abs(c));
        const double shift = std::copysign(root_b * root_c, c), unit = 1 / std::sqrt(abs(b + c));
        a += shift, d -= shift;
        b -= c, c = 0;
        const double cs1 = root_b * unit, sn1 = root_c * unit, old = cs;
        cs = old * cs1 - sn * sn1, sn = old * sn1 + sn * cs1;
      }
    }
  }
  auto turn = [&](auto x, auto y) {
    const auto old = x.eval();
    x = cs * old + sn * y;
    y = cs * y - sn * old;
  };
  const Index after = h.rows() - i - 2;
  turn(h.row(i).tail(after), h.row(i + 1).tail(after));
  turn(h.col(i).head(i), h.col(i + 1).head(i));
  turn(q.col(i), q.col(i + 1));
}

}  // namespace

bool schur(Matrix& h, Matrix& q, const Balance& range, Eigen::VectorXcd& values, bool single) {
  const Precision of = single ? kOf<float> : kOf<double>;
  const Eigen::HessenbergDecomposition<Matrix> reduced(h);
  q = reduced.matrixQ();
  h = reduced.matrixH();
  values = h.diagonal().cast<std::complex<double>>();
  const Index low = range.first, high = range.last;
  Index last = high, stalled = 0, left = 30 * std::max<Index>(10, high - low + 1);
  Index first = low;
  while (last >= low) {
    first = small_below(h, first, last, low, high, of);
    if (first > low) h(first, first - 1) = 0;
    if (first >= last - 1) {
      if (first == last) {
        values[last] = h(last, last);
      } else {
        split(h, q, first);
        const double im = std::sqrt(abs(h(first, last))) * std::sqrt(abs(h(last, first)));
        values[first] = {h(first, first), im};
        values[last] = {h(last, last), im > 0 ? -im : 0};
      }
      last = first - 1, first = low, stalled = 0;
      continue;
    }
    if (--left < 0) return false;
    ++stalled;
    double a = h(last - 1, last - 1), b = h(last - 1, last);
    double c = h(last, last - 1), d = h(last, last);
    if (stalled % 10 == 0) {
      const bool below = stalled % 20 == 0;
      c = below ? abs(c) + abs(h(last - 1, last - 2))
                : abs(h(first + 1, first)) + abs(h(first + 2, first + 1));
      a = d = 0.75 * c + (below ? d : h(first, first));
      b = -0.4375 * c;
    }
    const auto [x, y] = shifts(a, b, c, d);
    double v[3];
    Index m = last - 2;
    for (;; --m) {
      const double below = h(m + 1, m), gap = h(m, m) - y.real();
      const double s = abs(gap) + abs(y.imag()) + abs(below), part = below / s;
      v[0] = part * h(m, m + 1) + (h(m, m) - x.real()) * (gap / s) - x.imag() * (y.imag() / s);
      v[1] = part * (h(m, m) + h(m + 1, m + 1) - x.real() - y.real());
      v[2] = part * h(m + 2, m + 1);
      const double sum = abs(v[0]) + abs(v[1]) + abs(v[2]);
      for (double& e : v) e /= sum;
      if (m == first) break;
      const double around = abs(h(m - 1, m - 1)) + abs(h(m, m)) + abs(h(m + 1, m + 1));
      if (abs(h(m, m - 1)) * (abs(v[1]) + abs(v[2])) <= of.eps * abs(v[0]) * around) break;
    }
    step(h, q, first, last, m, v);
  }
  return true;
}

Columns<std::complex<double>> triangular_vectors(const Matrix& t, const Eigen::VectorXcd& values) {
  using Complex = std::complex<double>;
  const Index n = t.rows();
  Columns<Complex> found = Columns<Complex>::Zero(n, n);
  for (Index j = 0; j < n; ++j) {
    const Complex value = values[j];
    auto x = found.col(j);
    Index i = j - 1;
    if (value.imag() < 0) {
      x = found.col(j - 1).conjugate();
      continue;
    }
    x[j] = 1;
    if (value.imag() > 0) {  // rows j and j + 1 are the pair's
      const double above = t(j, j + 1), below = t(j + 1, j);
      x[j] = abs(above) >= abs(below) ? 1 : -value.imag() / below;
      x[j + 1] = {0, abs(above) >= abs(below) ? value.imag() / above : 1};
    }
    const double least =
        std::max(kOf<double>.eps * (abs(value.real()) + abs(value.imag())), kOf<double>.tiny);
    auto away = [&](Complex z) { return abs(z) < least ? Complex(least) : z; };
    auto sum = [&](Index row) -> Complex {
      Complex s = 0;
      for (Index k = i + 1; k < n; ++k) s += t(row, k) * x[k];
      return s;
    };
    while (i >= 0) {
      if (i > 0 && t(i, i - 1) != 0) {
        const Complex r = sum(i), s = sum(i - 1);
        const Complex a = t(i - 1, i - 1) - value, d = t(i, i) - value;
        const Complex det = away(a * d - t(i - 1, i) * t(i, i - 1));
        x[i - 1] = (t(i - 1, i) * r - d * s) / det;
        x[i] = (t(i, i - 1) * s - a * r) / det;
        i -= 2;
      } else {
        x[i] = -sum(i) / away(t(i, i) - value);
        --i;
      }
      const double largest = x.cwiseAbs().maxCoeff();
      if (largest > 1e100) x /= largest;
    }
  }
  return found;
}

}  // namespace bx::decompositions
