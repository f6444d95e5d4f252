// Reductions. Every one runs as [outer, reduced, inner] on row-major data; dimensions that do not
// lie side by side are reduced one group after the other.
#include <algorithm>

#include "ops/ops.h"
#include "ops/reduction.h"

namespace bx {

using kernels::Id;

namespace {

/// Gives a tensor that nobody has seen yet another shape.
Tensor shaped(Tensor fresh, const Dims& shape) {
  fresh->shape = shape;
  fresh->strides = contiguous_strides(shape);
  return fresh;
}

/// One group of neighbouring dimensions [first, last] of a row-major tensor, kept as sizes of 1.
Tensor reduce_group(const char* op, Id id, const Tensor& t, int first, int last, DType out_dtype) {
  int64_t outer = 1, reduced = 1, inner = 1;
  Dims shape = t.shape();
  for (int d = 0; d < t.dim(); ++d) {
    (d < first ? outer : d <= last ? reduced : inner) *= shape[d];
    if (d >= first && d <= last) shape[d] = 1;
  }
  Tensor out = empty(shape, out_dtype);
  const Tensor flat = alias(t, {outer, reduced, inner}, {reduced * inner, inner, 1}, t->offset);
  launch(op, kernel(id, t.dtype()), out, flat);
  return out;
}

/// The reduction of a row-major tensor; dimensions stay with size 1.
Tensor reduce_row_major(const char* op, Id id, Tensor t, uint32_t bits, DType out_dtype) {
  if (t.dim() == 0 || bits == 0) {
    const Tensor single = alias(t, {t.numel(), 1}, {1, 1}, t->offset);
    return shaped(reduce_group(op, id, single, 1, 1, out_dtype), t.shape());
  }
  for (int last = t.dim() - 1; last >= 0; --last) {
    if (!(bits & (1u << last))) continue;
    int first = last;
    while (first > 0 && (bits & (1u << (first - 1)))) --first;
    t = reduce_group(op, id, t, first, last, out_dtype);
    last = first;
  }
  return t;
}

/// Any layout: a permuted row-major tensor is reduced as it lies in memory.
Tensor reduce_any_layout(const char* op, Id id, const Tensor& t, uint32_t bits, DType out_dtype) {
  if (t.is_contiguous()) return reduce_row_major(op, id, t, bits, out_dtype);
  const Dims order = memory_order(t);
  uint32_t permuted_bits = 0;
  for (int d = 0; d < t.dim(); ++d)
    if (bits & (1u << order[d])) permuted_bits |= 1u << d;
  const Tensor straight = contiguous(permute(t, order));
  const Tensor kept = contiguous(
      permute(reduce_row_major(op, id, straight, permuted_bits, out_dtype), inverse_order(order)));
  return alias(kept, kept.shape(), kept.strides(), kept->offset);
}

Tensor reduce(const char* op, Id id, const Tensor& t, uint32_t bits, bool keepdim,
              DType out_dtype) {
  GradMode off(false);
  // Sums of complex numbers are those of their parts.
  if (id == Id::Sum && is_complex(t.dtype())) {
    const uint32_t parts = t.dim() ? bits : 0;
    return joined(reduce(op, id, view_as_real(t), parts, keepdim, real_of(out_dtype)));
  }
  return shaped(reduce_any_layout(op, id, t, bits, out_dtype),
                reduced_shape(t.shape(), bits, keepdim));
}

void require_elements(const char* op, const Tensor& t, const OptDims& axes, uint32_t bits) {
  for (int d = 0; d < t.dim(); ++d)
    if ((bits & (1u << d)) && t.shape()[d] == 0)
      fail(axes && !axes->empty() ? ErrorKind::Index : ErrorKind::Runtime, op, "dimension ", d,
           " of shape ", t.shape(),
           " has no elements to reduce, and the operation has no identity; "
           "pass a tensor that is not empty");
}

DType sum_dtype(const Tensor& t, OptDType dtype) {
  return dtype.value_or(is_differentiable(t.dtype()) ? t.dtype() : DType::Int64);
}

/// For every element the product of the others in its group, which is all or one dimension: what
/// comes before times what comes after, so that zeros are no special case.
Tensor product_of_others(const Tensor& x, uint32_t bits) {
  const bool one = x.dim() > 1 && (bits & (bits - 1)) == 0;
  const Tensor t = one ? x : reshape(x, {-1});
  int axis = 0;
  while (one && !(bits & (1u << axis))) ++axis;
  const int64_t n = t.shape()[axis];
  if (n == 0) return x;
  Dims edge = t.shape();
  edge[axis] = 1;
  const Tensor unit = full(edge, 1., t.dtype());
  const Tensor before = cumprod(cat({unit, slice(t, axis, 0, n - 1, 1)}, axis), axis);
  const Tensor after = cumprod(cat({slice(t, axis, 1, n, 1), unit}, axis), axis, true);
  return reshape(before * after, x.shape());
}

/// The product along one dimension, kept as 1, by halves.
Tensor halved_product(Tensor t, int axis) {
  if (t.shape()[axis] == 0) return sum(t, Dims{axis}, true, std::nullopt) + 1.;
  for (int64_t n = t.shape()[axis]; n > 1; n = t.shape()[axis]) {
    const int64_t half = n / 2;
    const Tensor pairs = slice(t, axis, 0, half, 1) * slice(t, axis, half, 2 * half, 1);
    t = n % 2 ? cat({pairs, slice(t, axis, n - 1, n, 1)}, axis) : pairs;
  }
  return t;
}

/// Whether some element, or every one, is not 0.
Tensor flag(const char* op, Id id, const Tensor& t, const OptDims& axes, bool keepdim) {
  GradMode off(false);
  const Tensor flags = t.dtype() == DType::Bool ? t : t != 0.;
  return reduce(op, id, flags, axis_bits(op, axes, t.dim()), keepdim, DType::Bool);
}

Tensor prod(const Tensor& given, const OptDims& axes, bool keepdim, OptDType dtype) {
  if (dtype == DType::Bool) return flag("prod", Id::All, given, axes, keepdim);
  const Tensor t = to(given, sum_dtype(given, dtype));
  const uint32_t bits = axis_bits("prod", axes, t.dim());
  if (is_complex(t.dtype())) {
    const Tensor out =
        axes && t.dim()
            ? halved_product(t, static_cast<int>(wrap_axis("prod", (*axes)[0], t.dim())))
            : halved_product(reshape(t, {-1}), 0);
    return named(axes ? "ProdBackward1" : "ProdBackward0",
                 reshape(out, reduced_shape(t.shape(), bits, keepdim)));
  }
  Tensor out = in_int32(
      t, [&](const Tensor& x) { return reduce("prod", Id::Prod, x, bits, keepdim, x.dtype()); });
  if (Recorder r{&t}; r)
    r.save(t).done(axes ? "ProdBackward1" : "ProdBackward0", out, [bits](const Backward& b) {
      b.give(0, unreduce(b.grad(), b.saved(0).shape(), bits) * product_of_others(b.saved(0), bits));
    });
  return out;
}

Tensor arg_extreme(const char* op, Id id, const Tensor& t, std::optional<int64_t> axis,
                   bool keepdim) {
  const Tensor x = axis && t.dim() ? contiguous(detach(t)) : reshape(detach(t), {-1});
  const int a = axis ? wrap_axis(op, *axis, t.dim()) : 0;
  if (x.shape()[a] == 0)
    fail_index(op, "dimension ", a, " of shape ", t.shape(),
               " has no elements to choose from; pass a "
               "tensor that is not empty");
  const Tensor out = reduce_group(op, id, contiguous(x), a, a, DType::Int64);
  if (t.dim() == 0 || (!axis && keepdim)) return reshape(out, Dims(t.dim(), 1));
  return keepdim ? out : squeeze(out, Dims{a});
}

/// The elements that `places` (int64, one per group along axis a, kept) names.
Tensor at_places(const Tensor& t, const Tensor& places, int a) {
  Tensors indices(static_cast<size_t>(a) + 1);
  // One row-major index per dimension would be large; move the axis to the front instead.
  const Tensor moved = reshape(movedim(t, {a}, {0}), {t.shape()[a], -1});
  const Tensor flat = reshape(movedim(places, {a}, {0}), {-1});
  return reshape(index(moved, {flat, arange_int(0, flat.numel(), 1)}),
                 reduced_shape(t.shape(), 1u << a, true));
}

std::pair<Tensor, Tensor> extreme_along(const char* op, const char* node, Id arg, const Tensor& t,
                                        int64_t axis, bool keepdim) {
  const int a = wrap_axis(op, axis, t.dim());
  const Tensor places = arg_extreme(op, arg, t, a, true);
  if (t.dim() == 0) return {clone(t), places};
  Tensor values;
  {
    GradMode off(false);
    values = at_places(t, places, a);
    if (!keepdim) values = squeeze(values, Dims{a});
  }
  if (Recorder r{&t}; r)
    r.done(node, values, [places, a, keepdim, n = t.shape()[a]](const Backward& b) {
      Dims along(places.dim(), 1);
      along[a] = n;
      const Tensor chosen = reshape(arange_int(0, n, 1), along) == places;
      b.give(0, select(chosen, keepdim ? b.grad() : unsqueeze(b.grad(), a), 0.));
    });
  return {values, keepdim ? places : squeeze(places, Dims{a})};
}

Tensor any_all(const char* op, Id id, const Tensor& t, const OptDims& axes, bool keepdim) {
  const bool each = axes && axes->empty();  // no dimension, where None means all of them
  const Tensor out = each ? clone(to(t, DType::Bool)) : flag(op, id, t, axes, keepdim);
  return t.dtype() == DType::UInt8 ? to(out, DType::UInt8) : out;  // PyTorch's type for it
}

}  // namespace

uint32_t axis_bits(const char* op, const OptDims& axes, int ndim) {
  uint32_t bits = 0;
  for (int64_t a : wrap_axes(op, axes.value_or(Dims{}), ndim)) bits |= 1u << a;
  return bits;
}

Dims reduced_shape(const Dims& shape, uint32_t bits, bool keepdim) {
  Dims out;
  for (int d = 0; d < shape.size(); ++d) {
    if (!(bits & (1u << d))) out.push_back(shape[d]);
    else if (keepdim) out.push_back(1);
  }
  return out;
}

Tensor unreduce(const Tensor& r, const Dims& shape, uint32_t bits) {
  return expand(reshape(r, reduced_shape(shape, bits, true)), shape);
}

double group_size(const Tensor& t, uint32_t bits) {
  double n = 1;
  for (int d = 0; d < t.dim(); ++d)
    if (bits & (1u << d)) n *= static_cast<double>(t.shape()[d]);
  return n;
}

Tensor extreme(const char* op, const char* node, Id id, const Tensor& t, const OptDims& axes,
               bool keepdim) {
  const uint32_t bits = axis_bits(op, axes, t.dim());
  require_elements(op, t, axes, bits);
  Tensor out = reduce(op, id, t, bits, keepdim, t.dtype());
  if (!is_floating(t.dtype())) return out;
  if (Recorder r{&t}; r)
    r.save(t).save_output().done(node, out, [bits](const Backward& b) {
      const Tensor x = b.saved(0);
      const Tensor ties = to(detach(x) == unreduce(detach(b.saved(1)), x.shape(), bits), x.dtype());
      OptDims axes = Dims{};
      for (int d = 0; d < x.dim(); ++d)
        if (bits & (1u << d)) axes->push_back(d);
      const Tensor count = sum(ties, axes, true, std::nullopt);
      b.give(0, unreduce(b.grad(), x.shape(), bits) * (ties / count));
    });
  return out;
}

Tensor sum(const Tensor& given, const OptDims& axes, bool keepdim, OptDType dtype) {
  if (dtype == DType::Bool) return flag("sum", Id::Any, given, axes, keepdim);
  const Tensor t = to(given, sum_dtype(given, dtype));
  const uint32_t bits = axis_bits("sum", axes, t.dim());
  Tensor out = in_int32(
      t, [&](const Tensor& x) { return reduce("sum", Id::Sum, x, bits, keepdim, x.dtype()); });
  if (Recorder r{&t}; r)
    r.done(axes ? "SumBackward1" : "SumBackward0", out,
           [bits, shape = t.shape()](const Backward& b) {
             b.give(0, unreduce(b.grad(), shape, bits));
           });
  return out;
}

Tensor mean(const Tensor& given, const OptDims& axes, bool keepdim, OptDType dtype) {
  const Tensor t = to(given, dtype.value_or(given.dtype()));
  if (!is_differentiable(t.dtype()))
    fail_runtime("mean", "input is ", name_of(t.dtype()),
                 ", expected a floating-point type; use .float() or pass dtype=");
  const uint32_t bits = axis_bits("mean", axes, t.dim());
  const double n = group_size(t, bits);
  // The total carries no graph, so dividing it records nothing.
  Tensor out = reduce("mean", Id::Sum, t, bits, keepdim, t.dtype()) / n;
  if (Recorder r{&t}; r)
    r.done(axes ? "MeanBackward1" : "MeanBackward0", out,
           [bits, n, shape = t.shape()](const Backward& b) {
             b.give(0, unreduce(b.grad() / n, shape, bits));
           });
  return out;
}

Tensor sum_to_size(const Tensor& t, const Dims& shape) {
  if (t.shape() == shape) return t;
  const int extra = t.dim() - shape.size();
  Dims axes;
  for (int d = 0; d < t.dim(); ++d)
    if (d < extra || (shape[d - extra] == 1 && t.shape()[d] != 1)) axes.push_back(d);
  const Tensor total = axes.empty() ? t : sum(t, axes, true, std::nullopt);
  return total.shape() == shape ? total : reshape(total, shape);
}

void register_reduction(Registry& r) {
  r.both(
      "sum", "input, *, dtype=None",
      [](const Tensor& t, OptDType dtype) { return sum(t, std::nullopt, false, dtype); },
      "Sum over all or the named dimensions, pairwise; integers give int64.");
  r.both(
      "sum", "input, dim, keepdim=False, *, dtype=None",
      [](const Tensor& t, const OptDims& dim, bool keepdim, OptDType dtype) {
        return sum(t, dim, keepdim, dtype);
      },
      "");
  r.both(
      "mean", "input, *, dtype=None",
      [](const Tensor& t, OptDType dtype) { return mean(t, std::nullopt, false, dtype); },
      "Mean over all or the named dimensions; NaN for no elements.");
  r.both("mean", "input, dim, keepdim=False, *, dtype=None", mean, "");
  r.both(
      "prod", "input, *, dtype=None",
      [](const Tensor& t, OptDType dtype) { return prod(t, std::nullopt, false, dtype); },
      "Product over all or one dimension; integers give int64.");
  r.both(
      "prod", "input, dim, keepdim=False, *, dtype=None",
      [](const Tensor& t, int64_t dim, bool keepdim, OptDType dtype) {
        return prod(t, Dims{dim}, keepdim, dtype);
      },
      "");
  r.both(
      "amax", "input, dim=(), keepdim=False",
      [](const Tensor& t, const OptDims& dim, bool keepdim) {
        return extreme("amax", "AmaxBackward0", Id::Max, t, dim, keepdim);
      },
      "Largest value, NaN if any; ties share the gradient.");
  r.both(
      "amin", "input, dim=(), keepdim=False",
      [](const Tensor& t, const OptDims& dim, bool keepdim) {
        return extreme("amin", "AminBackward0", Id::Min, t, dim, keepdim);
      },
      "Smallest value, NaN if any; ties share the gradient.");
  r.both(
      "max", "input",
      [](const Tensor& t) {
        return extreme("max", "MaxBackward1", Id::Max, t, std::nullopt, false);
      },
      "Largest value of all; or (values, indices) along dim; or the larger of two tensors.");
  r.both("max", "input, other", [](const Tensor& a, const Tensor& b) { return maximum(a, b); }, "");
  r.both(
      "max", "input, dim, keepdim=False -> values, indices",
      [](const Tensor& t, int64_t dim, bool keepdim) {
        return extreme_along("max", "MaxBackward0", Id::ArgMax, t, dim, keepdim);
      },
      "");
  r.both(
      "min", "input",
      [](const Tensor& t) {
        return extreme("min", "MinBackward1", Id::Min, t, std::nullopt, false);
      },
      "Smallest value of all; or (values, indices) along dim; or the smaller of two tensors.");
  r.both("min", "input, other", [](const Tensor& a, const Tensor& b) { return minimum(a, b); }, "");
  r.both(
      "min", "input, dim, keepdim=False -> values, indices",
      [](const Tensor& t, int64_t dim, bool keepdim) {
        return extreme_along("min", "MinBackward0", Id::ArgMin, t, dim, keepdim);
      },
      "");
  r.both(
      "argmax", "input, dim=None, keepdim=False",
      [](const Tensor& t, std::optional<int64_t> dim, bool keepdim) {
        require_number_type("argmax", t);
        return arg_extreme("argmax", Id::ArgMax, t, dim, keepdim);
      },
      "Place of the first largest value, over all elements or along dim.");
  r.both(
      "argmin", "input, dim=None, keepdim=False",
      [](const Tensor& t, std::optional<int64_t> dim, bool keepdim) {
        require_number_type("argmin", t);
        return arg_extreme("argmin", Id::ArgMin, t, dim, keepdim);
      },
      "Place of the first smallest value, over all elements or along dim.");
  r.both(
      "any", "input, dim=None, keepdim=False",
      [](const Tensor& t, const OptDims& dim, bool keepdim) {
        return any_all("any", Id::Any, t, dim, keepdim);
      },
      "Whether some element is not zero.");
  r.both(
      "all", "input, dim=None, keepdim=False",
      [](const Tensor& t, const OptDims& dim, bool keepdim) {
        return any_all("all", Id::All, t, dim, keepdim);
      },
      "Whether no element is zero.");
  r.method(
      "sum_to_size", "input, *size",
      [](const Tensor& t, const Dims& size) {
        if (!(broadcast_shapes("sum_to_size", size, t.shape()) == t.shape()))
          fail_runtime("sum_to_size", "size ", size, " does not expand to that of the tensor, ",
                       t.shape(), "; pass what was broadcast");
        if (is_differentiable(t.dtype()) || (size == t.shape() && t.dim()))
          return sum_to_size(t, size);
        return sum_to_size(to(t, DType::Int64), size);
      },
      "Undoes broadcasting: sums down to a shape.");
}

}  // namespace bx
