#include "autograd/sparse.h"

#include <utility>

#include "ops/ops.h"

namespace bx {

namespace {

/// The indices along each dimension.
Tensors places(const Coordinates& at) {
  Tensors out;
  for (int64_t d = 0; d < at.indices.size(0); ++d) out.push_back(select_axis(at.indices, 0, d));
  return out;
}

Tensor added(const Tensor& dense, const Tensor& values, const Coordinates& at) {
  return index_put_(dense, places(at), values, true);
}

}  // namespace

void require_dense(const char* op, const Tensor& t) {
  if (coordinates(t))
    fail(ErrorKind::NotImplemented, op, "a sparse tensor of shape ", whole_shape(t),
         "; a dense one is needed, call .to_dense() first");
}

Tensor sparse(const Tensor& values, Coordinates at) {
  Tensor out = values_of(values);
  auto extras = std::make_unique<LeafExtras>();
  extras->coordinates = std::make_unique<const Coordinates>(std::move(at));
  out->extras = std::move(extras);
  return out;
}

void set_sparse(const Tensor& t, const Tensor& values, const Tensor& indices, bool coalesced) {
  if (!coordinates(t)) fail_runtime("set_sparse", "the tensor is dense; a sparse one is needed");
  auto& extras = static_cast<LeafExtras&>(*t->extras);
  const Coordinates& before = *extras.coordinates;
  extras.coordinates = std::make_unique<const Coordinates>(
      Coordinates{indices, before.size, coalesced, before.by_rows});
  t->move_to(values->storage, values->offset, values.shape(), values.strides(), values.dtype());
}

Tensor with_coordinates_of(const Tensor& t, const Tensor& values) {
  const Coordinates* at = coordinates(t);
  return at ? sparse(values, *at) : values;
}

Tensor values_of(const Tensor& t) {
  const Ref<Node> node = grad_fn(t);
  if (!node || !grad_enabled()) return unsafe_view("AliasBackward0", reshape(t, t.shape()));
  const Tensor out = detached(t);
  set_history(out, node, t->output_nr);
  return out;
}

Tensor values_at(const Tensor& t, const Coordinates& at) { return index(to_dense(t), places(at)); }

Tensor to_dense(const Tensor& t) {
  const Coordinates* at = coordinates(t);
  if (!at) return t;
  if (at->indices.size(0) == 0) return reshape(sum(values_of(t), Dims{0}, false, {}), at->size);
  return added(zeros(at->size, t.dtype()), values_of(t), *at);
}

Tensor add_sparse(const Tensor& a, const Tensor& b) {
  const Coordinates *x = coordinates(a), *y = coordinates(b);
  if (!x) return added(clone(a), values_of(b), *y);
  if (!y) return added(clone(b), values_of(a), *x);
  if (x->indices.same_as(y->indices)) return sparse(values_of(a) + values_of(b), *x);
  return sparse(
      cat({values_of(a), values_of(b)}, 0),
      {unrecorded([&] { return cat({x->indices, y->indices}, 1); }), x->size, false, false});
}

}  // namespace bx
