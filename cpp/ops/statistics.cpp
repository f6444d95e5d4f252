// Variance and logsumexp: compositions of reductions, each recorded as one node.
#include <limits>

#include "ops/ops.h"
#include "ops/reduction.h"

namespace bx {

using kernels::Id;

namespace {

/// Two passes: the mean, then the mean square of what is left. [Chan et al. 1983]
Tensor variance(const char* op, const Tensor& t, const OptDims& axes, double correction,
                bool keepdim) {
  if (is_complex(t.dtype())) {
    const uint32_t bits = axis_bits(op, axes, t.dim());
    Dims all;
    for (int d = 0; d < t.dim(); ++d)
      if (bits >> d & 1) all.push_back(d);
    return variance(op, real(t), all, correction, keepdim) +
           variance(op, imag(t), all, correction, keepdim);
  }
  if (!is_floating(t.dtype()))
    fail_runtime(op, "input is ", name_of(t.dtype()), "; convert it to a floating-point type");
  const uint32_t bits = axis_bits(op, axes, t.dim());
  const double freedom = std::max(0., group_size(t, bits) - correction);
  if (freedom == 0)
    warn(op, "no degrees of freedom: correction=", correction, " of ", group_size(t, bits),
         " elements; pass a smaller correction");
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

Tensor logsumexp(const Tensor& t, const Dims& axes, bool keepdim) {
  const uint32_t bits = axis_bits("logsumexp", axes, t.dim());
  return hidden("LogsumexpBackward0", t, unrecorded([&] {
                  const Tensor x = is_differentiable(t.dtype()) ? t : to(t, default_dtype());
                  constexpr double kNothing = -std::numeric_limits<double>::infinity();
                  const Tensor top =
                      x.numel() ? extreme("logsumexp", "", Id::Max, real(x), axes, true)
                                : full(reduced_shape(t.shape(), bits, true), kNothing, x.dtype());
                  const Tensor shift =
                      select(abs(top) == std::numeric_limits<double>::infinity(), 0., top);
                  const Tensor total = sum(exp(x - shift), axes, true, std::nullopt);
                  return reshape(log(total) + shift, reduced_shape(t.shape(), bits, keepdim));
                }),
                [=](const Tensor& x, const Tensor& y, const Tensor& g) {
                  return unreduce(g, x.shape(), bits) * conj(exp(x - unreduce(y, x.shape(), bits)));
                });
}

}  // namespace

Tensor logaddexp(const Tensor& a, const Tensor& b) {
  const Tensor in[] = {a, b};
  const DType type = result_type(in, 2);
  if (!is_complex(type)) return apply<formulas::Logaddexp>(a, b);
  const Dims shape = broadcast_shapes("logaddexp", a.shape(), b.shape());
  return logsumexp(stack({expand(to(a, type), shape), expand(to(b, type), shape)}, 0), {0}, false);
}

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

void register_statistics(Registry& r) {
  r.both("logsumexp", "input, dim, keepdim=False", logsumexp,
         "log(sum(exp(input))), shifted by the "
         "maximum so that nothing overflows.");
}

}  // namespace bx
