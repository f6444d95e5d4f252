// Triangular systems and the factors of a matrix: Cholesky, LU.
#include "ops/linalg.h"

#include <algorithm>

namespace bx {

namespace {

Tensor solve_core(const Tensor& a, const Tensor& b, bool upper, bool unit) {
  Tensor out = empty(b.shape(), b.dtype());
  Params p;
  p.i[0] = upper;
  p.i[1] = unit;
  const Tensor x = as_batch(out), matrices = as_batch(a), right = as_batch(b);
  if (out.numel())
    launch("solve_triangular", decompositions::solve_triangular(b.dtype()), x, {&matrices, &right},
           p);
  if (Recorder r{&a, &b}; r)
    r.save(a).save_output().done(
        "LinalgSolveTriangularBackward0", out, [upper, unit](const Backward& call) {
          const Tensor gb = solve_core(mH(call.saved(0)), call.grad(), !upper, unit);
          if (call.wants(0)) {
            const Tensor ga = -matmul(gb, mH(call.saved(1)));
            call.give(0, upper ? triu(ga, unit ? 1 : 0) : tril(ga, unit ? -1 : 0));
          }
          if (call.wants(1)) call.give(1, gb);
        });
  return out;
}

Tensor lu_backward(const Tensor& packed, const Tensor& rows, const Tensor& g) {
  const int64_t m = packed.size(-2), n = packed.size(-1), k = std::min(m, n);
  auto top = [k](const Tensor& t) { return slice(t, -2, 0, k, 1); };
  auto left = [k](const Tensor& t) { return slice(t, -1, 0, k, 1); };
  const Tensor corner = top(left(packed)), g_corner = top(left(g));
  const Tensor l = unit_lower(corner), u = triu(corner, 0);
  const Tensor below = slice(packed, -2, k, m, 1), right = slice(packed, -1, k, n, 1);
  const Tensor g_below = slice(g, -2, k, m, 1), g_right = slice(g, -1, k, n, 1);
  Tensor lower = matmul(mH(l), tril(g_corner, -1)), upper = matmul(triu(g_corner, 0), mH(u));
  if (n > k) lower = lower - matmul(g_right, mH(right));
  if (m > k) upper = upper - matmul(mH(below), g_below);
  Tensor out = tril(lower, -1) + triu(upper, 0);
  // out U^-H, then below it the rows of L beyond U; L^-H from the left, beside it the columns of U.
  out = mH(solve_triangular(u, mH(out), true, true, false));
  if (n > k) out = cat({out, g_right}, -1);
  out = solve_triangular(mH(l), out, true, true, true);
  if (m > k) out = cat({out, mH(solve_triangular(u, mH(g_below), true, true, false))}, -2);
  return gather_rows(out, inverse_permutation(rows));
}

Tensors lu_parts(const Tensor& packed, const Tensor& pivots, bool want_factors, bool want_pivots) {
  if (packed.dim() < 2)
    fail_runtime("lu_unpack", "LU_data has shape ", packed.shape(), "; expected matrices");
  const int64_t m = packed.size(-2), k = rank_bound(packed);
  if (want_pivots && pivots.dim() && pivots.size(-1) < k)
    fail_runtime("lu_unpack", pivots.size(-1), " pivots for matrices of ", packed.shape(),
                 "; expected ", k);
  Tensors out(3, empty({0}, packed.dtype()));
  if (want_pivots) {
    const Tensor rows = permutation_of(pivots, m);
    out[0] = gather_rows(expand(identity(m, packed.dtype()), joined(batch_of(packed), {m, m})),
                         inverse_permutation(rows));
  }
  if (want_factors) {
    out[1] = unit_lower(slice(packed, -1, 0, k, 1));
    out[2] = triu(slice(packed, -2, 0, k, 1), 0);
  }
  return out;
}

constexpr const char* kZeroPivot =
    "a diagonal element of U is zero, and lu_solve would divide by it (lu and lu_factor_ex go on)";

void check_pivot(const char* op, bool pivot) {
  if (!pivot)
    fail(ErrorKind::NotImplemented, op, "LU without exchanges of rows (pivot=False); leave it out");
}

Tensor cholesky(const Tensor& a, bool upper) {
  const Factored f = cholesky_factor(a, upper);
  check_info("cholesky", f.info,
             "the factorization could not be completed: the input is not positive-definite, its "
             "leading minor of this order is not positive");
  return f.factor;
}

}  // namespace

Tensor solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left, bool unit) {
  check_square("solve_triangular", a, ErrorKind::NotImplemented);
  check_matrices("solve_triangular", b, ErrorKind::NotImplemented);
  check_dtypes("solve_triangular", a, b);
  if (!left)
    return unsafe_view("LinalgSolveTriangularBackward0",
                       mT(solve_triangular(mT(a), mT(b), !upper, true, unit)));
  if (a.size(-1) != b.size(-2))
    fail_runtime("solve_triangular", "matrices of shape ", a.shape(), " and right-hand sides of ",
                 b.shape(), "; their rows must agree in number");
  const Dims batch = broadcast_shapes("solve_triangular", batch_of(a), batch_of(b));
  return solve_core(expand_batch(a, batch), expand_batch(b, batch), upper, unit);
}

Factored cholesky_factor(const Tensor& a, bool upper) {
  check_square("cholesky", a, ErrorKind::NotImplemented);
  const char* node = "LinalgCholeskyExBackward0";
  Tensor out = empty(a.shape(), a.dtype()), info = zeros(batch_of(a), DType::Int32);
  const Tensor in = as_batch(upper ? mH(detached(a)) : a), l = as_batch(out);
  if (out.numel()) launch("cholesky", decompositions::cholesky(a.dtype()), {&l, &info}, in);
  if (Recorder r{&a}; r)
    r.save_output().done(node, out, [](const Backward& b) {
      const Tensor l = b.saved(0), product = tril(matmul(mH(l), b.grad()), 0);
      const Tensor middle = (product + mH(tril(product, -1))) * 0.5;
      const Tensor half = solve_triangular(mH(l), middle, true, true, false);
      b.give(0, mH(solve_triangular(mH(l), mH(half), true, true, false)));
    });
  return {upper ? unsafe_view(node, mH(out)) : out, {}, info};
}

Factored lu_factor(const Tensor& a) {
  check_matrices("lu_factor", a, ErrorKind::NotImplemented);
  const Dims batch = batch_of(a);
  Tensor out = empty(a.shape(), a.dtype());
  Tensor pivots = zeros(joined(batch, {rank_bound(a)}), DType::Int32);
  Tensor info = zeros(batch, DType::Int32);
  const Tensor in = as_batch(a), packed = as_batch(out);
  if (out.numel()) launch("lu", decompositions::lu(a.dtype()), {&packed, &pivots, &info}, in);
  if (Recorder r{&a}; r)
    r.save_output()
        .save(permutation_of(pivots, a.size(-2)))
        .done("LinalgLuFactorExBackward0", out,
              [](const Backward& b) { b.give(0, lu_backward(b.saved(0), b.saved(1), b.grad())); });
  return {out, pivots, info};
}

Tensor permutation_of(const Tensor& given, int64_t rows) {
  if (given.dtype() != DType::Int32 || given.dim() == 0)
    fail_runtime("lu_unpack", "pivots are ", name_of(given.dtype()),
                 "; expected int32, as lu_factor gives");
  const Tensor pivots = contiguous(given);
  Dims shape = pivots.shape();
  const int64_t k = shape.back();
  if (k > rows)
    fail_runtime("lu_unpack", k, " pivots for ", rows, " rows; there is at most one for each");
  shape[shape.size() - 1] = rows;
  Tensor out = empty(shape, DType::Int64);
  const int64_t batch = rows ? out.numel() / rows : 0;
  launch_host("lu_unpack", out, pivots, [=](const kernels::View* to, const kernels::View* from) {
    const auto* swap = static_cast<const int32_t*>(from[0].data);
    auto* row = static_cast<int64_t*>(to[0].data);
    for (int64_t i = 0; i < batch; ++i, row += rows, swap += k) {
      for (int64_t j = 0; j < rows; ++j) row[j] = j;
      for (int64_t j = 0; j < k; ++j) {
        if (swap[j] < 1 || swap[j] > rows)
          fail_runtime("lu_unpack", "a pivot is ", swap[j], "; expected 1 to ", rows);
        std::swap(row[j], row[swap[j] - 1]);
      }
    }
  });
  return out;
}

Tensor inverse_permutation(const Tensor& rows) {
  Tensor out = empty(rows.shape(), DType::Int64);
  const int64_t n = rows.size(-1), all = rows.numel();
  launch_host("lu_unpack", out, rows, [=](const kernels::View* to, const kernels::View* from) {
    for (int64_t i = 0; i < all; ++i)
      static_cast<int64_t*>(to[0].data)[i - i % n + static_cast<const int64_t*>(from[0].data)[i]] =
          i % n;
  });
  return out;
}

Tensor gather_rows(const Tensor& t, const Tensor& rows) {
  const Dims batch = batch_of(t);
  if (batch.empty()) return index(t, {rows});
  const int64_t count = batch.product(), m = t.size(-2);
  const Tensor which = reshape(arange_int(0, count, 1), {count, 1});
  const Tensor flat = reshape(expand(rows, joined(batch, {m})), {count, m});
  return reshape(index(reshape(t, {count, m, t.size(-1)}), {which, flat}), t.shape());
}

Tensor unit_lower(const Tensor& packed) {
  const Tensor whole = identity(std::max(packed.size(-2), packed.size(-1)), packed.dtype());
  return tril(packed, -1) + slice(slice(whole, 0, 0, packed.size(-2), 1), 1, 0, packed.size(-1), 1);
}

void register_linalg_factor(Registry& r) {
  r.linalg(
      "solve_triangular", "input, B, *, upper, left=True, unitriangular=False",
      [](const Tensor& a, const Tensor& b, bool upper, bool left, bool unit) {
        return solve_triangular(a, b, upper, left, unit);
      },
      "X with A X = B (X A = B with left=False), A triangular; batches broadcast.");
  r.both(
      "triangular_solve",
      "b, A, upper=True, transpose=False, unitriangular=False -> solution, cloned_coefficient",
      [](const Tensor& b, const Tensor& a, bool upper, bool transposed, bool unit) {
        const Tensor x = transposed ? solve_triangular(mT(a), b, !upper, true, unit)
                                    : solve_triangular(a, b, upper, true, unit);
        const Tensor whole = expand(a, joined(batch_of(x), {a.size(-2), a.size(-1)}));
        return Tensors{named("TriangularSolveBackward0", x),
                       clone(whole, MemoryFormat::Contiguous)};
      },
      "X with A X = b, A triangular, and a copy of A.");
  r.both(
      "cholesky", "input, upper=False",
      [](const Tensor& a, bool upper) { return named("CholeskyBackward0", cholesky(a, upper)); },
      "L, lower triangular, with L L^H = input, of which one triangle is read; LinAlgError where "
      "the input is not positive-definite.");
  r.linalg(
      "cholesky", "input, *, upper=False",
      [](const Tensor& a, bool upper) { return cholesky(a, upper); },
      "L, lower triangular, with L L^H = input, of which one triangle is read; LinAlgError where "
      "the input is not positive-definite.");
  r.linalg(
      "cholesky_ex", "input, *, upper=False, check_errors=False -> L, info",
      [](const Tensor& a, bool upper, bool check) {
        if (check) cholesky(a, upper);
        const Factored f = cholesky_factor(a, upper);
        return Tensors{f.factor, f.info};
      },
      "cholesky, and the order of the first leading minor that is not positive, or 0.");
  r.linalg(
      "lu_factor", "A, *, pivot=True -> LU, pivots",
      [](const Tensor& a, bool pivot) {
        check_pivot("lu_factor", pivot);
        const Factored f = lu_factor(a);
        check_info("lu_factor", f.info, kZeroPivot);
        return Tensors{f.factor, f.pivots};
      },
      "L, whose diagonal is 1, below U in one matrix, and the rows that changed places.");
  r.linalg(
      "lu_factor_ex", "A, *, pivot=True, check_errors=False -> LU, pivots, info",
      [](const Tensor& a, bool pivot, bool check) {
        check_pivot("lu_factor", pivot);
        const Factored f = lu_factor(a);
        if (check) check_info("lu_factor", f.info, kZeroPivot);
        return Tensors{f.factor, f.pivots, f.info};
      },
      "lu_factor, and the first pivot that is 0, counted from 1, or 0.");
  r.both(
      "lu", "input, pivot=True, ?get_infos=False",
      [](const Tensor& a, bool pivot, bool reports) {
        check_pivot("lu", pivot);
        const Factored f = lu_factor(a);
        return reports ? Tensors{f.factor, f.pivots, f.info} : Tensors{f.factor, f.pivots};
      },
      "linalg.lu_factor, which goes on where a pivot is 0; with get_infos the first such, or 0.");
  r.function("lu_unpack", "LU_data, LU_pivots, unpack_data=True, unpack_pivots=True -> P, L, U",
             lu_parts, "P, L and U of what lu_factor gives.");
  r.linalg(
      "lu", "A, *, pivot=True -> P, L, U",
      [](const Tensor& a, bool pivot) {
        check_pivot("lu", pivot);
        const Factored f = lu_factor(a);
        Tensors parts = lu_parts(f.factor, f.pivots, true, true);
        for (Tensor& part : parts) part = named("LinalgLuBackward0", part);
        return parts;
      },
      "A = P L U: a permutation, a lower triangle whose diagonal is 1, an upper triangle.");
}

}  // namespace bx
