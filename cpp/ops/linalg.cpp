// What the operations of linear algebra share: checks, and shapes of batches of matrices.
#include "ops/linalg.h"

namespace bx {

void check_matrices(const char* op, const Tensor& t, ErrorKind unknown) {
  if (t.dim() < 2)
    fail_runtime(op, "input of shape ", t.shape(), "; expected a matrix or a batch of them");
  if (!is_differentiable(t.dtype()))
    fail(unknown, op, "input is ", name_of(t.dtype()), "; convert it to a floating-point type");
}

void check_square(const char* op, const Tensor& t, ErrorKind unknown) {
  check_matrices(op, t, unknown);
  if (t.size(-2) != t.size(-1))
    fail_runtime(op, "matrices of shape ", t.shape(), "; they must be square");
}

Dims batch_of(const Tensor& t) {
  Dims batch = t.shape();
  batch.resize(t.dim() - 2);
  return batch;
}

Dims joined(Dims batch, std::initializer_list<int64_t> sizes) {
  for (int64_t n : sizes) batch.push_back(n);
  return batch;
}

Tensor as_batch(const Tensor& t) {
  const Tensor dense = unrecorded([&] { return contiguous(t); });
  return reshaped(dense, {batch_of(t).product(), t.size(-2), t.size(-1)});
}

Tensor reshaped(const Tensor& t, const Dims& shape) {
  return alias(t, shape, contiguous_strides(shape), t->offset);
}

Tensor expand_batch(const Tensor& t, const Dims& batch) {
  const Dims shape = joined(batch, {t.size(-2), t.size(-1)});
  return t.shape() == shape ? t : expand(t, shape);
}

Tensor identity(int64_t n, DType dtype) {
  Tensor out = zeros({n, n}, dtype);
  Params one;
  one.f[0] = 1;
  one.i[0] = 1;
  launch("eye", kernel(kernels::Id::Fill, dtype), alias(out, {n}, {n + 1}, 0), {}, one);
  return out;
}

void check_info(const char* op, const Tensor& info, const char* what) {
  launch_host(op, {}, info,
              [=, count = info.numel()](const kernels::View*, const kernels::View* in) {
                const auto* first = static_cast<const int32_t*>(in[0].data);
                for (int64_t i = 0; i < count; ++i)
                  if (first[i] != 0)
                    throw LinAlgError(str("[linalg.", op, "] ",
                                          count > 1 ? str("(batch element ", i, ") ") : "", what,
                                          " (", first[i], "); change the input"));
              });
}

void check_dtypes(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype())
    fail_runtime(op, "operands are ", name_of(a.dtype()), " and ", name_of(b.dtype()),
                 "; expected the same type, convert one");
}

void register_linalg(Registry& r) {
  register_linalg_factor(r);
  register_linalg_qr(r);
  register_linalg_det(r);
  register_linalg_solve(r);
  register_linalg_spectral(r);
  register_linalg_rank(r);
  register_linalg_norms(r);
  register_linalg_powers(r);
  register_linalg_products(r);
}

}  // namespace bx
