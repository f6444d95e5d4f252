// Matrix products, batch by batch, on Eigen's blocked GEMM.
#include <Eigen/Core>
#include <algorithm>

#include "kernels/families.h"

namespace bx::kernels {

namespace {

template <class T>
using Rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T, int Order>
using Strided = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Order>,
                           Eigen::Unaligned, Eigen::OuterStride<>>;

/// A matrix of a batch: its first element and the strides of its two dimensions.
template <class T>
struct Matrix {
  const T* data;
  int64_t rows, cols, row_stride, col_stride;
};

/// Calls f with an Eigen map in the order in which the matrix lies.
template <class T, class F>
void with_map(const Matrix<T>& m, F f) {
  if (m.col_stride == 1 || m.cols == 1)
    f(Strided<T, Eigen::RowMajor>(m.data, m.rows, m.cols,
                                  Eigen::OuterStride<>(std::max(m.row_stride, m.cols))));
  else
    f(Strided<T, Eigen::ColMajor>(m.data, m.rows, m.cols,
                                  Eigen::OuterStride<>(std::max(m.col_stride, m.rows))));
}

template <class T>
void multiply(const Matrix<T>& a, const Matrix<T>& b, const T* bias, T* out) {
  Eigen::Map<Rows<T>> y(out, a.rows, b.cols);
  if (a.cols == 0 && !bias) {
    y.setZero();
    return;
  }
  if (bias) y.rowwise() = Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(bias, b.cols);
  if (a.cols == 0) return;
  with_map(a, [&](auto ma) {
    with_map(b, [&](auto mb) {
      if (bias) y.noalias() += ma * mb;
      else y.noalias() = ma * mb;
    });
  });
}

constexpr int64_t kSplitWork = int64_t{1} << 22;  // multiply-adds of one task
constexpr int64_t kSplitRows = 128;

/// out [batch, M, N] contiguous = in0 [batch, M, K] @ in1 [batch, K, N] (+ in2 [N] when i[0]).
/// Each matrix of in0 and in1 is dense along its rows or along its columns.
template <class T>
void matmul(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int64_t batch = out[0].shape[0], m = out[0].shape[1], n = out[0].shape[2];
  const int64_t k = in[0].shape[2];
  if (batch == 0 || m == 0 || n == 0) return;
  const T* bias = params.i[0] ? static_cast<const T*>(in[2].data) : nullptr;
  const auto* a = static_cast<const T*>(in[0].data);
  const auto* b = static_cast<const T*>(in[1].data);
  auto* y = static_cast<T*>(out[0].data);
  // Tasks depend on the sizes alone: the bits are the same for any number of threads.
  const bool split = m >= 2 * kSplitRows && m * n * k >= 2 * kSplitWork;
  const int64_t rows = split ? std::max(kSplitRows, (m + 7) / 8) : m;
  const int64_t strips = (m + rows - 1) / rows;
  const int64_t grain = std::max<int64_t>(1, kSplitWork / std::max<int64_t>(1, rows * n * k));
  parallel_for(batch * strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t i = task / strips, r = task % strips * rows;
      const Matrix<T> left{a + i * in[0].strides[0] + r * in[0].strides[1], std::min(rows, m - r),
                           k, in[0].strides[1], in[0].strides[2]};
      const Matrix<T> right{b + i * in[1].strides[0], k, n, in[1].strides[1], in[1].strides[2]};
      multiply(left, right, bias, y + (i * m + r) * n);
    }
  });
}

}  // namespace

void fill_matmul(Entries entries) {
  enter<float>(entries, Id::Matmul, "matmul", &matmul<float>);
  enter<double>(entries, Id::Matmul, "matmul", &matmul<double>);
  enter<int32_t>(entries, Id::Matmul, "matmul", &matmul<int32_t>);
  enter<int64_t>(entries, Id::Matmul, "matmul", &matmul<int64_t>);
}

}  // namespace bx::kernels
