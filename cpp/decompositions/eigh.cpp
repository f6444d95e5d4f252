// Eigenvalues and vectors of symmetric matrices, matrix by matrix.
#include <Eigen/Eigenvalues>

#include "decompositions/batch.h"

namespace bx::decompositions {

namespace {

template <class T>
void run(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Batch<T> a(in[0]), values(out[0]), vectors(out[1]);
  auto* info = static_cast<int32_t*>(out[2].data);
  a.each([&](int64_t i) {
    const Columns<T> m = params.i[1] ? Columns<T>(a[i].transpose()) : Columns<T>(a[i]);
    const int what = params.i[0] ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly;
    const Eigen::SelfAdjointEigenSolver<Columns<T>> solver(m, what);
    info[i] = solver.info() == Eigen::Success && solver.eigenvalues().allFinite() ? 0 : 1;
    values[i] = solver.eigenvalues().transpose();
    if (params.i[0] && info[i] == 0) vectors[i] = solver.eigenvectors();
  });
}

}  // namespace

Kernel eigh(DType dtype) { return choose("eigh", dtype, &run<float>, &run<double>); }

}  // namespace bx::decompositions
