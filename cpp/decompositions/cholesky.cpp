// Cholesky's factor, matrix by matrix.
#include <Eigen/Cholesky>

#include "decompositions/batch.h"

namespace bx::decompositions {

namespace {

template <class T>
void run(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Batch<T> a(in[0]), l(out[0]);
  auto* info = static_cast<int32_t*>(out[1].data);
  a.each([&](int64_t i) {
    Columns<T> m = params.i[0] ? Columns<T>(a[i].transpose()) : Columns<T>(a[i]);
    info[i] = 1 + static_cast<int32_t>(Eigen::internal::llt_inplace<T, Eigen::Lower>::blocked(m));
    // A pivot that is NaN is none that Eigen stops at.
    for (int64_t d = 0; d < a.rows && info[i] == 0; ++d)
      if (!(m(d, d) > 0)) info[i] = static_cast<int32_t>(d) + 1;
    m.template triangularView<Eigen::StrictlyUpper>().setZero();
    l[i] = m;
  });
}

}  // namespace

Kernel cholesky(DType dtype) { return choose("cholesky", dtype, &run<float>, &run<double>); }

}  // namespace bx::decompositions
