// Variance, norms and logsumexp: compositions of reductions, each recorded as one node.
#include <limits>

#include "ops/ops.h"
#include "ops/reduction.h"

namespace bx {

using kernels::Id;

namespace {

/// Two passes: the mean, then the mean square of what is left. [Chan et al. 1983]
Tensor variance(const char* op, const Tensor& t, const OptDims& axes, double correction,
                bool keepdim) {
  if (!is_floating(t.dtype()))
    fail_runtime(op, "input is ", name_of(t.dtype()), "; convert it to a floating-point type");
  const uint32_t bits = axis_bits(op, axes, t.dim());
  const double freedom = std::max(0., group_size(t, bits) - correction);
  const Tensor centered = t - unreduce(mean(t, axes, true, std::nullopt), t.shape(), bits);
  return sum(centered * centered, axes, keepdim, std::nullopt) / freedom;
}

Tensor hidden(const char* node, const Tensor& t, Tensor out,
              std::function<Tensor(const Tensor& x, const Tensor& y, const Tensor& g)> backward) {
  if (Recorder r{&t}; r)
    r.save(t).save_output().done(node, out, [backward = std::move(backward)](const Backward& b) {
      b.give(0, backward(b.saved(0), b.saved(1), b.grad()));
    });
  return out;
}

template <class F>
Tensor unrecorded(F f) {
  GradMode off(false);
  return f();
}

Tensor logsumexp(const Tensor& t, const Dims& axes, bool keepdim) {
  const uint32_t bits = axis_bits("logsumexp", axes, t.dim());
  return hidden("LogsumexpBackward0", t, unrecorded([&] {
                  const Tensor x = is_floating(t.dtype()) ? t : to(t, default_dtype());
                  const Tensor top = extreme("logsumexp", "", Id::Max, x, axes, true);
                  const Tensor shift =
                      select(abs(top) == std::numeric_limits<double>::infinity(), 0., top);
                  const Tensor total = sum(exp(x - shift), axes, true, std::nullopt);
                  return reshape(log(total) + shift, reduced_shape(t.shape(), bits, keepdim));
                }),
                [=](const Tensor& x, const Tensor& y, const Tensor& g) {
                  return unreduce(g, x.shape(), bits) * exp(x - unreduce(y, x.shape(), bits));
                });
}

}  // namespace

Tensor var(const Tensor& t, const OptDims& axes, double correction, bool keepdim) {
  const uint32_t bits = axis_bits("var", axes, t.dim());
  const double freedom = std::max(0., group_size(t, bits) - correction);
  return hidden("VarBackward0", t,
                unrecorded([&] { return variance("var", t, axes, correction, keepdim); }),
                [=](const Tensor& x, const Tensor&, const Tensor& g) {
                  const Tensor m = unreduce(mean(x, axes, true, std::nullopt), x.shape(), bits);
                  return unreduce(g, x.shape(), bits) * (2. / freedom) * (x - m);
                });
}

Tensor std_deviation(const Tensor& t, const OptDims& axes, double correction, bool keepdim) {
  const uint32_t bits = axis_bits("std", axes, t.dim());
  const double freedom = std::max(0., group_size(t, bits) - correction);
  return hidden("StdBackward0", t,
                unrecorded([&] { return sqrt(variance("std", t, axes, correction, keepdim)); }),
                [=](const Tensor& x, const Tensor& y, const Tensor& g) {
                  const Tensor m = unreduce(mean(x, axes, true, std::nullopt), x.shape(), bits);
                  const Tensor slope = select(y == 0., 0., g / (y * freedom));
                  return unreduce(slope, x.shape(), bits) * (x - m);
                });
}

/// (sum |x|^p)^(1/p); p = inf, -inf and 0 are the largest, the smallest and the count.
Tensor norm(const Tensor& t, const Scalar& order, const OptDims& axes, bool keepdim) {
  if (!is_floating(t.dtype()))
    fail_runtime("norm", "input is ", name_of(t.dtype()), "; convert it to a floating-point type");
  const double p = order.as_double();
  const uint32_t bits = axis_bits("norm", axes, t.dim());
  if (p == std::numeric_limits<double>::infinity())
    return extreme("norm", "LinalgVectorNormBackward0", Id::Max, abs(t), axes, keepdim);
  if (p == -std::numeric_limits<double>::infinity())
    return extreme("norm", "LinalgVectorNormBackward0", Id::Min, abs(t), axes, keepdim);
  return hidden("LinalgVectorNormBackward0", t, unrecorded([&] {
                  if (p == 0) return sum(to(t != 0., t.dtype()), axes, keepdim, std::nullopt);
                  if (p == 1) return sum(abs(t), axes, keepdim, std::nullopt);
                  if (p == 2) return sqrt(sum(t * t, axes, keepdim, std::nullopt));
                  return pow(sum(pow(abs(t), p), axes, keepdim, std::nullopt), 1. / p);
                }),
                [=](const Tensor& x, const Tensor& y, const Tensor& g) {
                  const Tensor upstream = unreduce(g, x.shape(), bits);
                  if (p == 0) return zero(upstream);
                  if (p == 1) return upstream * sign(x);
                  const Tensor size = unreduce(y, x.shape(), bits);
                  const Tensor slope = p == 2 ? x / size : sign(x) * pow(abs(x) / size, p - 1.);
                  return upstream * select(size == 0., 0., slope);
                });
}

void register_statistics(Registry& r) {
  r.both("logsumexp", "input, dim, keepdim=False", logsumexp,
         "log(sum(exp(input))), shifted by the "
         "maximum so that nothing overflows.");
  r.both(
      "norm", "input, p=2.0, dim=None, keepdim=False, *, dtype=None",
      [](const Tensor& t, const std::optional<Scalar>& p, const OptDims& dim, bool keepdim,
         OptDType dtype) {
        return norm(to(t, dtype.value_or(t.dtype())), p.value_or(Scalar{Scalar::Int, 2, 2.}), dim,
                    keepdim);
      },
      "The p-norm of all elements or along dimensions: (sum |x|^p)^(1/p); 'fro' is 2.");
  r.both(
      "norm", "input, p, dim=None, keepdim=False, *, dtype=None",
      [](const Tensor& t, const std::string& p, const OptDims& dim, bool keepdim, OptDType dtype) {
        if (p != "fro") fail_runtime("norm", "p is '", p, "'; expected a number or 'fro'");
        return norm(to(t, dtype.value_or(t.dtype())), Scalar{Scalar::Int, 2, 2.}, dim, keepdim);
      },
      "");
}

}  // namespace bx
