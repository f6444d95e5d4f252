// One float product by Eigen, by the package's own kernel, and by any library's SGEMM, each called
// in a C loop, so that small products are not drowned in the cost of a Python call.

#include <dlfcn.h>

#include <Eigen/Core>
#include <chrono>
#include <cstdint>

#include "kernels/table.h"

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

/// A matrix as a kernel sees it, a batch of one: `rows` x `cols`, stored transposed or not.
struct Operand {
  Operand(const float* data, int rows, int cols, bool transposed)
      : shape{1, rows, cols}, strides{0, transposed ? 1 : cols, transposed ? rows : 1} {
    view = {const_cast<float*>(data), shape, strides, 3, bx::DType::Float32};
  }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;

  std::int64_t shape[3];
  std::int64_t strides[3];
  bx::kernels::View view;
};

void one_thread(std::int64_t n, std::int64_t, void (*body)(void*, std::int64_t, std::int64_t),
                void* context) {
  body(context, 0, n);
}

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

/// The matmul kernel of a kernel library, or null if it cannot be loaded or is of another version.
BX_BENCH_API void* probe_kernel(const char* path) {
  using namespace bx::kernels;
  static const Host host{&one_thread, [] { return 1; }};
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* symbol = library ? dlsym(library, kEntryPointName) : nullptr;
  if (!symbol) return nullptr;
  const Table* table = reinterpret_cast<EntryPoint>(symbol)(&host);
  if (table->abi != kAbi) return nullptr;
  const auto place = table->rows * kPartsPerRow + static_cast<int>(Id::Matmul);
  const Kernel& kernel = table->kernels[place][static_cast<int>(bx::DType::Float32)];
  return reinterpret_cast<void*>(kernel.general);
}

/// Seconds per call of that kernel.
BX_BENCH_API double probe_ours(void* function, int ta, int tb, int m, int n, int k, const float* a,
                               const float* b, float* c, int calls) {
  const auto kernel = reinterpret_cast<bx::kernels::GeneralFn>(function);
  const Operand left(a, m, k, ta != 0);
  const Operand right(b, k, n, tb != 0);
  const Operand out(c, m, n, false);
  const bx::kernels::View in[] = {left.view, right.view};
  const bx::kernels::Params params;
  bx::kernels::FaultInfo fault;
  return seconds(calls, [&] { kernel(&out.view, in, params, &fault); });
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
