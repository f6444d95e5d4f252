// Slopes drawn at random: rrelu.
#include "ops/random.h"

namespace bx {

using kernels::FaultInfo;
using kernels::View;

namespace {

/// out = the slope of rrelu at in0: uniform in [f0, f1) at or below 0, else 1.
void rrelu_kernel(const View* out, const View* in, const Params& params, FaultInfo*) {
  Generator& g = generator_of(params);
  map_kernel(out, in, [&](auto x) {
    using T = decltype(x);
    if (x > T{0}) return T{1};
    return static_cast<T>(g.uniform_double() * (params.f[1] - params.f[0]) + params.f[0]);
  });
}

/// y = x above 0, r x at or below it: r drawn for every element in training, else the middle.
Tensor rrelu(const Tensor& t, double lower, double upper, bool training, Generator* g) {
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

void register_noise(Registry& r) {
  r.function(
      "rrelu", "input, lower=0.125, upper=0.3333333333333333, training=False, generator=None",
      rrelu,
      "y = input above 0, r input at or below it, r uniform in [lower, upper) in training, else "
      "their mean. [Xu et al. 2015]");
}

}  // namespace bx
