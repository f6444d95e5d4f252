// L and U of a matrix whose rows changed places, matrix by matrix.
#include <Eigen/LU>

#include "decompositions/batch.h"

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

}  // namespace

Kernel lu(DType dtype) { return choose("lu", dtype, &run<float>, &run<double>); }

}  // namespace bx::decompositions
