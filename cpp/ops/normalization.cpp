// Normalisation. Derivatives are fused kernels; where derivatives of them are wanted, the same
// formulas in recorded operations.
#include <algorithm>
#include <limits>

#include "ops/resample.h"

namespace bx {

using kernels::Id;

namespace {

/// [a, b, c] of a tensor, without a record.
Tensor flat3(const Tensor& t, int64_t a, int64_t b, int64_t c) {
  const Tensor dense = contiguous(detached(t));
  const Dims shape{a, b, c};
  return alias(dense, shape, contiguous_strides(shape), dense->offset);
}

Tensor keep_mean(const Tensor& t, const Dims& axes) { return mean(t, axes, true, std::nullopt); }

// By channel ----------------------------------------------------------------------------------

/// How channels lie: x is [outer, channels, inner], `joined` neighbouring channels share their
/// mean and variance. Joined channels have outer == 1.
struct ChannelShape {
  int64_t outer, channels, inner, joined = 1;
  int64_t groups() const { return channels / joined; }
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

Tensor rstd_of(const Tensor& variance, double eps) { return rsqrt(variance + eps); }

/// Gradients of y = (x - mean) rstd w + b in recorded operations.
void give_recorded(const Backward& call, const ChannelShape& s, double eps) {
  const Dims shape{s.outer, s.groups(), s.joined, s.inner};
  const Dims axes{0, 2, 3}, weights{s.groups(), s.joined, 1};
  const Tensor x = reshape(call.saved(0), shape), g = reshape(call.grad(), shape);
  const Tensor centred = x - keep_mean(x, axes);
  const Tensor rstd = rstd_of(keep_mean(centred * centred, axes), eps), h = centred * rstd;
  const Tensor w = call.saved(1);
  if (call.wants(0)) {
    const Tensor u = w.defined() ? g * reshape(w, weights) : g;
    const Tensor dx = rstd * (u - keep_mean(u, axes) - h * keep_mean(u * h, axes));
    call.give(0, reshape(dx, call.saved(0).shape()));
  }
  auto total = [&](const Tensor& t) {
    return reshape(sum(t, Dims{0, 3}, false, std::nullopt), {s.channels});
  };
  if (call.wants(1)) call.give(1, total(g * h));
  if (call.wants(2)) call.give(2, total(g));
}

/// The same by kernels: one pass for two sums per channel, one for the gradient of x.
void give_fused(const Backward& call, const ChannelShape& s, const Tensor& mean_,
                const Tensor& rstd_) {
  const char* op = "normalization_backward";
  const Tensor x = call.saved(0), w = call.saved(1);
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
    r.save(x).save(w).done(node, out, [s, eps, mean = m.mean, rstd](const Backward& call) {
      if (grad_enabled()) give_recorded(call, s, eps);
      else give_fused(call, s, mean, rstd);
    });
  return out;
}

void check_floating(const char* op, const Tensor& x) {
  if (!is_floating(x.dtype()))
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(x.dtype()),
         "; convert it, e.g. with .float()");
}

void check_length(const char* op, const char* name, const Tensor& t, int64_t count) {
  if (t.defined() && t.numel() != count)
    fail_runtime(op, name, " has ", t.numel(), " elements; expected ", count, ", one per channel");
}

/// running = (1 - momentum) running + momentum value, in place.
void move_towards(const Tensor& running, const Tensor& value, double momentum) {
  copy_(running, running * (1. - momentum) + value * momentum);
}

double unbiased(int64_t count) {
  return static_cast<double>(count) / static_cast<double>(count - 1);
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
  check_floating(op, x);
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  if (x.dim() == 1 && x.numel() == 0) {  // nothing to normalise
    const Tensor y = w.defined() ? x * select_axis(w, 0, 0) : clone(x);
    return b.defined() ? y + select_axis(b, 0, 0) : y;
  }
  if (x.dim() < 2)
    fail_runtime(op, "the input has shape ", x.shape(), "; expected (N, C) or (N, C, ...)");
  const ChannelShape s{x.size(0), x.size(1), inner_of(x)};
  const Tensor mean = running_mean.value_or(Tensor()), var = running_var.value_or(Tensor());
  check_length(op, "weight", w, s.channels);
  check_length(op, "bias", b, s.channels);
  check_length(op, "running_mean", mean, s.channels);
  check_length(op, "running_var", var, s.channels);
  if (!training) {
    if (!mean.defined() || !var.defined())
      fail_runtime(op,
                   "running_mean and running_var are None in evaluation; pass both, or "
                   "training=True");
    Dims column(x.dim() - 1, 1);
    column[0] = s.channels;
    const Tensor rstd = rstd_of(to(var, x.dtype()), eps), m = to(mean, x.dtype());
    if (!grad_enabled()) {
      const Tensor scale = w.defined() ? rstd * w : rstd;
      const Tensor shift = b.defined() ? b - m * scale : -(m * scale);
      return affine(op, x, scale, shift, s);
    }
    Tensor y = (x - reshape(m, column)) * reshape(w.defined() ? rstd * w : rstd, column);
    return b.defined() ? y + reshape(b, column) : y;
  }
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
  check_floating(op, x);
  if (x.dim() < 2)
    fail_runtime(op, "the input has shape ", x.shape(), "; expected (N, C) or (N, C, ...)");
  const int64_t images = x.size(0), channels = x.size(1);
  if (num_groups < 1 || channels % num_groups)
    fail_runtime(op, channels, " channels do not split into num_groups=", num_groups,
                 "; pass a divisor");
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  check_length(op, "weight", w, channels);
  check_length(op, "bias", b, channels);
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
  check_floating(op, x);
  if (x.dim() < 2) fail_runtime(op, "the input has shape ", x.shape(), "; expected (N, C, ...)");
  if (!use_input_stats)
    return batch_norm(x, running_mean, running_var, weight, bias, false, momentum, eps);
  const int64_t images = x.size(0), channels = x.size(1), inner = inner_of(x);
  if (inner == 1)
    fail_value(op, "one spatial element in training, the input has shape ", x.shape(),
               "; a variance needs two or more");
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  check_length(op, "weight", w, channels);
  check_length(op, "bias", b, channels);
  const ChannelShape s{1, images * channels, inner};
  Moments m;
  {
    GradMode off(false);
    m = moments(op, x, s);
    auto over_images = [&](const Tensor& t) {
      return mean(reshape(t, {images, channels}), Dims{0}, false, std::nullopt);
    };
    if (running_mean) move_towards(*running_mean, over_images(m.mean), momentum);
    if (running_var)
      move_towards(*running_var, over_images(m.variance) * unbiased(inner), momentum);
  }
  return normalized(op, "NativeBatchNormBackward0", x, repeated(w, images), repeated(b, images), s,
                    eps, m);
}

// By row --------------------------------------------------------------------------------------

/// The number of elements of normalized_shape, which must end the input's shape.
int64_t check_rows(const char* op, const Tensor& x, const Dims& shape, const Tensor& w,
                   const Tensor& b) {
  check_floating(op, x);
  bool fits = !shape.empty() && shape.size() <= x.dim();
  for (int d = 0; fits && d < shape.size(); ++d)
    fits = x.size(x.dim() - shape.size() + d) == shape[d];
  if (!fits)
    fail_runtime(op, "normalized_shape=", shape, " against an input of shape ", x.shape(),
                 "; the input's last dimensions must be these");
  for (const Tensor* t : {&w, &b})
    if (t->defined() && !(t->shape() == shape))
      fail_runtime(op, "weight or bias of shape ", t->shape(), " with normalized_shape=", shape,
                   "; they must be equal");
  return shape.product();
}

Tensor layer_norm(const Tensor& x, const Dims& shape, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, double eps) {
  const char* op = "layer_norm";
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  const int64_t n = check_rows(op, x, shape, w, b), rows = n ? x.numel() / n : 0;
  auto as_rows = [rows, n](const Tensor& t) {
    const Tensor dense = contiguous(t);
    return alias(dense, {rows, n}, {n, 1}, dense->offset);
  };
  Tensor out = empty(x.shape(), x.dtype());
  Tensor means = empty({rows}, x.dtype()), rstds = empty({rows}, x.dtype());
  {
    GradMode off(false);
    const Tensor in = as_rows(x), to = as_rows(out);
    const Tensor wd = w.defined() ? contiguous(w) : w, bd = b.defined() ? contiguous(b) : b;
    Operands inputs{&in};
    Params params;
    params.f[0] = eps;
    params.i[0] = w.defined();
    params.i[1] = b.defined();
    if (w.defined()) inputs.add(wd);
    if (b.defined()) inputs.add(bd);
    launch(op, kernel(Id::LayerNorm, x.dtype()), {&to, &means, &rstds}, inputs, params);
  }
  Recorder r{&x, &w, &b};
  if (!r) return out;
  r.save(x).save(w).done(
      "NativeLayerNormBackward0", out,
      [op, as_rows, means, rstds, rows, n, eps, shape](const Backward& call) {
        const Tensor x = call.saved(0), w = call.saved(1);
        if (grad_enabled()) {
          const Tensor xr = reshape(x, {rows, n}), g = reshape(call.grad(), {rows, n});
          const Tensor centred = xr - keep_mean(xr, {1});
          const Tensor rstd = rstd_of(keep_mean(centred * centred, {1}), eps);
          const Tensor h = centred * rstd, u = w.defined() ? g * reshape(w, {n}) : g;
          if (call.wants(0))
            call.give(
                0, reshape(rstd * (u - keep_mean(u, {1}) - h * keep_mean(u * h, {1})), x.shape()));
          if (call.wants(1)) call.give(1, reshape(sum(g * h, Dims{0}, false, std::nullopt), shape));
          if (call.wants(2)) call.give(2, reshape(sum(g, Dims{0}, false, std::nullopt), shape));
          return;
        }
        const Tensor g = as_rows(call.grad()), in = as_rows(x);
        const Tensor dx = empty(x.shape(), x.dtype()), to = as_rows(dx);
        const Tensor dw = empty(shape, x.dtype()), db = empty(shape, x.dtype());
        const Tensor wd = w.defined() ? contiguous(w) : w;
        Operands inputs{&g, &in, &means, &rstds};
        Params params;
        params.i[0] = w.defined();
        if (w.defined()) inputs.add(wd);
        launch(op, kernel(Id::LayerNormBackward, x.dtype()), {&to, &dw, &db}, inputs, params);
        if (call.wants(0)) call.give(0, dx);
        if (call.wants(1)) call.give(1, dw);
        if (call.wants(2)) call.give(2, db);
      });
  return out;
}

Tensor rms_norm(const Tensor& x, const Dims& shape, const std::optional<Tensor>& weight,
                std::optional<double> eps) {
  const Tensor w = weight.value_or(Tensor());
  check_rows("rms_norm", x, shape, w, {});
  Dims axes;
  for (int d = 0; d < shape.size(); ++d) axes.push_back(d - shape.size());
  const double least = eps ? *eps
                       : x.dtype() == DType::Float32
                           ? static_cast<double>(std::numeric_limits<float>::epsilon())
                           : std::numeric_limits<double>::epsilon();
  const Tensor y = x * rstd_of(keep_mean(x * x, axes), least);
  return w.defined() ? y * w : y;
}

Tensor local_response_norm(const Tensor& x, int64_t size, double alpha, double beta, double k) {
  const char* op = "local_response_norm";
  check_floating(op, x);
  if (x.dim() < 3)
    fail_value(op, "the input has shape ", x.shape(), "; expected (N, C, ...), 3 or more");
  if (size < 1) fail_value(op, "size=", size, "; pass 1 or more");
  if (x.numel() == 0) return clone(x);
  auto window = std::make_shared<Resampling>();
  window->axis = 1;
  TapTable table(x.size(1));
  for (int64_t c = 0; c < x.size(1); ++c)
    table.add_window(std::max<int64_t>(0, c - size / 2), std::min(x.size(1), c + (size + 1) / 2),
                     1. / static_cast<double>(size));
  window->tables.push_back(std::move(table));
  const Tensor average = resample(op, "AvgPool3DBackward0", x * x, window);
  return x / pow(average * alpha + k, beta);
}

}  // namespace

void register_normalization(Registry& r) {
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
  r.nn("layer_norm", "input, normalized_shape, weight=None, bias=None, eps=1e-5", layer_norm,
       "y = (x - mean) / sqrt(variance + eps) weight + bias, moments over the last dimensions.");
  r.nn("rms_norm", "input, normalized_shape, weight=None, eps=None", rms_norm,
       "y = x / sqrt(mean(x^2) + eps) weight, the mean over the last dimensions.");
  r.nn("local_response_norm", "input, size, alpha=1e-4, beta=0.75, k=1.0", local_response_norm,
       "y = x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels.");
}

}  // namespace bx
