// Distances and similarities of vectors along one dimension, unit vectors, gated halves.
#include "ops/ops.h"

namespace bx {

namespace {

Tensor total(const Tensor& t, int64_t dim, bool keepdim) {
  return sum(t, Dims{dim}, keepdim, std::nullopt);
}

Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int64_t dim, double eps) {
  const char* op = "cosine_similarity";
  const DType dtype = promote(x1.dtype(), x2.dtype());  // of 0-d tensors too
  if (!is_floating(dtype))
    fail_runtime(op, "the inputs are ", name_of(x1.dtype()), " and ", name_of(x2.dtype()),
                 "; convert them, e.g. with .float()");
  if (!(eps >= 0)) fail_runtime(op, "eps is ", eps, "; it must be 0 or more");
  const Dims shape = broadcast_shapes(op, x1.shape(), x2.shape());
  const Tensor a = expand(to(x1, dtype), shape), b = expand(to(x2, dtype), shape);
  auto unit = [&](const Tensor& x) {
    return x / sqrt(maximum(total(x * x, dim, true), eps * eps));
  };
  return total(unit(a) * unit(b), dim, false);
}

Tensor pairwise_distance(const Tensor& x1, const Tensor& x2, double p, double eps, bool keepdim) {
  return named("NormBackward1", norm("pairwise_distance", x1 - x2 + eps, p, Dims{-1}, keepdim));
}

Tensor normalize(const Tensor& x, const std::optional<double>& p, const OptDims& dim, double eps) {
  return x / maximum(norm("normalize", x, p.value_or(2.), dim, true), eps);
}

}  // namespace

void register_similarity(Registry& r) {
  r.function("cosine_similarity", "x1, x2, dim=1, eps=1e-8", cosine_similarity,
             "x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along dim; the inputs broadcast.");
  r.function("pairwise_distance", "x1, x2, p=2.0, eps=1e-6, keepdim=False", pairwise_distance,
             "The p-norm of x1 - x2 + eps along the last dimension; the inputs broadcast.");
  r.nn("normalize", "input, ?p=2.0, dim=1, ?eps=1e-12", normalize,
       "x / max(|x|_p, eps) along dim.");
}

}  // namespace bx
