// The Python type Tensor, with its operators in CPython's number slots: no argument parsing, no
// overload chains. Methods come from tensor_attributes.cpp and from the registry.
#include "bindings/python.h"

#include <structmember.h>

#include <cstddef>
#include <utility>

#include "ops/ops.h"

namespace bx {

PyTypeObject* tensor_type = nullptr;
PyObject* size_type = nullptr;

PyObject* wrap_as(PyTypeObject* type, const Tensor& t) {
  // A plain tensor has no attributes yet, so the garbage collector need not know it; see set_attr.
  auto* self = type == tensor_type ? PyObject_GC_New(PyTensor, type)
                                   : reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
  if (!self) throw py::error_already_set();
  self->impl = t.impl();
  self->impl->retain();
  self->dict = nullptr;
  self->weakrefs = nullptr;
  self->impl->python_object = self;
  return reinterpret_cast<PyObject*>(self);
}

PyObject* wrap(const Tensor& t) {
  if (!t.defined()) Py_RETURN_NONE;
  if (t->python_object) return Py_NewRef(static_cast<PyObject*>(t->python_object));
  return wrap_as(tensor_type, t);
}

PyObject* wrap_size(const Dims& shape) {
  auto* type = size_type ? reinterpret_cast<PyTypeObject*>(size_type) : &PyTuple_Type;
  PyObject* tuple = type->tp_alloc(type, shape.size());
  if (!tuple) throw py::error_already_set();
  for (int i = 0; i < shape.size(); ++i)
    PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(shape[i]));
  return tuple;
}

namespace {

PyTensor* as_tensor(PyObject* o) { return reinterpret_cast<PyTensor*>(o); }

void dealloc(PyObject* o) {
  PyTypeObject* type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  PyTensor* self = as_tensor(o);
  if (self->weakrefs) PyObject_ClearWeakRefs(o);
  Py_CLEAR(self->dict);
  if (TensorImpl* impl = std::exchange(self->impl, nullptr)) {
    if (impl->python_object == self) impl->python_object = nullptr;
    impl->release();
  }
  type->tp_free(o);
  Py_DECREF(type);
}

int traverse(PyObject* o, visitproc visit, void* arg) {
  Py_VISIT(as_tensor(o)->dict);
  Py_VISIT(Py_TYPE(o));
  return 0;
}

int clear(PyObject* o) {
  Py_CLEAR(as_tensor(o)->dict);
  return 0;
}

int set_attr(PyObject* o, PyObject* name, PyObject* value) {
  const int result = PyObject_GenericSetAttr(o, name, value);
  if (as_tensor(o)->dict && !PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
  return result;
}

/// torch.Tensor(sizes...) or torch.Tensor(data): float32, as of old.
PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    if (kwargs && PyDict_Size(kwargs))
      fail_type("Tensor", "takes no keyword arguments; use tensor(data, dtype=...)");
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    Dims sizes;
    bool all_sizes = true;
    for (Py_ssize_t i = 0; i < n && all_sizes; ++i) {
      PyObject* a = PyTuple_GET_ITEM(args, i);
      all_sizes = PyLong_Check(a) && !PyBool_Check(a);
      if (all_sizes) sizes.push_back(PyLong_AsLongLong(a));
    }
    Tensor t;
    if (n == 0) t = empty({0}, default_dtype());
    else if (all_sizes) t = empty(sizes, default_dtype());
    else if (n == 1 && is_tensor(PyTuple_GET_ITEM(args, 0)))
      t = detach(tensor_of(PyTuple_GET_ITEM(args, 0)));
    else if (n == 1) t = tensor_from_data(PyTuple_GET_ITEM(args, 0), default_dtype());
    else fail_type("Tensor", "expected sizes or one sequence of data, got ", n, " arguments; "
                   "use tensor(data)");
    return wrap_as(type, t);
  });
}

// Operators ---------------------------------------------------------------------------------

/// Both operands as tensors; false where one is neither a tensor nor a number nor an array.
bool operands(PyObject* a, PyObject* b, Tensor& x, Tensor& y) {
  auto other = [](PyObject* o, const Tensor& like, Tensor& out) {
    if (is_tensor(o)) out = tensor_of(o);
    else if (const auto s = scalar_from(o)) out = wrapped_scalar(*s, &like);
    else if (is_numpy_array(o)) out = tensor_from_data(o, std::nullopt);
    else return false;
    return true;
  };
  if (is_tensor(a)) {
    x = tensor_of(a);
    return other(b, x, y);
  }
  y = tensor_of(b);
  return other(a, y, x);
}

template <class F>
PyObject* binary(PyObject* a, PyObject* b, F f) {
  return guarded([&]() -> PyObject* {
    Tensor x, y;
    if (!operands(a, b, x, y)) Py_RETURN_NOTIMPLEMENTED;
    return wrap(f(x, y));
  });
}
template <class Row>
PyObject* binary_slot(PyObject* a, PyObject* b) {
  return binary(a, b, [](const Tensor& x, const Tensor& y) { return apply<Row>(x, y); });
}
template <class Row>
PyObject* inplace_slot(PyObject* a, PyObject* b) {
  return binary(a, b, [](const Tensor& x, const Tensor& y) {
    const Tensor in[] = {x, y};
    return pointwise_inplace(pointwise_op(formulas::row_index<Row>), in);
  });
}
PyObject* power_slot(PyObject* a, PyObject* b, PyObject*) { return binary(a, b, &power); }
PyObject* inplace_power_slot(PyObject* a, PyObject* b, PyObject*) {
  return binary(a, b, &power_inplace);
}
PyObject* matmul_slot(PyObject* a, PyObject* b) {
  if (scalar_from(a) || scalar_from(b)) Py_RETURN_NOTIMPLEMENTED;
  return binary(a, b, &matmul);
}
template <class Row>
PyObject* unary_slot(PyObject* a) {
  return guarded([&] { return wrap(apply<Row>(tensor_of(a))); });
}
PyObject* positive_slot(PyObject* a) { return Py_NewRef(a); }

PyObject* compare(PyObject* a, PyObject* b, int op) {
  if (b == Py_None) Py_RETURN_NOTIMPLEMENTED;
  switch (op) {
    case Py_EQ: return binary_slot<formulas::Eq>(a, b);
    case Py_NE: return binary_slot<formulas::Ne>(a, b);
    case Py_LT: return binary_slot<formulas::Lt>(a, b);
    case Py_LE: return binary_slot<formulas::Le>(a, b);
    case Py_GT: return binary_slot<formulas::Gt>(a, b);
    default: return binary_slot<formulas::Ge>(a, b);
  }
}

Py_hash_t hash(PyObject* o) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(o) >> 4); }

int truth(PyObject* o) {
  return guarded([&]() -> int {
    const Tensor t = tensor_of(o);
    if (t.numel() != 1)
      fail_runtime("bool", "the truth of a tensor of shape ", t.shape(), " with ", t.numel(),
                   " values is ambiguous; use .any() or .all()");
    return item_double(t) != 0;
  });
}

PyObject* as_float(PyObject* o) {
  return guarded([&] { return PyFloat_FromDouble(item_double(tensor_of(o))); });
}
PyObject* as_int(PyObject* o) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(o);
    return is_floating(t.dtype()) ? PyLong_FromDouble(item_double(t))
                                  : PyLong_FromLongLong(item_int(t));
  });
}
PyObject* as_index(PyObject* o) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(o);
    if (is_floating(t.dtype()) || t.numel() != 1)
      fail_type("index", "a tensor of type ", name_of(t.dtype()), " and shape ", t.shape(),
                " cannot be an index; only one whole number can");
    return PyLong_FromLongLong(item_int(t));
  });
}

Py_ssize_t length(PyObject* o) {
  return guarded([&]() -> Py_ssize_t {
    const Tensor t = tensor_of(o);
    if (t.dim() == 0) fail_type("len", "a 0-d tensor has no length; use item()");
    return t.shape()[0];
  });
}
PyObject* subscript(PyObject* o, PyObject* key) {
  return guarded([&] { return get_item(tensor_of(o), key); });
}
int assign_subscript(PyObject* o, PyObject* key, PyObject* value) {
  return guarded([&]() -> int {
    if (!value) fail_type("Tensor", "does not support deleting items; use slicing and cat");
    set_item(tensor_of(o), key, value);
    return 0;
  });
}

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

template <class F>
PyType_Slot slot(int id, F f) {
  return {id, reinterpret_cast<void*>(f)};
}

}  // namespace

void bind_tensor(py::module_& m) {
  namespace f = formulas;
  PyType_Slot slots[] = {
      slot(Py_tp_new, construct),
      slot(Py_tp_dealloc, dealloc),
      slot(Py_tp_traverse, traverse),
      slot(Py_tp_clear, clear),
      slot(Py_tp_setattro, set_attr),
      slot(Py_tp_free, PyObject_GC_Del),
      slot(Py_tp_hash, hash),
      slot(Py_tp_richcompare, compare),
      {Py_tp_members, members},
      {Py_tp_getset, tensor_attributes},
      {Py_tp_methods, tensor_methods},
      slot(Py_nb_add, binary_slot<f::Add>),
      slot(Py_nb_subtract, binary_slot<f::Sub>),
      slot(Py_nb_multiply, binary_slot<f::Mul>),
      slot(Py_nb_true_divide, binary_slot<f::Div>),
      slot(Py_nb_floor_divide, binary_slot<f::FloorDivide>),
      slot(Py_nb_remainder, binary_slot<f::Remainder>),
      slot(Py_nb_power, power_slot),
      slot(Py_nb_matrix_multiply, matmul_slot),
      slot(Py_nb_and, binary_slot<f::BitwiseAnd>),
      slot(Py_nb_or, binary_slot<f::BitwiseOr>),
      slot(Py_nb_xor, binary_slot<f::BitwiseXor>),
      slot(Py_nb_inplace_add, inplace_slot<f::Add>),
      slot(Py_nb_inplace_subtract, inplace_slot<f::Sub>),
      slot(Py_nb_inplace_multiply, inplace_slot<f::Mul>),
      slot(Py_nb_inplace_true_divide, inplace_slot<f::Div>),
      slot(Py_nb_inplace_floor_divide, inplace_slot<f::FloorDivide>),
      slot(Py_nb_inplace_remainder, inplace_slot<f::Remainder>),
      slot(Py_nb_inplace_power, inplace_power_slot),
      slot(Py_nb_inplace_and, inplace_slot<f::BitwiseAnd>),
      slot(Py_nb_inplace_or, inplace_slot<f::BitwiseOr>),
      slot(Py_nb_inplace_xor, inplace_slot<f::BitwiseXor>),
      slot(Py_nb_negative, unary_slot<f::Neg>),
      slot(Py_nb_positive, positive_slot),
      slot(Py_nb_absolute, unary_slot<f::Abs>),
      slot(Py_nb_invert, unary_slot<f::BitwiseNot>),
      slot(Py_nb_bool, truth),
      slot(Py_nb_float, as_float),
      slot(Py_nb_int, as_int),
      slot(Py_nb_index, as_index),
      slot(Py_mp_length, length),
      slot(Py_mp_subscript, subscript),
      slot(Py_mp_ass_subscript, assign_subscript),
      {0, nullptr}};
  PyType_Spec spec{"backprop_ext.Tensor", sizeof(PyTensor), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  tensor_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("Tensor") = py::reinterpret_borrow<py::object>(type);
  m.def("_set_size_type", [](py::type t) { size_type = t.release().ptr(); },
        "Names the tuple class that shapes are returned as.");
  m.def("_make_subclass", [](py::type type, const Tensor& t, bool requires_grad) {
    Tensor own = detached(t);
    own->storage = make<Storage>(t->storage);
    own->leaf_requires_grad = requires_grad;
    return py::reinterpret_steal<py::object>(
        wrap_as(reinterpret_cast<PyTypeObject*>(type.ptr()), own));
  }, py::arg("cls"), py::arg("data"), py::arg("require_grad") = false,
  "A new object of a subclass of Tensor on data's memory, without its graph.");
}

}  // namespace bx
