// Cholesky's factor, matrix by matrix.
#include <Eigen/Cholesky>

#include <cmath>

#include "decompositions/complex.h"

namespace bx::decompositions {

namespace {

template <class T>
void run(const View* out, const View* in, const Params&, FaultInfo*) {
  const Batch<T> a(in[0]), l(out[0]);
  auto* info = static_cast<int32_t*>(out[1].data);
  a.each([&](int64_t i) {
    Columns<T> m = a[i];
    info[i] = 1 + static_cast<int32_t>(Eigen::internal::llt_inplace<T, Eigen::Lower>::blocked(m));
    // A pivot that is NaN is none that Eigen stops at.
    for (int64_t d = 0; d < a.rows && info[i] == 0; ++d)
      if (!(m(d, d) > 0)) info[i] = static_cast<int32_t>(d) + 1;
    m.template triangularView<Eigen::StrictlyUpper>().setZero();
    l[i] = m;
  });
}

void run_complex(const View* out, const View* in, const Params&, FaultInfo*) {
  auto* info = static_cast<int32_t*>(out[1].data);
  Batch<Z>(in[0]).each([&](int64_t batch) {
    ComplexMatrix m(in[0], batch);
    info[batch] = 0;
    for (int64_t j = 0; j < m.cols; ++j) {
      for (int64_t k = 0; k < j; ++k) {
        const Z factor = conj(m(j, k));
        for (int64_t i = j; i < m.rows; ++i) m(i, j) = m(i, j) - m(i, k) * factor;
        m(k, j) = 0;
      }
      const double pivot = m(j, j).re;
      if (!(pivot > 0) && info[batch] == 0) info[batch] = static_cast<int32_t>(j) + 1;
      const double root = std::sqrt(pivot);
      m(j, j) = root;
      for (int64_t i = j + 1; i < m.rows; ++i) m(i, j) = {m(i, j).re / root, m(i, j).im / root};
    }
    m.store(out[0], batch);
  });
}

}  // namespace

Kernel cholesky(DType dtype) {
  return choose("cholesky", dtype, &run<float>, &run<double>, &run_complex);
}

}  // namespace bx::decompositions
