// What draws a mask or a slope per element: dropout and its relatives, rrelu.
#include <cmath>

#include "ops/random.h"

namespace bx {

using kernels::FaultInfo;
using kernels::View;

namespace {

void check_probability(const char* op, double p) {
  if (!(p >= 0 && p <= 1))
    fail_runtime(op, "dropout probability has to be between 0 and 1, but got ", p);
}

/// One draw per channel: dimensions 0 and 1.
Dims channel_shape(const char* op, const Tensor& t) {
  if (t.dim() < 2)
    fail_runtime(op, "input has shape ", t.shape(),
                 "; expected (batch, channels, ...): a channel is kept or dropped as a whole");
  Dims shape(t.dim(), 1);
  shape[0] = t.shape()[0];
  shape[1] = t.shape()[1];
  return shape;
}

/// 1 with probability 1 - p, 0 else; a mask per element lies in memory as the input does, since the
/// draws follow the memory.
Tensor draw_mask(const char* op, const Tensor& t, double p, bool per_channel) {
  const Tensor mask =
      per_channel ? empty(channel_shape(op, t), t.dtype()) : empty_like(t, t.dtype());
  return bernoulli_(mask, 1 - p, &default_generator());
}

/// y = input * mask / (1 - p), the mask drawn as 1 with probability 1 - p. [Srivastava et al. 2014]
Tensor drop(const char* op, const Tensor& t, double p, bool training, bool per_channel) {
  check_probability(op, p);
  if (!training || p == 0 || t.numel() == 0) return t;
  require_float(op, t.dtype());
  Tensor mask;
  {
    GradMode off(false);
    if (p == 1) {
      mask = zeros(Dims{}, t.dtype());
    } else {
      mask = draw_mask(op, t, p, per_channel) / (1 - p);
    }
  }
  return t * mask;
}

/// Dropped elements become the lowest value of SELU; a line then restores mean 0 and variance 1.
/// [Klambauer et al. 2017]
Tensor alpha_drop(const char* op, const Tensor& t, double p, bool training, bool per_channel) {
  check_probability(op, p);
  if (!training || p == 0 || t.numel() == 0) return t;
  if (p == 1) return t * zeros(Dims{}, t.dtype());
  constexpr double lowest = 1.7580993408473766;
  const double a = 1. / std::sqrt((lowest * lowest * p + 1) * (1 - p));
  Tensor scale, shift;
  {
    GradMode off(false);
    const Tensor mask = draw_mask(op, t, p, per_channel);
    scale = mask * a;
    shift = (mask - 1.) * (lowest * a) + lowest * a * p;
  }
  return t * scale + shift;
}

/// out = the slope of rrelu at in0: uniform in [f0, f1) at or below 0, else 1.
void rrelu_kernel(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Draws draws(params);
  Generator& g = draws.generator;
  map_kernel(out, in, [&](auto x) {
    using T = decltype(x);
    if (x > T{0}) return T{1};
    return static_cast<T>(g.uniform_double() * (params.f[1] - params.f[0]) + params.f[0]);
  });
}

/// y = x above 0, r x at or below it: r drawn for every element in training, else the middle.
Tensor rrelu(const Tensor& t, const Scalar& from, const Scalar& to, bool training, Generator* g) {
  const double lower = from.as_double(), upper = to.as_double();
  if (!(lower <= upper))
    fail_runtime("rrelu", "lower ", lower, " and upper ", upper, "; lower must not exceed upper");
  require_float("rrelu", t.dtype());
  Tensor slope, out;
  {
    GradMode off(false);
    slope = empty(t.shape(), t.dtype());
    if (training) {
      Params p;
      p.f[0] = lower;
      p.f[1] = upper;
      launch_random("rrelu", &rrelu_kernel, slope, p, g, contiguous(t));
    } else {
      slope = select(t > 0., full({}, 1, t.dtype()), full({}, (lower + upper) / 2, t.dtype()));
    }
    out = t * slope;
  }
  if (Recorder r{&t}; r)
    r.save(slope).done("RreluWithNoiseBackward0", out,
                       [](const Backward& b) { b.give(0, b.grad() * b.saved(0)); });
  return out;
}

}  // namespace

Tensor dropout(const Tensor& t, double p, bool training) {
  return drop("dropout", t, p, training, false);
}

void register_dropout(Registry& r) {
  r.function("dropout", "input, p, train", dropout,
             "y = input mask / (1 - p), the mask 0 with probability p.");
  r.function(
      "feature_dropout", "input, p, train",
      [](const Tensor& t, double p, bool train) {
        return drop("feature_dropout", t, p, train, true);
      },
      "dropout of whole channels: input (batch, channels, ...).");
  r.function(
      "alpha_dropout", "input, p, train",
      [](const Tensor& t, double p, bool train) {
        return alpha_drop("alpha_dropout", t, p, train, false);
      },
      "Elements become SELU's lowest value with probability p; mean 0 and variance 1 are kept.");
  r.function(
      "feature_alpha_dropout", "input, p, train",
      [](const Tensor& t, double p, bool train) {
        return alpha_drop("feature_alpha_dropout", t, p, train, true);
      },
      "alpha_dropout of whole channels: input (batch, channels, ...).");
  r.function(
      "rrelu", "input, lower=0.125, upper=0.3333333333333333, training=False, generator=None",
      rrelu,
      "y = input above 0, r input at or below it, r uniform in [lower, upper) in training, else "
      "their mean. [Xu et al. 2015]");
}

}  // namespace bx
