// gather, and its mirror scatter, along one axis.
#include "ops/scatter.h"

namespace bx {

using kernels::Id;

namespace {

/// The tensor, or a 0-d one seen as a line of one element.
Tensor as_line(const Tensor& t) { return t.dim() ? t : alias(t, {1}, {1}, t->offset); }

/// Indices have the tensor's number of dimensions, and reach beyond it in none but the axis.
void require_shape(const char* op, const Tensor& t, int axis, const Tensor& index) {
  if (index.numel() == 0) return;
  const int dims = std::max(t.dim(), 1);
  if (std::max(index.dim(), 1) != dims)
    fail_runtime(op, "the index has shape ", index.shape(), ", the tensor ", t.shape(),
                 "; they must have the same number of dimensions");
  for (int d = 0; d < dims && t.dim() && index.dim(); ++d)
    if (d != axis && index.shape()[d] > t.shape()[d])
      fail_runtime(op, "the index's shape ", index.shape(), " exceeds the tensor's shape ",
                   t.shape(), " at dimension ", d, "; only dimension ", axis, " may be larger");
}

int64_t size_along(const Tensor& t, int axis) { return t.dim() ? t.shape()[axis] : 1; }

/// The part of src that an index of this shape reads.
Tensor cropped(const char* op, const Tensor& src, const Tensor& index) {
  const int64_t n = index.numel();
  if (n > 0 && std::max(src.dim(), 1) != std::max(index.dim(), 1))
    fail(
        src.numel() && src.dim() && src.dim() < index.dim() ? ErrorKind::Index : ErrorKind::Runtime,
        op, "the index has shape ", index.shape(), ", src ", src.shape(),
        "; they must have the same number of dimensions");
  const auto too_small = [&](int d) {
    fail_runtime(op, "the index's shape ", index.shape(), " exceeds the shape of src, ",
                 src.shape(), ", at dimension ", d, "; pass a larger src");
  };
  const bool lines = src.dim() != index.dim();  // 0-d counts as a line of one
  if (n == 0 || (lines && src.numel() >= n))
    return reshape(slice(reshape(src, {-1}), 0, 0, n, 1), index.shape());
  if (lines) too_small(0);
  Tensor part = src;
  for (int d = 0; d < index.dim(); ++d) {
    if (index.shape()[d] > src.shape()[d]) too_small(d);
    if (index.shape()[d] < src.shape()[d]) part = slice(part, d, 0, index.shape()[d], 1);
  }
  return part;
}

void require_dtype_of_src(const char* op, const Tensor& self, const Tensor& src) {
  if (self.dtype() != src.dtype())
    fail_runtime(op, "the tensor is ", name_of(self.dtype()), ", src ", name_of(src.dtype()),
                 "; convert one of them");
}

Tensor number_for(const Tensor& self, const Operand& value) {
  return fitted("scatter", value.tensor, self.dtype());
}

}  // namespace

void launch_scatter(const char* op, const Tensor& target, int axis, const Tensor& index,
                    const Tensor& src, ScatterMode mode) {
  if (index.numel() == 0) return;
  const Tensor out = as_line(target), at = as_line(index), from = as_line(src);
  Params p;
  p.i[0] = axis;
  p.i[1] = static_cast<int64_t>(mode);
  launch(op, kernel(Id::Scatter, out.dtype()), out, {&at, &from}, p);
}

namespace {

/// out = in0, negative entries counted from the end where i[1] says so; i[0] = the size.
void wrap_kernel(const kernels::View* out, const kernels::View* in, const Params& params,
                 kernels::FaultInfo* fault) {
  const auto* from = static_cast<const int64_t*>(in[0].data);
  auto* to = static_cast<int64_t*>(out[0].data);
  const int64_t size = params.i[0], lowest = params.i[1] ? -size : 0;
  int64_t n = 1;
  for (int d = 0; d < in[0].ndim; ++d) n *= in[0].shape[d];
  for (int64_t i = 0; i < n; ++i) {
    if (from[i] < lowest || from[i] >= size) {
      *fault = {kernels::Fault::IndexOutOfRange, from[i], size};
      return;
    }
    to[i] = from[i] < 0 ? from[i] + size : from[i];
  }
}

}  // namespace

Tensor checked_index(const IndexRules& rules, const Tensor& index, int64_t size) {
  if (index.dtype() != DType::Int64 && !(rules.takes_int32 && index.dtype() == DType::Int32))
    fail(rules.type_error, rules.op, "the index is ", name_of(index.dtype()), "; expected int64",
         rules.takes_int32 ? " or int32" : ", use .long()");
  GradMode off(false);
  Tensor at = to(index, DType::Int64);
  // Entries that an expanded index repeats are looked at once.
  Dims shape = at.shape();
  for (int d = 0; d < at.dim(); ++d)
    if (at.strides()[d] == 0 && shape[d] > 1) shape[d] = 1;
  const Tensor once = contiguous(alias(at, shape, at.strides(), at->offset));
  const Unobserved check;
  const auto* entries = once.data<int64_t>();
  const int64_t n = once.numel(), lowest = rules.wraps ? -size : 0;
  bool negative = false;
  for (int64_t i = 0; i < n; ++i) {
    if (entries[i] < lowest || entries[i] >= size)
      fail(rules.range_error, rules.op, "index ", entries[i],
           " is out of bounds for a dimension of size ", size, "; expected ", lowest, " to ",
           size - 1);
    negative = negative || entries[i] < 0;
  }
  if (launch_listener) {  // a replay has to look at its own indices
    const Tensor source = contiguous(at), out = empty(at.shape(), DType::Int64);
    Params params;
    params.i[0] = size;
    params.i[1] = rules.wraps;
    launch(rules.op, kernels::Kernel{rules.op, nullptr, &wrap_kernel}, out, source, params);
    return out;
  }
  if (negative) at = select(at < 0., at + full_int({}, size, DType::Int64), at);
  return at;
}

Tensor gather_as(const char* node, const Tensor& t, int axis, const Tensor& index) {
  Tensor out = empty(index.shape(), t.dtype());
  if (out.numel() > 0) {
    const Tensor to = as_line(out), from = as_line(t), at = as_line(index);
    Params p;
    p.i[0] = axis;
    launch("gather", kernel(Id::Gather, t.dtype()), to, {&from, &at}, p);
  }
  if (Recorder r{&t}; r)
    r.save(index).done(node, out, [axis, shape = t.shape()](const Backward& b) {
      b.give(0, scatter_add(zeros(shape, b.grad().dtype()), axis, b.saved(0), b.grad()));
    });
  return out;
}

Tensor scatter_as(const char* op, const char* node, bool inplace, const Tensor& self, int axis,
                  const Tensor& index, const Tensor& src, ScatterMode mode) {
  const Target target(op, self, inplace);
  const Tensor from = target.apart(op, src), at = target.apart(op, index);
  launch_scatter(op, target.out(), axis, at, from, mode);
  Recorder r{&target.before(), &from};
  if (r) r.save(at);
  return target.done(r, node, [axis, mode](const Backward& b) {
    const Tensor index = b.saved(0);
    if (b.wants(0)) {
      const Tensor none = expand(full_int({}, 0, b.grad().dtype()), index.shape());
      b.give(0, mode == ScatterMode::Add ? b.grad() : scatter(b.grad(), axis, index, none));
    }
    if (b.wants(1)) b.give(1, gather(b.grad(), axis, index));
  });
}

namespace {

/// The index of scatter's family, checked against the tensor.
Tensor scatter_index(const char* op, const Tensor& self, int axis, const Tensor& index) {
  require_shape(op, self, axis, index);
  return checked_index({.op = op, .range_error = ErrorKind::OutOfBounds}, index,
                       size_along(self, axis));
}

template <bool Inplace>
Tensor scatter_src(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  const char* op = Inplace ? "scatter_" : "scatter";
  const int axis = wrap_axis(op, dim, self.dim());
  require_dtype_of_src(op, self, src);
  const Tensor at = scatter_index(op, self, axis, index);
  return scatter_as(op, "ScatterBackward0", Inplace, self, axis, at, cropped(op, src, at),
                    ScatterMode::Set);
}

template <bool Inplace>
Tensor scatter_value(const Tensor& self, int64_t dim, const Tensor& index, const Scalar& value) {
  const char* op = Inplace ? "scatter_" : "scatter";
  const int axis = wrap_axis(op, dim, self.dim());
  const Tensor at = scatter_index(op, self, axis, index);
  require_fits(op, value, self.dtype());
  const Tensor number = number_as(value, self.dtype());
  return scatter_as(op, "ScatterBackward1", Inplace, self, axis, at, expand(number, at.shape()),
                    ScatterMode::Set);
}

template <bool Inplace>
Tensor scatter_deprecated(const Tensor& self, int64_t dim, const Tensor& index, Operand src,
                          const std::string& reduce) {
  const char* op = Inplace ? "scatter_" : "scatter";
  if (reduce != "add" && reduce != "multiply")
    fail_runtime(op, "reduce='", reduce, "' is neither 'add' nor 'multiply'; use one of them");
  const int axis = wrap_axis(op, dim, self.dim());
  const Tensor at = scatter_index(op, self, axis, index);
  if (!src.tensor->is_wrapped_number) require_dtype_of_src(op, self, src.tensor);
  const Tensor number = number_for(self, src);
  const Tensor from =
      src.tensor->is_wrapped_number ? expand(number, at.shape()) : cropped(op, number, at);
  return scatter_reduce_as(op, "ScatterBackward2", Inplace, self, axis, at, from,
                           reduce == "add" ? "sum" : "prod", true);
}

template <bool Inplace>
Tensor scatter_add_src(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src) {
  const char* op = Inplace ? "scatter_add_" : "scatter_add";
  const int axis = wrap_axis(op, dim, self.dim());
  require_dtype_of_src(op, self, src);
  const Tensor at = scatter_index(op, self, axis, index);
  return scatter_as(op, "ScatterAddBackward0", Inplace, self, axis, at, cropped(op, src, at),
                    ScatterMode::Add);
}

template <bool Inplace>
Tensor scatter_reduce(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                      const std::string& reduce, bool include_self) {
  const char* op = Inplace ? "scatter_reduce_" : "scatter_reduce";
  if (reduce != "sum" && reduce != "prod" && reduce != "mean" && reduce != "amax" &&
      reduce != "amin")
    fail_runtime(op, "reduce='", reduce,
                 "' is none of 'sum', 'prod', 'mean', 'amax', 'amin'; use one of them");
  const int axis = wrap_axis(op, dim, self.dim());
  require_dtype_of_src(op, self, src);
  const Tensor at = scatter_index(op, self, axis, index);
  return scatter_reduce_as(op, "ScatterReduceBackward0", Inplace, self, axis, at,
                           cropped(op, src, at), reduce, include_self);
}

}  // namespace

Tensor gather(const Tensor& t, int64_t dim, const Tensor& index) {
  const int axis = wrap_axis("gather", dim, t.dim());
  require_shape("gather", t, axis, index);
  return gather_as("GatherBackward0", t, axis,
                   checked_index({.op = "gather", .range_error = ErrorKind::OutOfBounds}, index,
                                 size_along(t, axis)));
}

Tensor scatter(const Tensor& base, int64_t axis, const Tensor& index, const Tensor& src,
               ScatterMode mode) {
  return scatter_as("scatter",
                    mode == ScatterMode::Add ? "ScatterAddBackward0" : "ScatterBackward0", false,
                    base, wrap_axis("scatter", axis, base.dim()), index, src, mode);
}

void register_scatter(Registry& r) {
  r.both(
      "gather", "input, dim, index, *, sparse_grad=False",
      [](const Tensor& t, int64_t dim, const Tensor& index, bool) { return gather(t, dim, index); },
      "y[..., k, ...] = input[..., index[..., k, ...], ...] along dim, of the index's shape. "
      "RuntimeError for an index outside 0 to size - 1.");
  const char* doc =
      "A copy of input with src[..., k, ...] (or a number) written, or with reduce='add' or "
      "'multiply' combined, at index[..., k, ...] along dim; the last of several wins. "
      "RuntimeError for an index outside 0 to size - 1.";
  const char *by_src = "input, dim, index, src", *by_value = "input, dim, index, value";
  const char *src_reduce = "input, dim, index, src, *, reduce",
             *value_reduce = "input, dim, index, value, *, reduce";
  r.both("scatter", by_src, scatter_src<false>, doc);
  r.both("scatter", by_value, scatter_value<false>, "");
  r.both("scatter", src_reduce, scatter_deprecated<false>, "");
  r.both("scatter", value_reduce, scatter_deprecated<false>, "");
  r.method("scatter_", by_src, scatter_src<true>, doc);
  r.method("scatter_", by_value, scatter_value<true>, "");
  r.method("scatter_", src_reduce, scatter_deprecated<true>, "");
  r.method("scatter_", value_reduce, scatter_deprecated<true>, "");
  const char* add_doc = "input[..., index[..., k, ...], ...] += src[..., k, ...] along dim.";
  r.both("scatter_add", by_src, scatter_add_src<false>, add_doc);
  r.method("scatter_add_", by_src, scatter_add_src<true>, add_doc);
  const char* reduce_doc =
      "The sum, prod, mean, amax or amin of input[..., j, ...] (left out where it is hit and "
      "include_self is False) and of every src whose index is j along dim.";
  r.both("scatter_reduce", "input, dim, index, src, reduce, *, include_self=True",
         scatter_reduce<false>, reduce_doc);
  r.method("scatter_reduce_", "input, dim, index, src, reduce, *, include_self=True",
           scatter_reduce<true>, reduce_doc);
}

}  // namespace bx
