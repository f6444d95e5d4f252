// Inverses and linear systems, from the LU factors; Cholesky's for definite matrices.
#include "ops/linalg.h"

#include <algorithm>

namespace bx {

namespace {

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
      const Tensor gb = solve_recorded(mH(call.saved(0)), call.grad()).solution;
      if (call.wants(0)) call.give(0, -matmul(gb, mH(call.saved(1))));
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
  return {one ? unsafe_view("LinalgSolveExBackward0", squeeze(s.solution, Dims{-1})) : s.solution,
          s.info};
}

constexpr const char* kSingular =
    "the solver failed because the input matrix is singular, a diagonal element of U is zero";

Solved inverse_recorded(const Tensor& a) {
  check_square("inv", a);
  const Tensor eye = expand_batch(identity(a.size(-1), a.dtype()), batch_of(a));
  const auto [y, info] = solve_values(a, eye);
  if (Recorder r{&a}; r)
    r.save_output().done("LinalgInvExBackward0", y, [](const Backward& b) {
      const Tensor t = mH(b.saved(0));
      b.give(0, -matmul(t, matmul(b.grad(), t)));
    });
  return {y, info};
}

Tensors reported(const Solved& s, bool check, const char* op) {
  if (check) check_info(op, s.info, kSingular);
  return {s.solution, s.info};
}

Tensor lu_solve(const Tensor& packed, const Tensor& pivots, const Tensor& b, bool left,
                bool adjoint) {
  check_square("lu_solve", packed);
  check_matrices("lu_solve", b);
  if (pivots.dim() == 0) fail_index("lu_solve", "the pivots have no dimension");
  const char* node = "LinalgLuSolveBackward0";
  if (!left) return unsafe_view(node, mH(lu_solve(packed, pivots, mH(b), true, !adjoint)));
  if (b.size(-2) != packed.size(-1))
    fail_runtime("lu_solve", "matrices of shape ", packed.shape(), " and right-hand sides of ",
                 b.shape(), "; their rows must agree in number");
  if (!(pivots.shape() == joined(batch_of(packed), {packed.size(-1)})))
    fail_runtime("lu_solve", "pivots of shape ", pivots.shape(), " for matrices of ",
                 packed.shape(), "; expected one for each row");
  const Dims batch = broadcast_shapes("lu_solve", batch_of(packed), batch_of(b));
  const Tensor f = expand_batch(packed, batch), right = expand_batch(b, batch);
  const Tensor rows =
      contiguous(expand(permutation_of(pivots, packed.size(-1)), joined(batch, {packed.size(-1)})));
  if (!adjoint) {
    const Tensor y = solve_triangular(f, gather_rows(right, rows), false, true, true);
    return named(node, solve_triangular(f, y, true, true, false));
  }
  const Tensor y = solve_triangular(mH(f), right, false, true, false);
  return named(
      node, gather_rows(solve_triangular(mH(f), y, true, true, true), inverse_permutation(rows)));
}

/// The first 0 on the diagonal of each matrix, counted from 1, or 0.
Tensor first_zero(const Tensor& factor) {
  const Tensor d =
      unrecorded([&] { return contiguous(to(diagonal(factor, 0, -2, -1) == 0., DType::Int32)); });
  Tensor out = zeros(batch_of(factor), DType::Int32);
  const int64_t n = factor.size(-1), all = d.numel();
  launch_host("lu_solve", out, d, [=](const kernels::View* to, const kernels::View* from) {
    for (int64_t i = all; i-- > 0;)
      if (static_cast<const int32_t*>(from[0].data)[i])
        static_cast<int32_t*>(to[0].data)[i / n] = static_cast<int32_t>(i % n) + 1;
  });
  return out;
}

Tensor cholesky_solve(const Tensor& b, const Tensor& factor, bool upper) {
  const Tensor l = upper ? mH(factor) : factor;
  const Tensor y = solve_triangular(l, b, false, true, false);
  return named("CholeskySolveBackward0", solve_triangular(mH(l), y, true, true, false));
}

}  // namespace

std::pair<Tensor, Tensor> inverse_ex(const Tensor& a) {
  const Solved s = inverse_recorded(a);
  return {s.solution, s.info};
}

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
      "X with A X = B (X A = B with left=False, A^H with adjoint), from what lu_factor gives.");
  r.both(
      "lu_solve", "b, LU_data, LU_pivots",
      [](const Tensor& b, const Tensor& packed, const Tensor& pivots) {
        return lu_solve(packed, pivots, b, true, false);
      },
      "X with A X = b, from what lu_factor gives.");
  r.both("cholesky_solve", "input, L, upper=False", cholesky_solve,
         "X with L L^H X = input (L^H L with upper).");
  r.both(
      "cholesky_inverse", "L, upper=False",
      [](const Tensor& l, bool upper) {
        check_square("cholesky_inverse", l, ErrorKind::NotImplemented);
        check_info("cholesky_inverse", first_zero(l),
                   "the inversion could not be completed: a diagonal element is zero");
        return named("CholeskyInverseBackward0",
                     cholesky_solve(identity(l.size(-1), l.dtype()), l, upper));
      },
      "(L L^H)^-1, or (L^H L)^-1 with upper.");
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
      "tensorsolve", "input, B, *dims=None",
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
