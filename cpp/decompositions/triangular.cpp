// Systems with a triangular matrix, matrix by matrix.
#include "decompositions/complex.h"

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

void run_complex(const View* out, const View* in, const Params& params, FaultInfo*) {
  const bool upper = params.i[0], unit = params.i[1];
  Batch<Z>(in[0]).each([&](int64_t batch) {
    const ComplexMatrix a(in[0], batch);
    ComplexMatrix x(in[1], batch);
    for (int64_t j = 0; j < x.cols; ++j)
      for (int64_t step = 0; step < a.rows; ++step) {
        const int64_t d = upper ? a.rows - 1 - step : step;
        if (!unit) x(d, j) = x(d, j) / a(d, d);
        for (int64_t i = upper ? 0 : d + 1; i < (upper ? d : a.rows); ++i)
          x(i, j) = x(i, j) - a(i, d) * x(d, j);
      }
    x.store(out[0], batch);
  });
}

}  // namespace

Kernel solve_triangular(DType dtype) {
  return choose("solve_triangular", dtype, &run<float>, &run<double>, &run_complex);
}

}  // namespace bx::decompositions
