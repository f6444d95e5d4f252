// Determinants, inverses and linear systems, from the LU factors; Cholesky's for definite matrices.
#include "ops/linalg.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace bx {

namespace {

/// Whether the exchanges of rows swap an odd number of them, as +-1.
Tensor parity(const Tensor& pivots, const Dims& batch, DType dtype) {
  Tensor sign = empty(batch, DType::Float64);
  const int64_t k = pivots.size(-1);
  const auto* row = pivots.data<int32_t>();
  for (int64_t i = 0; i < sign.numel(); ++i) {
    int odd = 0;
    for (int64_t d = 0; d < k; ++d) odd ^= row[i * k + d] != d + 1;
    sign.data<double>()[i] = odd ? -1. : 1.;
  }
  return to(sign, dtype);
}

/// Products along the last dimension, pairwise: det, or the sign of it.
Tensor product_of_last(const Tensor& t) {
  Tensor out = t;
  while (out.size(-1) > 1) {
    const int64_t n = out.size(-1), half = n / 2;
    const Tensor pairs = slice(out, -1, 0, half, 1) * slice(out, -1, half, 2 * half, 1);
    out = n % 2 ? cat({pairs, slice(out, -1, n - 1, n, 1)}, -1) : pairs;
  }
  if (out.size(-1) == 0)
    return full_int(sum(out, Dims{-1}, false, std::nullopt).shape(), 1, t.dtype());
  return squeeze(out, Dims{-1});
}

/// d det / d A for any rank: the cofactors, of singular vectors and products of singular values.
Tensor cofactors(const Tensor& a) {
  const Tensors parts = svd(a, false);
  const Tensor &u = parts[0], &s = parts[1], &vt = parts[2];
  const int64_t n = a.size(-1);
  Tensors others;
  for (int64_t i = 0; i < n; ++i)
    others.push_back(product_of_last(cat({slice(s, -1, 0, i, 1), slice(s, -1, i + 1, n, 1)}, -1)));
  Tensor orientation = unrecorded([&] {
    const Factored fu = lu_factor(u), fv = lu_factor(vt);
    const Tensor signs = sign(product_of_last(diagonal(fu.factor, 0, -2, -1))) *
                         sign(product_of_last(diagonal(fv.factor, 0, -2, -1)));
    return signs * parity(fu.pivots, batch_of(a), a.dtype()) *
           parity(fv.pivots, batch_of(a), a.dtype());
  });
  const Tensor scale = unsqueeze(stack(others, -1), -2);
  return unsqueeze(unsqueeze(orientation, -1), -1) * matmul(u * scale, vt);
}

Tensor spread(const Tensor& per_matrix) { return unsqueeze(unsqueeze(per_matrix, -1), -1); }

Tensor det(const Tensor& a) {
  check_square("det", a);
  const Tensor out = unrecorded([&] {
    const Factored f = lu_factor(a);
    return product_of_last(diagonal(f.factor, 0, -2, -1)) *
           parity(f.pivots, batch_of(a), a.dtype());
  });
  if (Recorder r{&a}; r)
    r.save(a).save_output().done("LinalgDetBackward0", out, [](const Backward& b) {
      const Tensor a = b.saved(0), value = b.saved(1);
      if (a.numel() == 0) return b.give(0, zero(a));
      bool singular = false;
      const Tensor plain = contiguous(to(detached(value), DType::Float64));
      for (int64_t i = 0; i < plain.numel(); ++i)
        singular = singular || !(std::abs(plain.data<double>()[i]) > 0);
      if (singular) b.give(0, spread(b.grad()) * cofactors(a));
      else b.give(0, spread(b.grad() * value) * mT(inverse(a)));
    });
  return out;
}

/// sign and log |det|.
std::pair<Tensor, Tensor> slogdet(const Tensor& a) {
  check_square("slogdet", a);
  Tensor sign_of, log_of;
  unrecorded([&] {
    const Factored f = lu_factor(a);
    const Tensor d = diagonal(f.factor, 0, -2, -1);
    sign_of = product_of_last(sign(d)) * parity(f.pivots, batch_of(a), a.dtype());
    log_of = sum(log(abs(d)), Dims{-1}, false, std::nullopt);
    return 0;
  });
  if (Recorder r{&a}; r)
    r.save(a).done("LinalgSlogdetBackward0", Tensors{sign_of, log_of}, [](const Backward& b) {
      const Tensor a = b.saved(0), &g = b.grad(1);  // the sign is flat
      b.give(0, g.defined() ? spread(g) * mT(inverse(a)) : zero(a));
    });
  return {sign_of, log_of};
}

Tensor logdet(const Tensor& a) {
  const auto [sign_of, log_of] = slogdet(a);
  return select(sign_of < 0., std::numeric_limits<double>::quiet_NaN(), log_of);
}

/// X with A X = B, both batched alike, not recorded; the reports of the factorization.
std::pair<Tensor, Tensor> solve_values(const Tensor& a, const Tensor& b) {
  return unrecorded([&] {
    const Factored f = lu_factor(a);
    const Tensor moved = gather_rows(b, permutation_of(f.pivots, a.size(-1)));
    const Tensor y = solve_triangular(f.factor, moved, false, true, true);
    return std::pair{solve_triangular(f.factor, y, true, true, false), f.info};
  });
}

struct Solved {
  Tensor solution, info;
};

Solved solve_recorded(const Tensor& a, const Tensor& b) {
  const auto [x, info] = solve_values(a, b);
  if (Recorder r{&a, &b}; r)
    r.save(a).save_output().done("LinalgSolveExBackward0", x, [](const Backward& call) {
      const Tensor gb = solve_recorded(mT(call.saved(0)), call.grad()).solution;
      if (call.wants(0)) call.give(0, -matmul(gb, mT(call.saved(1))));
      if (call.wants(1)) call.give(1, gb);
    });
  return {x, info};
}

/// Right-hand sides of any kind: a vector for each matrix, or matrices that broadcast.
Solved solve_any(const Tensor& a, const Tensor& b, bool left) {
  check_square("solve", a);
  if (a.dtype() != b.dtype())
    fail_runtime("solve", "operands are ", name_of(a.dtype()), " and ", name_of(b.dtype()),
                 "; expected the same type, convert one");
  Dims vector = batch_of(a);
  vector.push_back(a.size(-1));
  const bool one = b.dim() == 1 || (b.dim() == a.dim() - 1 && b.shape() == vector);
  if (one && !left && b.dim() != 1)
    fail_runtime("solve", "vectors of shape ", b.shape(), " with left=False; unsqueeze them");
  Tensor right = one ? unsqueeze(b, -1) : b;
  if (!left) {
    const Solved s = solve_any(mT(a), one ? right : mT(right), true);
    return {one ? squeeze(s.solution, Dims{-1}) : mT(s.solution), s.info};
  }
  check_matrices("solve", right);
  if (right.size(-2) != a.size(-1))
    fail_runtime("solve", "matrices of shape ", a.shape(), " and right-hand sides of ", b.shape(),
                 "; their rows must agree in number");
  const Dims batch = broadcast_shapes("solve", batch_of(a), batch_of(right));
  const Solved s = solve_recorded(expand_batch(a, batch), expand_batch(right, batch));
  return {one ? squeeze(s.solution, Dims{-1}) : s.solution, s.info};
}

constexpr const char* kSingular =
    "the solver failed because the input matrix is singular, a diagonal element of U is zero";

Solved inverse_recorded(const Tensor& a) {
  check_square("inv", a);
  const Tensor eye = expand_batch(identity(a.size(-1), a.dtype()), batch_of(a));
  const auto [y, info] = solve_values(a, eye);
  if (Recorder r{&a}; r)
    r.save_output().done("LinalgInvExBackward0", y, [](const Backward& b) {
      const Tensor t = mT(b.saved(0));
      b.give(0, -matmul(t, matmul(b.grad(), t)));
    });
  return {y, info};
}

Tensors reported(const Solved& s, bool check, const char* op) {
  if (check) check_info(op, s.info, kSingular);
  return {s.solution, s.info};
}

Tensor lu_solve(const Tensor& packed, const Tensor& pivots, const Tensor& b, bool left,
                bool transposed) {
  check_square("lu_solve", packed);
  check_matrices("lu_solve", b);
  if (!left) return mT(lu_solve(packed, pivots, mT(b), true, !transposed));
  if (b.size(-2) != packed.size(-1))
    fail_runtime("lu_solve", "matrices of shape ", packed.shape(), " and right-hand sides of ",
                 b.shape(), "; their rows must agree in number");
  const Dims batch = broadcast_shapes("lu_solve", batch_of(packed), batch_of(b));
  const Tensor f = expand_batch(packed, batch), right = expand_batch(b, batch);
  const Tensor rows =
      contiguous(expand(permutation_of(pivots, packed.size(-1)), joined(batch, {packed.size(-1)})));
  if (!transposed) {
    const Tensor y = solve_triangular(f, gather_rows(right, rows), false, true, true);
    return solve_triangular(f, y, true, true, false);
  }
  const Tensor y = solve_triangular(mT(f), right, false, true, false);
  return gather_rows(solve_triangular(mT(f), y, true, true, true), inverse_permutation(rows));
}

Tensor cholesky_solve(const Tensor& b, const Tensor& factor, bool upper) {
  const Tensor l = upper ? mT(factor) : factor;
  const Tensor y = solve_triangular(l, b, false, true, false);
  return solve_triangular(mT(l), y, true, true, false);
}

}  // namespace

Tensor inverse(const Tensor& a) {
  const Solved s = inverse_recorded(a);
  check_info("inv", s.info, kSingular);
  return s.solution;
}

Tensor solve(const Tensor& a, const Tensor& b, bool left) {
  const Solved s = solve_any(a, b, left);
  check_info("solve", s.info, kSingular);
  return s.solution;
}

void register_linalg_solve(Registry& r) {
  r.both("det", "input", det, "The determinant of each matrix: the product of LU's pivots.");
  r.alias("det", {"linalg.det"});
  r.both("slogdet", "input -> sign, logabsdet", slogdet,
         "The sign of the determinant and the logarithm of its absolute value.");
  r.alias("slogdet", {"linalg.slogdet"});
  r.both("logdet", "input", logdet, "log det(input); NaN where the determinant is negative.");
  r.both("inverse", "input", inverse, "The inverse; LinAlgError where the matrix is singular.");
  r.alias("inverse", {"linalg.inv"});
  r.linalg(
      "inv_ex", "A, *, check_errors=False -> inverse, info",
      [](const Tensor& a, bool check) { return reported(inverse_recorded(a), check, "inv"); },
      "The inverse, and the first pivot that is 0, counted from 1, or 0.");
  r.linalg(
      "solve", "A, B, *, left=True",
      [](const Tensor& a, const Tensor& b, bool left) { return solve(a, b, left); },
      "X with A X = B (X A = B with left=False); LinAlgError where A is singular.");
  r.linalg(
      "solve_ex", "A, B, *, left=True, check_errors=False -> result, info",
      [](const Tensor& a, const Tensor& b, bool left, bool check) {
        return reported(solve_any(a, b, left), check, "solve");
      },
      "solve, and the first pivot that is 0, counted from 1, or 0.");
  r.linalg(
      "lu_solve", "LU, pivots, B, *, left=True, adjoint=False", lu_solve,
      "X with A X = B (X A = B with left=False, A^T with adjoint), from what lu_factor gives.");
  r.both(
      "lu_solve", "b, LU_data, LU_pivots",
      [](const Tensor& b, const Tensor& packed, const Tensor& pivots) {
        return lu_solve(packed, pivots, b, true, false);
      },
      "X with A X = b, from what lu_factor gives.");
  r.both("cholesky_solve", "input, L, upper=False", cholesky_solve,
         "X with L L^T X = input (L^T L with upper).");
  r.both(
      "cholesky_inverse", "L, upper=False",
      [](const Tensor& l, bool upper) {
        check_square("cholesky_inverse", l);
        return cholesky_solve(identity(l.size(-1), l.dtype()), l, upper);
      },
      "(L L^T)^-1, or (L^T L)^-1 with upper.");
  r.linalg(
      "tensorinv", "input, ind=2",
      [](const Tensor& a, int64_t ind) {
        if (ind < 1 || ind > a.dim())
          fail_runtime("tensorinv", "ind is ", ind, " for shape ", a.shape(),
                       "; expected 1 or more");
        Dims front = a.shape(), back;
        front.resize(static_cast<int>(ind));
        for (int d = static_cast<int>(ind); d < a.dim(); ++d) back.push_back(a.shape()[d]);
        if (front.product() != back.product())
          fail_runtime("tensorinv", "shape ", a.shape(), " cut at ", ind, " has ", front.product(),
                       " rows and ", back.product(), " columns; they must be equal");
        Dims shape = back;
        for (int64_t n : front) shape.push_back(n);
        return reshape(inverse(reshape(a, {front.product(), back.product()})), shape);
      },
      "The inverse of the map that tensordot with `ind` dimensions is.");
  r.linalg(
      "tensorsolve", "input, B, dims=None",
      [](const Tensor& given, const Tensor& b, const OptDims& dims) {
        Tensor a = given;
        if (dims) {
          Dims order, last = wrap_axes("tensorsolve", *dims, a.dim());
          for (int64_t d = 0; d < a.dim(); ++d)
            if (std::find(last.begin(), last.end(), d) == last.end()) order.push_back(d);
          for (int64_t d : last) order.push_back(d);
          a = permute(a, order);
        }
        Dims shape;
        for (int d = b.dim(); d < a.dim(); ++d) shape.push_back(a.shape()[d]);
        if (a.numel() != b.numel() * shape.product() || shape.product() != b.numel())
          fail_runtime("tensorsolve", "shapes ", a.shape(), " and ", b.shape(),
                       "; the first must have as many elements for each of the second's as there "
                       "are of them");
        const Tensor x = solve(reshape(a, {b.numel(), shape.product()}), reshape(b, {-1}), true);
        return reshape(x, shape);
      },
      "X with tensordot(input, X, X.ndim) = B.");
}

}  // namespace bx
