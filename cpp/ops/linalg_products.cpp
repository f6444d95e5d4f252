// Products of many kinds: Kronecker's, cross products, and the sums with a factor that BLAS knows.
#include <algorithm>

#include "ops/einsum.h"
#include "ops/linalg.h"

namespace bx {

namespace {

Tensor cross(const Tensor& a, const Tensor& b, int64_t dim) {
  if (a.dim() != b.dim())
    fail_runtime("cross", "shapes ", a.shape(), " and ", b.shape(),
                 " differ in dimensions; unsqueeze one");
  require_number_type("cross", a);
  require_same_type("cross", a, b);
  const Dims shape = broadcast_shapes("cross", a.shape(), b.shape());
  const int axis = wrap_axis("cross", dim, shape.size());
  if (shape.empty() || a.shape()[axis] != 3 || b.shape()[axis] != 3)
    fail_runtime("cross", "dimension ", dim, " of shapes ", a.shape(), " and ", b.shape(),
                 "; it must have size 3");
  // (y, z, x) and (z, x, y): each a rotation of the three.
  auto rotated = [axis](const Tensor& t, int64_t by) {
    return cat({slice(t, axis, by, 3, 1), slice(t, axis, 0, by, 1)}, axis);
  };
  return named("LinalgCrossBackward0",
               rotated(a, 1) * rotated(b, 2) - rotated(a, 2) * rotated(b, 1));
}

/// torch.cross: without dim, the first dimension of size 3.
Tensor cross_somewhere(const Tensor& a, const Tensor& b, std::optional<int64_t> dim) {
  if (dim) return cross(a, b, *dim);
  const Dims shape = broadcast_shapes("cross", a.shape(), b.shape());
  for (int d = 0; d < shape.size(); ++d)
    if (shape[d] == 3) return cross(a, b, d);
  fail_runtime("cross", "no dimension of shape ", shape, " has size 3; pass vectors of 3 elements");
}

Tensor vecdot(const Tensor& a, const Tensor& b, int64_t dim) {
  if (!is_differentiable(a.dtype()))
    fail_runtime("vecdot", "x is ", name_of(a.dtype()), "; convert it to a floating-point type");
  require_same_type("vecdot", a, b);
  return sum(conj(a) * b, Dims{dim}, false, std::nullopt);
}

Tensor kron(const Tensor& a, const Tensor& b) {
  const int n = std::max(a.dim(), b.dim());
  Dims left, right, shape;
  for (int d = 0; d < n; ++d) {
    const int da = d - (n - a.dim()), db = d - (n - b.dim());
    const int64_t sa = da >= 0 ? a.shape()[da] : 1, sb = db >= 0 ? b.shape()[db] : 1;
    left.push_back(sa);
    left.push_back(1);
    right.push_back(1);
    right.push_back(sb);
    shape.push_back(sa * sb);
  }
  return unsafe_view("UnsafeViewBackward0", reshape(reshape(a, left) * reshape(b, right), shape));
}

Tensor inner(const Tensor& a, const Tensor& b) {
  if (a.dim() == 0 || b.dim() == 0) return a * b;
  if (a.size(-1) != b.size(-1))
    fail_runtime("inner", "shapes ", a.shape(), " and ", b.shape(),
                 ": their last dimensions must be equal");
  Dims first, second;
  for (int d = 0; d + 1 < a.dim(); ++d) first.push_back(a.shape()[d]);
  for (int d = 0; d + 1 < b.dim(); ++d) second.push_back(b.shape()[d]);
  Dims shape = first;
  for (int64_t n : second) shape.push_back(n);
  const Tensor product = matmul(reshape(a, {first.product(), a.size(-1)}),
                                mT(reshape(b, {second.product(), b.size(-1)})));
  return reshape(product, shape);
}

bool is_number(const Scalar& s, double value) {
  return s.kind != Scalar::Complex && s.as_double() == value;
}

/// The gradient of what was multiplied by a number.
Tensor back(const Tensor& g, Scalar number) {
  if (number.kind != Scalar::Complex) return g * number.as_double();
  number.im = -number.im;
  return scaled(g, number);
}

using Product = Tensor (*)(const Tensor& a, const Tensor& b);

/// beta input + alpha a b; what beta = 0 leaves out may be NaN. `a_b` multiplies, `give` sends the
/// gradient of a b to edges 1 and 2, given conjugates of a and b.
template <class Give>
Tensor added(const char* op, const char* node, const Tensor& input, const Tensor& a,
             const Tensor& b, Product a_b, const Scalar& beta, const Scalar& alpha, Give give) {
  const bool keeps = is_number(beta, 1), whole = is_number(alpha, 1), forgets = is_number(beta, 0);
  const Tensor out = unrecorded([&] {
    const Tensor product = a_b(a, b);
    require_same_type(op, product, input);
    if (!(broadcast_shapes(op, input.shape(), product.shape()) == product.shape()))
      fail_runtime(op, "input of shape ", input.shape(), " does not expand to the product's ",
                   product.shape(), "; reshape it");
    const Tensor scaled_product = whole ? product : scaled(product, alpha);
    return forgets ? scaled_product : (keeps ? input : scaled(input, beta)) + scaled_product;
  });
  if (Recorder r{&input, &a, &b}; r)
    r.save(a).save(b).done(
        node, out, [=, shape = input.shape(), type = input.dtype()](const Backward& call) {
          const Tensor& g = call.grad();
          const Tensor a = conj(call.saved(0)), b = conj(call.saved(1));
          if (call.wants(0)) call.give(0, to(sum_to_size(keeps ? g : back(g, beta), shape), type));
          give(call, to(whole ? g : back(g, alpha), a.dtype()), a, b);
        });
  return out;
}

/// The gradients of matrices, or of batches of them, from that of a b; a and b are conjugates.
void give_factors(const Backward& call, const Tensor& g, const Tensor& a, const Tensor& b) {
  if (call.wants(1)) call.give(1, matmul(g, mT(b)));
  if (call.wants(2)) call.give(2, matmul(mT(a), g));
}

Tensor outer(const Tensor& a, const Tensor& b) { return unsqueeze(a, 1) * unsqueeze(b, 0); }

/// The sum of a batch of products.
Tensor batch_total(const Tensor& a, const Tensor& b) {
  return sum(matmul(a, b), Dims{0}, false, a.dtype());
}

void check_batches(const char* op, const Tensor& a, const Tensor& b) {
  if (a.dim() != 3 || b.dim() != 3)
    fail(a.dim() < 2 || b.dim() < 3 ? ErrorKind::Index : ErrorKind::Runtime, op, a.shape(), " @ ",
         b.shape(), "; expected two batches of matrices");
  if (a.size(0) != b.size(0))
    fail_runtime(op, a.shape(), " @ ", b.shape(), ": batches of ", a.size(0), " and ", b.size(0),
                 "; make them equal");
}

Tensor vander(const Tensor& x, std::optional<int64_t> count, bool increasing) {
  const int64_t n = count.value_or(x.size(-1));
  if (n < 0) fail_runtime("vander", "N is ", n, "; expected 0 or more");
  if (n == 0) return empty(joined(x.shape(), {0}), x.dtype());
  const DType type = is_differentiable(x.dtype()) ? x.dtype() : DType::Int64;
  const Tensor factors = expand(unsqueeze(to(x, type), -1), joined(x.shape(), {n - 1}));
  const Tensor powers = cat({full_int(joined(x.shape(), {1}), 1, type), cumprod(factors, -1)}, -1);
  return increasing ? powers : flip(powers, {-1});
}

}  // namespace

void register_linalg_products(Registry& r) {
  r.linalg(
      "cross", "input, other, *, dim=-1",
      [](const Tensor& a, const Tensor& b, int64_t dim) { return cross(a, b, dim); },
      "a x b along a dimension of size 3.");
  r.both("cross", "input, other, dim=None", cross_somewhere,
         "a x b along a dimension of size 3, the first such without dim.");
  r.linalg(
      "vecdot", "x, y, *, dim=-1",
      [](const Tensor& a, const Tensor& b, int64_t dim) { return vecdot(a, b, dim); },
      "sum x y along a dimension.");
  r.linalg(
      "diagonal", "A, *, offset=0, dim1=-2, dim2=-1",
      [](const Tensor& a, int64_t offset, int64_t dim1, int64_t dim2) {
        return diagonal(a, offset, dim1, dim2);
      },
      "The diagonal of two dimensions, as a view, in a new last dimension.");
  r.linalg(
      "matmul", "input, other", [](const Tensor& a, const Tensor& b) { return matmul(a, b); },
      "Matrix product; 1-d operands are vectors, more dimensions are batches that broadcast.");
  r.linalg(
      "vander", "x, *, N=None",
      [](const Tensor& x, std::optional<int64_t> n) {
        if (x.dtype() == DType::Bool)
          fail_runtime("vander", "not supported for bool; convert with .int()");
        const Tensor rows = x.dim() ? x : unsqueeze(x, 0);
        if (n.value_or(rows.size(-1)) < 2)
          fail_runtime("vander", "N is ", n.value_or(rows.size(-1)), "; expected 2 or more");
        return vander(rows, n, true);
      },
      "x^0, x^1, ..., x^(N-1) in a new last dimension.");
  r.function(
      "vander", "x, N=None, increasing=False",
      [](const Tensor& x, std::optional<int64_t> n, bool increasing) {
        if (x.dim() != 1) fail_runtime("vander", "x has shape ", x.shape(), "; expected a vector");
        return vander(x, n, increasing);
      },
      "The powers of a vector in columns, falling unless increasing.");
  r.both("kron", "input, other", kron, "Every product of an element of input and all of other.");
  r.both("inner", "input, other", inner, "Sums of products along both last dimensions.");
  r.both(
      "vdot", "input, other",
      [](const Tensor& a, const Tensor& b) {
        if (a.dim() != 1 || b.dim() != 1)
          fail_runtime("vdot", "shapes ", a.shape(), " and ", b.shape(), "; expected vectors");
        return named("VdotBackward0", matmul(conj(a), b));
      },
      "Inner product of two vectors, the first conjugated.");
  r.alias("outer", {"ger"});
  r.both(
      "addmm", "input, mat1, mat2, *, beta=1, alpha=1",
      [](const Tensor& t, const Tensor& a, const Tensor& b, const Scalar& beta,
         const Scalar& alpha) {
        return added("addmm", "AddmmBackward0", t, a, b, &mm, beta, alpha, give_factors);
      },
      "beta input + alpha (mat1 @ mat2).");
  r.both(
      "addmv", "input, mat, vec, *, beta=1, alpha=1",
      [](const Tensor& t, const Tensor& a, const Tensor& v, const Scalar& beta,
         const Scalar& alpha) {
        if (a.dim() != 2 || v.dim() != 1)
          fail_runtime("addmv", a.shape(), " @ ", v.shape(), "; expected a matrix and a vector");
        if (a.size(1) != v.size(0))
          fail(t.dim() ? ErrorKind::Runtime : ErrorKind::Index, "addmv", a.shape(), " @ ",
               v.shape(), ": inner dimensions ", a.size(1), " and ", v.size(0), " differ");
        return added("addmv", "AddmvBackward0", t, a, v, &matmul, beta, alpha,
                     [](const Backward& call, const Tensor& g, const Tensor& a, const Tensor& v) {
                       if (call.wants(1)) call.give(1, unsqueeze(g, 1) * unsqueeze(v, 0));
                       if (call.wants(2)) call.give(2, matmul(mT(a), g));
                     });
      },
      "beta input + alpha (mat @ vec).");
  r.both(
      "addr", "input, vec1, vec2, *, beta=1, alpha=1",
      [](const Tensor& t, const Tensor& a, const Tensor& b, const Scalar& beta,
         const Scalar& alpha) {
        if (a.dim() != 1 || b.dim() != 1)
          fail_runtime("addr", "shapes ", a.shape(), " and ", b.shape(), "; expected two vectors");
        const DType type = promote(t.dtype(), promote(a.dtype(), b.dtype()));
        if (type != DType::Bool && (beta.kind == Scalar::Bool || alpha.kind == Scalar::Bool))
          fail_runtime("addr", "beta or alpha is a bool, the result ", name_of(type),
                       "; pass a number");
        return added("addr", "AddrBackward0", to(t, type), to(a, type), to(b, type), &outer, beta,
                     alpha,
                     [](const Backward& call, const Tensor& g, const Tensor& a, const Tensor& b) {
                       if (call.wants(1)) call.give(1, matmul(g, b));
                       if (call.wants(2)) call.give(2, matmul(mT(g), a));
                     });
      },
      "beta input + alpha (vec1 vec2^T).");
  r.both(
      "baddbmm", "input, batch1, batch2, *, beta=1, alpha=1",
      [](const Tensor& t, const Tensor& a, const Tensor& b, const Scalar& beta,
         const Scalar& alpha) {
        check_batches("baddbmm", a, b);
        return added("baddbmm", "BaddbmmBackward0", t, a, b, &matmul, beta, alpha, give_factors);
      },
      "beta input + alpha (batch1 @ batch2).");
  r.both(
      "addbmm", "input, batch1, batch2, *, beta=1, alpha=1",
      [](const Tensor& t, const Tensor& a, const Tensor& b, const Scalar& beta,
         const Scalar& alpha) {
        check_batches("addbmm", a, b);
        return added("addbmm", "AddbmmBackward0", t, a, b, &batch_total, beta, alpha, give_factors);
      },
      "beta input + alpha (the sum of batch1 @ batch2 over the batch).");
  r.inplace({"addmm", "addmv", "addr", "baddbmm", "addbmm"});
  register_einsum(r);
}

}  // namespace bx
