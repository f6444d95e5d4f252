// Matrix products, batch by batch.
#include "kernels/gemm.h"

namespace bx::kernels {

namespace {

/// out [batch, M, N] contiguous = in0 [batch, M, K] @ in1 [batch, K, N] (+ in2 [N] when i[0]).
/// Each matrix of in0 and in1 is dense along its rows or along its columns. Of a single product it
/// is told which rows are done.
template <class T>
void leading_matmul(const View* out, const View* in, const Params& params, FaultInfo*,
                    RowsDone done) {
  const int64_t batch = out[0].shape[0], m = out[0].shape[1], n = out[0].shape[2];
  const int64_t k = in[0].shape[2];
  const T* const bias = params.i[0] ? static_cast<const T*>(in[2].data) : nullptr;
  // The stride of a single row or column is nobody's business.
  const auto matrix = [](const View& v, int64_t i) {
    return Strided2d<T>{static_cast<const T*>(v.data) + i * v.strides[0],
                        v.shape[1] == 1 ? 1 : v.strides[1], v.shape[2] == 1 ? 1 : v.strides[2]};
  };
  auto* y = static_cast<T*>(out[0].data);
  // By value, and member by member: what is captured by reference lives in memory, a struct that is
  // copied goes through it, and small products feel both.
  const bool tells = batch == 1;
  const auto one = [=](int64_t i) {
    gemm(Product<T>{m,
                    n,
                    k,
                    matrix(in[0], i),
                    matrix(in[1], i),
                    {bias, 0},
                    y + i * m * n,
                    n,
                    {tells ? done.tell : nullptr, tells ? done.context : nullptr}});
  };
  // Large products are cut by themselves, small ones go to the threads whole.
  const int64_t work = std::max<int64_t>(1, m * n * k);
  if (batch == 1 || work >= 2 * kGemmTask) {
    for (int64_t i = 0; i < batch; ++i) one(i);
    return;
  }
  parallel_for(batch, std::max<int64_t>(1, kGemmTask / work), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

template <class T>
void matmul(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  leading_matmul<T>(out, in, params, fault, {});
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::Matmul, "matmul", &matmul<T>).leading = &leading_matmul<T>;
}

}  // namespace

void fill_matmul(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
  fill_type<int32_t>(entries);
  fill_type<int64_t>(entries);
}

}  // namespace bx::kernels
