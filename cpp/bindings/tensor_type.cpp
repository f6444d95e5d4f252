// The Python type Tensor: birth, death and identity. Operators come from tensor_operators.cpp,
// attributes and short methods from tensor_attributes.cpp, all else from the registry.
#include "bindings/arguments.h"
#include "bindings/python.h"

#include <structmember.h>

#include <cstddef>
#include <utility>

#include "autograd/sparse.h"
#include "autograd/views.h"
#include "ops/ops.h"

namespace bx {

PyTypeObject* tensor_type = nullptr;
PyObject* size_type = nullptr;

PyObject* wrap_as(PyTypeObject* type, Tensor t) {
  // A plain tensor has no attributes yet, so the garbage collector need not know it; see set_attr.
  auto* self = type == tensor_type ? PyObject_GC_New(PyTensor, type)
                                   : reinterpret_cast<PyTensor*>(type->tp_alloc(type, 0));
  if (!self) throw py::error_already_set();
  t->python_object = self;
  new (&self->tensor) Tensor(std::move(t));
  self->dict = nullptr;
  self->weakrefs = nullptr;
  return reinterpret_cast<PyObject*>(self);
}

PyObject* wrap(Tensor&& t) {
  if (!t.defined()) Py_RETURN_NONE;
  if (t->python_object) return Py_NewRef(static_cast<PyObject*>(t->python_object));
  const bool sparse = t->extras && coordinates(t);
  return wrap_as(sparse ? sparse_type() : tensor_type, std::move(t));
}

PyObject* wrap_view(const Tensor& made, const Tensor& base) {
  if (!grad_enabled()) note_unrecorded_view(made, base);
  return wrap(made);
}

PyObject* wrap_size(const Dims& shape) {
  auto* type = size_type ? reinterpret_cast<PyTypeObject*>(size_type) : &PyTuple_Type;
  PyObject* tuple = type->tp_alloc(type, shape.size());
  if (!tuple) throw py::error_already_set();
  for (int i = 0; i < shape.size(); ++i) PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(shape[i]));
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
  if (const Tensor t = std::exchange(self->tensor, Tensor()); t.defined())
    if (t->python_object == self) t->python_object = nullptr;
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

void track_attributes(PyObject* o) {
  if (as_tensor(o)->dict && !PyObject_GC_IsTracked(o)) PyObject_GC_Track(o);
}

int set_attr(PyObject* o, PyObject* name, PyObject* value) {
  const int result = PyObject_GenericSetAttr(o, name, value);
  track_attributes(o);
  return result;
}

/// Two objects change tensors and attributes with each other.
void swap(py::handle a, py::handle b) {
  if (!is_tensor(a.ptr()) || !is_tensor(b.ptr()))
    fail_type("swap_tensors", "two Tensors are swapped; pass them");
  std::swap(as_tensor(a.ptr())->tensor, as_tensor(b.ptr())->tensor);
  std::swap(as_tensor(a.ptr())->dict, as_tensor(b.ptr())->dict);
  for (PyObject* o : {a.ptr(), b.ptr()}) {
    tensor_of(o)->python_object = o;
    track_attributes(o);
  }
}

/// torch.Tensor(sizes...) or torch.Tensor(data): float32, as of old.
PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    if (kwargs) {
      PyObject* const device = PyDict_GetItemString(kwargs, "device");
      if (PyDict_Size(kwargs) > (device ? 1 : 0))
        fail_type("Tensor", "takes no keyword argument but device; use tensor(data, dtype=...)");
      if (device) require_cpu(device);
    }
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    Dims sizes;
    bool all_sizes = true;
    if (n == 1 && size_type &&
        PyObject_TypeCheck(PyTuple_GET_ITEM(args, 0), reinterpret_cast<PyTypeObject*>(size_type)))
      return construct(type, PyTuple_GET_ITEM(args, 0), kwargs);
    for (Py_ssize_t i = 0; i < n && all_sizes; ++i) {
      PyObject* a = PyTuple_GET_ITEM(args, i);
      int64_t size = 0;
      all_sizes = !(n == 1 && is_tensor(a)) && whole_number(a, size);  // one tensor alone is data
      if (all_sizes) sizes.push_back(size);
    }
    Tensor t;
    if (n == 0) t = empty({0}, default_dtype());
    else if (all_sizes) t = empty(sizes, default_dtype());
    else if (n == 1 && is_tensor(PyTuple_GET_ITEM(args, 0))) {
      require_dense("Tensor", tensor_of(PyTuple_GET_ITEM(args, 0)));
      t = detached(tensor_of(PyTuple_GET_ITEM(args, 0)));
    } else if (n == 1 && !PySequence_Check(PyTuple_GET_ITEM(args, 0)))
      fail_type("Tensor", "data is a ", Py_TYPE(PyTuple_GET_ITEM(args, 0))->tp_name,
                "; pass sizes or a sequence of numbers, or use tensor(data)");
    else if (n == 1) t = tensor_from_data(PyTuple_GET_ITEM(args, 0), default_dtype());
    else
      fail_type("Tensor", "expected sizes or one sequence of data, got ", n,
                " arguments; "
                "use tensor(data)");
    return wrap_as(type, t);
  });
}

Py_hash_t hash(PyObject* o) { return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(o) >> 4); }

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(PyTensor, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

}  // namespace

void bind_tensor(py::module_& m) {
  std::vector<PyType_Slot> slots = {
      slot(Py_tp_new, construct),
      slot(Py_tp_dealloc, dealloc),
      slot(Py_tp_traverse, traverse),
      slot(Py_tp_clear, clear),
      slot(Py_tp_setattro, set_attr),
      slot(Py_tp_free, PyObject_GC_Del),
      slot(Py_tp_hash, hash),
      {Py_tp_members, members},
      {Py_tp_getset, tensor_attributes},
      {Py_tp_methods, tensor_methods},
  };
  for (const PyType_Slot& s : operator_slots()) slots.push_back(s);
  for (const PyType_Slot& s : buffer_slots()) slots.push_back(s);
  slots.push_back({0, nullptr});
  PyType_Spec spec{"backprop_ext.Tensor", sizeof(PyTensor), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots.data()};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  tensor_type = reinterpret_cast<PyTypeObject*>(type);
  m.attr("Tensor") = py::reinterpret_borrow<py::object>(type);
  m.def(
      "_set_size_type", [](py::type t) { size_type = t.release().ptr(); },
      "Names the tuple class that shapes are returned as.");
  m.def("_swap", &swap, "Two objects change tensors and attributes with each other.");
  m.def(
      "_make_subclass",
      [](py::type type, const Tensor& t, const py::bool_& requires_grad) {
        if (!PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(type.ptr()), tensor_type))
          fail_type("_make_subclass", "cls is ", std::string(py::str(type)),
                    "; it must be a subclass of Tensor");
        require_dense("Parameter", t);
        if (requires_grad && !is_differentiable(t.dtype()))
          fail_runtime("Parameter",
                       "only tensors of floating-point type can require gradients, this is ",
                       name_of(t.dtype()), "; convert it with .float()");
        if (requires_grad) check_not_inference(t);
        Tensor own = detached(t);
        own->storage = make<Storage>(t->storage);
        own->leaf_requires_grad = requires_grad;
        return py::reinterpret_steal<py::object>(
            wrap_as(reinterpret_cast<PyTypeObject*>(type.ptr()), own));
      },
      py::arg("cls"), py::arg("data"), py::arg("require_grad") = false,
      "A new object of a subclass of Tensor on data's memory, without its graph.");
}

}  // namespace bx
