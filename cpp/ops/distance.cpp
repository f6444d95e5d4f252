// Distances between all pairs of rows of two matrices.
#include <cmath>

#include "ops/arranging.h"

namespace bx {

using kernels::Id;

namespace {

/// A row-major tensor as [batch, rows, columns].
Tensor batched(const Tensor& t) {
  const int64_t rows = t.size(-2), columns = t.size(-1);
  int64_t batch = 1;
  for (int d = 0; d + 2 < t.dim(); ++d) batch *= t.shape()[d];
  const Tensor straight = contiguous(t);
  return alias(straight, {batch, rows, columns}, {rows * columns, columns, 1}, straight->offset);
}

Params with_power(double p) {
  Params params;
  params.f[0] = p;
  return params;
}

/// The gradient for x1 in tensor operations, to be differentiated again.
Tensor recorded_backward(const Tensor& g, const Tensor& x1, const Tensor& x2, const Tensor& y,
                         double p) {
  const Tensor d = unsqueeze(x1, -2) - unsqueeze(x2, -3);
  const Tensor size = unsqueeze(y, -1);
  if (p == 0) return zero(x1);
  Tensor slope;
  if (p == 1) slope = sign(d);
  else if (std::isinf(p)) slope = select(abs(d) == size, sign(d), 0.);
  else {
    // Where rows meet nothing flows, also not through the quotient.
    const Tensor divisor = select(size == 0., 1., size);
    slope = p == 2 ? d / divisor : sign(d) * pow(select(d == 0., 1., abs(d)) / divisor, p - 1);
    slope = select(d == 0., 0., slope);
  }
  return sum(unsqueeze(g, -1) * select(size == 0., 0., slope), Dims{-2}, false, std::nullopt);
}

Tensor backward(const Tensor& g, const Tensor& x1, const Tensor& x2, const Tensor& y, double p) {
  if (grad_enabled()) return recorded_backward(g, x1, x2, y, p);
  const Tensor out = empty(x1.shape(), x1.dtype());
  const Tensor flat = batched(out), gb = batched(g), a = batched(x1), b = batched(x2),
               yb = batched(y);
  launch("cdist", kernel(Id::CdistBackward, x1.dtype()), flat, {&gb, &a, &b, &yb}, with_power(p));
  return out;
}

Tensor cdist(const Tensor& given1, const Tensor& given2, double p) {
  if (given1.dim() < 2 || given2.dim() < 2 || given1.size(-1) != given2.size(-1))
    fail_runtime("cdist", "shapes ", given1.shape(), " and ", given2.shape(),
                 "; expected matrices (or batches) with rows of one length");
  if (!is_floating(given1.dtype()) || given1.dtype() != given2.dtype())
    fail_runtime("cdist", "types ", name_of(given1.dtype()), " and ", name_of(given2.dtype()),
                 "; expected one floating-point type");
  require_wide_float("cdist", given1.dtype());
  if (!(p >= 0)) fail_runtime("cdist", "p is ", p, "; norms need 0 or more");
  Dims batch1 = given1.shape(), batch2 = given2.shape();
  batch1.resize(given1.dim() - 2);
  batch2.resize(given2.dim() - 2);
  Dims shape1 = broadcast_shapes("cdist", batch1, batch2), shape2 = shape1, shape = shape1;
  for (int d : {-2, -1}) {
    shape1.push_back(given1.size(d));
    shape2.push_back(given2.size(d));
  }
  shape.push_back(given1.size(-2));
  shape.push_back(given2.size(-2));
  const Tensor x1 = expand(given1, shape1), x2 = expand(given2, shape2);
  Tensor out = empty(shape, x1.dtype());
  {
    GradMode off(false);
    const Tensor flat = batched(out), a = batched(x1), b = batched(x2);
    launch("cdist", kernel(Id::Cdist, x1.dtype()), flat, {&a, &b}, with_power(p));
  }
  if (Recorder r{&x1, &x2}; r)
    r.save(x1).save(x2).save_output().done("CdistBackward0", out, [p](const Backward& call) {
      const Tensor a = call.saved(0), b = call.saved(1), y = call.saved(2), g = call.grad();
      if (call.wants(0)) call.give(0, backward(g, a, b, y, p));
      if (call.wants(1)) call.give(1, backward(mT(g), b, a, mT(y), p));
    });
  return out;
}

/// The distances of rows i < j of one matrix, by rows.
Tensor pdist(const Tensor& t, double p) {
  if (t.dim() != 2)
    fail_runtime("pdist", "input has shape ", t.shape(), "; expected a matrix of points");
  const int64_t n = t.shape()[0];
  const Tensors pair = unbind(triangle_indices("pdist", n, n, 1, true, DType::Int64), 0);
  return named("PdistBackward0", index(cdist(t, t, p), {pair[0], pair[1]}));
}

}  // namespace

void register_distance(Registry& r) {
  r.function(
      "cdist", "x1, x2, p=2.0, ?compute_mode='use_mm_for_euclid_dist_if_necessary'",
      [](const Tensor& x1, const Tensor& x2, double p, const std::string& mode) {
        if (mode != "use_mm_for_euclid_dist_if_necessary" && mode != "use_mm_for_euclid_dist" &&
            mode != "donot_use_mm_for_euclid_dist")
          fail_value("cdist", "compute_mode='", mode, "' is unknown; leave it out");
        return cdist(x1, x2, p);
      },
      "y_ij = the p-norm of x1_i - x2_j, rows of (..., P, M) and (..., R, M); never by a "
      "matrix product, whose cancellation would cost digits.");
  for (Place place : {Place::Function, Place::Nn})
    r.add(place, "pdist", "input, p=2.0", pdist,
          "The p-norms of x_i - x_j for rows i < j of a matrix, in one dimension.");
}

}  // namespace bx
