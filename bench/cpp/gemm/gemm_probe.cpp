// Eigen's float GEMM behind a C ABI, and a timer that calls any library's SGEMM in a C loop, so
// that small products are not drowned in the cost of a Python call.

#include <Eigen/Core>
#include <chrono>
#include <cstdint>

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using In = Eigen::Map<const Matrix>;
using Out = Eigen::Map<Matrix>;

void eigen_gemm(int trans_a, int trans_b, int m, int n, int k, const float* a, const float* b,
                float* c) {
  Out out(c, m, n);
  if (trans_a != 0) {
    out.noalias() = In(a, k, m).transpose() * In(b, k, n);
  } else if (trans_b != 0) {
    out.noalias() = In(a, m, k) * In(b, n, k).transpose();
  } else {
    out.noalias() = In(a, m, k) * In(b, k, n);
  }
}

using Cblas64 = void (*)(int, int, int, std::int64_t, std::int64_t, std::int64_t, float,
                         const float*, std::int64_t, const float*, std::int64_t, float, float*,
                         std::int64_t);
using Fortran32 = void (*)(const char*, const char*, const int*, const int*, const int*,
                           const float*, const float*, const int*, const float*, const int*,
                           const float*, float*, const int*);

template <class F>
double seconds(int calls, F f) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / calls;
}

}  // namespace

#define BX_BENCH_API __attribute__((visibility("default")))

extern "C" {

/// Seconds per call of Eigen's product.
BX_BENCH_API double probe_eigen(int ta, int tb, int m, int n, int k, const float* a, const float* b,
                                float* c, int calls) {
  return seconds(calls, [&] { eigen_gemm(ta, tb, m, n, k, a, b, c); });
}

/// Seconds per call of a cblas_sgemm with 64-bit integers (the one in NumPy's wheel).
BX_BENCH_API double probe_cblas64(void* function, int ta, int tb, int m, int n, int k,
                                  const float* a, const float* b, float* c, int calls) {
  const auto gemm = reinterpret_cast<Cblas64>(function);
  return seconds(calls, [&] {
    gemm(101, ta ? 112 : 111, tb ? 112 : 111, m, n, k, 1.0F, a, ta ? m : k, b, tb ? k : n, 0.0F, c,
         n);
  });
}

/// Seconds per call of a Fortran SGEMM with 32-bit integers (the one in PyTorch's wheel). It is
/// column-major: the row-major C = A B is its C' = B' A'.
BX_BENCH_API double probe_fortran32(void* function, int ta, int tb, int m, int n, int k,
                                    const float* a, const float* b, float* c, int calls) {
  const auto gemm = reinterpret_cast<Fortran32>(function);
  const float one = 1.0F;
  const float zero = 0.0F;
  const int lda = ta ? m : k;
  const int ldb = tb ? k : n;
  return seconds(calls, [&] {
    gemm(tb ? "T" : "N", ta ? "T" : "N", &n, &m, &k, &one, b, &ldb, a, &lda, &zero, c, &n);
  });
}
}
