// Rows and columns of about the same norms before eigenvalues are sought. [Parlett and Reinsch
// 1969; LAPACK's dgebal and dgebak]
#include "decompositions/schur.h"

namespace bx::decompositions {

namespace {

using Matrix = Columns<double>;
using Eigen::Index;

bool zero_row(const Matrix& a, Index row, Index first, Index last) {
  for (Index i = first; i <= last; ++i)
    if (i != row && a(row, i) != 0) return false;
  return true;
}

bool zero_column(const Matrix& a, Index column, Index first, Index last) {
  for (Index i = first; i <= last; ++i)
    if (i != column && a(i, column) != 0) return false;
  return true;
}

void exchange(Matrix& a, Index i, Index k) {
  a.col(i).swap(a.col(k));
  a.row(i).swap(a.row(k));
}

}  // namespace

Balance balance(Matrix& a) {
  const Index n = a.rows();
  Balance b{0, n - 1, std::vector<double>(static_cast<size_t>(n), 1)};
  auto scale = [&](Index i) -> double& { return b.scale[static_cast<size_t>(i)]; };
  for (Index j = b.last; j >= 0; --j)
    if (zero_row(a, j, 0, b.last)) {
      scale(b.last) = static_cast<double>(j);
      exchange(a, j, b.last);
      if (b.last == 0) return b;
      j = b.last--;
    }
  for (Index j = b.first; j <= b.last; ++j)
    if (zero_column(a, j, b.first, b.last)) {
      scale(b.first) = static_cast<double>(j);
      exchange(a, j, b.first);
      j = b.first++;
    }
  const Index size = b.last - b.first + 1;
  for (bool again = true; again;) {
    again = false;
    for (Index i = b.first; i <= b.last; ++i) {
      const double column = a.col(i).segment(b.first, size).norm();
      const double row = a.row(i).segment(b.first, size).norm();
      if (column == 0 || row == 0) continue;
      double f = 1, c = column, r = row;
      while (c < r / 2 && f < 1e100) f *= 2, c *= 2, r /= 2;
      while (c / 2 >= r && f > 1e-100) f /= 2, c /= 2, r *= 2;
      if (c + r >= 0.95 * (column + row)) continue;
      again = true;
      scale(i) *= f;
      a.row(i) /= f;
      a.col(i) *= f;
    }
  }
  return b;
}

void Balance::undo(Columns<std::complex<double>>& vectors) const {
  auto other = [&](Index i) { return static_cast<Index>(scale[static_cast<size_t>(i)]); };
  for (Index i = first; i <= last && first < last; ++i)
    vectors.row(i) *= scale[static_cast<size_t>(i)];
  for (Index i = first - 1; i >= 0; --i) vectors.row(i).swap(vectors.row(other(i)));
  for (Index i = last + 1; i < vectors.rows(); ++i) vectors.row(i).swap(vectors.row(other(i)));
}

}  // namespace bx::decompositions
