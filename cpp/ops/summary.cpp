// Summaries made of other reductions: what skips NaN, what counts, and pairs of results.
#include <limits>

#include "ops/ops.h"
#include "ops/reduction.h"

namespace bx {

namespace {

/// The sum of what is not NaN.
Tensor nansum(const Tensor& given, const OptDims& axes, bool keepdim, OptDType dtype) {
  if (is_complex(given.dtype()))
    fail_runtime("nansum", "input is ", name_of(given.dtype()), "; sum its .real and .imag");
  if (!is_floating(given.dtype()) || dtype == DType::Bool) return sum(given, axes, keepdim, dtype);
  const Tensor t = to(given, dtype.value_or(given.dtype()));
  const uint32_t bits = axis_bits("nansum", axes, t.dim());
  const Tensor number = detach(t) == detach(t);
  Tensor out;
  {
    GradMode off(false);
    out = sum(select(number, t, 0.), axes, keepdim, std::nullopt);
  }
  if (Recorder r{&t}; r)
    r.done("NansumBackward0", out, [number, bits](const Backward& b) {
      b.give(0, select(number, unreduce(b.grad(), number.shape(), bits), 0.));
    });
  return out;
}

Tensor nanmean(const Tensor& t, const OptDims& axes, bool keepdim, OptDType dtype) {
  if (!is_floating(t.dtype()))
    fail_runtime("nanmean", "input is ", name_of(t.dtype()),
                 ", expected a floating-point type; use .float()");
  const Tensor count = sum(detach(t) == detach(t), axes, keepdim, std::nullopt);
  return nansum(t, axes, keepdim, dtype) / count;
}

std::pair<Tensor, Tensor> aminmax(const Tensor& t, std::optional<int64_t> dim, bool keepdim) {
  const OptDims axes = dim ? OptDims(Dims{*dim}) : std::nullopt;
  return {extreme("aminmax", "AminmaxBackward0", kernels::Id::Min, t, axes, keepdim),
          extreme("aminmax", "AminmaxBackward0", kernels::Id::Max, t, axes, keepdim)};
}

/// Where the sorted values are read: q (n - 1), by the type's own rounding, n without NaN where
/// they are skipped; the place of a NaN, the last, where they are not.
Tensor quantile_ranks(const Tensor& sorted, const Tensor& q, bool skip_nan) {
  const double last = static_cast<double>(sorted.size(-1) - 1);
  const Tensor missing = sum(detach(sorted) != detach(sorted), Dims{-1}, true, std::nullopt);
  Dims shape = sorted.shape();
  shape[shape.size() - 1] = q.numel();
  const Tensor at = reshape(q, {q.numel()});
  if (skip_nan) return maximum(at * maximum(last - to(missing, sorted.dtype()), 0.), 0.);
  return expand(select(missing != 0., last, at * last), shape);
}

/// The value below which a share q of the elements lies, between the two nearest where needed.
/// [Hyndman & Fan 1996, type 7]
Tensor quantile(const char* op, const Tensor& t, const Tensor& q, std::optional<int64_t> dim,
                bool keepdim, const std::string& interpolation, bool skip_nan) {
  if (!is_wide_float(t.dtype()) || q.dtype() != t.dtype())
    fail_runtime(op, "input is ", name_of(t.dtype()), ", q ", name_of(q.dtype()),
                 "; expected float32 or float64 for both");
  if (q.dim() > 1) fail_runtime(op, "q has shape ", q.shape(), "; expected at most one dimension");
  if (t.numel() == 0) fail_runtime(op, "input of shape ", t.shape(), " has no elements");
  const int axis = dim ? wrap_axis(op, *dim, t.dim()) : 0;
  const Tensor row = dim && t.dim() ? movedim(t, {axis}, {t.dim() - 1}) : reshape(t, {-1});
  const Tensor sorted = sort(row, -1, false).first;
  const Tensor ranks = quantile_ranks(sorted, q, skip_nan);
  auto at = [&](const Tensor& places) { return gather(sorted, -1, to(places, DType::Int64)); };
  Tensor values;
  if (interpolation == "lower") values = at(floor(ranks));
  else if (interpolation == "higher") values = at(apply<formulas::Ceil>(ranks));
  else if (interpolation == "nearest") values = at(apply<formulas::Round>(ranks));
  else if (interpolation == "linear" || interpolation == "midpoint") {
    const Tensor below = floor(ranks), above = apply<formulas::Ceil>(ranks);
    const Tensor share = interpolation == "linear" ? ranks - below : full({}, 0.5, t.dtype());
    values = apply<formulas::Lerp>(at(below), at(above), share);
  } else {
    fail_runtime(op, "interpolation is '", interpolation,
                 "'; expected 'linear', 'lower', 'higher', 'nearest' or 'midpoint'");
  }
  // [..., q] -> q first, unless it was one number.
  values = unsafe_view("SqueezeBackward4",
                       q.dim() == 0 ? squeeze(values, Dims{-1}) : movedim(values, {-1}, {0}));
  if (!keepdim) return values;
  if (dim && t.dim()) return unsqueeze(values, axis + (q.dim() > 0));
  Dims kept(t.dim(), 1);
  if (q.dim() > 0) kept.insert(0, q.numel());
  return reshape(values, kept);
}

template <bool skip_nan>
void register_quantile(Registry& r, const char* name, const char* doc) {
  static const char* op = skip_nan ? "nanquantile" : "quantile";
  r.both(
      name, "input, q, dim=None, keepdim=False, *, interpolation='linear'",
      [](const Tensor& t, Operand q, std::optional<int64_t> dim, bool keepdim,
         const std::string& interpolation) {
        if (q.tensor->is_wrapped_number) {
          if (is_complex(q.tensor.dtype()))
            fail(ErrorKind::Type, op, "q is complex; shares lie in [0, 1]");
          const double share = item_double(q.tensor);
          if (!(share >= 0 && share <= 1))
            fail_runtime(op, "q is ", share, "; shares lie in [0, 1]");
          q.tensor = full({}, share, t.dtype());
        }
        return quantile(op, t, q.tensor, dim, keepdim, interpolation, skip_nan);
      },
      doc);
}

/// Slices along dim scaled down to norm `maxnorm` where they are longer.
Tensor renorm(const Tensor& t, const Scalar& p, int64_t dim, const Scalar& bound) {
  const double maxnorm = bound.as_double();
  if (t.dim() < 2)
    fail_runtime("renorm", "input has shape ", t.shape(), "; parts need 2 dimensions or more");
  const int axis = wrap_axis("renorm", dim, t.dim());
  if (!(p.as_double() > 0))
    fail_runtime("renorm", "p is ", p.as_double(), "; norms need a positive one");
  if (!(maxnorm >= 0)) fail_runtime("renorm", "maxnorm is ", maxnorm, "; it must be 0 or more");
  Dims others;
  for (int d = 0; d < t.dim(); ++d)
    if (d != axis) others.push_back(d);
  const Tensor size = norm("renorm", t, p.as_double(), others, true);
  return named("RenormBackward0", t * select(size > maxnorm, maxnorm / (size + 1e-7), 1.));
}

using Spread = Tensor (*)(const Tensor&, const OptDims&, double, bool);

/// A measure of spread under every way of naming its freedom: alone, and beside the mean.
template <Spread spread>
void register_spread(Registry& r, const char* name, const char* doc, const char* pair_name,
                     const char* pair_doc) {
  static const auto pair = [](const Tensor& t, const OptDims& dim, double correction,
                              bool keepdim) -> std::pair<Tensor, Tensor> {
    const char* node = spread == &var ? "VarMeanBackward0" : "StdMeanBackward0";
    return {named(node, spread(t, dim, correction, keepdim)),
            named(node, mean(t, dim, keepdim, std::nullopt))};
  };
  const char* corrected = "input, dim=None, *, correction=None, keepdim=False";
  const char* unbiased_along = "input, dim, unbiased, keepdim=False";
  // First, or std(0, True) would name two dimensions.
  r.both(
      name, unbiased_along,
      [](const Tensor& t, const OptDims& dim, bool unbiased, bool keepdim) {
        return spread(t, dim, unbiased, keepdim);
      },
      doc);
  r.both(
      name, corrected,
      [](const Tensor& t, const OptDims& dim, std::optional<double> correction, bool keepdim) {
        return spread(t, dim, correction.value_or(1), keepdim);
      },
      "");
  r.both(
      name, "input, unbiased",
      [](const Tensor& t, bool unbiased) { return spread(t, std::nullopt, unbiased, false); }, "");
  r.function(
      pair_name, corrected,
      [](const Tensor& t, const OptDims& dim, std::optional<double> correction, bool keepdim) {
        return pair(t, dim, correction.value_or(1), keepdim);
      },
      pair_doc);
  r.function(
      pair_name, unbiased_along,
      [](const Tensor& t, const OptDims& dim, bool unbiased, bool keepdim) {
        return pair(t, dim, unbiased, keepdim);
      },
      "");
  r.function(
      pair_name, "input, unbiased",
      [](const Tensor& t, bool unbiased) { return pair(t, std::nullopt, unbiased, false); }, "");
}

}  // namespace

void register_summary(Registry& r) {
  r.both("nansum", "input, dim=None, keepdim=False, *, dtype=None", nansum,
         "Sum of what is not NaN.");
  r.both("nanmean", "input, dim=None, keepdim=False, *, dtype=None", nanmean,
         "Mean of what is not NaN; NaN where nothing is.");
  r.both(
      "count_nonzero", "input, dim=None",
      [](const Tensor& t, const OptDims& dim) {
        return sum(detach(t) != 0., dim, false, std::nullopt);
      },
      "How many elements are not zero, over all or the named dimensions.");
  r.both("aminmax", "input, *, dim=None, keepdim=False -> min, max", aminmax,
         "Smallest and largest value, NaN if any; ties share the gradient.");
  register_spread<var>(r, "var",
                       "Mean square deviation from the mean, divided by n - correction (1).",
                       "var_mean", "(variance, mean), with n - correction.");
  register_spread<std_deviation>(r, "std", "Square root of the variance, with n - correction (1).",
                                 "std_mean", "(standard deviation, mean), with n - correction.");
  r.both(
      "dist", "input, other, p=2",
      [](const Tensor& a, const Tensor& b, const Scalar& p) {
        return named("DistBackward0", norm("dist", a - b, p.as_double(), std::nullopt, false));
      },
      "The p-norm of input - other.");
  register_quantile<false>(r, "quantile",
                           "The value below which a share q of the elements lies; NaN if any is. "
                           " [Hyndman & Fan 1996, type 7]");
  register_quantile<true>(r, "nanquantile", "The same of what is not NaN.");
  r.both("renorm", "input, p, dim, maxnorm", renorm,
         "Slices along dim scaled to p-norm maxnorm where theirs is larger.");
  r.inplace({"renorm"});
}

}  // namespace bx
