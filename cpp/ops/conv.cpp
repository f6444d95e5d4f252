// Convolutions and their transposes. Three functions, each linear in both of its arguments, are
// one another's derivatives:
//   y = conv(x, w),  x' = conv_input(g, w),  w' = conv_weight(x, g).
#include <algorithm>

#include "ops/windows.h"

namespace bx {

using kernels::ConvGeometry;
using kernels::Id;

namespace {

/// A geometry with the shapes of its three tensors.
struct Conv {
  const char* op;
  int dims;
  ConvGeometry geometry;
  Dims input, weight, output;

  Tensor run(Id id, const Dims& shape, const Tensor& a, const Tensor& b, const Tensor* bias) const {
    require_number_type(op, a);
    if (a.dtype() != b.dtype() || (bias && bias->dtype() != a.dtype()))
      fail(is_differentiable(a.dtype()) ? ErrorKind::Runtime : ErrorKind::NotImplemented, op,
           "the input is ", name_of(a.dtype()), ", the weight ", name_of(b.dtype()),
           bias ? str(", the bias ", name_of(bias->dtype())) : std::string(),
           "; they must be of one type, convert with .to(dtype)");
    GradMode off(false);
    if (id == Id::Conv && dims > 1 && is_integral(a.dtype()) && a.dtype() != DType::Bool) {
      // PyTorch takes whole numbers here; float64 has them exactly.
      const auto real = [](const Tensor& t) { return to(t, DType::Float64); };
      const Tensor last = bias ? real(*bias) : Tensor();
      const Tensor out = run(id, shape, real(a), real(b), bias ? &last : nullptr);
      return to(to(out, DType::Int64), a.dtype());
    }
    const Tensor left = contiguous(a), right = contiguous(b);
    const Tensor last = bias ? contiguous(*bias) : Tensor();
    Tensor out = empty(shape, a.dtype());
    Operands inputs{&left, &right};
    Params params;
    if (bias) inputs.add(last);
    params.i[0] = bias != nullptr;
    const auto own = std::make_shared<ConvGeometry>(geometry);
    params.object = own.get();
    launch(op, kernel(id, a.dtype()), out, inputs, params, own);
    return out;
  }
};

/// Gradient of a bias: the sum over all but the channels.
Tensor channel_sums(const Tensor& g) {
  Dims axes{0};
  for (int d = 2; d < g.dim(); ++d) axes.push_back(d);
  return sum(g, axes, false, std::nullopt);
}

Tensor conv_input(const Conv& c, const Tensor& g, const Tensor& w, const Tensor& bias);
Tensor conv_weight(const Conv& c, const Tensor& x, const Tensor& g);

Tensor conv_forward(const Conv& c, const Tensor& x, const Tensor& w, const Tensor& bias) {
  Tensor out = c.run(Id::Conv, c.output, x, w, bias.defined() ? &bias : nullptr);
  if (Recorder r{&x, &w, &bias}; r)
    r.save_if(r.needs(1), x)
        .save_if(r.needs(0), w)
        .done("ConvolutionBackward0", out, [c](const Backward& b) {
          if (b.wants(0)) b.give(0, conv_input(c, b.grad(), b.saved(1), {}));
          if (b.wants(1)) b.give(1, conv_weight(c, b.saved(0), b.grad()));
          if (b.wants(2)) b.give(2, channel_sums(b.grad()));
        });
  return out;
}

Tensor conv_input(const Conv& c, const Tensor& g, const Tensor& w, const Tensor& bias) {
  Tensor out = c.run(Id::ConvInput, c.input, g, w, nullptr);
  if (bias.defined()) {
    GradMode off(false);
    Dims column(c.dims + 1, 1);
    column[0] = bias.numel();
    const Tensor both[] = {out, reshape(bias, column)};
    pointwise_inplace(pointwise_op(formulas::row_index<formulas::Add>), both);
  }
  if (Recorder r{&g, &w, &bias}; r)
    r.save_if(r.needs(1), g)
        .save_if(r.needs(0), w)
        .done("ConvolutionBackward0", out, [c](const Backward& b) {
          if (b.wants(0)) b.give(0, conv_forward(c, b.grad(), b.saved(1), {}));
          if (b.wants(1)) b.give(1, conv_weight(c, b.grad(), b.saved(0)));
          if (b.wants(2)) b.give(2, channel_sums(b.grad()));
        });
  return out;
}

Tensor conv_weight(const Conv& c, const Tensor& x, const Tensor& g) {
  Tensor out = c.run(Id::ConvWeight, c.weight, x, g, nullptr);
  if (Recorder r{&x, &g}; r)
    r.save_if(r.needs(1), x)
        .save_if(r.needs(0), g)
        .done("ConvolutionBackwardBackward0", out, [c](const Backward& b) {
          if (b.wants(0)) b.give(0, conv_input(c, b.saved(1), b.grad(), {}));
          if (b.wants(1)) b.give(1, conv_forward(c, b.saved(0), b.grad(), {}));
        });
  return out;
}

/// How a convolution lies: numbers per spatial dimension, `after` the padding behind the input.
struct ConvLayout {
  Dims stride, padding, after, dilation;
  int64_t groups;
};

void check_layout(const char* op, const ConvLayout& l, bool transposed, const Tensor& w,
                  const Tensor& bias, int64_t channels) {
  auto at_least = [&](const char* name, const Dims& values, int64_t least) {
    for (int64_t v : values)
      if (v < least)
        fail_runtime(op, name, "=", values, " has a number below ", least, "; pass ", least,
                     " or more");
  };
  at_least("stride", l.stride, 1);
  at_least("padding", l.padding, 0);
  at_least("dilation", l.dilation, 1);
  at_least("groups", Dims{l.groups}, 1);
  if (transposed) at_least("in_channels", Dims{w.size(0)}, 1);
  at_least("out_channels", Dims{transposed ? w.size(1) * l.groups : w.size(0)}, 1);
  for (int d = 2; d < w.dim(); ++d) at_least("kernel_size", Dims{w.size(d)}, 1);
  const int64_t taken = transposed ? w.size(0) : w.size(1) * l.groups;
  if (w.size(0) % l.groups != 0)
    fail_runtime(op, "weight of shape ", w.shape(), " does not split into ", l.groups,
                 " groups; its first dimension must be a multiple of groups");
  if (taken != channels)
    fail_runtime(op, "weight of shape ", w.shape(), " with groups=", l.groups, " takes ", taken,
                 " channels, the input has ", channels, "; make them equal");
  if (bias.defined()) require_same_type(op, w, bias);
  const int64_t made = transposed ? w.size(1) * l.groups : w.size(0);
  if (bias.defined() && !(bias.shape() == Dims{made}))
    fail_runtime(op, "bias has shape ", bias.shape(), "; expected ", Dims{made},
                 ", one number per output channel");
}

Conv make_conv(const char* op, int dims, const ConvLayout& l, const Dims& weight, int64_t batch) {
  Conv c{op, dims, {}, {}, weight, {}};
  ConvGeometry& g = c.geometry;
  g.batch = batch;
  g.groups = l.groups;
  g.in_channels = weight[1];
  g.out_channels = weight[0] / l.groups;
  set_extents(g.window, weight, 2, dims);
  set_extents(g.stride, l.stride, 0, dims);
  set_extents(g.padding, l.padding, 0, dims);
  set_extents(g.dilation, l.dilation, 0, dims);
  c.input = {batch, weight[1] * l.groups};
  c.output = {batch, weight[0]};
  return c;
}

void finish(Conv& c) {
  set_extents(c.geometry.in, c.input, 2, c.dims);
  set_extents(c.geometry.out, c.output, 2, c.dims);
}

void check_weight(const char* op, const Tensor& w, int dims) {
  if (w.dim() != dims + 2)
    fail_runtime(op, "the weight has shape ", w.shape(), "; expected ", dims + 2, " dimensions");
}

Tensor convolve(const char* op, const Tensor& x, const Tensor& w, const Tensor& bias,
                const ConvLayout& l) {
  const int dims = w.dim() - 2;
  check_layout(op, l, false, w, bias, x.size(1));
  Conv c = make_conv(op, dims, l, w.shape(), x.size(0));
  for (int d = 0; d < dims; ++d) {
    const int64_t padded = x.size(2 + d) + l.padding[d] + l.after[d];
    const int64_t reach = l.dilation[d] * (w.size(2 + d) - 1) + 1;
    if (reach > padded)
      fail_runtime(op, "a window of ", reach, " elements along dimension ", 2 + d,
                   " is larger than the padded input of ", padded,
                   "; pad more, or take a smaller kernel");
    c.input.push_back(x.size(2 + d));
    c.output.push_back((padded - reach) / l.stride[d] + 1);
  }
  finish(c);
  return conv_forward(c, x, w, bias);
}

constexpr const char* kConv[] = {"conv1d", "conv2d", "conv3d"};
constexpr const char* kTransposed[] = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};

template <int N>
ConvLayout layout(const Dims& stride, const Dims& padding, const Dims& dilation, int64_t groups,
                  const char* op) {
  const Dims pad = per_dimension(op, "padding", padding, N);
  return {per_dimension(op, "stride", stride, N), pad, pad,
          per_dimension(op, "dilation", dilation, N), groups};
}

template <int N>
Tensor conv(const Tensor& input, const Tensor& w, const std::optional<Tensor>& bias,
            const Dims& stride, const Dims& padding, const Dims& dilation, int64_t groups) {
  const char* op = kConv[N - 1];
  check_weight(op, w, N);
  const ConvLayout l = layout<N>(stride, padding, dilation, groups, op);
  return batched(op, input, N,
                 [&](const Tensor& x) { return convolve(op, x, w, bias.value_or(Tensor()), l); });
}

/// padding = 'valid': none; 'same': the output is as large as the input.
template <int N>
Tensor conv_padded(const Tensor& input, const Tensor& w, const std::optional<Tensor>& bias,
                   const Dims& stride, const std::string& padding, const Dims& dilation,
                   int64_t groups) {
  const char* op = kConv[N - 1];
  check_weight(op, w, N);
  ConvLayout l = layout<N>(stride, {0}, dilation, groups, op);
  if (padding == "same") {
    for (int d = 0; d < N; ++d) {
      if (l.stride[d] != 1)
        fail_runtime(op, "padding='same' with stride=", l.stride,
                     "; it needs stride 1, pass the padding as numbers");
      const int64_t total = l.dilation[d] * (w.size(2 + d) - 1);
      l.padding[d] = total / 2;
      l.after[d] = total - total / 2;
    }
  } else if (padding != "valid") {
    fail_runtime(op, "padding='", padding, "'; expected 'same', 'valid' or numbers");
  }
  return batched(op, input, N,
                 [&](const Tensor& x) { return convolve(op, x, w, bias.value_or(Tensor()), l); });
}

template <int N>
Tensor conv_transpose(const Tensor& input, const Tensor& w, const std::optional<Tensor>& given,
                      const Dims& stride, const Dims& padding, const Dims& output_padding,
                      int64_t groups, const Dims& dilation) {
  const char* op = kTransposed[N - 1];
  check_weight(op, w, N);
  const ConvLayout l = layout<N>(stride, padding, dilation, groups, op);
  const Dims extra = per_dimension(op, "output_padding", output_padding, N);
  const Tensor bias = given.value_or(Tensor());
  return batched(op, input, N, [&](const Tensor& x) {
    check_layout(op, l, true, w, bias, x.size(1));
    Conv c = make_conv(op, N, l, w.shape(), x.size(0));
    for (int d = 0; d < N; ++d) {
      if (extra[d] < 0 || extra[d] >= std::max(l.stride[d], l.dilation[d]))
        fail_runtime(op, "output_padding=", extra, " against stride=", l.stride,
                     " and dilation=", l.dilation,
                     "; it must be smaller than one of them, and not negative");
      const int64_t size = (x.size(2 + d) - 1) * l.stride[d] - 2 * l.padding[d] +
                           l.dilation[d] * (w.size(2 + d) - 1) + extra[d] + 1;
      if (size <= 0)
        fail_runtime(op, "the output along dimension ", 2 + d, " would have ", size,
                     " elements; pad less");
      c.input.push_back(size);
      c.output.push_back(x.size(2 + d));
    }
    finish(c);
    return conv_input(c, x, w, bias);
  });
}

// Windows as columns -------------------------------------------------------------------------

Tensor fold_columns(const Tensor& columns, const ConvGeometry& g, const Dims& image);

Tensor unfold_windows(const Tensor& x, const ConvGeometry& g) {
  const Tensor source = contiguous(detached(x));
  Tensor out = empty({g.batch, g.in_channels * g.taps(), g.positions()}, x.dtype());
  Params params;
  const auto own = std::make_shared<ConvGeometry>(g);
  params.object = own.get();
  launch("unfold", kernel(Id::Unfold, x.dtype()), out, source, params, own);
  if (Recorder r{&x}; r)
    r.done("Im2ColBackward0", out, [g, shape = x.shape()](const Backward& b) {
      b.give(0, fold_columns(b.grad(), g, shape));
    });
  return out;
}

Tensor fold_columns(const Tensor& columns, const ConvGeometry& g, const Dims& image) {
  const Tensor source = contiguous(detached(columns));
  Tensor out = empty(image, columns.dtype());
  Params params;
  const auto own = std::make_shared<ConvGeometry>(g);
  params.object = own.get();
  launch("fold", kernel(Id::Fold, columns.dtype()), out, source, params, own);
  if (Recorder r{&columns}; r)
    r.done("Col2ImBackward0", out,
           [g](const Backward& b) { b.give(0, unfold_windows(b.grad(), g)); });
  return out;
}

ConvGeometry window_geometry(const char* op, const Dims& image, const Dims& kernel_size,
                             const Dims& dilation, const Dims& padding, const Dims& stride) {
  for (const Dims& given : {kernel_size, dilation, padding, stride}) {
    require_extents(op, "a setting", given);
    if (given.size() != 2)
      fail_runtime(op, "kernel_size=", kernel_size, ", dilation=", dilation, ", padding=", padding,
                   ", stride=", stride, "; each has two numbers, or is one");
  }
  ConvGeometry g;
  g.batch = image[0];
  g.in_channels = image[1];
  set_extents(g.in, image, 2, 2);
  set_extents(g.window, kernel_size, 0, 2);
  set_extents(g.dilation, dilation, 0, 2);
  set_extents(g.padding, padding, 0, 2);
  set_extents(g.stride, stride, 0, 2);
  for (int d = 1; d < 3; ++d) {
    if (g.window[d] < 1 || g.stride[d] < 1 || g.dilation[d] < 1 || g.padding[d] < 0)
      fail_runtime(op, "kernel_size=", kernel_size, ", dilation=", dilation, ", padding=", padding,
                   ", stride=", stride,
                   "; sizes, strides and dilations must be positive, the padding not negative");
    const int64_t room = g.in[d] + 2 * g.padding[d] - g.dilation[d] * (g.window[d] - 1) - 1;
    if (room < 0)
      fail_runtime(op, "windows of ", g.dilation[d] * (g.window[d] - 1) + 1,
                   " elements do not fit an input of ", g.in[d], " padded by ", g.padding[d],
                   "; pad more, or take a smaller kernel");
    g.out[d] = room / g.stride[d] + 1;
  }
  return g;
}

Tensor unfold_blocks(const Tensor& input, const Dims& kernel_size, const Dims& dilation,
                     const Dims& padding, const Dims& stride) {
  wrap_axis("unfold", 2, input.dim());
  return batched("unfold", input, 2, [&](const Tensor& x) {
    return unfold_windows(
        x, window_geometry("unfold", x.shape(), kernel_size, dilation, padding, stride));
  });
}

Tensor fold(const Tensor& input, const Dims& output_size, const Dims& kernel_size,
            const Dims& dilation, const Dims& padding, const Dims& stride) {
  return batched("fold", input, 1, [&](const Tensor& x) {
    if (output_size.size() != 2)
      fail_runtime("fold", "output_size=", output_size, "; expected two numbers, or one");
    const Dims& size = output_size;
    const int64_t taps = kernel_size.product();
    if (taps < 1 || x.size(1) % taps != 0)
      fail_runtime("fold", "the input has ", x.size(1), " rows, no multiple of the ", taps,
                   " elements of a window; pass the columns that unfold made");
    const Dims image{x.size(0), x.size(1) / taps, size[0], size[1]};
    const ConvGeometry g = window_geometry("fold", image, kernel_size, dilation, padding, stride);
    if (g.positions() != x.size(2))
      fail_runtime("fold", "the input has ", x.size(2), " columns, the windows over ", size,
                   " are ", g.positions(), "; make them equal");
    return fold_columns(x, g, image);
  });
}

template <int N>
void register_convs(Registry& r) {
  const char* doc =
      "y[n, o] = bias[o] + sum over c of weight[o, c] correlated with input[n, c]; input (N, C, "
      "...) or (C, ...), weight (O, C / groups, ...), padding numbers, 'same' or 'valid'.";
  const char* arguments = "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1";
  r.nn(kConv[N - 1], arguments, conv<N>, doc);
  r.nn(kConv[N - 1], "input, weight, bias=None, stride=1, padding='valid', dilation=1, groups=1",
       conv_padded<N>, doc);
  r.nn(kTransposed[N - 1],
       "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
       conv_transpose<N>,
       "The transpose of a convolution in its input (+ bias); input (N, C, ...) or (C, ...), "
       "weight (C, O / groups, ...).");
}

}  // namespace

void register_conv(Registry& r) {
  register_convs<1>(r);
  register_convs<2>(r);
  register_convs<3>(r);
  r.nn("im2col", "input, kernel_size, dilation, padding, stride", unfold_blocks,
       "Every window of an image as a column: input (N, C, H, W) or (C, H, W), result (N, C "
       "kernel, windows).");
  r.nn("col2im", "input, output_size, kernel_size, dilation, padding, stride", fold,
       "Adds columns back onto the windows they came from, the transpose of unfold.");
}

}  // namespace bx
