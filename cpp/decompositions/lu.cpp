// L and U of a matrix whose rows changed places, matrix by matrix.
#include <Eigen/LU>

#include <cmath>

#include "decompositions/complex.h"

namespace bx::decompositions {

namespace {

template <class T>
void run(const View* out, const View* in, const Params&, FaultInfo*) {
  const Batch<T> a(in[0]), packed(out[0]);
  auto* pivots = static_cast<int32_t*>(out[1].data);
  auto* info = static_cast<int32_t*>(out[2].data);
  const int64_t k = std::min(a.rows, a.cols);
  a.each([&](int64_t i) {
    Columns<T> m = a[i];
    Eigen::Transpositions<Eigen::Dynamic, Eigen::Dynamic, int> swaps(m.cols());  // k are used
    int count = 0;
    if (k > 0) Eigen::internal::partial_lu_inplace(m, swaps, count);
    packed[i] = m;
    info[i] = 0;
    for (int64_t d = 0; d < k; ++d) {
      pivots[i * k + d] = swaps.coeff(d) + 1;
      if (m(d, d) == T(0) && info[i] == 0) info[i] = static_cast<int32_t>(d) + 1;
    }
  });
}

void run_complex(const View* out, const View* in, const Params&, FaultInfo*) {
  auto* pivots = static_cast<int32_t*>(out[1].data);
  auto* info = static_cast<int32_t*>(out[2].data);
  Batch<Z>(in[0]).each([&](int64_t batch) {
    ComplexMatrix m(in[0], batch);
    const int64_t k = std::min(m.rows, m.cols);
    info[batch] = 0;
    for (int64_t d = 0; d < k; ++d) {
      auto size = [&](int64_t i) { return std::abs(m(i, d).re) + std::abs(m(i, d).im); };
      int64_t row = d;
      for (int64_t i = d + 1; i < m.rows; ++i)
        if (size(i) > size(row)) row = i;
      pivots[batch * k + d] = static_cast<int32_t>(row) + 1;
      if (m(row, d) == 0.) {
        if (info[batch] == 0) info[batch] = static_cast<int32_t>(d) + 1;
        continue;
      }
      for (int64_t j = 0; row != d && j < m.cols; ++j) std::swap(m(row, j), m(d, j));
      for (int64_t i = d + 1; i < m.rows; ++i) m(i, d) = m(i, d) / m(d, d);
      for (int64_t j = d + 1; j < m.cols; ++j)
        for (int64_t i = d + 1; i < m.rows; ++i) m(i, j) = m(i, j) - m(i, d) * m(d, j);
    }
    m.store(out[0], batch);
  });
}

}  // namespace

Kernel lu(DType dtype) { return choose("lu", dtype, &run<float>, &run<double>, &run_complex); }

}  // namespace bx::decompositions
