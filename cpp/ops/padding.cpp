// Padding: constants, or what the edges of the input say. The latter is linear: its gradient adds
// the borders back to where they came from, and the gradient of that is the padding again.
#include <algorithm>
#include <array>

#include "ops/arranging.h"
#include "ops/windows.h"

namespace bx {

using kernels::Id;

namespace {

/// What to add before and after each dimension, the first dimension first.
struct Borders {
  Dims before, after;
};

Borders borders(const Tensor& t, const Dims& pad) {
  if (pad.size() % 2 || pad.size() / 2 > t.dim())
    fail_runtime("pad", "pad ", pad, " for a tensor of shape ", t.shape(),
                 "; give a pair for each dimension, the last dimension first");
  require_extents("pad", "pad", pad);
  Borders b{Dims(t.dim(), 0), Dims(t.dim(), 0)};
  for (int k = 0; k < pad.size() / 2; ++k) {
    b.before[t.dim() - 1 - k] = pad[2 * k];
    b.after[t.dim() - 1 - k] = pad[2 * k + 1];
  }
  return b;
}

Tensor part(const Tensor& t, int axis, int64_t start, int64_t length) {
  Dims shape = t.shape();
  shape[axis] = length;
  return alias(t, shape, t.strides(), t->offset + start * t.strides()[axis]);
}

Tensor pad_constant(const Tensor& t, const Dims& pad, const Scalar& value) {
  const Borders b = borders(t, pad);
  Dims shape = t.shape();
  Tensor from = detached(t);
  bool empty_center = false;
  for (int d = 0; d < t.dim(); ++d) {
    const int64_t n = shape[d];
    shape[d] += b.before[d] + b.after[d];
    if (shape[d] < 0)
      fail_runtime("pad", "pad ", pad, " leaves dimension ", d, " of shape ", t.shape(),
                   " with size ", shape[d], "; cut off less");
    const int64_t first = std::max<int64_t>(0, -b.before[d]);
    const int64_t length = n - first - std::max<int64_t>(0, -b.after[d]);
    empty_center = empty_center || length <= 0;
    if (!empty_center) from = part(from, d, first, length);
  }
  require_fits("pad", value, t.dtype());
  Tensor out = value.kind == Scalar::Complex
                   ? fill_(empty(shape, t.dtype()), number_as(value, t.dtype()))
               : value.kind == Scalar::Float ? full(shape, value.d, t.dtype())
                                             : full_int(shape, value.i, t.dtype());
  if (!empty_center) {
    Tensor center = out;
    for (int d = 0; d < t.dim(); ++d)
      center = part(center, d, std::max<int64_t>(0, b.before[d]), from.shape()[d]);
    launch("pad", kernel(Id::Copy, t.dtype()), center, from);
  }
  if (Recorder r{&t}; r)
    r.done("ConstantPadNdBackward0", out, [pad](const Backward& call) {
      Dims back = pad;
      for (int k = 0; k < back.size(); ++k) back[k] = -back[k];
      call.give(0, pad_constant(call.grad(), back, Scalar{Scalar::Int}));
    });
  return out;
}

enum class Filling { Reflect, Replicate, Circular };

/// The border on one side of a dimension and the elements it repeats.
struct Border {
  int64_t start, length, source;
};
/// Both borders, for n elements that lie between them.
std::array<Border, 2> sides(Filling edge, int64_t n, int64_t before, int64_t after) {
  switch (edge) {
    case Filling::Reflect:
      return {{{0, before, before + 1}, {before + n, after, before + n - 1 - after}}};
    case Filling::Circular: return {{{0, before, n}, {before + n, after, before}}};
    default: return {{{0, before, before}, {before + n, after, before + n - 1}}};
  }
}

Tensor fold_edges(const char* node, const Tensor& g, Filling edge, const Borders& b);

/// Borders of 0 or more, filled dimension by dimension from what is there already.
Tensor pad_edges(const char* node, const Tensor& t, Filling edge, const Borders& b) {
  Dims shape = t.shape();
  for (int d = 0; d < t.dim(); ++d) shape[d] += b.before[d] + b.after[d];
  Tensor out = empty(shape, t.dtype());
  Tensor center = out;
  for (int d = 0; d < t.dim(); ++d) center = part(center, d, b.before[d], t.shape()[d]);
  launch("pad", kernel(Id::Copy, t.dtype()), center, t);
  // The dimensions still to come are seen at the center only.
  Tensor done = center;
  for (int d = 0; d < t.dim(); ++d) {
    const int64_t stride = out.strides()[d];
    Dims whole = done.shape();
    whole[d] = shape[d];
    done = alias(out, whole, out.strides(), done->offset - b.before[d] * stride);
    for (const Border& side : sides(edge, t.shape()[d], b.before[d], b.after[d])) {
      if (side.length == 0) continue;
      Tensor source = part(done, d, side.source, side.length);
      Dims steps = source.strides();
      steps[d] = edge == Filling::Circular ? stride : edge == Filling::Reflect ? -stride : 0;
      const int64_t first = edge == Filling::Reflect ? (side.length - 1) * stride : 0;
      launch("pad", kernel(Id::Copy, t.dtype()), part(done, d, side.start, side.length),
             alias(source, source.shape(), steps, source->offset + first));
    }
  }
  if (Recorder r{&t}; r)
    r.done(node, out, [node, edge, b](const Backward& call) {
      call.give(0, fold_edges(node, call.grad(), edge, b));
    });
  return out;
}

/// The transpose of pad_edges: each border added to the elements that it repeats.
Tensor fold_edges(const char* node, const Tensor& g, Filling edge, const Borders& b) {
  Tensor out;
  {
    GradMode off(false);
    out = clone(g);
    for (int d = g.dim() - 1; d >= 0; --d) {
      const int64_t n = g.shape()[d] - b.before[d] - b.after[d];
      for (const Border& side : sides(edge, n, b.before[d], b.after[d])) {
        if (side.length == 0) continue;
        const Tensor border = part(out, d, side.start, side.length);
        const Tensor sum_of = edge == Filling::Replicate ? sum(border, Dims{d}, true, std::nullopt)
                              : edge == Filling::Reflect ? flip(border, {d})
                                                         : border;
        const Tensor pair[] = {part(out, d, side.source, sum_of.shape()[d]), sum_of};
        pointwise_inplace(pointwise_op(formulas::row_index<formulas::Add>), pair);
      }
      out = part(out, d, b.before[d], n);
    }
    out = contiguous(out);
  }
  if (Recorder r{&g}; r)
    r.done(node, out, [node, edge, b](const Backward& call) {
      call.give(0, pad_edges(node, call.grad(), edge, b));
    });
  return out;
}

Tensor pad_by_edges(const Tensor& t, const Dims& pad, Filling edge) {
  Borders b = borders(t, pad);
  const int k = pad.size() / 2;
  if (k < 1 || k > 3 || (t.dim() != k + 1 && t.dim() != k + 2))
    fail(ErrorKind::NotImplemented, "pad", "pad ", pad, " for a tensor of shape ", t.shape(),
         "; these modes pad the last 1, 2 or 3 dimensions behind a channel and perhaps a batch");
  const int first = t.dim() - k;
  Dims cut_before(t.dim(), 0), cut_after(t.dim(), 0);
  for (int d = first; d < t.dim(); ++d) {
    cut_before[d] = std::max<int64_t>(0, -b.before[d]);
    cut_after[d] = std::max<int64_t>(0, -b.after[d]);
    const int64_t n = t.shape()[d] - (edge == Filling::Circular ? cut_before[d] + cut_after[d] : 0);
    const int64_t most = edge == Filling::Reflect ? n - 1 : n;
    if (edge != Filling::Replicate && (b.before[d] > most || b.after[d] > most))
      fail_runtime("pad", "pad ", pad, " is larger than dimension ", d, " of shape ", t.shape(),
                   " allows; at most ", most);
    if (n <= 0 || t.shape()[d] + b.before[d] + b.after[d] < 1)
      fail_runtime("pad", "pad ", pad, " leaves nothing of dimension ", d, " of shape ", t.shape(),
                   "; cut off less");
    b.before[d] = std::max<int64_t>(0, b.before[d]);
    b.after[d] = std::max<int64_t>(0, b.after[d]);
  }
  auto cut = [&](Tensor x) {
    for (int d = first; d < t.dim(); ++d)
      if (cut_before[d] || cut_after[d])
        x = slice(x, d, cut_before[d], x.shape()[d] - cut_after[d], 1);
    return x;
  };
  static constexpr const char* names[3][3] = {
      {"ReflectionPad1DBackward0", "ReflectionPad2DBackward0", "ReflectionPad3DBackward0"},
      {"ReplicationPad1DBackward0", "ReplicationPad2DBackward0", "ReplicationPad3DBackward0"},
      {"CopySlices", "CopySlices", "CopySlices"}};
  const char* name = names[static_cast<int>(edge)][k - 1];
  // What circular padding repeats is what is left, the others repeat what was there.
  if (edge == Filling::Circular) return pad_edges(name, cut(t), edge, b);
  return contiguous(cut(pad_edges(name, t, edge, b)));
}

}  // namespace

Tensor pad(const Tensor& t, const Sizes& pad, const std::string& mode,
           const std::optional<Scalar>& value) {
  if (value && value->kind == Scalar::Complex)
    fail_type("pad", "the value is complex; pass a real number, or call constant_pad_nd");
  if (mode == "constant") return pad_constant(t, pad, value.value_or(Scalar{Scalar::Int}));
  const bool known = mode == "reflect" || mode == "replicate" || mode == "circular";
  if (known && value && value->as_double() != 0)
    fail_runtime("pad", "mode '", mode, "' takes no value, got ", value->as_double());
  if (mode == "reflect" || mode == "replicate") require_number_type("pad", t);
  if (mode == "reflect") return pad_by_edges(t, pad, Filling::Reflect);
  if (mode == "replicate") return pad_by_edges(t, pad, Filling::Replicate);
  if (mode == "circular") return pad_by_edges(t, pad, Filling::Circular);
  fail(ErrorKind::NotImplemented, "pad", "mode '", mode,
       "'; there are 'constant', 'reflect', 'replicate' and 'circular'");
}

void register_padding(Registry& r) {
  r.nn("pad", "input, pad, mode='constant', value=None", pad,
       "Elements added before and after dimensions, pairs from the last dimension on; a negative "
       "number cuts off. Filled with value, mirrored at the edge ('reflect'), with the edge "
       "('replicate'), or from the other side ('circular').");
  r.function("constant_pad_nd", "input, *pad, value=0", pad_constant,
             "`value` added before and after dimensions, pairs from the last dimension on.");
}

}  // namespace bx
