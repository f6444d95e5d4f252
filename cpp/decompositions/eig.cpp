// Eigenvalues and vectors of general matrices, matrix by matrix, always in double precision.
#include <Eigen/Eigenvalues>
#include <complex>

#include "decompositions/batch.h"

namespace bx::decompositions {

namespace {

using Matrix = Columns<double>;

/// The largest element of each vector is made real, as LAPACK does.
void turn(Columns<std::complex<double>>& vectors) {
  for (Eigen::Index j = 0; j < vectors.cols(); ++j) {
    Eigen::Index largest = 0;
    vectors.col(j).cwiseAbs2().maxCoeff(&largest);
    const std::complex<double> z = vectors(largest, j);
    if (z.imag() == 0) continue;
    vectors.col(j) *= std::conj(z) / std::abs(z);
    vectors(largest, j).imag(0);
  }
}

template <class T>
void run(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Batch<T> a(in[0]);
  const Batch<std::complex<T>> values(out[0]), vectors(out[1]);
  auto* info = static_cast<int32_t*>(out[2].data);
  a.each([&](int64_t i) {
    const Matrix m = a[i].template cast<double>();
    info[i] = 1;
    if (!m.allFinite()) return;
    const Eigen::EigenSolver<Matrix> solver(m, params.i[0] != 0);
    if (solver.info() != Eigen::Success) return;
    info[i] = 0;
    values[i] = solver.eigenvalues().transpose().template cast<std::complex<T>>();
    if (!params.i[0]) return;
    Columns<std::complex<double>> found = solver.eigenvectors();
    turn(found);
    vectors[i] = found.template cast<std::complex<T>>();
  });
}

}  // namespace

Kernel eig(DType dtype) { return choose("eig", dtype, &run<float>, &run<double>); }

}  // namespace bx::decompositions
