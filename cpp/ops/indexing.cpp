// Indexing by tensors: gather, and its gradient, scatter by addition.
#include <algorithm>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// Indices made ready: integer, broadcast together, with the dimensions they select.
struct Selection {
  Tensors indices;   // int64, contiguous, of one shape
  Dims axes;         // the dimension that each selects
  Dims shape;        // theirs, broadcast
  Dims front;        // axes first, the other dimensions after
  int position = 0;  // where the result has the index dimensions

  Selection(const char* op, const Tensor& t, const Tensors& given) {
    Tensors expanded;
    for (const Tensor& i : given) {
      if (i.defined() && is_mask(i.dtype())) expand_mask(op, t, as_bool_mask(op, i), expanded);
      else expanded.push_back(i);
    }
    if (static_cast<int>(expanded.size()) > t.dim())
      fail_index(op, "too many indices: ", expanded.size(), " for a tensor of shape ", t.shape());
    GradMode off(false);
    for (int d = 0; d < static_cast<int>(expanded.size()); ++d) {
      const Tensor& i = expanded[static_cast<size_t>(d)];
      if (!i.defined()) continue;
      if (!is_integral(i.dtype()) || is_narrow(i.dtype()))
        fail_index(op, "an index tensor is ", name_of(i.dtype()),
                   "; expected int64, int32 or bool");
      shape = axes.empty() ? i.shape() : join_shapes(op, shape, i.shape());
      axes.push_back(d);
      indices.push_back(to(i, DType::Int64));
    }
    if (axes.size() > kernels::kMaxOperands - 2)
      fail_index(op, "more than ", kernels::kMaxOperands - 2, " index tensors");
    for (int64_t d : axes)
      if (t.shape()[static_cast<int>(d)] == 0 && shape.product() > 0)
        fail_index(op, "an index for dimension ", d, " of shape ", t.shape(), ", which is empty");
    for (Tensor& i : indices) i = contiguous(expand(i, shape));
    front = axes;
    for (int d = 0; d < t.dim(); ++d)
      if (std::find(axes.begin(), axes.end(), d) == axes.end()) front.push_back(d);
    // Neighbouring index dimensions stay in place, scattered ones go to the front, as in NumPy.
    const bool adjacent = axes.back() - axes[0] + 1 == axes.size();
    position = adjacent ? static_cast<int>(axes[0]) : 0;
  }

  /// From [indices..., rest...] to where the index dimensions belong.
  Dims order(int ndim) const {
    Dims order;
    const int k = shape.size();
    for (int d = 0; d < position; ++d) order.push_back(k + d);
    for (int d = 0; d < k; ++d) order.push_back(d);
    for (int d = k + position; d < ndim; ++d) order.push_back(d);
    return order;
  }

 private:
  static Dims join_shapes(const char* op, const Dims& a, const Dims& b) {
    try {
      return broadcast_shapes(op, a, b);
    } catch (const Error&) {
      fail_index(op, "shape mismatch: index tensors of shapes ", a, " and ", b,
                 " do not broadcast; make them equal or 1");
    }
  }

  static void expand_mask(const char* op, const Tensor& t, const Tensor& mask, Tensors& out) {
    for (int d = 0; d < mask.dim(); ++d) {
      const int axis = static_cast<int>(out.size()) + d;
      if (axis >= t.dim() || t.shape()[axis] != mask.shape()[d])
        fail_index(op, "the mask's shape ", mask.shape(), " does not match the shape ", t.shape(),
                   " of the indexed tensor at dimension ", axis, "; they must be equal");
    }
    if (mask.dim() == 0) fail_index(op, "a 0-d mask; use where, or index with True or False");
    for (const Tensor& column : unbind(nonzero(mask), 1)) out.push_back(column);
  }
};

Operands with_indices(const Tensor& first, const Selection& s) {
  Operands list(first);
  for (const Tensor& i : s.indices) list.add(i);
  return list;
}

Params index_params(const Selection& s) {
  Params p;
  p.i[0] = s.axes.size();
  return p;
}

/// Writes value into base at the indices, not recorded.
void put_values(const Tensor& base, const Selection& s, const Tensor& value, bool accumulate) {
  GradMode off(false);
  const Tensor target = permute(base, s.front);
  Dims shape = s.shape;
  for (int d = s.axes.size(); d < target.dim(); ++d) shape.push_back(target.shape()[d]);
  Dims placed;
  const Dims order = s.order(shape.size());
  for (int64_t d : order) placed.push_back(shape[static_cast<int>(d)]);
  // The value arrives in the result's order of dimensions; the kernel wants indices first.
  Dims back(order.size(), 0);
  for (int d = 0; d < order.size(); ++d) back[static_cast<int>(order[d])] = d;
  const Dims joint = broadcast_shapes("index_put_", placed, value.shape());
  if (!(joint == placed))
    fail_runtime("index_put_", "a value of shape ", value.shape(), " does not fit the shape ",
                 placed, " of what is indexed; reshape the value");
  const Tensor source =
      contiguous(permute(expand(fitted("index_put_", value, base.dtype()), placed), back));
  if (source.numel() == 0 && s.shape.product() == 0) return;
  launch("index_put_", kernel(accumulate ? Id::IndexAdd : Id::IndexPut, base.dtype()), target,
         with_indices(source, s), index_params(s));
}

/// What an indexing node kept: its indices, undefined where a dimension had none.
Tensors saved_indices(const Backward& b, size_t count) {
  Tensors indices;
  for (size_t i = 0; i < count; ++i) indices.push_back(b.saved(static_cast<int>(i)));
  return indices;
}

Tensor index_backward(const Tensor& g, const Tensors& indices, const Dims& shape) {
  Tensor out = zeros(shape, g.dtype());
  put_values(out, Selection("index", out, indices), g, true);
  if (Recorder r{&g}; r) {
    for (const Tensor& i : indices) r.save(i);
    r.done("IndexPutBackward0", out, [count = indices.size()](const Backward& b) {
      b.give(0, index(b.grad(), saved_indices(b, count)));
    });
  }
  return out;
}

bool selects_nothing(const Tensors& indices) {
  for (const Tensor& i : indices)
    if (i.defined()) return false;
  return true;
}

/// One tensor of indices for every dimension; a 0-d tensor counts as one of one element.
Tensors nonzero_tuple(const Tensor& t) { return unbind(nonzero(t.dim() ? t : reshape(t, {1})), 1); }

}  // namespace

Tensor nonzero(const Tensor& given) {
  GradMode off(false);
  const Tensor t = contiguous(given.dtype() == DType::Bool ? given : given != 0.);
  const bool* flags = t.data<bool>();
  const int64_t n = t.numel();
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) count += flags[i];
  Tensor out = empty({count, t.dim()}, DType::Int64);
  int64_t* row = out.data<int64_t>();
  for (int64_t i = 0; i < n; ++i) {
    if (!flags[i]) continue;
    int64_t rest = i;
    for (int d = t.dim() - 1; d >= 0; --d) {
      row[d] = rest % t.shape()[d];
      rest /= t.shape()[d];
    }
    row += t.dim();
  }
  return out;
}

Tensor index(const Tensor& t, const Tensors& indices) {
  if (selects_nothing(indices)) return t;
  const Selection s("index", t, indices);
  Tensor out;
  {
    GradMode off(false);
    const Tensor source = permute(t, s.front);
    Dims shape = s.shape;
    for (int d = s.axes.size(); d < source.dim(); ++d) shape.push_back(source.shape()[d]);
    out = empty(shape, t.dtype());
    if (s.shape.product() > 0)
      launch("index", kernel(Id::Index, t.dtype()), out, with_indices(source, s), index_params(s));
    if (s.position > 0) out = contiguous(permute(out, s.order(shape.size())));
  }
  if (Recorder r{&t}; r) {
    // Masks are kept as the integer indices they stand for.
    Tensors kept(static_cast<size_t>(s.axes.back()) + 1);
    for (int k = 0; k < s.axes.size(); ++k)
      kept[static_cast<size_t>(s.axes[k])] = s.indices[static_cast<size_t>(k)];
    for (const Tensor& indices : kept) r.save(indices);
    r.done("IndexBackward0", out, [count = kept.size(), shape = t.shape()](const Backward& b) {
      b.give(0, index_backward(b.grad(), saved_indices(b, count), shape));
    });
  }
  return out;
}

void require_same_dtype(const char* op, const Tensor& t, const Tensor& values) {
  if (t.dtype() != values.dtype())
    fail_runtime(op, "the tensor is ", name_of(t.dtype()), ", the values ", name_of(values.dtype()),
                 "; convert one of them");
}

Tensor index_put_(const Tensor& self, const Tensors& indices, const Tensor& value,
                  bool accumulate) {
  if (selects_nothing(indices)) return copy_(self, value);
  check_inplace("index_put_", self, true);
  if (value.dim() > 0) require_apart("index_put_", self, value, true);
  const Selection s("index_put_", self, indices);
  const Tensor source = value->storage->root() == self->storage->root() ? clone(value) : value;
  const bool record = is_differentiable(self.dtype()) && grad_enabled() &&
                      (requires_grad(self) || requires_grad(source));
  Tensor old = detached(self);
  old->grad_fn = grad_fn(self);
  old->output_nr = self->output_nr;
  put_values(self, s, source, accumulate);
  self->storage->bump_version();
  if (!record) return self;
  Tensors kept(static_cast<size_t>(s.axes.back()) + 1);
  for (int k = 0; k < s.axes.size(); ++k)
    kept[static_cast<size_t>(s.axes[k])] = s.indices[static_cast<size_t>(k)];
  Recorder r{&old, &source};
  for (const Tensor& i : kept) r.save(i);
  r.done_inplace("IndexPutBackward0", self,
                 [count = kept.size(), accumulate, shape = source.shape()](const Backward& b) {
                   const Tensors kept = saved_indices(b, count);
                   if (b.wants(0)) {
                     Tensor g = b.grad();
                     if (!accumulate)
                       g = index_put_(clone(g), kept, wrapped_number(0., g.dtype()), false);
                     b.give(0, g);
                   }
                   if (b.wants(1)) b.give(1, sum_to_size(index(b.grad(), kept), shape));
                 });
  return self;
}

namespace {

void require_placed(const char* op, const Tensor& t, const Tensors& indices, const Tensor& values) {
  if (indices.empty()) fail_runtime(op, "no index; pass a tensor of them");
  require_same_dtype(op, t, values);
}

}  // namespace

void register_indexing(Registry& r) {
  r.both(
      "nonzero", "input, *, as_tuple=False",
      [](const Tensor& t, bool as_tuple) -> Value {
        return as_tuple ? Value(nonzero_tuple(t)) : Value(nonzero(t));
      },
      "The indices of elements that are not zero, a row each, or a tensor for every dimension.");
  r.both("argwhere", "input", nonzero, "The indices of elements that are not zero, a row each.");
  r.both(
      "index_put", "input, indices, values, accumulate=False",
      [](const Tensor& t, const Tensors& i, const Tensor& v, bool a) {
        require_placed("index_put", t, i, v);
        return index_put_(clone(t), i, v, a);
      },
      "A copy with values written (or added) at index tensors.");
  r.method(
      "index_put_", "input, indices, values, accumulate=False",
      [](const Tensor& t, const Tensors& i, const Tensor& v, bool a) {
        require_placed("index_put_", t, i, v);
        return index_put_(t, i, v, a);
      },
      "Writes (or adds) values at index tensors.");
}

}  // namespace bx
