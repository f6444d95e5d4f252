// Summaries made of other reductions: what skips NaN, what counts, and pairs of results.
#include <limits>

#include "ops/ops.h"
#include "ops/reduction.h"

namespace bx {

namespace {

/// The sum of what is not NaN.
Tensor nansum(const Tensor& given, const OptDims& axes, bool keepdim, OptDType dtype) {
  if (!is_floating(given.dtype())) return sum(given, axes, keepdim, dtype);
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

/// Slices along dim scaled down to norm `maxnorm` where they are longer.
Tensor renorm(const Tensor& t, const Scalar& p, int64_t dim, double maxnorm) {
  const int axis = wrap_axis("renorm", dim, t.dim());
  if (p.as_double() <= 0)
    fail_runtime("renorm", "p is ", p.as_double(), "; norms need a positive one");
  if (maxnorm < 0) fail_runtime("renorm", "maxnorm is ", maxnorm, "; it must be 0 or more");
  Dims others;
  for (int d = 0; d < t.dim(); ++d)
    if (d != axis) others.push_back(d);
  const Tensor size = norm(t, p, others, true);
  return t * select(size > maxnorm, maxnorm / (size + 1e-7), 1.);
}

using Spread = Tensor (*)(const Tensor&, const OptDims&, double, bool);

/// A measure of spread under every way of naming its freedom: alone, and beside the mean.
template <Spread spread>
void register_spread(Registry& r, const char* name, const char* doc, const char* pair_name,
                     const char* pair_doc) {
  static const auto pair = [](const Tensor& t, const OptDims& dim, double correction,
                              bool keepdim) -> std::pair<Tensor, Tensor> {
    return {spread(t, dim, correction, keepdim), mean(t, dim, keepdim, std::nullopt)};
  };
  const char* corrected = "input, dim=None, *, correction=None, keepdim=False";
  const char* unbiased_along = "input, dim, unbiased, keepdim=False";
  r.both(
      name, corrected,
      [](const Tensor& t, const OptDims& dim, std::optional<double> correction, bool keepdim) {
        return spread(t, dim, correction.value_or(1), keepdim);
      },
      doc);
  r.both(
      name, unbiased_along,
      [](const Tensor& t, const OptDims& dim, bool unbiased, bool keepdim) {
        return spread(t, dim, unbiased, keepdim);
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
  register_spread<var>(
      r, "var", "Mean square deviation from the mean, divided by n - correction (1).", "var_mean",
      "(variance, mean), with n - correction.");
  register_spread<std_deviation>(
      r, "std", "Square root of the variance, with n - correction (1).", "std_mean",
      "(standard deviation, mean), with n - correction.");
  r.both(
      "dist", "input, other, p=2",
      [](const Tensor& a, const Tensor& b, const Scalar& p) {
        return norm(a - b, p, std::nullopt, false);
      },
      "The p-norm of input - other.");
  r.both("renorm", "input, p, dim, maxnorm", renorm,
         "Slices along dim scaled to p-norm maxnorm where theirs is larger.");
  r.inplace({"renorm"});
}

}  // namespace bx
