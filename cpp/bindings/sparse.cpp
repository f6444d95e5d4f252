// Sparse tensors: their class and their coordinates.
#include "autograd/sparse.h"
#include "bindings/python.h"

namespace bx {

namespace {
PyTypeObject* known = nullptr;
}

PyTypeObject* sparse_type() {
  if (!known) py::module_::import("backprop_ext.sparse");  // names it
  return known;
}

void bind_sparse(py::module_& m) {
  m.def(
      "_set_sparse_type",
      [](py::type t) { known = reinterpret_cast<PyTypeObject*>(t.release().ptr()); },
      "Names the class of sparse tensors.");
  m.def(
      "_sparse",
      [](const Tensor& values, const Tensor& indices, const std::vector<int64_t>& size,
         bool coalesced, bool by_rows) {
        Dims whole;
        for (int64_t n : size) whole.push_back(n);
        return sparse(values, {indices, whole, coalesced, by_rows});
      },
      "A sparse tensor of values at checked indices.");
  m.def("_set_sparse", &set_sparse, "Other values at other indices, in place.");
  m.def("_values", &values_of, "The values of a sparse tensor, as a dense one.");
  m.def("_to_dense", &to_dense, "Zeros with the values added at their places.");
  m.def(
      "_coordinates",
      [](const Tensor& t) -> py::object {
        const Coordinates* at = coordinates(t);
        if (!at) return py::none();
        return py::make_tuple(at->indices, py::reinterpret_steal<py::object>(wrap_size(at->size)),
                              at->coalesced, at->by_rows);
      },
      "Indices, size, whether it is coalesced, and told by rows; None for a dense tensor.");
}

}  // namespace bx
