// Views that show every element: reshape, permute, expand and their kin.
#include <algorithm>
#include <span>
#include <utility>

#include "autograd/views.h"
#include "ops/ops.h"
#include "ops/variants.h"

namespace bx {

namespace {

/// A view of t, recorded with `backward` when gradients are.
template <class F>
Tensor make_view(const char* node, const Tensor& t, const Dims& shape, const Dims& strides,
                 F backward) {
  Tensor out = alias(t, shape, strides, t->offset);
  track_view(out, t);
  if (Recorder r{&t}; r) r.done(node, out, std::move(backward));
  return out;
}

/// `shape` with its one -1 replaced.
Dims infer_shape(const char* op, const Tensor& t, const Dims& shape) {
  Dims out = shape;
  int unknown = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      if (unknown >= 0)
        fail_runtime(op, "only one size can be -1, got ", shape, "; give the others");
      unknown = i;
    } else if (shape[i] < 0) {
      fail_runtime(op, "invalid size ", shape[i], " in ", shape,
                   "; sizes are 0 or more, or one -1");
    } else {
      known *= shape[i];
    }
  }
  const int64_t n = t.numel();
  if (unknown >= 0 && known != 0 && n % known == 0) {
    out[unknown] = n / known;
  } else if (unknown >= 0 && known == 0) {
    fail_runtime(op, "cannot infer -1 in ", shape, " from ", n, " elements; it could be any size");
  }
  if ((unknown >= 0 && out[unknown] < 0) || checked_numel(op, out) != n)
    fail_runtime(op, "shape ", shape, " is invalid for input of size ", n, " (shape ", t.shape(),
                 "); the number of elements must stay the same");
  return out;
}

/// The strides with which t's memory can be seen in `shape`, if it can without a copy.
std::optional<Dims> view_strides(const Tensor& t, const Dims& shape) {
  if (t.numel() == 0) return contiguous_strides(shape);
  Dims strides;
  strides.resize(shape.size());
  int d = shape.size() - 1;
  // Runs of t's dimensions that lie evenly in memory, from the last; each must be cut whole.
  int64_t base = t.dim() ? t.strides()[t.dim() - 1] : 1, run = 1, cut = 1;
  for (int i = t.dim() - 1; i >= 0; --i) {
    run *= t.shape()[i];
    const bool ends = i == 0 || (t.shape()[i - 1] != 1 && t.strides()[i - 1] != run * base);
    if (!ends) continue;
    while (d >= 0 && (cut < run || shape[d] == 1)) {
      strides[d] = cut * base;
      cut *= shape[d--];
    }
    if (cut != run) return std::nullopt;
    if (i > 0) {
      base = t.strides()[i - 1];
      run = cut = 1;
    }
  }
  for (; d >= 0; --d) strides[d] = 1;  // only sizes of 1 are left
  return strides;
}

Tensor view_as_shape(const char* node, const Tensor& t, const Dims& shape, const Dims& strides) {
  return make_view(node, t, shape, strides,
                   [from = t.shape()](const Backward& b) { b.give(0, reshape(b.grad(), from)); });
}

Tensor permute_as(const char* node, const Tensor& t, const Dims& axes) {
  Dims shape, strides, back(axes.size(), 0);
  for (int i = 0; i < axes.size(); ++i) {
    shape.push_back(t.shape()[static_cast<int>(axes[i])]);
    strides.push_back(t.strides()[static_cast<int>(axes[i])]);
    back[static_cast<int>(axes[i])] = i;
  }
  return make_view(node, t, shape, strides,
                   [back](const Backward& b) { b.give(0, permute(b.grad(), back)); });
}

Tensor swap(const char* op, const char* node, const Tensor& t, int64_t axis0, int64_t axis1) {
  const int a = wrap_axis(op, axis0, t.dim()), b = wrap_axis(op, axis1, t.dim());
  Dims axes = wrap_axes(op, {}, t.dim());
  if (t.dim() > 0) std::swap(axes[a], axes[b]);
  return permute_as(node, t, axes);
}

Tensor matrix_transpose(const Tensor& t) {
  if (t.dim() > 2)
    fail_runtime("t", "expected at most 2 dimensions, got shape ", t.shape(),
                 "; use transpose(dim0, dim1) or mT");
  return t.dim() < 2 ? swap("t", "TBackward0", t, 0, 0) : swap("t", "TBackward0", t, 0, 1);
}

Tensor unflatten(const Tensor& t, int64_t dim, const Dims& sizes) {
  const int axis = wrap_axis("unflatten", dim, t.dim());
  Dims shape;
  for (int i = 0; i < axis; ++i) shape.push_back(t.shape()[i]);
  int64_t known = 1, product = 1;
  for (int64_t s : sizes) known *= s == -1 ? 1 : s;
  for (int64_t s : sizes) {
    shape.push_back(s == -1 && known ? t.shape()[axis] / known : s);
    product *= shape[shape.size() - 1];
  }
  for (int i = axis + 1; i < t.dim(); ++i) shape.push_back(t.shape()[i]);
  if (checked_numel("unflatten", shape) != t.numel() || product != t.shape()[axis])
    fail_runtime("unflatten", "sizes ", sizes, " do not multiply to ", t.shape()[axis],
                 ", the size of dimension ", dim, "; choose factors of it");
  return view(t, shape);
}

}  // namespace

Tensor view(const Tensor& t, const Dims& wanted) {
  const Dims shape = infer_shape("view", t, wanted);
  const auto strides = view_strides(t, shape);
  if (!strides)
    fail_runtime("view", "shape ", shape, " does not fit the memory of a tensor of shape ",
                 t.shape(), " and strides ", t.strides(),
                 "; use reshape(), which copies if it must");
  return view_as_shape("ViewBackward0", t, shape, *strides);
}

Tensor reshape(const Tensor& t, const Dims& wanted) {
  const Dims shape = infer_shape("reshape", t, wanted);
  if (const auto strides = view_strides(t, shape))
    return view_as_shape(t.is_contiguous() ? "ViewBackward0" : "ReshapeAliasBackward0", t, shape,
                         *strides);
  const char* node = "UnsafeViewBackward0";
  return unsafe_view(node, view_as_shape(node, clone(t), shape, contiguous_strides(shape)));
}

Tensor permute(const Tensor& t, const Dims& axes) {
  if (axes.size() != t.dim())
    fail_runtime("permute", axes.size(), " dimensions ", axes, " for a tensor of shape ", t.shape(),
                 "; name each of its ", t.dim(), " dimensions once");
  return permute_as("PermuteBackward0", t, wrap_axes("permute", axes, t.dim()));
}

Tensor transpose(const Tensor& t, int64_t axis0, int64_t axis1) {
  return swap("transpose", "TransposeBackward0", t, axis0, axis1);
}

Tensor expand(const Tensor& t, const Dims& wanted) {
  const int extra = wanted.size() - t.dim();
  if (extra < 0)
    fail_runtime("expand", "shape ", wanted, " has fewer dimensions than the tensor's ", t.shape(),
                 "; give at least ", t.dim());
  Dims shape = wanted, strides(wanted.size(), 0);
  for (int i = 0; i < shape.size(); ++i) {
    const int64_t own = i >= extra ? t.shape()[i - extra] : 1;
    if (shape[i] == -1 && i >= extra) shape[i] = own;
    if (own != shape[i] && (own != 1 || shape[i] < 0))
      fail_runtime("expand", "size ", own, " of dimension ", i, " cannot become ", shape[i], " (",
                   t.shape(), " to ", wanted, "); only sizes of 1 expand");
    if (i >= extra && own == shape[i]) strides[i] = t.strides()[i - extra];
  }
  return make_view("ExpandBackward0", t, shape, strides, [from = t.shape()](const Backward& b) {
    b.give(0, sum_to_size(b.grad(), from));
  });
}

Tensor squeeze(const Tensor& t, const OptDims& wanted) {
  uint32_t drop = 0;
  if (wanted && !wanted->empty()) {
    for (int64_t a : wrap_axes("squeeze", *wanted, t.dim())) drop |= 1u << a;
  } else if (!wanted) {
    drop = ~0u;
  }
  Dims shape, strides;
  for (int i = 0; i < t.dim(); ++i) {
    if (t.shape()[i] == 1 && (drop & (1u << i))) continue;
    shape.push_back(t.shape()[i]);
    strides.push_back(t.strides()[i]);
  }
  return view_as_shape(wanted ? "SqueezeBackward1" : "SqueezeBackward0", t, shape, strides);
}

Tensor unsqueeze(const Tensor& t, int64_t axis) {
  const int at = wrap_axis("unsqueeze", axis, t.dim() + 1);
  Dims shape = t.shape(), strides = t.strides();
  const int64_t stride = at < t.dim() ? shape[at] * strides[at] : 1;
  shape.insert(at, 1);
  strides.insert(at, stride);
  return view_as_shape("UnsqueezeBackward0", t, shape, strides);
}

Tensor movedim(const Tensor& t, const Dims& source, const Dims& destination) {
  if (source.size() != destination.size())
    fail_runtime("movedim", "dimensions ", source, " and destinations ", destination,
                 " differ in number; give one destination for each");
  const Dims from = source.empty() ? Dims{} : wrap_axes("movedim", source, t.dim());
  const Dims to = source.empty() ? Dims{} : wrap_axes("movedim", destination, t.dim());
  Dims axes(t.dim(), -1);
  uint32_t taken = 0;
  for (int k = 0; k < from.size(); ++k) {
    axes[static_cast<int>(to[k])] = from[k];
    taken |= 1u << from[k];
  }
  int next = 0;
  for (int i = 0; i < t.dim(); ++i) {
    if (axes[i] >= 0) continue;
    while (taken & (1u << next)) ++next;
    axes[i] = next++;
  }
  return permute_as("PermuteBackward0", t, axes);
}

Tensor flatten(const Tensor& t, int64_t start, int64_t end) {
  const int first = wrap_axis("flatten", start, t.dim()), last = wrap_axis("flatten", end, t.dim());
  if (first > last)
    fail_runtime("flatten", "start_dim ", start, " comes after end_dim ", end, "; swap them");
  if (t.dim() == 0) return reshape(t, {1});
  if (first == last) return t;
  Dims shape;
  int64_t joined = 1;
  for (int i = 0; i < t.dim(); ++i) {
    if (i >= first && i <= last) joined *= t.shape()[i];
    if (i == last) shape.push_back(joined);
    else if (i < first || i > last) shape.push_back(t.shape()[i]);
  }
  return reshape(t, shape);
}

Dims inverse_order(const Dims& order) {
  Dims back(order.size(), 0);
  for (int d = 0; d < order.size(); ++d) back[static_cast<int>(order[d])] = d;
  return back;
}

namespace {

/// How the elements of a result lie in memory, outermost dimension first: as in the first operand
/// that tells two dimensions apart. [PyTorch's TensorIterator]
Dims joint_order(std::span<const Tensor> operands, const Dims& shape) {
  std::vector<Dims> strides;
  for (const Tensor& t : operands)
    strides.push_back(broadcast_strides(t.shape(), t.strides(), shape));
  const auto inside = [&](int a, int b) {
    for (const Dims& s : strides) {
      if (s[a] == 0 || s[b] == 0) continue;
      if (s[a] != s[b]) return s[a] < s[b] ? 1 : -1;
      if (shape[a] < shape[b]) return 1;
    }
    return 0;
  };
  int axes[kMaxDims];
  const int n = shape.size();
  for (int d = 0; d < n; ++d) axes[d] = d;
  for (int i = n - 2; i >= 0; --i)
    for (int at = i, k = i + 1; k < n; ++k) {
      const int found = inside(axes[at], axes[k]);
      if (found < 0) break;
      if (found > 0) std::swap(axes[k], axes[std::exchange(at, k)]);
    }
  Dims order;
  for (int d = 0; d < n; ++d) order.push_back(axes[d]);
  return order;
}

Tensor empty_in_order(const Dims& shape, const Dims& order, DType dtype) {
  GradMode off(false);
  return permute(empty(reordered(shape, order), dtype), inverse_order(order));
}

}  // namespace

Tensor empty_in(const char* op, const Dims& shape, DType dtype, MemoryFormat format) {
  if (format == MemoryFormat::Contiguous) return empty(shape, dtype);
  const char* name = kFormatNames[static_cast<int>(format)];
  if (format == MemoryFormat::Preserve)
    fail_runtime(op, name, " for a new tensor of shape ", shape, "; there is none to follow");
  const Dims order = channels_last_order(format);
  if (shape.size() != order.size())
    fail_runtime(op, name, " of a tensor of shape ", shape, "; it is for ", order.size(),
                 " dimensions");
  return empty_in_order(shape, order, dtype);
}

Tensor empty_like(const Tensor& t, DType dtype, MemoryFormat format) {
  if (format != MemoryFormat::Preserve) return empty_in("empty_like", t.shape(), dtype, format);
  return empty_for({&t, 1}, t.shape(), dtype);
}

Tensor empty_for(std::span<const Tensor> operands, const Dims& shape, DType dtype) {
  for (const Tensor& t : operands)
    if (!t.is_contiguous()) return empty_in_order(shape, joint_order(operands, shape), dtype);
  return empty(shape, dtype);
}

void register_shape(Registry& r) {
  r.method("view", "input, *size", view,
           "The same memory in another shape (one size may be -1); RuntimeError where the layout "
           "forbids it.");
  r.method(
      "view_as", "input, other",
      [](const Tensor& t, const Tensor& o) { return view(t, o.shape()); },
      "The same memory in other's shape.");
  r.both("reshape", "input, *shape", reshape,
         "The elements in another shape; a view where possible.");
  r.method(
      "reshape_as", "input, other",
      [](const Tensor& t, const Tensor& o) { return reshape(t, o.shape()); },
      "The elements in other's shape; a view where possible.");
  r.both("permute", "input, *dims", permute, "The dimensions in another order, as a view.");
  r.both("transpose", "input, dim0, dim1", transpose, "Two dimensions swapped, as a view.");
  r.both("swapaxes", "input, axis0, axis1", transpose, "Two dimensions swapped, as a view.");
  r.both("swapdims", "input, dim0, dim1", transpose, "Two dimensions swapped, as a view.");
  r.both(
      "adjoint", "input",
      [](const Tensor& t) {
        if (t.dim() < 2)
          fail_runtime("adjoint", "input of shape ", t.shape(), "; expected 2 or more dimensions");
        return mH(t);
      },
      "The last two dimensions swapped, as a view, and complex elements conjugated, a copy.");
  r.both("t", "input", matrix_transpose, "The transpose of a matrix, as a view.");
  r.method("expand", "input, *size", expand,
           "Sizes of 1 repeated without a copy (-1 keeps a size); the gradient is summed back.");
  r.method(
      "expand_as", "input, other",
      [](const Tensor& t, const Tensor& o) { return expand(t, o.shape()); },
      "Expanded to other's shape.");
  r.both("broadcast_to", "input, *size", expand, "Expanded to a shape.");
  r.both(
      "squeeze", "input", [](const Tensor& t) { return squeeze(t, std::nullopt); },
      "Without dimensions of size 1, as a view.");
  r.both(
      "squeeze", "input, dim", [](const Tensor& t, const Dims& dim) { return squeeze(t, dim); },
      "");
  r.both("unsqueeze", "input, dim", unsqueeze, "With a new dimension of size 1, as a view.");
  r.both(
      "movedim", "input, source, destination",
      [](const Tensor& t, int64_t source, int64_t destination) {
        return movedim(t, Dims{source}, Dims{destination});
      },
      "Dimensions moved, as a view.");
  r.both("movedim", "input, *source, *destination", movedim, "");
  r.alias("movedim", {"moveaxis"});
  r.both("flatten", "input, start_dim=0, end_dim=-1", flatten, "Dimensions start to end joined.");
  r.both("unflatten", "input, dim, ?*sizes", unflatten, "One dimension split into several.");
  r.both("ravel", "input", [](const Tensor& t) { return reshape(t, {-1}); }, "One dimension.");
  add_inplace_views(r, {"t", "transpose", "swapaxes", "swapdims", "squeeze", "unsqueeze"});
  add_copies(r, {"permute", "transpose", "t", "expand", "squeeze", "unsqueeze", "view"});
}

}  // namespace bx
