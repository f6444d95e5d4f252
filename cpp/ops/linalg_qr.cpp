// The orthogonal factor of a matrix, as a matrix and as a product of reflections.
#include "ops/linalg.h"

#include <algorithm>

namespace bx {

namespace {

/// A backward that needs the results with their graph: they are computed again only where the
/// gradient is itself to be differentiated.
std::pair<Tensor, Tensor> qr_results(const Backward& b, const std::string& mode) {
  if (grad_enabled()) return qr(b.saved(0), mode);
  return {b.saved(1), b.saved(2)};
}

Tensor qr_backward(const Tensor& q, const Tensor& r, const Tensor& gq, const Tensor& gr) {
  const int64_t m = q.size(-2), n = r.size(-1);
  if (n > m) {
    // A = [A1 A2], A2 = Q R2: what R2 and A2 contribute to Q, then the square case.
    const Tensor r2 = slice(r, -1, m, n, 1), g2 = slice(gr, -1, m, n, 1);
    const Tensor g1 = qr_backward(q, slice(r, -1, 0, m, 1), gq + matmul(matmul(q, r2), mH(g2)),
                                  slice(gr, -1, 0, m, 1));
    return cat({g1, matmul(q, g2)}, -1);
  }
  const Tensor turned = matmul(gr, mH(r)) - matmul(mH(q), gq);
  const Tensor half = (triu(turned, 0) + triu(turned, 1)) * 0.5;
  const Tensor whole = gq + matmul(q, half + mH(half));
  return mH(solve_triangular(r, mH(whole), true, true, false));
}

/// The reflections that make Q, packed below R, and their factors tau.
std::pair<Tensor, Tensor> reflections(const Tensor& a) {
  const int64_t k = rank_bound(a);
  Tensor packed = empty(a.shape(), a.dtype()), tau = zeros(joined(batch_of(a), {k}), a.dtype());
  const Tensor in = as_batch(a), vectors = as_batch(packed);
  const Tensor factors = reshaped(tau, {in.size(0), 1, k});
  if (packed.numel())
    launch("qr", decompositions::reflections(a.dtype()), {&vectors, &factors}, in);
  return {packed, tau};
}

/// The first columns of the product of reflections.
Tensor product_of_reflections(const Tensor& packed, const Tensor& tau, int64_t cols) {
  Tensor q = empty(joined(batch_of(packed), {packed.size(-2), cols}), packed.dtype());
  const Tensor out = as_batch(q), vectors = as_batch(packed);
  const Tensor factors =
      reshaped(unrecorded([&] { return contiguous(tau); }), {vectors.size(0), 1, tau.size(-1)});
  if (q.numel() && tau.size(-1))
    launch("qr", decompositions::product_of_reflections(q.dtype()), out, {&vectors, &factors});
  else copy_(q, slice(identity(std::max(q.size(-2), cols), q.dtype()), 1, 0, cols, 1));
  return q;
}

/// The same recorded, reflection by reflection.
Tensor householder_product(const Tensor& a, const Tensor& tau) {
  if (tau.dim() == 0) fail_index("householder_product", "the factors have no dimension");
  check_matrices("householder_product", a);
  const int64_t m = a.size(-2), n = a.size(-1), k = tau.dim() ? tau.size(-1) : 0;
  if (tau.dim() != a.dim() - 1 || m < n || k > n || !(tau.shape() == joined(batch_of(a), {k})))
    fail_runtime("householder_product", "vectors of shape ", a.shape(), " and factors of shape ",
                 tau.shape(), "; expected (..., m, n) with m >= n and (..., k) with k <= n");
  check_dtypes("householder_product", a, tau);
  if (!grad_enabled() || !(requires_grad(a) || requires_grad(tau)))
    return product_of_reflections(a, tau, n);
  const Tensor whole = identity(m, a.dtype());
  if (k == 0) return copy_(clone(a), slice(whole, 1, 0, n, 1));
  Tensor q = expand(slice(whole, 1, 0, n, 1), a.shape());
  for (int64_t i = k - 1; i >= 0; --i) {
    const Tensor unit = slice(whole, 1, i, i + 1, 1);
    const Tensor v = tril(slice(a, -1, i, i + 1, 1), -i - 1) + unit;
    const Tensor factor = unsqueeze(slice(tau, -1, i, i + 1, 1), -1);
    q = q - factor * matmul(v, matmul(mH(v), q));
  }
  return named("LinalgHouseholderProductBackward0", q);
}

Tensor ormqr(const Tensor& a, const Tensor& tau, const Tensor& other, bool left, bool transposed) {
  if (tau.dim() == 0) fail_index("ormqr", "the factors have no dimension");
  check_matrices("ormqr", a);
  check_matrices("ormqr", other);
  const int64_t m = a.size(-2);
  if (other.dim() != a.dim() || other.size(left ? -2 : -1) != m || tau.dim() != a.dim() - 1 ||
      tau.size(-1) != std::min(m, a.size(-1)))
    fail_runtime("ormqr", "vectors of shape ", a.shape(), ", factors of ", tau.shape(),
                 ", a matrix of ", other.shape(), "; pass what geqrf() made, and a matrix that ",
                 left ? "has as many rows" : "has as many columns as the vectors rows");
  // All of Q, square: A is filled up with columns that reflect nothing.
  const int64_t missing = m - a.size(-1);
  Tensor square = a;
  if (missing > 0) square = cat({a, zeros(joined(batch_of(a), {m, missing}), a.dtype())}, -1);
  else if (missing < 0) square = slice(a, -1, 0, m, 1);
  const Tensor q = householder_product(square, tau);
  const Tensor factor = transposed ? mH(q) : q;
  return named("OrmqrBackward0", left ? matmul(factor, other) : matmul(other, factor));
}

}  // namespace

std::pair<Tensor, Tensor> qr(const Tensor& a, const std::string& mode) {
  check_matrices("qr", a);
  if (mode != "reduced" && mode != "complete" && mode != "r")
    fail_runtime("qr", "mode '", mode, "'; expected 'reduced', 'complete' or 'r'");
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  const bool complete = mode == "complete", alone = mode == "r";
  Tensor q, r;
  unrecorded([&] {
    const auto [packed, tau] = reflections(a);
    const int64_t cols = complete ? m : k;
    q = alone ? empty({0}, a.dtype()) : product_of_reflections(packed, tau, cols);
    r = complete && m > n ? triu(packed, 0) : triu(slice(packed, -2, 0, cols, 1), 0);
    return 0;
  });
  if (Recorder rec{&a}; rec)
    rec.save(a)
        .save(detached(q))
        .save(detached(r))
        .done("LinalgQrBackward0", Tensors{q, r}, [=](const Backward& b) {
          if (alone)
            fail_runtime("qr", "mode 'r' has no derivative, for Q is not known; use 'reduced'");
          if (complete && m > n)
            fail_runtime("qr", "mode 'complete' has no derivative where there are more rows, ", m,
                         ", than columns, ", n, "; use 'reduced'");
          const auto [q, r] = qr_results(b, mode);
          const Tensor gq = b.grad(0).defined() ? b.grad(0) : zeros(q.shape(), q.dtype());
          const Tensor gr = b.grad(1).defined() ? b.grad(1) : zeros(r.shape(), r.dtype());
          b.give(0, qr_backward(q, r, gq, gr));
        });
  return {q, r};
}

void register_linalg_qr(Registry& r) {
  r.linalg(
      "qr", "A, mode='reduced' -> Q, R",
      [](const Tensor& a, const std::string& mode) { return qr(a, mode); },
      "A = Q R with Q^H Q = 1 and R upper triangular; modes 'reduced', 'complete', and 'r' for R "
      "alone.");
  r.both(
      "qr", "input, some=True -> Q, R",
      [](const Tensor& a, bool some) { return qr(a, some ? "reduced" : "complete"); },
      "A = Q R with Q^H Q = 1 and R upper triangular.");
  r.both(
      "geqrf", "input -> a, tau",
      [](const Tensor& a) {
        check_matrices("geqrf", a, ErrorKind::NotImplemented);
        return reflections(a);
      },
      "R and, below it, the reflections 1 - tau v v^H whose product is Q.");
  r.linalg("householder_product", "input, tau", householder_product,
           "The first columns of the product of the reflections 1 - tau v v^H below the diagonal.");
  r.both("orgqr", "input, tau", householder_product,
         "The first columns of the product of the reflections 1 - tau v v^H below the diagonal.");
  r.both("ormqr", "input, tau, other, left=True, transpose=False", ormqr,
         "Q other, or other Q, where Q is the product of the reflections that geqrf gives.");
}

}  // namespace bx
