// Parts of tensors: select, slice, diagonal. One way back for all: a part is a walk (shape,
// strides, offset) over the row-major elements of the whole, and its gradient is embedded there.
#include <algorithm>
#include <span>

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
  for (int64_t s : sizes) {
    if (s < 0) fail_runtime("split", "a piece of size ", s, "; sizes are 0 or more");
    total += s;
  }
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
  // Of nothing, as many empty pieces as were asked for.
  if (n == 0)
    return Tensors(static_cast<size_t>(chunks), slice_as("SplitBackward0", t, axis, 0, 0, 1));
  return split(t, (n + chunks - 1) / chunks, axis);
}

/// Pieces between the positions where the dimension is cut.
Tensors cut_at(const Tensor& t, std::span<const int64_t> positions, int64_t axis) {
  const int a = wrap_axis("tensor_split", axis, t.dim());
  if (t.dim() == 0) fail_runtime("tensor_split", "a 0-d tensor cannot be cut; use unsqueeze(0)");
  Tensors parts;
  int64_t begin = 0;
  for (int64_t end : positions) {
    parts.push_back(slice(t, a, begin, end, 1));
    begin = end;
  }
  parts.push_back(slice(t, a, begin, t.shape()[a], 1));
  return parts;
}

Tensors cut_at_dims(const Tensor& t, const Dims& positions, int64_t axis) {
  return cut_at(t, {positions.begin(), positions.end()}, axis);
}

/// Pieces whose sizes differ by at most one, the larger ones first.
Tensors cut_into(const Tensor& t, int64_t sections, int64_t axis) {
  const int a = wrap_axis("tensor_split", axis, t.dim());
  if (sections < 1) fail_runtime("tensor_split", sections, " sections; pass 1 or more");
  if (t.dim() == 0) fail_runtime("tensor_split", "a 0-d tensor cannot be cut; use unsqueeze(0)");
  std::vector<int64_t> positions;
  const int64_t n = t.shape()[a];
  for (int64_t k = 1; k < sections; ++k)
    positions.push_back(k * (n / sections) + std::min(k, n % sections));
  return cut_at(t, positions, a);
}

Tensors cut_as_tensor_says(const Tensor& t, const Tensor& cuts, int64_t axis) {
  if (cuts.dtype() != DType::Int64 || cuts.dim() > 1)
    fail_value("tensor_split", "positions are ", name_of(cuts.dtype()), " of shape ", cuts.shape(),
               "; expected int64 with at most one dimension");
  if (cuts.dim() == 0) return cut_into(t, item_int(cuts), axis);
  const Tensor flat = contiguous(cuts);
  return cut_at(t, {flat.data<int64_t>(), static_cast<size_t>(flat.numel())}, axis);
}

/// hsplit, vsplit, dsplit: the dimension by its name in space.
int64_t axis_in_space(const char* op, const Tensor& t, int at_least, int64_t axis) {
  if (t.dim() < at_least)
    fail_runtime(op, "expected at least ", at_least, " dimensions, got shape ", t.shape(),
                 "; use tensor_split");
  return t.dim() == 1 ? 0 : axis;
}

Tensors cut_evenly(const char* op, const Tensor& t, int64_t sections, int at_least, int64_t axis) {
  const int64_t a = axis_in_space(op, t, at_least, axis), n = t.shape()[static_cast<int>(a)];
  if (sections < 1 || n % sections)
    fail_runtime(op, sections, " sections of dimension ", a, " of shape ", t.shape(),
                 "; choose a divisor of its size");
  return cut_into(t, sections, a);
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
  int64_t last = offset;
  for (int d = 0; d < size.size(); ++d) {
    if (size[d] < 0 || stride[d] < 0)
      fail_runtime("as_strided", "negative entries in sizes ", size, " or strides ", stride);
    last += (size[d] - 1) * stride[d];
  }
  const int64_t capacity = t->storage->bytes() / size_of(t.dtype());
  if (checked_numel("as_strided", size) > 0 && (offset < 0 || last >= capacity))
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
      "as_strided", "input, size, stride, storage_offset=None",
      [](const Tensor& t, const Dims& size, const Dims& stride, std::optional<int64_t> offset) {
        return as_strided(t, size, stride, offset.value_or(t->offset));
      },
      "A view of the memory with any sizes and strides that stay inside it.");
  r.method(
      "unfold", "input, dimension, size, step", unfold,
      "Windows of a dimension every `step` elements, as a view; they fill a new last dimension.");
  r.both("split", "tensor, split_size_or_sections, dim=0", split,
         "Pieces of one size, or of given sizes, along a dimension, as views.");
  r.both("split", "tensor, split_size_or_sections, dim=0", split_sizes, "");
  r.method("split", "tensor, split_size, dim=0", split, "");
  r.both("split_with_sizes", "input, split_sizes, dim=0", split_sizes,
         "Pieces of given sizes along a dimension, as views.");
  r.both("chunk", "input, chunks, dim=0", chunk,
         "At most `chunks` pieces of equal size, as views.");
  r.both("tensor_split", "input, indices_or_sections, dim=0", cut_into,
         "As many pieces, their sizes equal or off by one; or pieces between given positions.");
  r.both("tensor_split", "input, indices_or_sections, dim=0", cut_at_dims, "");
  r.both("tensor_split", "input, indices_or_sections, dim=0", cut_as_tensor_says, "");
  r.method("tensor_split", "input, sections, dim=0", cut_into, "");
  r.method("tensor_split", "input, indices, dim=0", cut_at_dims, "");
#define BX_CUT(name, at_least, axis)                                                            \
  r.both(                                                                                       \
      name, "input, sections",                                                                  \
      [](const Tensor& t, int64_t n) { return cut_evenly(name, t, n, at_least, axis); },        \
      "Equal pieces, or pieces between given positions, along dimension " #axis ", as views."); \
  r.both(                                                                                       \
      name, "input, indices",                                                                   \
      [](const Tensor& t, const Dims& at) {                                                     \
        return cut_at_dims(t, at, axis_in_space(name, t, at_least, axis));                      \
      },                                                                                        \
      "");
  BX_CUT("hsplit", 1, 1)
  BX_CUT("vsplit", 2, 0)
  BX_CUT("dsplit", 3, 2)
#undef BX_CUT
  add_inplace_views(r, {"as_strided"});
  add_copies(r, {"select", "diagonal", "unbind", "as_strided", "unfold", "narrow", "split",
                 "split_with_sizes"});
}

}  // namespace bx
