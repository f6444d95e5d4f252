// Eigenvalues, and singular values.
#include "ops/linalg.h"

#include <algorithm>

namespace bx {

namespace {

/// 1 / (x_j - x_i), and 0 on the diagonal.
Tensor reciprocal_gaps(const Tensor& x) {
  const Tensor gaps = across(x) - down(x), one = identity(x.size(-1), x.dtype());
  return 1. / (gaps + one) - one;
}

/// An output as it is in the graph: only together with its gradient is it free of angles.
Tensor own(const Backward& b, int output) {
  const Tensor t = detached(b.saved(output));
  if (grad_enabled()) set_history(t, Ref<Node>(&b.node), static_cast<uint32_t>(output));
  return t;
}

/// A complex vector is known up to its angle, on which a loss must not depend.
void check_angles(const char* op, const Tensor& turn) {
  if (is_complex(turn.dtype()))
    require_every(op, abs(detach(imag(turn))) <= 1e-2, ErrorKind::Runtime,
                  "the loss depends on the angle of the vectors, which is not determined; make it "
                  "one of their absolute values, say");
}

bool reads_upper(const char* op, const std::string& triangle) {
  if (triangle == "L" || triangle == "l") return false;
  if (triangle == "U" || triangle == "u") return true;
  fail_runtime(op, "UPLO is '", triangle, "'; expected 'L' or 'U'");
}

/// g of U, S and V^H, for the first k columns of U and V. [Townsend, Differentiating the SVD, 2016]
Tensor svd_backward(const Tensor& u, const Tensor& s, const Tensor& vt, const Tensor& gu,
                    const Tensor& gs, const Tensor& gvt) {
  const int64_t m = u.size(-2), n = vt.size(-1), k = s.size(-1);
  if (!gu.defined() && !gvt.defined()) return matmul(u * across(gs), vt);
  const Tensor squares = s * s;
  const Tensor gaps = reciprocal_gaps(squares);
  auto skew = [](const Tensor& x) { return x - mH(x); };
  auto add = [](Tensor& sum, const Tensor& x) { sum = sum.defined() ? sum + x : x; };
  Tensor middle = gs.defined() ? diag_embed(gs, 0, -2, -1) : Tensor(), turn;
  if (gu.defined()) {
    const Tensor turned = skew(matmul(mH(u), gu));
    add(middle, turned * gaps * across(s));
    add(turn, diagonal(turned, 0, -2, -1));
    // What U and V turn together.
    if (gvt.defined() && is_complex(u.dtype())) add(middle, diag_embed(turn / (s * 2.), 0, -2, -1));
  }
  if (gvt.defined()) {
    const Tensor turned = skew(matmul(vt, mH(gvt)));
    add(middle, turned * gaps * down(s));
    add(turn, diagonal(turned, 0, -2, -1));
  }
  check_angles("svd_backward", turn);
  Tensor left = matmul(u, middle);
  if (gu.defined() && m > k) {
    const Tensor scaled_g = gu / across(s);
    left = left + scaled_g - matmul(u, matmul(mH(u), scaled_g));
  }
  Tensor out = matmul(left, vt);
  if (gvt.defined() && n > k) {
    const Tensor scaled_g = gvt / down(s);
    out = out + matmul(u, scaled_g - matmul(matmul(scaled_g, mH(vt)), vt));
  }
  return out;
}

Tensor first_columns(const Tensor& t, int64_t k) {
  return t.defined() && t.size(-1) != k ? slice(t, -1, 0, k, 1) : t;
}
Tensor first_rows(const Tensor& t, int64_t k) {
  return t.defined() && t.size(-2) != k ? slice(t, -2, 0, k, 1) : t;
}

std::pair<Tensor, Tensor> eigh(const Tensor& a, const std::string& triangle) {
  const bool upper = reads_upper("eigh", triangle);
  const auto [w, v] = eigh_values("eigh", a, upper, true);
  if (Recorder r{&a}; r)
    r.save(detached(w))
        .save(detached(v))
        .done("LinalgEighBackward0", Tensors{w, v}, [](const Backward& b) {
          const Tensor w = own(b, 0), v = own(b, 1), &gw = b.grad(0), &gv = b.grad(1);
          if (!gv.defined()) return b.give(0, matmul(v * across(gw), mH(v)));
          // A Hermitian matrix has a Hermitian gradient.
          const Tensor turned = matmul(mH(v), gv);
          check_angles("eigh_backward", diagonal(turned, 0, -2, -1));
          Tensor middle = (turned - mH(turned)) * reciprocal_gaps(w) * 0.5;
          if (gw.defined()) middle = middle + diag_embed(gw, 0, -2, -1);
          b.give(0, matmul(v, matmul(middle, mH(v))));
        });
  return {w, v};
}

/// Complex values, and vectors in columns (undefined without `vectors`); not recorded.
std::pair<Tensor, Tensor> eig_values(const char* op, const Tensor& a, bool vectors) {
  check_square(op, a, ErrorKind::NotImplemented);
  const DType dtype = complex_of(a.dtype());
  const Dims batch = batch_of(a);
  const int64_t n = a.size(-1);
  Tensor w = empty(joined(batch, {n}), dtype);
  Tensor v = vectors ? empty(a.shape(), dtype) : empty({0, 0, 0}, dtype);
  Tensor info = zeros(batch, DType::Int32);
  Params p;
  p.i[0] = vectors;
  const Tensor in = as_batch(a), columns = vectors ? as_batch(v) : v;
  const Tensor values = reshaped(w, {in.size(0), 1, n});
  if (a.numel()) launch(op, decompositions::eig(a.dtype()), {&values, &columns, &info}, in, p);
  check_info(op, info, "the algorithm failed to converge, or the matrix contains inf or NaN");
  return {w, v};
}

/// g of w and V. A vector is known up to a factor: what is left of gV is free of its length, and a
/// loss that depends on its angle has no derivative. [Boeddeker et al., 2017]
Tensor eig_backward(const Tensor& w, const Tensor& v, const Tensor& gw, const Tensor& gv) {
  const Tensor vh = mH(v);
  if (!gv.defined()) return solve(vh, down(gw) * vh, true);
  const Tensor turned = matmul(vh, gv), own = diagonal(turned, 0, -2, -1);
  check_angles("eig_backward", own);
  Tensor middle = turned - matmul(vh, v) * across(real(own));
  middle = middle * conj(reciprocal_gaps(w));
  if (gw.defined()) middle = middle + diag_embed(gw, 0, -2, -1);
  return solve(vh, matmul(middle, vh), true);
}

std::pair<Tensor, Tensor> eig(const Tensor& a) {
  const auto [w, v] = eig_values("eig", a, true);
  if (Recorder r{&a}; r)
    r.save(detached(w))
        .save(detached(v))
        .done("LinalgEigBackward0", Tensors{w, v},
              [whole = is_complex(a.dtype())](const Backward& b) {
                const Tensor g = eig_backward(own(b, 0), own(b, 1), b.grad(0), b.grad(1));
                b.give(0, whole ? g : real(g));
              });
  return {w, v};
}

}  // namespace

std::pair<Tensor, Tensor> eigh_values(const char* op, const Tensor& a, bool upper, bool vectors) {
  check_square(op, a, ErrorKind::NotImplemented);
  const Dims batch = batch_of(a);
  const int64_t n = a.size(-1);
  Tensor w = empty(joined(batch, {n}), real_of(a.dtype()));
  Tensor v = vectors ? empty(a.shape(), a.dtype()) : empty({0, 0, 0}, a.dtype());
  Tensor info = zeros(batch, DType::Int32);
  Params p;
  p.i[0] = vectors;
  p.i[1] = upper;
  const Tensor in = as_batch(a), columns = vectors ? as_batch(v) : v;
  const Tensor values = reshaped(w, {in.size(0), 1, n});
  if (a.numel()) launch(op, decompositions::eigh(a.dtype()), {&values, &columns, &info}, in, p);
  check_info(op, info,
             "the algorithm failed to converge because the input matrix is "
             "ill-conditioned or contains NaN");
  return {w, v};
}

Tensors svd_values(const Tensor& a, int mode) {
  check_matrices("svd", a);
  const Dims batch = batch_of(a);
  const int64_t m = a.size(-2), n = a.size(-1), k = std::min(m, n);
  const int64_t p = mode == 2 ? m : k, q = mode == 2 ? n : k;
  Tensor u = mode ? empty(joined(batch, {m, p}), a.dtype()) : empty({0, 0, 0}, a.dtype());
  Tensor vt = mode ? empty(joined(batch, {q, n}), a.dtype()) : empty({0, 0, 0}, a.dtype());
  Tensor s = empty(joined(batch, {k}), real_of(a.dtype())), info = zeros(batch, DType::Int32);
  Params params;
  params.i[0] = mode;
  const Tensor in = as_batch(a), left = mode ? as_batch(u) : u, right = mode ? as_batch(vt) : vt;
  const Tensor values = reshaped(s, {in.size(0), 1, k});
  if (a.numel()) {
    launch("svd", decompositions::svd(a.dtype()), {&left, &values, &right, &info}, in, params);
    check_info("svd", info,
               "the algorithm failed to converge because the input matrix contains "
               "non-finite values");
  } else if (mode == 2) {
    copy_(u, identity(m, a.dtype()));
    copy_(vt, identity(n, a.dtype()));
  }
  return {u, s, vt};
}

Tensors svd(const Tensor& a, bool full) {
  const Tensors parts = svd_values(a, full ? 2 : 1);
  if (Recorder r{&a}; r)
    r.save(detached(parts[0]))
        .save(detached(parts[1]))
        .save(detached(parts[2]))
        .done("LinalgSvdBackward0", parts, [](const Backward& b) {
          const Tensor u = own(b, 0), s = own(b, 1), vh = own(b, 2);
          const int64_t k = s.size(-1);
          b.give(0, svd_backward(first_columns(u, k), s, first_rows(vh, k),
                                 first_columns(b.grad(0), k), b.grad(1), first_rows(b.grad(2), k)));
        });
  return parts;
}

Tensor singular_values(const Tensor& a) {
  if (grad_enabled() && requires_grad(a)) return svd(a, false)[1];
  return svd_values(a, 0)[1];
}

void register_linalg_spectral(Registry& r) {
  r.linalg(
      "eigh", "input, UPLO='L' -> eigenvalues, eigenvectors",
      [](const Tensor& a, const std::string& triangle) { return eigh(a, triangle); },
      "A = V diag(w) V^H of a Hermitian matrix, of which one triangle is read; w rises.");
  r.linalg(
      "eigvalsh", "input, UPLO='L'",
      [](const Tensor& a, const std::string& triangle) {
        if (grad_enabled() && requires_grad(a)) return eigh(a, triangle).first;
        return eigh_values("eigvalsh", a, reads_upper("eigvalsh", triangle), false).first;
      },
      "The eigenvalues of a Hermitian matrix, rising.");
  r.linalg(
      "svd", "A, full_matrices=True, *, driver=None -> U, S, Vh",
      [](const Tensor& a, bool full, const std::optional<std::string>&) { return svd(a, full); },
      "A = U diag(S) Vh with U and Vh orthogonal and S falling; full_matrices=False leaves out "
      "what "
      "S does not touch.");
  r.both(
      "svd", "input, some=True, compute_uv=True -> U, S, V",
      [](const Tensor& a, bool some, bool vectors) {
        if (!vectors) {
          const int64_t m = a.size(-2), n = a.size(-1);
          return Tensors{zeros(joined(batch_of(a), {m, m}), a.dtype()), singular_values(a),
                         zeros(joined(batch_of(a), {n, n}), a.dtype())};
        }
        const Tensors parts = svd(a, !some);
        return Tensors{parts[0], parts[1], mH(parts[2])};
      },
      "A = U diag(S) V^H with U and V orthogonal and S falling.");
  r.linalg(
      "svdvals", "input, *, driver=None",
      [](const Tensor& a, const std::optional<std::string>&) { return singular_values(a); },
      "The singular values, falling.");
  r.linalg("eig", "input -> eigenvalues, eigenvectors", eig,
           "A V = V diag(w); w and V are complex, in no order, each vector of "
           "length 1.");
  r.linalg(
      "eigvals", "input",
      [](const Tensor& a) {
        if (grad_enabled() && requires_grad(a)) return eig(a).first;
        return eig_values("eigvals", a, false).first;
      },
      "The complex eigenvalues, in no order.");
}

}  // namespace bx
