// Norms of vectors and matrices, and condition numbers.
#include "ops/linalg.h"

#include <cmath>
#include <limits>

#include "ops/reduction.h"

namespace bx {

using kernels::Id;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// (sum |x|^p)^(1/p); p = inf, -inf and 0 are the largest, the smallest and the count.
Tensor vector_norm(const char* op, const Tensor& given, double p, const OptDims& axes, bool keepdim,
                   OptDType dtype) {
  if (is_complex(given.dtype()))
    return vector_norm(op, abs(given), p, axes, keepdim, dtype ? OptDType(real_of(*dtype)) : dtype);
  if (!is_floating(given.dtype()) || (dtype && !is_floating(*dtype)))
    fail_runtime(op, "input is ", name_of(given.dtype()),
                 dtype ? str(", dtype ", name_of(*dtype)) : "",
                 "; convert it to a floating-point type");
  const Tensor t = dtype ? to(given, *dtype) : given;
  const uint32_t bits = axis_bits(op, axes, t.dim());
  const char* node = "LinalgVectorNormBackward0";
  for (int d = 0; d < t.dim() && (p < 0 || std::isinf(p)); ++d)
    if (bits >> d & 1 && t.shape()[d] == 0)
      fail_runtime(op, "dimension ", d, " of shape ", t.shape(), " is empty: nothing has the norm ",
                   p, "; take another order");
  if (std::isinf(p)) return extreme(op, node, p > 0 ? Id::Max : Id::Min, abs(t), axes, keepdim);
  const auto of = [&](const Tensor& x) {
    if (p == 0) return sum(to(x != 0., x.dtype()), axes, keepdim, std::nullopt);
    if (p == 1) return sum(abs(x), axes, keepdim, std::nullopt);
    if (p == 2) return sqrt(sum(x * x, axes, keepdim, std::nullopt));
    return pow(sum(pow(abs(x), p), axes, keepdim, std::nullopt), 1. / p);
  };
  const Tensor out = unrecorded([&] { return in_wide(t, of); });
  if (Recorder r{&t}; r)
    r.save(t).save_output().done(node, out, [p, bits](const Backward& b) {
      const Tensor x = b.saved(0), upstream = unreduce(b.grad(), x.shape(), bits);
      if (p == 0) return b.give(0, zero(upstream));
      if (p == 1) return b.give(0, upstream * sign(x));
      const Tensor size = unreduce(b.saved(1), x.shape(), bits);
      // The ratio is at most 1 in magnitude: no power of it overflows. 0 where the norm has a kink.
      const Tensor flat = p > 1 ? size == 0. : (size == 0.) || (x == 0.);
      const Tensor safe = select(flat, 1., size), ratio = select(flat, 1., x) / safe;
      const Tensor slope = p == 2 ? ratio : sign(ratio) * pow(abs(ratio), p - 1.);
      b.give(0, upstream * select(flat, 0., slope));
    });
  return out;
}

OptDims or_all(const OptDims& axes) { return axes && axes->empty() ? std::nullopt : axes; }

/// The two dimensions of matrices, moved to the end.
struct Plane {
  Tensor matrices;
  Dims axes;

  Plane(const char* op, const Tensor& t, const Dims& given) {
    if (given.size() != 2 || t.dim() < 2)
      fail_runtime(op, "dims ", given, " of a tensor of shape ", t.shape(), "; expected two");
    const int a = wrap_axis(op, given[0], t.dim()), b = wrap_axis(op, given[1], t.dim());
    if (a == b) fail_runtime(op, "dims ", given, " name one dimension; expected two");
    axes = {a, b};
    matrices = movedim(t, axes, {-2, -1});
  }
  /// A number for each matrix, with both dimensions kept as 1 where asked for.
  Tensor placed(const Tensor& values, bool keepdim) const {
    if (!keepdim) return values;
    const bool falling = axes[0] > axes[1];
    return unsqueeze(unsqueeze(values, falling ? axes[1] : axes[0]), falling ? axes[0] : axes[1]);
  }
};

/// The largest, or the smallest, of the last dimension.
Tensor largest(const Tensor& t, bool really) {
  if (t.size(-1) == 0) {
    if (really) return sum(t, Dims{-1}, false, std::nullopt);
    fail_index("matrix_norm", "an empty matrix has no smallest sum or singular value");
  }
  return extreme("matrix_norm", "AmaxBackward0", really ? Id::Max : Id::Min, t, Dims{-1}, false);
}

Tensor matrix_norm(const Tensor& given, double p, const Dims& axes, bool keepdim, OptDType dtype) {
  const Tensor t = dtype ? to(given, *dtype) : given;
  if (!is_differentiable(t.dtype()))
    fail_runtime("matrix_norm", "input is ", name_of(t.dtype()),
                 "; convert it to a floating-point type");
  const Plane plane("matrix_norm", t, axes);
  const double kind = std::abs(p);
  if (kind == 2) return plane.placed(largest(singular_values(plane.matrices), p > 0), keepdim);
  if (kind != 1 && kind != kInfinity)
    fail_runtime("matrix_norm", "order ", p,
                 "; expected 1, 2 or inf, or their negatives, 'fro', 'nuc'");
  const Tensor sums = norm("matrix_norm", plane.matrices, 1, Dims{kind == 1 ? -2 : -1}, false);
  return plane.placed(largest(sums, p > 0), keepdim);
}

Tensor matrix_norm_named(const Tensor& given, const std::string& order, const Dims& axes,
                         bool keepdim, OptDType dtype) {
  const Tensor t = dtype ? to(given, *dtype) : given;
  if (order == "fro") {
    Plane("matrix_norm", t, axes);
    return norm("matrix_norm", t, 2, axes, keepdim);
  }
  if (order != "nuc")
    fail_runtime("matrix_norm", "order '", order, "'; expected 'fro', 'nuc' or a number");
  check_matrices("matrix_norm", t);
  const Plane plane("matrix_norm", t, axes);
  return plane.placed(sum(singular_values(plane.matrices), Dims{-1}, false, std::nullopt), keepdim);
}

/// linalg.norm: of vectors along one dimension, of matrices along two.
Tensor norm_by_dims(const Tensor& t, const std::optional<Scalar>& order, const OptDims& dims,
                    bool keepdim, OptDType dtype) {
  if (!order) return vector_norm("norm", t, 2, or_all(dims), keepdim, dtype);
  const double p = order->as_double();
  if (!dims && (t.dim() > 2 || t.dim() == 0))
    fail_runtime("norm", "order ", p, " of a tensor of shape ", t.shape(),
                 "; without dim it takes a vector or a matrix");
  if (dims ? dims->size() == 2 : t.dim() == 2)
    return matrix_norm(t, p, dims.value_or(Dims{0, 1}), keepdim, dtype);
  return vector_norm("norm", t, p, dims, keepdim, dtype);
}

Tensor norm_named(const Tensor& t, const std::string& order, const OptDims& dims, bool keepdim,
                  OptDType dtype) {
  if (!dims && t.dim() != 2)
    fail_runtime("norm", "order '", order, "' of a tensor of shape ", t.shape(), "; give two dims");
  return matrix_norm_named(t, order, dims.value_or(Dims{0, 1}), keepdim, dtype);
}

/// |A| |A^-1|, infinite where A is singular; `of` is the norm.
template <class F>
Tensor cond_by(const Tensor& a, F of) {
  const Tensor own = of(a);
  check_square("cond", a);
  const auto [inverses, info] = inverse_ex(a);
  const Tensor singular = info != 0.;
  return select(singular, kInfinity, own * of(select(spread(singular), 0., inverses)));
}

Tensor cond(const Tensor& a, const std::optional<double>& order) {
  const double p = order.value_or(2.);
  check_matrices("cond", a);
  if (a.numel() == 0) return zeros(batch_of(a), real_of(a.dtype()));
  if (std::abs(p) == 2) {
    const Tensor s = singular_values(a);
    const int64_t n = s.size(-1);
    const Tensor first = slice(s, -1, 0, 1, 1), last = slice(s, -1, n - 1, n, 1);
    return squeeze(p > 0 ? first / last : last / first, Dims{-1});
  }
  return cond_by(
      a, [p](const Tensor& t) { return matrix_norm(t, p, Dims{-2, -1}, false, std::nullopt); });
}

Tensor cond_named(const Tensor& a, const std::string& p) {
  check_square("cond", a);
  if (a.numel() == 0) return zeros(batch_of(a), real_of(a.dtype()));
  return cond_by(a, [&](const Tensor& t) {
    return matrix_norm_named(t, p, Dims{-2, -1}, false, std::nullopt);
  });
}

}  // namespace

Tensor norm(const char* op, const Tensor& t, double p, const OptDims& axes, bool keepdim) {
  return vector_norm(op, t, p, axes, keepdim, std::nullopt);
}

void register_linalg_norms(Registry& r) {
  r.linalg(
      "vector_norm", "input, ord=2, dim=None, keepdim=False, *, dtype=None",
      [](const Tensor& t, double p, const OptDims& axes, bool keepdim, OptDType dtype) {
        return vector_norm("vector_norm", t, p, or_all(axes), keepdim, dtype);
      },
      "(sum |x|^ord)^(1/ord), of all elements or along dimensions; inf, -inf and 0: the largest, "
      "the smallest and the count of those that are not 0.");
  r.linalg(
      "matrix_norm", "input, ord='fro', *dim=(-2,-1), keepdim=False, *, dtype=None",
      matrix_norm_named,
      "'fro': the root of the sum of squares; 'nuc': the sum of the singular values; 2: the "
      "largest of them; 1 and inf: the largest sum of a column or row; negative: the smallest.");
  r.linalg("matrix_norm", "input, ?ord, *dim=(-2,-1), keepdim=False, *, dtype=None", matrix_norm,
           "");
  r.linalg(
      "norm", "input, ord=None, dim=None, keepdim=False, *, dtype=None", norm_by_dims,
      "vector_norm along one dimension, matrix_norm along two; without ord the root of the sum "
      "of squares.");
  r.linalg("norm", "input, ord, dim=None, keepdim=False, *, dtype=None", norm_named, "");
  r.linalg("cond", "input, p=None", cond, "|A| |A^-1| in a norm; with 2, s_max / s_min.");
  r.linalg("cond", "input, p", cond_named, "");
  r.both(
      "norm", "input, p=2.0, dim=None, keepdim=False, dtype=None",
      [](const Tensor& t, const std::optional<Scalar>& p, const OptDims& axes, bool keepdim,
         OptDType dtype) {
        return vector_norm("norm", t, p ? p->as_double() : 2., or_all(axes), keepdim, dtype);
      },
      "The p-norm of all elements or along dimensions, (sum |x|^p)^(1/p); 'fro' is p = 2, 'nuc' "
      "the "
      "sum of the singular values.");
  r.both(
      "norm", "input, p, dim=None, keepdim=False, dtype=None",
      [](const Tensor& t, const std::string& p, const OptDims& axes, bool keepdim, OptDType dtype) {
        if (p == "fro") return vector_norm("norm", t, 2, or_all(axes), keepdim, dtype);
        if (p != "nuc") fail_runtime("norm", "p is '", p, "'; expected 'fro', 'nuc' or a number");
        const bool given = axes && !axes->empty();
        if (!given && t.dim() != 2)
          fail_runtime("norm", "'nuc' of a tensor of shape ", t.shape(), "; give two dims");
        return matrix_norm_named(t, p, given ? *axes : Dims{0, 1}, keepdim, dtype);
      },
      "");
}

}  // namespace bx
