// Writes and reads at a list of indices along one axis, at indices of the flattened tensor, and
// where a mask says.
#include "ops/scatter.h"

namespace bx {

namespace {

constexpr IndexRules kIndexError{"", ErrorKind::Runtime, ErrorKind::Index, false};

IndexRules rules(const char* op, IndexRules r) {
  r.op = op;
  return r;
}

/// A list of indices, and what it selects along an axis of a tensor, as scatter wants it.
struct Slices {
  int axis;
  Tensor index;  // int64, expanded over the other dimensions
  Dims shape;    // of what is selected

  Slices(const IndexRules& rules, const Tensor& t, int64_t dim, const Tensor& list) {
    axis = wrap_axis(rules.op, dim, t.dim());
    if (list.dim() > 1)
      fail_index(rules.op, "the index has shape ", list.shape(), "; expected one dimension");
    const Tensor at = checked_index(rules, list, t.dim() ? t.shape()[axis] : 1);
    shape = t.shape();
    if (t.dim() == 0) {
      if (at.numel() != 1)
        fail_index(rules.op, at.numel(), " indices for a 0-d tensor; expected one");
      index = reshape(at, {});
      return;
    }
    shape[axis] = at.numel();
    Dims line(t.dim(), 1);
    line[axis] = at.numel();
    index = expand(reshape(at, line), shape);
  }

  /// A source must have exactly the selected shape.
  void require(const char* op, const Tensor& self, const Tensor& source, ErrorKind kind) const {
    if (self.dtype() != source.dtype())
      fail_runtime(op, "the tensor is ", name_of(self.dtype()), ", the source ",
                   name_of(source.dtype()), "; convert one of them");
    const bool fits = self.dim() == 0 ? source.numel() == 1 : source.shape() == shape;
    if (!fits)
      fail(kind, op, "the source has shape ", source.shape(), ", the indices select ", shape,
           "; they must be equal");
  }
};

Tensor index_select(const Tensor& t, int64_t dim, const Tensor& list) {
  const Slices s(rules("index_select", kIndexError), t, dim, list);
  return gather_as("IndexSelectBackward0", t, s.axis, s.index);
}

template <bool Inplace>
Tensor index_add(const Tensor& self, int64_t dim, const Tensor& list, const Tensor& source,
                 const Scalar& alpha) {
  const char* op = Inplace ? "index_add_" : "index_add";
  const Slices s({op}, self, dim, list);
  s.require(op, self, source, ErrorKind::Runtime);
  return scatter_as(op, "IndexAddBackward0", Inplace, self, s.axis, s.index,
                    reshape(scaled(source, alpha), s.shape), ScatterMode::Add);
}

template <bool Inplace>
Tensor index_copy(const Tensor& self, int64_t dim, const Tensor& list, const Tensor& source) {
  const char* op = Inplace ? "index_copy_" : "index_copy";
  const Slices s(rules(op, kIndexError), self, dim, list);
  s.require(op, self, source, ErrorKind::Index);
  return scatter_as(op, "IndexCopyBackward0", Inplace, self, s.axis, s.index,
                    reshape(source, s.shape), ScatterMode::Set);
}

template <bool Inplace>
Tensor index_fill(const Tensor& self, int64_t dim, const Tensor& list, Operand value) {
  const char* op = Inplace ? "index_fill_" : "index_fill";
  if (value.tensor.dim() != 0)
    fail_runtime(op, "the value has shape ", value.tensor.shape(),
                 "; expected a number or a 0-d tensor");
  const Slices s({op, ErrorKind::Index, ErrorKind::Index, true}, self, dim, list);
  return scatter_as(op,
                    value.tensor->is_wrapped_number ? "IndexFillBackward0" : "IndexFillBackward1",
                    Inplace, self, s.axis, s.index, expand(to(value.tensor, self.dtype()), s.shape),
                    ScatterMode::Set);
}

template <bool Inplace>
Tensor index_reduce(const Tensor& self, int64_t dim, const Tensor& list, const Tensor& source,
                    const std::string& reduce, bool include_self) {
  const char* op = Inplace ? "index_reduce_" : "index_reduce";
  if (reduce != "prod" && reduce != "mean" && reduce != "amax" && reduce != "amin")
    fail_runtime(op, "reduce='", reduce,
                 "' is none of 'prod', 'mean', 'amax', 'amin'; use one of them");
  const Slices s(rules(op, kIndexError), self, dim, list);
  s.require(op, self, source, ErrorKind::Runtime);
  return scatter_reduce_as(op, "IndexReduceBackward0", Inplace, self, s.axis, s.index,
                           reshape(source, s.shape), reduce, include_self);
}

Tensor flat_index(const char* op, const Tensor& t, const Tensor& index) {
  return reshape(checked_index({op, ErrorKind::Runtime, ErrorKind::Index, true}, index, t.numel()),
                 {-1});
}

Tensor take(const Tensor& t, const Tensor& index) {
  const Tensor at = flat_index("take", t, index);
  Tensor out;
  {
    GradMode off(false);
    out = reshape(gather_as("", reshape(t, {-1}), 0, at), index.shape());
  }
  if (Recorder r{&t}; r)
    r.save(at).done("TakeBackward0", out, [shape = t.shape()](const Backward& b) {
      const Tensor flat = zeros({shape.product()}, b.grad().dtype());
      b.give(0, reshape(scatter_add(flat, 0, b.saved(0), reshape(b.grad(), {-1})), shape));
    });
  return out;
}

Tensor put(const Tensor& self, const Tensor& index, const Tensor& source, bool accumulate) {
  if (self.dtype() != source.dtype())
    fail_runtime("put", "the tensor is ", name_of(self.dtype()), ", the source ",
                 name_of(source.dtype()), "; convert one of them");
  if (index.numel() != source.numel())
    fail_index("put", "the index has ", index.numel(), " elements, the source ", source.numel(),
               "; they must be equal in number");
  const Tensor at = flat_index("put", self, index);
  Tensor out;
  {
    GradMode off(false);
    out = reshape(scatter_as("put", "", false, reshape(self, {-1}), 0, at, reshape(source, {-1}),
                             accumulate ? ScatterMode::Add : ScatterMode::Set),
                  self.shape());
  }
  if (Recorder r{&self, &source}; r)
    r.save(at).done("PutBackward0", out, [accumulate, shape = source.shape()](const Backward& b) {
      const Tensor& g = b.grad();
      const Tensor at = b.saved(0);
      if (b.wants(0)) b.give(0, accumulate ? g : put(g, at, zeros(at.shape(), g.dtype()), false));
      if (b.wants(1)) b.give(1, reshape(take(g, at), shape));
    });
  return out;
}

Tensor take_along_dim(const Tensor& t, const Tensor& indices, std::optional<int64_t> dim) {
  if (!dim) return take_along_dim(reshape(t, {-1}), reshape(indices, {-1}), 0);
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
  const IndexRules wrapping{"take_along_dim", ErrorKind::Runtime, ErrorKind::Runtime, true};
  const Tensor at = checked_index(wrapping, indices, t.dim() ? t.shape()[axis] : 1);
  return gather_as("GatherBackward0", expand(t, whole), axis, expand(at, places));
}

void require_mask(const char* op, const Tensor& mask) {
  if (mask.dtype() != DType::Bool)
    fail_runtime(op, "the mask is ", name_of(mask.dtype()), "; expected bool");
}

/// self, or where the mask has more dimensions, self repeated.
Tensor masked_base(const char* op, const Tensor& self, const Tensor& mask) {
  return expand(self, broadcast_shapes(op, self.shape(), mask.shape()));
}

/// The places, in the flattened tensor, where the mask is True.
Tensor places_of(const Tensor& mask, const Dims& shape) {
  GradMode off(false);
  return reshape(nonzero(reshape(expand(mask, shape), {-1})), {-1});
}

Tensor masked_select(const Tensor& t, const Tensor& mask) {
  require_mask("masked_select", mask);
  const Tensor base = masked_base("masked_select", t, mask);
  const Tensor at = places_of(mask, base.shape());
  Tensor out;
  {
    GradMode off(false);
    out = take(base, at);
  }
  if (Recorder r{&base}; r)
    r.save(at).done("MaskedSelectBackward0", out, [shape = base.shape()](const Backward& b) {
      const Tensor flat = zeros({shape.product()}, b.grad().dtype());
      b.give(0, reshape(scatter_add(flat, 0, b.saved(0), b.grad()), shape));
    });
  return out;
}

Tensor masked_fill_as(const char* op, const Tensor& self, const Tensor& mask, const Tensor& value,
                      bool inplace) {
  require_mask(op, mask);
  if (value.dim() != 0)
    fail_runtime(op, "the value has shape ", value.shape(),
                 "; expected a number or a 0-d tensor; use where for more");
  const Tensor number = to(value, self.dtype());
  const Target target(op, self, inplace);
  {
    GradMode off(false);
    const Tensor out = target.out();
    copy_(out, select(mask, number, out));
  }
  Recorder r{&target.before(), &number};
  if (r) r.save(mask);
  return target.done(
      r, value->is_wrapped_number ? "MaskedFillBackward0" : "MaskedFillBackward1",
      [](const Backward& b) {
        const Tensor mask = b.saved(0);
        if (b.wants(0)) b.give(0, select(mask, 0., b.grad()));
        if (b.wants(1)) b.give(1, sum(select(mask, b.grad(), 0.)));
      });
}

Tensor masked_scatter(const Tensor& given, const Tensor& mask, const Tensor& source) {
  require_mask("masked_scatter", mask);
  if (given.dtype() != source.dtype())
    fail_runtime("masked_scatter", "the tensor is ", name_of(given.dtype()), ", the source ",
                 name_of(source.dtype()), "; convert one of them");
  const Tensor self = masked_base("masked_scatter", given, mask);
  const Tensor at = places_of(mask, self.shape());
  const int64_t n = at.numel();
  if (n > source.numel())
    fail_runtime("masked_scatter", "the mask has ", n, " True, the source only ", source.numel(),
                 " elements; pass a longer source");
  Tensor out;
  {
    GradMode off(false);
    out = put(self, at, slice(reshape(source, {-1}), 0, 0, n, 1), false);
  }
  if (Recorder r{&self, &source}; r)
    r.save(at).done("MaskedScatterBackward0", out,
                    [n, shape = source.shape()](const Backward& b) {
                      const Tensor& g = b.grad();
                      const Tensor at = b.saved(0);
                      if (b.wants(0)) b.give(0, put(g, at, zeros({n}, g.dtype()), false));
                      if (b.wants(1))
                        b.give(1, reshape(embed(take(g, at), {shape.product()}, {{n}, {1}, 0}),
                                          shape));
                    });
  return out;
}

}  // namespace

void register_index_along(Registry& r) {
  r.both("index_select", "input, dim, index", index_select,
         "Slices of dim picked by a 1-d index tensor; IndexError outside 0 to size - 1.");
  const char* add = "input[index[k]] += alpha source[k] along dim; RuntimeError outside.";
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
  r.both("take", "input, index", take,
         "Elements of the flattened input, of the index's shape; IndexError outside.");
  r.both("put", "input, index, source, accumulate=False", put,
         "Writes (or adds) source at indices of the flattened input; IndexError outside.");
  r.both("take_along_dim", "input, indices, dim=None", take_along_dim,
         "gather with input and indices broadcast; over the flattened input without dim.");
  r.both("masked_select", "input, mask", masked_select,
         "The elements where mask is True, in one dimension.");
  r.both(
      "masked_fill", "input, mask, value",
      [](const Tensor& t, const Tensor& mask, Operand value) {
        return masked_fill_as("masked_fill", masked_base("masked_fill", t, mask), mask,
                              value.tensor, false);
      },
      "value where mask is True.");
  r.method(
      "masked_fill_", "input, mask, value",
      [](const Tensor& t, const Tensor& mask, Operand value) {
        return masked_fill_as("masked_fill_", t, mask, value.tensor, true);
      },
      "Writes value where mask is True.");
  r.both("masked_scatter", "input, mask, source", masked_scatter,
         "The elements of source, in order, where mask is True; RuntimeError for too few.");
  r.inplace({"put", "masked_scatter"});
}

}  // namespace bx
