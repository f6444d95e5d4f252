// Eigenvalues and vectors of symmetric and Hermitian matrices, matrix by matrix.
#include <Eigen/Eigenvalues>

#include <cmath>

#include "decompositions/complex.h"

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

/// Reflections make it tridiagonal and real.
void run_complex(const View* out, const View* in, const Params& params, FaultInfo*) {
  auto* info = static_cast<int32_t*>(out[2].data);
  Batch<Z>(in[0]).each([&](int64_t batch) {
    ComplexMatrix m(in[0], batch);
    const int64_t n = m.rows;
    // The upper triangle is the lower one read from the end: the last rows of vectors are then real
    // as here the first are.
    if (params.i[1]) std::reverse(m.data.begin(), m.data.end());
    for (int64_t j = 0; j < n; ++j) {
      m(j, j).im = 0;
      for (int64_t i = j + 1; i < n; ++i) m(j, i) = conj(m(i, j));
    }
    const double scale = m.normalise();
    info[batch] = 1;
    if (std::isnan(scale)) return;
    Reflections q = hessenberg(m);
    Eigen::VectorXd diagonal(n), below(n - 1);
    for (int64_t i = 0; i < n; ++i) diagonal[i] = m(i, i).re;
    for (int64_t i = 0; i + 1 < n; ++i) below[i] = m(i + 1, i).re;
    Eigen::SelfAdjointEigenSolver<Columns<double>> solver;
    solver.computeFromTridiagonal(
        diagonal, below, params.i[0] ? Eigen::ComputeEigenvectors : Eigen::EigenvaluesOnly);
    if (solver.info() != Eigen::Success) return;
    info[batch] = 0;
    store_row(out[0], batch, solver.eigenvalues().data(), scale);
    if (!params.i[0]) return;
    ComplexMatrix vectors(solver.eigenvectors(), n, n);
    q.apply(vectors);
    for (int64_t j = 0; j < n && params.i[1]; ++j)
      std::reverse(vectors.at(0, j), vectors.at(0, j) + n);
    vectors.store(out[1], batch);
  });
}

}  // namespace

Kernel eigh(DType dtype) { return choose("eigh", dtype, &run<float>, &run<double>, &run_complex); }

}  // namespace bx::decompositions
