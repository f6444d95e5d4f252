// Normalisation by channel: batch_norm, group_norm, instance_norm.
#include "ops/normalization.h"

namespace bx {

using kernels::Id;

namespace {

/// [a, b, c] of a tensor, without a record.
Tensor flat3(const Tensor& t, int64_t a, int64_t b, int64_t c) {
  const Tensor dense = contiguous(detached(t));
  const Dims shape{a, b, c};
  return alias(dense, shape, contiguous_strides(shape), dense->offset);
}

/// How channels lie: x is [outer, channels, inner], `joined` neighbouring channels share their
/// mean and variance. Joined channels have outer == 1.
struct ChannelShape {
  int64_t outer, channels, inner, joined = 1;
  int64_t groups() const { return channels / joined; }
  NormalizedLayout layout() const {
    return {{outer, groups(), joined, inner}, {0, 2, 3}, {groups(), joined, 1}, {0, 3}, {channels}};
  }
};

struct Moments {
  Tensor mean, variance;
};

Moments moments(const char* op, const Tensor& x, const ChannelShape& s) {
  Moments m{empty({s.groups()}, x.dtype()), empty({s.groups()}, x.dtype())};
  const Tensor in = flat3(x, s.outer, s.groups(), s.joined * s.inner);
  launch(op, kernel(Id::ChannelMoments, x.dtype()), {&m.mean, &m.variance}, in);
  return m;
}

/// A number per group as a number per channel.
Tensor per_channel(const Tensor& t, const ChannelShape& s) {
  if (s.joined == 1) return t;
  return reshape(expand(unsqueeze(t, 1), {s.groups(), s.joined}), {s.channels});
}

Tensor affine(const char* op, const Tensor& x, const Tensor& scale, const Tensor& shift,
              const ChannelShape& s, const Tensor& second = {}, const Tensor& factor = {}) {
  Tensor out = empty(x.shape(), x.dtype());
  const Tensor in = flat3(x, s.outer, s.channels, s.inner), a = contiguous(scale),
               b = contiguous(shift);
  Operands inputs{&in, &a, &b};
  Tensor in2, c;
  Params params;
  if (second.defined()) {
    in2 = flat3(second, s.outer, s.channels, s.inner);
    c = contiguous(factor);
    inputs.add(in2);
    inputs.add(c);
    params.i[0] = 1;
  }
  launch(op, kernel(Id::ChannelAffine, x.dtype()), flat3(out, s.outer, s.channels, s.inner), inputs,
         params);
  return out;
}

/// The same by kernels: one pass for two sums per channel, one for the gradient of x.
void give_fused(const Backward& call, const ChannelShape& s) {
  const char* op = "normalization_backward";
  const Tensor x = call.saved(0), w = call.saved(1), mean_ = call.saved(2), rstd_ = call.saved(3);
  const Tensor g = flat3(call.grad(), s.outer, s.channels, s.inner);
  const Tensor mean = per_channel(mean_, s), rstd = per_channel(rstd_, s);
  Tensor sums = empty({s.channels}, x.dtype()), products = empty({s.channels}, x.dtype());
  const Tensor in = flat3(x, s.outer, s.channels, s.inner), m = contiguous(mean);
  launch(op, kernel(Id::ChannelDots, x.dtype()), {&sums, &products}, {&g, &in, &m});
  if (call.wants(1)) call.give(1, products * rstd);
  if (call.wants(2)) call.give(2, sums);
  if (!call.wants(0)) return;
  auto group_mean = [&](const Tensor& t) {
    const Tensor weighted = w.defined() ? t * w : t;
    const Tensor total = s.joined == 1 ? weighted
                                       : sum(reshape(weighted, {s.groups(), s.joined}), Dims{1},
                                             false, std::nullopt);
    return total / static_cast<double>(s.outer * s.joined * s.inner);
  };
  const Tensor first = group_mean(sums), second = group_mean(products) * rstd_ * rstd_;
  const Tensor scale = w.defined() ? rstd * w : rstd;
  call.give(0, affine(op, call.grad(), scale, per_channel(rstd_ * (second * mean_ - first), s), s,
                      x, per_channel(-(rstd_ * second), s)));
}

/// y = (x - mean) / sqrt(variance + eps) w + b with the moments of x itself; w, b one number per
/// channel or undefined.
Tensor normalized(const char* op, const char* node, const Tensor& x, const Tensor& w,
                  const Tensor& b, const ChannelShape& s, double eps, const Moments& m) {
  Tensor out, rstd;
  {
    GradMode off(false);
    rstd = rstd_of(m.variance, eps);
    Tensor scale = per_channel(rstd, s);
    if (w.defined()) scale = scale * w;
    Tensor shift = -(per_channel(m.mean, s) * scale);
    if (b.defined()) shift = shift + b;
    out = affine(op, x, scale, shift, s);
  }
  if (Recorder r{&x, &w, &b}; r)
    r.save(x).save(w).save(m.mean).save(rstd).done(node, out, [s, eps](const Backward& call) {
      if (grad_enabled()) give_recorded(call, s.layout(), eps);
      else give_fused(call, s);
    });
  return out;
}

void check_length(const char* op, const char* name, const Tensor& t, int64_t count) {
  if (t.defined() && t.numel() != count)
    fail_runtime(op, name, " has ", t.numel(), " elements; expected ", count, ", one per channel");
}

/// weight and bias: one number per channel, of the input's type.
void check_affine(const char* op, const Tensor& x, const Tensor& w, const Tensor& b) {
  check_length(op, "weight", w, x.size(1));
  check_length(op, "bias", b, x.size(1));
  require_same_type(op, x, w);
  require_same_type(op, x, b);
}

/// Running moments: one number per channel, of the input's type.
void check_running(const char* op, const Tensor& x, const Tensor& mean, const Tensor& var) {
  for (const auto& [name, t] : {std::pair{"running_mean", mean}, {"running_var", var}}) {
    check_length(op, name, t, x.size(1));
    require_same_type(op, x, t);
    if (t.defined() && grad_enabled() && requires_grad(t))
      fail_runtime(op, name, " (shape ", t.shape(), ") requires grad, which the derivative does ",
                   "not give it; detach() it");
    if (t.defined() && t.dim() != 1)
      fail_runtime(op, name, " has shape ", t.shape(), "; expected one dimension");
  }
}

/// running = (1 - momentum) running + momentum value, in place.
void move_towards(const Tensor& running, const Tensor& value, double momentum) {
  copy_(running, running * (1. - momentum) + value * momentum);
}

double unbiased(int64_t count) {
  return static_cast<double>(count) / static_cast<double>(count - 1);
}

/// y = (x - mean) rstd w + b with moments that are not x's own. What is kept of the mean is a copy:
/// the running one may move before the backward pass.
Tensor with_running(const char* op, const Tensor& x, const Tensor& w, const Tensor& b,
                    const Tensor& mean, const Tensor& rstd, const ChannelShape& s) {
  const Tensor out = unrecorded([&] {
    const Tensor scale = w.defined() ? rstd * w : rstd;
    const Tensor shift = b.defined() ? b - mean * scale : -(mean * scale);
    return affine(op, x, scale, shift, s);
  });
  if (Recorder r{&x, &w, &b}; r)
    r.save_if(r.needs(1), x)
        .save(w)
        .save_if(r.needs(1), r.needs(1) ? unrecorded([&] { return clone(mean); }) : Tensor())
        .save(detached(rstd))
        .done("NativeBatchNormBackward0", out, [s](const Backward& call) {
          Dims column(call.grad().dim() - 1, 1), others{0};
          column[0] = s.channels;
          for (int d = 2; d < call.grad().dim(); ++d) others.push_back(d);
          const Tensor& g = call.grad();
          const Tensor w = call.saved(1), rstd = call.saved(3);
          if (call.wants(0)) call.give(0, g * reshape(w.defined() ? rstd * w : rstd, column));
          if (call.wants(1)) {
            const Tensor h =
                (call.saved(0) - reshape(call.saved(2), column)) * reshape(rstd, column);
            call.give(1, sum(g * h, others, false, std::nullopt));
          }
          if (call.wants(2)) call.give(2, sum(g, others, false, std::nullopt));
        });
  return out;
}

int64_t inner_of(const Tensor& x) {
  int64_t n = 1;
  for (int d = 2; d < x.dim(); ++d) n *= x.size(d);
  return n;
}

Tensor batch_norm(const Tensor& x, const std::optional<Tensor>& running_mean,
                  const std::optional<Tensor>& running_var, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, bool training, double momentum, double eps) {
  const char* op = "batch_norm";
  require_float(op, x.dtype());
  if (is_narrow(x.dtype()))
    return normalized_wide(op, "NativeBatchNormBackward0", x,
                           {weight, bias, running_mean, running_var},
                           [&](const Tensor& t, const NormTensors& with) {
                             return batch_norm(t, with.running_mean, with.running_var, with.weight,
                                               with.bias, training, momentum, eps);
                           });
  Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  if (x.dim() == 1 && x.numel() == 0) {  // nothing to normalise
    const Tensor y = w.defined() ? x * select_axis(w, 0, 0) : clone(x);
    return b.defined() ? y + select_axis(b, 0, 0) : y;
  }
  if (x.dim() < 2)
    fail(training && x.dim() == 0 ? ErrorKind::Index : ErrorKind::Runtime, op,
         "the input has shape ", x.shape(), "; expected (N, C) or (N, C, ...)");
  const ChannelShape s{x.size(0), x.size(1), inner_of(x)};
  const Tensor mean = running_mean.value_or(Tensor()), var = running_var.value_or(Tensor());
  check_affine(op, x, w, b);
  for (Tensor* t : {&w, &b})
    if (t->defined() && t->dim() != 1) *t = reshape(*t, {-1});
  check_running(op, x, mean, var);
  if (!training) {
    if (!mean.defined() || !var.defined())
      fail_runtime(op,
                   "running_mean and running_var are None in evaluation; pass both, or "
                   "training=True");
    return with_running(op, x, w, b, mean, rstd_of(var, eps), s);
  }
  if (mean.defined() != var.defined())
    fail_value(op, "one of running_mean and running_var is None; pass both, or neither");
  if (eps <= 0) fail_value(op, "eps is ", eps, " in training; it must be above 0");
  const int64_t count = s.outer * s.inner;
  if (count == 1)
    fail_value(op, "one value per channel in training, the input has shape ", x.shape(),
               "; a variance needs two or more, pass a larger batch");
  Moments m;
  {
    GradMode off(false);
    m = moments(op, x, s);
    if (count > 0 && mean.defined()) move_towards(mean, m.mean, momentum);
    if (count > 0 && var.defined()) move_towards(var, m.variance * unbiased(count), momentum);
  }
  return normalized(op, "NativeBatchNormBackward0", x, w, b, s, eps, m);
}

/// A weight of one number per channel, repeated for every image.
Tensor repeated(const Tensor& w, int64_t images) {
  if (!w.defined()) return w;
  return reshape(expand(unsqueeze(w, 0), {images, w.numel()}), {images * w.numel()});
}

Tensor group_norm(const Tensor& x, int64_t num_groups, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, double eps) {
  const char* op = "group_norm";
  require_float(op, x.dtype());
  if (is_narrow(x.dtype()))
    return normalized_wide(op, "NativeGroupNormBackward0", x, {weight, bias, {}, {}},
                           [&](const Tensor& t, const NormTensors& with) {
                             return group_norm(t, num_groups, with.weight, with.bias, eps);
                           });
  if (x.dim() < 2)
    fail_runtime(op, "the input has shape ", x.shape(), "; expected (N, C) or (N, C, ...)");
  const int64_t images = x.size(0), channels = x.size(1);
  if (num_groups < 1 || channels % num_groups)
    fail(num_groups ? ErrorKind::Runtime : ErrorKind::ZeroDivision, op, channels,
         " channels do not split into num_groups=", num_groups, "; pass a divisor");
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  check_affine(op, x, w, b);
  if (x.numel() == 0) return clone(x);
  const ChannelShape s{1, images * channels, inner_of(x), channels / num_groups};
  if (images * s.joined * s.inner == 1)
    fail_value(op, "one value per group, the input has shape ", x.shape(),
               " with num_groups=", num_groups, "; a variance needs two or more");
  Moments m;
  {
    GradMode off(false);
    m = moments(op, x, s);
  }
  return normalized(op, "NativeGroupNormBackward0", x, repeated(w, images), repeated(b, images), s,
                    eps, m);
}

Tensor instance_norm(const Tensor& x, const std::optional<Tensor>& running_mean,
                     const std::optional<Tensor>& running_var, const std::optional<Tensor>& weight,
                     const std::optional<Tensor>& bias, bool use_input_stats, double momentum,
                     double eps) {
  const char* op = "instance_norm";
  require_float(op, x.dtype());
  if (is_narrow(x.dtype()))
    return normalized_wide(
        op, "NativeBatchNormBackward0", x, {weight, bias, running_mean, running_var},
        [&](const Tensor& t, const NormTensors& with) {
          return instance_norm(t, with.running_mean, with.running_var, with.weight, with.bias,
                               use_input_stats, momentum, eps);
        });
  if (x.dim() < 2)
    fail(use_input_stats ? ErrorKind::Value : ErrorKind::Runtime, op, "the input has shape ",
         x.shape(), "; expected (N, C, ...)");
  if (running_mean.has_value() != running_var.has_value())
    fail(use_input_stats ? ErrorKind::Value : ErrorKind::Runtime, op,
         "only one of running_mean and running_var is given; pass both or none");
  check_running(op, x, running_mean.value_or(Tensor()), running_var.value_or(Tensor()));
  for (const auto& t : {weight, bias})
    if (t && t->dim() != 1)
      fail_runtime(op, "weight or bias of shape ", t->shape(), "; expected one dimension");
  if (!use_input_stats)
    return batch_norm(x, running_mean, running_var, weight, bias, false, momentum, eps);
  const int64_t images = x.size(0), channels = x.size(1), inner = inner_of(x);
  if (inner == 1)
    fail_value(op, "one spatial element in training, the input has shape ", x.shape(),
               "; a variance needs two or more");
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  check_affine(op, x, w, b);
  // PyTorch's way: the batch norm of one image with the channels of all.
  Dims joined = x.shape();
  joined[0] = 1;
  joined[1] = images * channels;
  const Tensor flat = reshape(x, joined);
  const Tensor scale = repeated(w, images), shift = repeated(b, images);
  const ChannelShape s{1, images * channels, inner};
  Moments m;
  {
    GradMode off(false);
    m = moments(op, x, s);
    auto over_images = [&](const Tensor& t) {
      return mean(reshape(t, {images, channels}), Dims{0}, false, std::nullopt);
    };
    if (running_mean) {
      move_towards(*running_mean, over_images(m.mean), momentum);
      move_towards(*running_var, over_images(m.variance) * unbiased(inner), momentum);
    }
  }
  return view(normalized(op, "NativeBatchNormBackward0", flat, scale, shift, s, eps, m), x.shape());
}

}  // namespace

void register_channel_norm(Registry& r) {
  r.nn(
      "batch_norm",
      "input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, "
      "eps=1e-5",
      batch_norm,
      "y = (x - mean) / sqrt(variance + eps) weight + bias per channel of (N, C, ...), in training "
      "with the batch's moments, which move the running ones.");
  r.nn("instance_norm",
       "input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, "
       "momentum=0.1, eps=1e-5",
       instance_norm, "batch_norm with moments per image and channel.");
  r.nn("group_norm", "input, num_groups, weight=None, bias=None, eps=1e-5", group_norm,
       "batch_norm with moments per image and group of channels.");
}

}  // namespace bx
