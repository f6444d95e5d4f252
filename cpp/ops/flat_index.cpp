// Reads and writes at places of the flattened tensor: take and put, and where a mask is True.
#include "ops/scatter.h"

namespace bx {

namespace {

Tensor flat_index(const char* op, const Tensor& t, const Tensor& index) {
  const IndexRules rules{op, ErrorKind::Runtime, true, false};
  return reshape(checked_index(rules, index, t.numel()), {-1});
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
  const Tensor at = flat_index("put", self, index);
  if (index.numel() != source.numel())
    fail_index("put", "the index has ", index.numel(), " elements, the source ", source.numel(),
               "; they must be equal in number");
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
  if (!(broadcast_shapes(op, self.shape(), mask.shape()) == self.shape()))
    fail_runtime(op, "a mask of shape ", mask.shape(), " does not broadcast to the shape ",
                 self.shape(), " of the tensor written to; reshape it");
  if (is_complex(value.dtype()) && !is_complex(self.dtype()))
    fail_runtime(op, "the value is ", name_of(value.dtype()), ", the tensor ",
                 name_of(self.dtype()), ", which cannot hold it; pass its real part");
  const Tensor number = fitted(op, value, self.dtype());
  if (inplace && repeats_elements(self))  // place by place, lest one False undo another's True
    return index_put_(self, {expand(mask, self.shape())}, number, false);
  const Target target(op, self, inplace);
  {
    GradMode off(false);
    const Tensor out = target.out();
    launch(op, kernel(kernels::Id::Copy, out.dtype()), out, select(mask, number, out));
  }
  Recorder r{&target.before(), &number};
  if (r) r.save(mask);
  return target.done(r, value->is_wrapped_number ? "MaskedFillBackward0" : "MaskedFillBackward1",
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
    r.save(at).done("MaskedScatterBackward0", out, [n, shape = source.shape()](const Backward& b) {
      const Tensor& g = b.grad();
      const Tensor at = b.saved(0);
      if (b.wants(0)) b.give(0, put(g, at, zeros({n}, g.dtype()), false));
      if (b.wants(1))
        b.give(1, reshape(embed(take(g, at), {shape.product()}, {{n}, {1}, 0}), shape));
    });
  return out;
}

/// The place in a tensor of `shape` of each index into its elements, one tensor per dimension;
/// what lies outside of it wraps around.
Tensors unravel_index(const Tensor& indices, const Dims& shape) {
  if (!is_integral(indices.dtype()))
    fail_type("unravel_index", "indices are ", name_of(indices.dtype()), "; expected int64");
  int64_t n = 1;
  for (int64_t size : shape)
    if (size < 0 || __builtin_mul_overflow(n, size, &n))
      fail_value("unravel_index", "shape is ", shape, "; sizes are 0 or more, and their product ",
                 "fits into 64 bits");
  Tensors places(static_cast<size_t>(shape.size()));
  Tensor rest = to(indices, DType::Int64);
  for (int d = shape.size() - 1; d >= 0; --d) {
    const Tensor size = full_int({}, shape[d], DType::Int64);
    places[static_cast<size_t>(d)] = apply<formulas::Remainder>(rest, size);
    rest = apply<formulas::FloorDivide>(rest, size);
  }
  return places;
}

}  // namespace

void register_flat_index(Registry& r) {
  r.both("take", "input, index", take,
         "Elements of the flattened input, of the index's shape; IndexError outside.");
  r.both("put", "input, index, source, accumulate=False", put,
         "Writes (or adds) source at indices of the flattened input; IndexError outside.");
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
  r.function("unravel_index", "indices, shape", unravel_index,
             "The place of each flat index in a tensor of `shape`: one index tensor for each "
             "dimension.");
  r.inplace({"put", "masked_scatter"}, true);
}

}  // namespace bx
