// Eigenvalues and vectors of general matrices, matrix by matrix, always in double precision.
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

}  // namespace

Kernel eig(DType dtype) { return choose("eig", dtype, &run<float>, &run<double>); }

}  // namespace bx::decompositions
