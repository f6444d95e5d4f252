// Parts of tensors: select, slice, diagonal. One way back for all: a part is a walk (shape,
// strides, offset) over the row-major elements of the whole, and its gradient is embedded there.
#include "autograd/views.h"
#include <algorithm>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// A view made by `cut`, which turns the walk over the whole into the walk over the part.
template <class Cut>
Tensor part_view(const char* node, const Tensor& t, Cut cut) {
  Part real{t.shape(), t.strides(), t->offset};
  cut(real);
  Tensor out = alias(t, real.shape, real.strides, real.offset);
  track_view(out, t);
  if (Recorder r{&t}; r) {
    Part part{t.shape(), contiguous_strides(t.shape()), 0};
    cut(part);
    r.done(node, out, [part, whole = t.shape()](const Backward& b) {
      b.give(0, embed(b.grad(), whole, part));
    });
  }
  return out;
}

Tensor slice_as(const char* node, const Tensor& t, int64_t axis, int64_t start, int64_t end,
                int64_t step) {
  const int a = wrap_axis("slice", axis, t.dim());
  if (t.dim() == 0) fail_index("slice", "a 0-d tensor has no dimension to slice; use unsqueeze(0)");
  if (step <= 0)
    fail_value("slice", "step ", step, " must be greater than zero; use flip() for reversal");
  const int64_t size = t.shape()[a];
  auto bound = [size](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size); };
  const int64_t first = bound(start), last = std::max(first, bound(end));
  return part_view(node, t, [=](Part& p) {
    p.offset += first * p.strides[a];
    p.shape[a] = (last - first + step - 1) / step;
    p.strides[a] *= step;
  });
}

Tensors split_sizes(const Tensor& t, const Dims& sizes, int64_t axis) {
  const int a = wrap_axis("split", axis, t.dim());
  int64_t total = 0;
  for (int64_t s : sizes) total += s;
  if (t.dim() == 0 || total != t.shape()[a])
    fail_runtime("split", "sizes ", sizes, " sum to ", total, ", dimension ", axis, " of shape ",
                 t.shape(), " has another size; make them equal");
  Tensors parts;
  int64_t at = 0;
  for (int64_t s : sizes) {
    parts.push_back(slice_as("SplitWithSizesBackward0", t, a, at, at + s, 1));
    at += s;
  }
  return parts;
}

Tensors split(const Tensor& t, int64_t size, int64_t axis) {
  const int a = wrap_axis("split", axis, t.dim());
  if (t.dim() == 0) fail_runtime("split", "a 0-d tensor cannot be split; use unsqueeze(0)");
  const int64_t n = t.shape()[a];
  if (size < 0 || (size == 0 && n > 0))
    fail_runtime("split", "pieces of size ", size, " from a dimension of size ", n,
                 "; pass a positive size");
  Tensors parts;
  for (int64_t at = 0; at < n || parts.empty(); at += std::max<int64_t>(1, size))
    parts.push_back(slice_as("SplitBackward0", t, a, at, std::min(n, at + size), 1));
  return parts;
}

Tensors chunk(const Tensor& t, int64_t chunks, int64_t axis) {
  if (chunks < 1) fail_runtime("chunk", chunks, " chunks; pass 1 or more");
  if (t.dim() == 0) fail_runtime("chunk", "a 0-d tensor cannot be cut; use unsqueeze(0)");
  const int64_t n = t.shape()[wrap_axis("chunk", axis, t.dim())];
  return split(t, std::max<int64_t>(1, (n + chunks - 1) / chunks), axis);
}

Tensor narrow(const Tensor& t, int64_t axis, int64_t start, int64_t length) {
  const int a = wrap_axis("narrow", axis, t.dim());
  const int64_t n = t.dim() ? t.shape()[a] : 0;
  const int64_t first = start < 0 ? start + n : start;
  if (t.dim() == 0 || first < 0 || length < 0 || first + length > n)
    fail_runtime("narrow", "start ", start, " with length ", length, " exceeds dimension ", axis,
                 " of shape ", t.shape(), "; stay inside it");
  return slice_as("SliceBackward0", t, a, first, first + length, 1);
}

Tensor flip(const Tensor& t, const Dims& axes) {
  Tensor out = t;
  for (int64_t a : wrap_axes("flip", axes, t.dim())) {
    Tensors indices(static_cast<size_t>(a) + 1);
    indices.back() = arange_int(t.shape()[static_cast<int>(a)] - 1, -1, -1);
    out = index(out, indices);
  }
  return out.same_as(t) ? clone(t) : out;
}

}  // namespace

Tensor select_axis(const Tensor& t, int64_t axis, int64_t index) {
  if (t.dim() == 0)
    fail_index("select", "invalid index of a 0-dim tensor; use tensor.item() for its number");
  const int a = wrap_axis("select", axis, t.dim());
  const int64_t n = t.shape()[a], i = index < 0 ? index + n : index;
  if (i < 0 || i >= n)
    fail_index("select", "index ", index, " is out of bounds for dimension ", a, " with size ", n,
               "; expected ", -n, " to ", n - 1);
  return part_view("SelectBackward0", t, [=](Part& p) {
    p.offset += i * p.strides[a];
    p.shape.erase(a);
    p.strides.erase(a);
  });
}

Tensor slice(const Tensor& t, int64_t axis, int64_t start, int64_t end, int64_t step) {
  return slice_as("SliceBackward0", t, axis, start, end, step);
}

Tensor diagonal(const Tensor& t, int64_t offset, int64_t axis0, int64_t axis1) {
  const int a = wrap_axis("diagonal", axis0, t.dim()), b = wrap_axis("diagonal", axis1, t.dim());
  if (a == b || t.dim() < 2)
    fail_runtime("diagonal", "dimensions ", axis0, " and ", axis1, " of shape ", t.shape(),
                 " are not two; name two different ones");
  return part_view("DiagonalBackward0", t, [=](Part& p) {
    const int64_t rows = p.shape[a], cols = p.shape[b];
    const int64_t length =
        offset >= 0 ? std::min(rows, cols - offset) : std::min(rows + offset, cols);
    const int64_t stride = p.strides[a] + p.strides[b];
    if (length > 0) p.offset += offset >= 0 ? offset * p.strides[b] : -offset * p.strides[a];
    p.shape.erase(std::max(a, b));
    p.shape.erase(std::min(a, b));
    p.strides.erase(std::max(a, b));
    p.strides.erase(std::min(a, b));
    p.shape.push_back(std::max<int64_t>(0, length));
    p.strides.push_back(stride);
  });
}

Tensors unbind(const Tensor& t, int64_t axis) {
  if (t.dim() == 0) fail_runtime("unbind", "a 0-d tensor cannot be taken apart; use item()");
  const int a = wrap_axis("unbind", axis, t.dim());
  Tensors parts;
  for (int64_t i = 0; i < t.shape()[a]; ++i)
    parts.push_back(part_view("UnbindBackward0", t, [=](Part& p) {
      p.offset += i * p.strides[a];
      p.shape.erase(a);
      p.strides.erase(a);
    }));
  return parts;
}

Tensor extract(const char* node, const Tensor& whole, const Part& part) {
  const Tensor t = contiguous(whole);
  Tensor out = alias(t, part.shape, part.strides, t->offset + part.offset);
  if (Recorder r{&t}; r)
    r.done(node, out, [part, shape = t.shape()](const Backward& b) {
      b.give(0, embed(b.grad(), shape, part));
    });
  return out;
}

Tensor embed(const Tensor& t, const Dims& shape, const Part& part) {
  Tensor out = zeros(shape, t.dtype());
  launch("embed", kernel(Id::Copy, t.dtype()), alias(out, part.shape, part.strides, part.offset),
         t);
  if (Recorder r{&t}; r)
    r.done("EmbedBackward0", out,
           [part](const Backward& b) { b.give(0, extract("ExtractBackward0", b.grad(), part)); });
  return out;
}

Tensor replace_part(const Tensor& base, const Tensor& t, const Part& part) {
  Tensor out;
  {
    GradMode off(false);
    out = clone(base);
  }
  launch("replace_part", kernel(Id::Copy, t.dtype()),
         alias(out, part.shape, part.strides, part.offset), t);
  if (Recorder r{&base, &t}; r)
    r.done("ReplacePartBackward0", out, [part](const Backward& b) {
      if (b.wants(0)) b.give(0, replace_part(b.grad(), zeros(part.shape, b.grad().dtype()), part));
      if (b.wants(1)) b.give(1, extract("ExtractBackward0", b.grad(), part));
    });
  return out;
}

void register_slicing(Registry& r) {
  r.both("select", "input, dim, index", select_axis, "One slice of a dimension, as a view.");
  r.both("narrow", "input, dim, start, length", narrow, "Part of a dimension, as a view.");
  r.both("diagonal", "input, offset=0, dim1=0, dim2=1", diagonal,
         "The diagonal of two dimensions, as a view, in a new last dimension.");
  r.both("unbind", "input, dim=0", unbind, "The slices of a dimension, as views.");
  r.both("flip", "input, dims", flip, "The order of elements reversed along dimensions, a copy.");
  r.both("split", "tensor, split_size_or_sections, dim=0", split,
         "Pieces of one size, or of given sizes, along a dimension, as views.");
  r.both("split", "tensor, split_size_or_sections, dim=0", split_sizes, "");
  r.both("chunk", "input, chunks, dim=0", chunk,
         "At most `chunks` pieces of equal size, as views.");
}

}  // namespace bx
