// Parts of tensors: select, slice, diagonal. One way back for all: a part is a walk (shape,
// strides, offset) over the row-major elements of the whole, and its gradient is embedded there.
#include <algorithm>

#include "autograd/views.h"
#include "ops/arranging.h"
#include "ops/variants.h"

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

Tensor narrow(const Tensor& t, int64_t axis, int64_t start, int64_t length) {
  if (t.dim() == 0) fail_runtime("narrow", "a 0-d tensor cannot be cut; use unsqueeze(0)");
  const int a = wrap_axis("narrow", axis, t.dim());
  const int64_t n = t.shape()[a];
  const int64_t first = start < 0 ? start + n : start;
  if (start < -n || start > n)
    fail_index("narrow", "start ", start, " is outside of dimension ", axis, " of shape ",
               t.shape(), "; expected ", -n, " to ", n);
  if (first < 0 || length < 0 || first + length > n)
    fail_runtime("narrow", "start ", start, " with length ", length, " exceeds dimension ", axis,
                 " of shape ", t.shape(), "; stay inside it");
  return slice_as("SliceBackward0", t, a, first, first + length, 1);
}

Tensor unfold(const Tensor& t, int64_t axis, int64_t size, int64_t step) {
  const int a = wrap_axis("unfold", axis, t.dim());
  const int64_t n = t.dim() ? t.shape()[a] : 1;
  if (size < 0 || size > n)
    fail_runtime("unfold", "windows of size ", size, " in dimension ", axis, " of shape ",
                 t.shape(), "; choose 0 to ", n);
  if (step <= 0) fail_runtime("unfold", "step ", step, "; pass 1 or more");
  return part_view("UnfoldBackward0", t, [=](Part& p) {
    const int64_t stride = p.shape.empty() ? 1 : p.strides[a];
    if (!p.shape.empty()) {
      p.shape[a] = (n - size) / step + 1;
      p.strides[a] *= step;
    }
    p.shape.push_back(size);
    p.strides.push_back(stride);
  });
}

/// Whether two indices of the part may be one element.
bool coincides(const Part& part) {
  InlineVector<std::pair<int64_t, int64_t>, kMaxDims> walks;  // stride, size
  for (int d = 0; d < part.shape.size(); ++d)
    if (part.shape[d] > 1) walks.push_back({part.strides[d], part.shape[d]});
  std::sort(walks.begin(), walks.end());
  int64_t reach = 0;
  for (const auto& [stride, size] : walks) {
    if (stride <= reach) return true;
    reach += stride * (size - 1);
  }
  return false;
}

/// out, row-major, with t added at the part.
void add_part(const Tensor& out, const Tensor& t, const Part& part) {
  GradMode off(false);
  const Tensor places = arange_int(0, out.numel(), 1);
  const Tensor index = clone(alias(places, part.shape, part.strides, part.offset));
  const Tensor source = contiguous(t);
  Params p;
  p.i[0] = 1;
  launch("embed", kernel(Id::IndexAdd, t.dtype()), alias(out, {out.numel()}, {1}, out->offset),
         {&source, &index}, p);
}

}  // namespace

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

Tensor as_strided(const Tensor& t, const Dims& size, const Dims& stride, int64_t offset) {
  if (size.size() != stride.size())
    fail_runtime("as_strided", "sizes ", size, " and strides ", stride, " differ in number");
  int64_t last = offset, way = 0;
  bool overflow = false;
  for (int d = 0; d < size.size(); ++d) {
    if (size[d] < 0 || stride[d] < 0)
      fail_runtime("as_strided", "negative entries in sizes ", size, " or strides ", stride);
    overflow = overflow || __builtin_mul_overflow(size[d] - 1, stride[d], &way) ||
               __builtin_add_overflow(last, way, &last);
  }
  const int64_t capacity = t->storage->bytes() / size_of(t.dtype());
  if (checked_numel("as_strided", size) > 0 && (offset < 0 || overflow || last >= capacity))
    fail_runtime("as_strided", "element ", last, " lies outside the storage of ", capacity,
                 " elements; use smaller sizes or strides");
  Tensor out = alias(t, size, stride, offset);
  track_view(out, t);
  if (Recorder r{&t}; r) {
    const MemoryPart walk = memory_part(out, t);
    r.done("AsStridedBackward0", out,
           [walk](const Backward& b) { b.give(0, embed_in_memory(b.grad(), walk)); });
  }
  return out;
}

Tensors unbind(const Tensor& t, int64_t axis) {
  if (t.dim() == 0) fail_index("unbind", "a 0-d tensor cannot be taken apart; use item()");
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
  if (coincides(part)) add_part(out, t, part);
  else
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
  r.both(
      "narrow", "input, dim, start, length",
      [](const Tensor& t, int64_t axis, const Tensor& start, int64_t length) {
        if (start.dim() != 0 || !is_integral(start.dtype()))
          fail_runtime("narrow", "start is ", name_of(start.dtype()), " of shape ", start.shape(),
                       "; expected a whole number");
        return narrow(t, axis, item_int(start), length);
      },
      "");
  r.both("diagonal", "input, offset=0, dim1=0, dim2=1", diagonal,
         "The diagonal of two dimensions, as a view, in a new last dimension.");
  r.both("unbind", "input, dim=0", unbind, "The slices of a dimension, as views.");
  r.both(
      "as_strided", "input, *size, *stride, storage_offset=None",
      [](const Tensor& t, const Dims& size, const Dims& stride, std::optional<int64_t> offset) {
        return as_strided(t, size, stride, offset.value_or(t->offset));
      },
      "A view of the memory with any sizes and strides that stay inside it.");
  r.method(
      "unfold", "input, dimension, size, step", unfold,
      "Windows of a dimension every `step` elements, as a view; they fill a new last dimension.");
  add_inplace_views(r, {"as_strided"});
  add_copies(r, {"select", "diagonal", "unbind", "as_strided", "unfold", "narrow"});
}

}  // namespace bx
