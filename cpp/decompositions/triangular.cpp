// Systems with a triangular matrix, matrix by matrix.
#include "decompositions/batch.h"

namespace bx::decompositions {

namespace {

template <class T>
void run(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Batch<T> a(in[0]), b(in[1]), x(out[0]);
  const bool upper = params.i[0], unit = params.i[1];
  a.each([&](int64_t i) {
    auto solution = x[i];
    solution = b[i];
    const auto matrix = a[i];
    if (upper && unit) matrix.template triangularView<Eigen::UnitUpper>().solveInPlace(solution);
    else if (upper) matrix.template triangularView<Eigen::Upper>().solveInPlace(solution);
    else if (unit) matrix.template triangularView<Eigen::UnitLower>().solveInPlace(solution);
    else matrix.template triangularView<Eigen::Lower>().solveInPlace(solution);
  });
}

}  // namespace

Kernel solve_triangular(DType dtype) {
  return choose("solve_triangular", dtype, &run<float>, &run<double>);
}

}  // namespace bx::decompositions
