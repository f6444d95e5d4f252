// Matrix products, batch by batch.
#include "kernels/gemm.h"

namespace bx::kernels {

namespace {

/// One of a batch of products; all of it in numbers, as a struct that is copied goes through
/// memory, and small products feel that.
template <class T>
[[gnu::always_inline]] inline Product<T> product_of(const View* out, const View* in,
                                                    const Params& params, int64_t i) {
  const int64_t m = out[0].shape[out[0].ndim - 2], n = out[0].shape[out[0].ndim - 1];
  // The stride of a single row or column is nobody's business.
  const auto matrix = [i](const View& v) {
    const int64_t *shape = v.shape + v.ndim - 2, *strides = v.strides + v.ndim - 2;
    return Strided2d<T>{static_cast<const T*>(v.data) + (i ? i * v.strides[0] : 0),
                        shape[0] == 1 ? 1 : strides[0], shape[1] == 1 ? 1 : strides[1]};
  };
  return {m,
          n,
          in[0].shape[in[0].ndim - 1],
          matrix(in[0]),
          matrix(in[1]),
          {params.i[0] ? static_cast<const T*>(in[2].data) : nullptr, 0},
          static_cast<T*>(out[0].data) + i * m * n,
          n};
}

/// Large products are cut by themselves, small ones go to the threads whole.
template <class T>
[[gnu::noinline]] void multiply_batch(const View* out, const View* in, const Params& params) {
  const int64_t batch = out[0].shape[0];
  const int64_t work = std::max<int64_t>(1, out[0].shape[1] * out[0].shape[2] * in[0].shape[2]);
  const auto some = [=, &params](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) gemm(product_of<T>(out, in, params, i));
  };
  if (work >= 2 * kGemmTask) some(0, batch);
  else parallel_for(batch, std::max<int64_t>(1, kGemmTask / work), some);
}

/// out [batch, M, N] contiguous = in0 [batch, M, K] @ in1 [batch, K, N] (+ in2 [N] when i[0]), or
/// all of them without the batch. Each matrix of in0 and in1 is dense along its rows or along its
/// columns. Of a single product it is told which rows are done.
template <class T>
void leading_matmul(const View* out, const View* in, const Params& params, FaultInfo*,
                    RowsDone done) {
  if (out[0].ndim == 3 && out[0].shape[0] != 1) return multiply_batch<T>(out, in, params);
  Product<T> p = product_of<T>(out, in, params, 0);
  p.done.tell = done.tell;
  p.done.context = done.context;
  gemm(p);
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
