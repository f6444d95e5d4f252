// Sparse tensors: the tensor holds the values, its coordinates say where they stand. Operations see
// values alone; what goes by coordinates is written in Python, and here where gradients meet.
#pragma once

#include "autograd/node.h"

namespace bx {

/// Null for a dense tensor.
inline const Coordinates* coordinates(const TensorImpl& t) {
  return t.extras ? static_cast<const LeafExtras&>(*t.extras).coordinates.get() : nullptr;
}
inline const Coordinates* coordinates(const Tensor& t) { return coordinates(*t.impl()); }
/// The shape that the user sees.
inline const Dims& whole_shape(const Tensor& t) {
  const Coordinates* at = coordinates(t);
  return at ? at->size : t.shape();
}

/// NotImplementedError where a tensor is sparse and its memory is asked for.
void require_dense(const char* op, const Tensor& t);

/// The values at their coordinates, on the values' memory and in their graph.
Tensor sparse(const Tensor& values, Coordinates at);
/// Values at the coordinates of t; the values themselves where it is dense.
Tensor with_coordinates_of(const Tensor& t, const Tensor& values);
/// A sparse tensor takes other values, at other indices, in place.
void set_sparse(const Tensor& t, const Tensor& values, const Tensor& indices, bool coalesced);
/// The values of a sparse tensor, as a dense one: of the same node, but for a leaf.
Tensor values_of(const Tensor& t);
/// What a tensor of the whole shape has at the coordinates.
Tensor values_at(const Tensor& t, const Coordinates& at);
/// Zeros with the values added at their places; a dense tensor itself.
Tensor to_dense(const Tensor& t);
/// a + b, of which one is sparse: sparse where both are.
Tensor add_sparse(const Tensor& a, const Tensor& b);

}  // namespace bx
