// Sampled functions and samples of distributions: differences, trapezoids, covariances, counts.
#include <algorithm>
#include <cmath>

#include "ops/ops.h"

namespace bx {

namespace {

/// The difference of neighbours, n times.
Tensor diff(const Tensor& t, int64_t n, int64_t dim, const std::optional<Tensor>& prepend,
            const std::optional<Tensor>& append) {
  if (n < 0) fail_runtime("diff", "n is ", n, "; it must be 0 or more");
  if (t.dim() == 0)
    fail_runtime("diff", "a 0-d tensor has no neighbours; pass one dimension or more");
  if (n == 0 && !prepend && !append) return clone(t);
  const int axis = wrap_axis("diff", dim, t.dim());
  for (const auto& [name, part] : {std::pair{"prepend", prepend}, {"append", append}}) {
    if (!part) continue;
    bool fits = part->dim() == t.dim();
    for (int d = 0; fits && d < t.dim(); ++d) fits = d == axis || part->size(d) == t.size(d);
    if (!fits)
      fail_runtime("diff", name, " has shape ", part->shape(), ", the input ", t.shape(),
                   "; they may differ along dimension ", axis, " alone");
  }
  if (n == 0) return clone(t);
  Tensors parts;
  if (prepend) parts.push_back(*prepend);
  parts.push_back(t);
  if (append) parts.push_back(*append);
  Tensor out = parts.size() > 1 ? cat(parts, axis) : t;
  for (int64_t k = 0; k < n; ++k) {
    const int64_t size = out.shape()[axis];
    if (size == 0) break;
    const Tensor upper = slice(out, axis, 1, size, 1), lower = slice(out, axis, 0, size - 1, 1);
    out = out.dtype() == DType::Bool ? upper != lower : upper - lower;
  }
  return out;
}

/// x as long as y along `axis`, and of as many dimensions.
Tensor abscissa(const char* op, const Tensor& y, const Tensor& x, int axis) {
  Dims shape(y.dim(), 1);
  if (x.dim() == 1) {
    if (x.shape()[0] != y.shape()[axis])
      fail_runtime(op, "x has ", x.shape()[0], " points, y ", y.shape()[axis], " along dimension ",
                   axis, "; give one for each");
    shape[axis] = x.shape()[0];
    return reshape(x, shape);
  }
  if (x.dim() >= y.dim()) return x;
  for (int d = 0; d < x.dim(); ++d) shape[y.dim() - x.dim() + d] = x.shape()[d];
  return reshape(x, shape);
}

/// Twice the areas between neighbours along the axis: y_i + y_{i+1}, times the step of x if given.
Tensor trapezoids(const char* op, const Tensor& y, const std::optional<Tensor>& x, int64_t dim) {
  require_number_type(op, y);
  if (x) require_number_type(op, *x);
  if (y.dim() == 0) fail_index(op, "a 0-d tensor has no points; pass one dimension or more");
  const int axis = wrap_axis(op, dim, y.dim());
  const int64_t n = y.shape()[axis];
  if (n == 0) return y;
  const auto wide = [](const Tensor& v) {
    return is_differentiable(v.dtype()) ? v : to(v, DType::Int64);
  };
  const Tensor t = wide(y);
  const Tensor heights = slice(t, axis, 1, n, 1) + slice(t, axis, 0, n - 1, 1);
  return x ? heights * diff(abscissa(op, y, wide(*x), axis), 1, axis, {}, {}) : heights;
}

Tensor cov(const Tensor& given, int64_t correction, const std::optional<Tensor>& fweights,
           const std::optional<Tensor>& aweights) {
  if (given.dim() > 2)
    fail_runtime("cov", "input has shape ", given.shape(),
                 "; expected variables in rows, in at most 2 dimensions");
  require_number_type("cov", given);
  const Tensor t = is_differentiable(given.dtype()) ? given : to(given, default_dtype());
  const Tensor x = reshape(t, t.dim() < 2 ? Dims{1, t.numel()} : t.shape());
  const int64_t n = x.shape()[1];
  for (const auto& [name, w] : {std::pair{"fweights", fweights}, {"aweights", aweights}})
    if (w && (w->dim() > 1 || w->numel() != n))
      fail_runtime("cov", name, " has shape ", w->shape(), "; expected one for each of ", n,
                   " observations");
  if (fweights && !is_integral(fweights->dtype()))
    fail_runtime("cov", "fweights is ", name_of(fweights->dtype()), "; counts are integers");
  for (const auto& [name, w] : {std::pair{"fweights", fweights}, {"aweights", aweights}}) {
    if (!w) continue;
    GradMode off(false);
    require_every("cov", *w >= 0., ErrorKind::Runtime,
                  "the weights have negative elements; take weights of 0 or more");
  }
  Tensor weights;
  if (fweights) weights = *fweights;
  if (aweights) weights = fweights ? weights * *aweights : *aweights;
  const Tensor total = weights.defined() ? sum(weights) : wrapped_number(n, DType::Int64);
  const Tensor weighted = weights.defined() ? x * weights : x;
  const Tensor centered = x - unsqueeze(sum(weighted, Dims{1}, false, std::nullopt) / total, 1);
  const Tensor used = wrapped_number(correction, DType::Int64);
  const Tensor freedom =
      aweights && correction ? total - used * sum(weights * *aweights) / total : total - used;
  const Tensor product =
      mm(centered, conj(transpose(weights.defined() ? centered * weights : centered, 0, 1)));
  return squeeze(product / maximum(to(freedom, real_of(x.dtype())), 0.), std::nullopt);
}

Tensor corrcoef(const Tensor& t) {
  const Tensor c = cov(t, 1, {}, {});
  if (c.dim() == 0) return c / c;
  const Tensor d = sqrt(real(diagonal(c, 0, 0, 1)));
  const auto cut = [](const Tensor& x) { return minimum(maximum(x, -1.), 1.); };
  const Tensor ratio = c / unsqueeze(d, 1) / unsqueeze(d, 0);
  return is_complex(c.dtype()) ? joined(cut(view_as_real(ratio))) : cut(ratio);
}

/// How many elements fall into each of `bins` equal parts of [low, high].
Tensor histc(const Tensor& given, int64_t bins, double low, double high) {
  if (bins <= 0) fail_runtime("histc", "bins is ", bins, "; at least one is needed");
  require_float("histc", given.dtype());
  GradMode off(false);
  const Tensor t = contiguous(given), out = zeros({bins}, t.dtype());
  const int64_t n = t.numel();
  launch_host("histc", out, t, [=](const kernels::View* to, const kernels::View* from) {
    visit(from[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* x = static_cast<const T*>(from[0].data);
      T* counts = static_cast<T*>(to[0].data);
      double least = low, most = high;
      if (least == most && n > 0) {
        least = *std::min_element(x, x + n);
        most = *std::max_element(x, x + n);
      }
      if (least == most) {
        least -= 1;
        most += 1;
      }
      if (!(std::isfinite(least) && std::isfinite(most)))
        fail_runtime("histc", "the range [", least, ", ", most,
                     "] is not finite; pass min and max");
      if (least > most) fail_runtime("histc", "max ", most, " is below min ", least, "; swap them");
      const T first = static_cast<T>(least), last = static_cast<T>(most);
      const T scale = static_cast<T>(bins) / (last - first);
      for (int64_t i = 0; i < n; ++i)
        if (x[i] >= first && x[i] <= last)
          counts[std::min(bins - 1, static_cast<int64_t>((x[i] - first) * scale))] += 1;
    });
  });
  return out;
}

/// How often each number occurs, or the sum of the weights where it does.
Tensor bincount(const Tensor& given, const std::optional<Tensor>& weights, int64_t minlength) {
  if (given.dim() != 1 || is_differentiable(given.dtype()))
    fail(is_integral(given.dtype()) ? ErrorKind::Runtime : ErrorKind::NotImplemented, "bincount",
         "input is ", name_of(given.dtype()), " of shape ", given.shape(),
         "; expected integers in one dimension");
  require_number_type("bincount", given);
  if (minlength < 0) fail_runtime("bincount", "minlength is ", minlength, "; it must be 0 or more");
  if (weights && !(weights->shape() == given.shape()))
    fail_runtime("bincount", "weights have shape ", weights->shape(), ", input ", given.shape(),
                 "; they must be equal");
  GradMode off(false);
  const Tensor t = contiguous(to(given, DType::Int64));
  const int64_t* x = t.data<int64_t>();
  const int64_t n = t.numel();
  int64_t length = minlength;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] < 0)
      fail_runtime("bincount", "input holds ", x[i], "; counts are of numbers from 0 on");
    length = std::max(length, x[i] + 1);
  }
  if (!weights) {
    const Tensor out = zeros({length}, DType::Int64);
    for (int64_t i = 0; i < n; ++i) ++out.data<int64_t>()[x[i]];
    return out;
  }
  const DType dtype = weights->dtype() == DType::Float32 ? DType::Float32 : DType::Float64;
  const Tensor w = contiguous(to(*weights, dtype)), out = zeros({length}, dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) out.data<T>()[x[i]] += w.data<T>()[i];
  });
  return out;
}

}  // namespace

void register_samples(Registry& r) {
  r.both("diff", "input, n=1, dim=-1, prepend=None, append=None", diff,
         "y_i = x_{i+1} - x_i along dim, n times over.");
  for (const char* name : {"trapezoid", "trapz"}) {
    r.function(
        name, "y, x, *, dim=-1",
        [](const Tensor& y, const Tensor& x, int64_t dim) {
          const Tensor twice = trapezoids("trapezoid", y, x, dim);
          return named("DivBackward1", sum(twice, Dims{dim}, false, std::nullopt) / 2.);
        },
        "Integral of y over x along dim, or with points dx apart, by the trapezoidal rule.");
    r.function(
        name, "y, *, dx=1.0, dim=-1",
        [](const Tensor& y, double dx, int64_t dim) {
          const Tensor twice = trapezoids("trapezoid", y, {}, dim);
          return named("MulBackward1", sum(twice, Dims{dim}, false, std::nullopt) * (dx / 2));
        },
        "");
  }
  r.function(
      "cumulative_trapezoid", "y, x, *, dim=-1",
      [](const Tensor& y, const Tensor& x, int64_t dim) {
        const char* op = "cumulative_trapezoid";
        const Tensor areas = trapezoids(op, y, x, dim);
        if (areas.numel() == 0) abscissa(op, y, x, wrap_axis(op, dim, y.dim()));
        return named("DivBackward1", cumsum(areas, dim) / 2.);
      },
      "The integrals of y from the first point to each other one, by the trapezoidal rule.");
  r.function(
      "cumulative_trapezoid", "y, *, dx=1.0, dim=-1",
      [](const Tensor& y, double dx, int64_t dim) {
        return cumsum(trapezoids("cumulative_trapezoid", y, {}, dim) * (dx / 2), dim);
      },
      "");
  r.both("cov", "input, *, correction=1, fweights=None, aweights=None", cov,
         "Covariances of the rows, weighted by counts and by weights, over n - correction.");
  r.both("corrcoef", "input", corrcoef, "Correlations of the rows, in [-1, 1].");
  r.both("histc", "input, bins=100, min=0.0, max=0.0", histc,
         "Counts in equal parts of [min, max]; of the data's own range where both are equal.");
  r.both("bincount", "input, weights=None, minlength=0", bincount,
         "How often 0, 1, 2, ... occur, or the sum of their weights.");
}

}  // namespace bx
