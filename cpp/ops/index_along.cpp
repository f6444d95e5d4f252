// Writes and reads at a list of indices along one axis.
#include "ops/scatter.h"

namespace bx {

namespace {

/// A list of indices, and what it selects along an axis of a tensor.
struct Slices {
  int axis;
  Tensor list;
  Dims shape;  // of what is selected

  /// `one`: whether a 0-d tensor has to have one index.
  Slices(const char* op, const Tensor& t, int64_t dim, const Tensor& given, bool one)
      : list(given) {
    axis = wrap_axis(op, dim, t.dim());
    if (list.dim() > 1)
      fail_index(op, "the index has shape ", list.shape(), "; expected one dimension");
    if (one && t.dim() == 0 && list.numel() != 1)
      fail(ErrorKind::OutOfRange, op, list.numel(), " indices for a 0-d tensor; expected one");
    shape = t.shape();
    if (t.dim()) shape[axis] = list.numel();
  }

  /// The indices as scatter wants them: in range, int64, expanded over the other dimensions.
  Tensor index(const IndexRules& rules, const Tensor& t) const {
    const Tensor at = checked_index(rules, list, t.dim() ? t.shape()[axis] : 1);
    if (t.dim() == 0) return at.numel() == 1 ? reshape(at, {}) : at;
    Dims line(t.dim(), 1);
    line[axis] = at.numel();
    return expand(reshape(at, line), shape);
  }

  /// A source must have exactly the selected shape.
  void require(const char* op, const Tensor& self, const Tensor& source, ErrorKind kind) const {
    if (self.dtype() != source.dtype())
      fail_runtime(op, "the tensor is ", name_of(self.dtype()), ", the source ",
                   name_of(source.dtype()), "; convert one of them");
    // index_copy alone takes one element of a line, or a 0-d tensor, with or without a dimension.
    const bool one = kind == ErrorKind::Index && (self.dim() == 0 || source.dim() == 0);
    const bool fits =
        one ? self.dim() < 2 && shape.product() * source.numel() == 1 : source.shape() == shape;
    Dims counted = source.shape();
    if (self.dim() && counted.size() == shape.size()) counted[axis] = shape[axis];
    if (!fits)  // an IndexError where the number of indices is what differs
      fail(counted.size() == shape.size() && !(counted == shape) ? ErrorKind::Runtime : kind, op,
           "the source has shape ", source.shape(), ", the indices select ", shape,
           "; they must be equal");
  }
};

Tensor index_select(const Tensor& t, int64_t dim, const Tensor& list) {
  const Slices s("index_select", t, dim, list, true);
  const Tensor at = s.index({"index_select"}, t);
  return gather_as("IndexSelectBackward0", t, s.axis, at);
}

template <bool Inplace>
Tensor index_add(const Tensor& self, int64_t dim, const Tensor& list, const Tensor& source,
                 const Scalar& alpha) {
  const char* op = Inplace ? "index_add_" : "index_add";
  const Slices s(op, self, dim, list, true);
  s.require(op, self, source, ErrorKind::Runtime);
  const Tensor at = s.index({op}, self);
  return scatter_as(op, "IndexAddBackward0", Inplace, self, s.axis, at,
                    reshape(scaled(source, alpha), s.shape), ScatterMode::Add);
}

template <bool Inplace>
Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& list, const Tensor& source) {
  const char* op = Inplace ? "index_copy_" : "index_copy";
  const Slices s(op, self, dim, list, true);
  if (source.dim() == 0 && list.numel() != 1)
    fail_index(op, list.numel(), " indices for a 0-d source; expected one");
  s.require(op, self, source, ErrorKind::Index);
  const Tensor at = s.index({op, ErrorKind::Runtime, false, false}, self);
  return scatter_as(op, "IndexCopyBackward0", Inplace, self, s.axis, at, reshape(source, s.shape),
                    ScatterMode::Set);
}

template <bool Inplace>
Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& list, Operand value) {
  const char* op = Inplace ? "index_fill_" : "index_fill";
  if (value.tensor.dim() != 0)
    fail_runtime(op, "the value has shape ", value.tensor.shape(),
                 "; expected a number or a 0-d tensor");
  if (list.dim() > 1)
    fail_runtime(op, "the index has shape ", list.shape(), "; expected one dimension, flatten it");
  const Slices s(op, self, dim, list, false);
  const Tensor at = s.index({op, ErrorKind::Index, true, false}, self);
  const Tensor number = fitted(op, value.tensor, self.dtype());
  const Target target(op, self, Inplace, true);
  const auto write = [axis = s.axis](const Tensor& out, const Tensor& index, const Tensor& x) {
    launch_scatter("index_fill", out, axis, index, expand(detached(x), index.shape()),
                   ScatterMode::Set);
  };
  write(target.out(), at, number);
  Recorder r{&target.before(), &number};
  if (r) r.save(at);
  const char* node = value.tensor->is_wrapped_number ? "IndexFillBackward0" : "IndexFillBackward1";
  return target.done(r, node, [write](const Backward& b) {
    // Every place counts once, however often it is named.
    const Tensor& g = b.grad();
    const Tensor hit = zeros(g.shape(), DType::Bool);
    write(hit, b.saved(0), full_int({}, 1, DType::Bool));
    if (b.wants(0)) b.give(0, select(hit, 0., g));
    if (b.wants(1)) b.give(1, sum(select(hit, g, 0.)));
  });
}

template <bool Inplace>
Tensor index_reduce(const Tensor& self, int64_t dim, const Tensor& list, const Tensor& source,
                    const std::string& reduce, bool include_self) {
  const char* op = Inplace ? "index_reduce_" : "index_reduce";
  if (reduce != "prod" && reduce != "mean" && reduce != "amax" && reduce != "amin")
    fail_runtime(op, "reduce='", reduce,
                 "' is none of 'prod', 'mean', 'amax', 'amin'; use one of them");
  if (self.dim() < 2 && !is_floating(self.dtype()) && !is_integral(self.dtype()))
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(self.dtype()),
         " in one dimension; use another type");
  const Slices s(op, self, dim, list, true);
  s.require(op, self, source, ErrorKind::Runtime);
  const Tensor at = s.index({op}, self);
  return scatter_reduce_as(op, "IndexReduceBackward0", Inplace, self, s.axis, at,
                           reshape(source, s.shape), reduce, include_self);
}

Tensor take_along_dim(const Tensor& t, const Tensor& indices, std::optional<int64_t> dim) {
  if (!dim) {  // as in PyTorch, which takes int32 here alone
    const bool narrow = indices.dtype() == DType::Int32;
    return take_along_dim(reshape(t, {-1}),
                          reshape(narrow ? to(indices, DType::Int64) : indices, {-1}), 0);
  }
  const int axis = wrap_axis("take_along_dim", *dim, t.dim());
  if (t.dim() != indices.dim())
    fail_runtime("take_along_dim", "the tensor has shape ", t.shape(), ", the indices ",
                 indices.shape(), "; they must have the same number of dimensions");
  Dims whole = t.shape(), places = indices.shape();
  if (t.dim()) whole[axis] = places[axis] = 1;
  const Dims joint = broadcast_shapes("take_along_dim", whole, places);
  whole = places = joint;
  if (t.dim()) {
    whole[axis] = t.shape()[axis];
    places[axis] = indices.shape()[axis];
  }
  const IndexRules wrapping{"take_along_dim", ErrorKind::Runtime, true, false,
                            ErrorKind::OutOfBounds};
  const Tensor at = checked_index(wrapping, indices, t.dim() ? t.shape()[axis] : 1);
  return gather_as("GatherBackward0", expand(t, whole), axis, expand(at, places));
}

}  // namespace

void register_index_along(Registry& r) {
  r.both("index_select", "input, dim, index", index_select,
         "Slices of dim picked by a 1-d index tensor; IndexError outside 0 to size - 1.");
  const char* add = "input[index[k]] += alpha source[k] along dim; an error outside.";
  r.both("index_add", "input, dim, index, source, *, alpha=1", index_add<false>, add);
  r.method("index_add_", "input, dim, index, source, *, alpha=1", index_add<true>, add);
  const char* copy = "input[index[k]] = source[k] along dim; IndexError outside.";
  r.both("index_copy", "input, dim, index, source", index_copy<false>, copy);
  r.method("index_copy_", "input, dim, index, source", index_copy<true>, copy);
  const char* fill = "input[index[k]] = value along dim; negative indices count from the end.";
  r.both("index_fill", "input, dim, index, value", index_fill<false>, fill);
  r.method("index_fill_", "input, dim, index, value", index_fill<true>, fill);
  const char* reduce =
      "The prod, mean, amax or amin of input[j] (left out where it is hit and include_self is "
      "False) and of every source[k] with index[k] = j along dim.";
  r.both("index_reduce", "input, dim, index, source, reduce, *, include_self=True",
         index_reduce<false>, reduce);
  r.method("index_reduce_", "input, dim, index, source, reduce, *, include_self=True",
           index_reduce<true>, reduce);
  r.both("take_along_dim", "input, indices, dim=None", take_along_dim,
         "gather with input and indices broadcast; over the flattened input without dim.");
  register_flat_index(r);
}

}  // namespace bx
