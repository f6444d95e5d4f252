// Tensor's attributes and the short methods that are not operations.
#include "autograd/views.h"
#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {

/// A getter that returns what f makes of the tensor.
template <auto f>
PyObject* get(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return f(tensor_of(self)); });
}

PyObject* from_bool(bool b) { return PyBool_FromLong(b); }

PyObject* data(const Tensor& t) {
  Tensor out = detached(t);
  out->storage = make<Storage>(t->storage);  // writes through .data leave the graph's versions alone
  return wrap(out);
}

int set_data(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    if (!value || !is_tensor(value))
      fail_type("data", "a tensor's data must be a tensor, got ",
                value ? Py_TYPE(value)->tp_name : "nothing");
    const Tensor t = tensor_of(self), source = tensor_of(value);
    if (t.dtype() != source.dtype() && t->leaf_requires_grad && !is_floating(source.dtype()))
      fail_runtime("data", "a tensor that requires grad cannot take ", name_of(source.dtype()),
                   " data; convert it to a floating-point type");
    t->storage = make<Storage>(source->storage);
    t->offset = source->offset;
    t->shape = source->shape;
    t->strides = source->strides;
    t->dtype = source->dtype;
    return 0;
  });
}

PyObject* grad(const Tensor& t) { return wrap(Tensor(t->grad)); }

int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    const Tensor t = tensor_of(self);
    if (!value || value == Py_None) {
      t->grad = nullptr;
      return 0;
    }
    if (!is_tensor(value))
      fail_type("grad", "assigned grad must be a Tensor or None, got ", Py_TYPE(value)->tp_name);
    const Tensor g = tensor_of(value);
    if (!(g.shape() == t.shape()) || g.dtype() != t.dtype())
      fail_runtime("grad", "assigned grad is ", name_of(g.dtype()), " of shape ", g.shape(),
                   ", the tensor ", name_of(t.dtype()), " of shape ", t.shape(),
                   "; they must be equal");
    if (g.same_as(t)) fail_runtime("grad", "a tensor cannot be its own grad; clone() it");
    t->grad = g.ref();
    return 0;
  });
}

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    const Tensor t = tensor_of(self);
    const int wanted = value ? PyObject_IsTrue(value) : -1;
    if (wanted < 0) fail_type("requires_grad", "expected True or False");
    if (grad_fn(t)) {
      if (!wanted)
        fail_runtime("requires_grad", "requires_grad of a non-leaf tensor (shape ", t.shape(),
                     ") cannot be turned off; use detach()");
      return 0;
    }
    if (wanted && !is_floating(t.dtype()))
      fail_runtime("requires_grad", "only tensors of floating-point type can require gradients, "
                   "this is ", name_of(t.dtype()), "; convert it with .float()");
    t->leaf_requires_grad = wanted;
    return 0;
  });
}

PyObject* node(const Tensor& t) {
  const Ref<Node> n = grad_fn(t);
  return n ? py::cast(n).release().ptr() : Py_NewRef(Py_None);
}

/// All dimensions reversed; with several, the last two swapped (mT).
PyObject* reversed(const Tensor& t) {
  Dims axes;
  for (int d = t.dim() - 1; d >= 0; --d) axes.push_back(d);
  return wrap(permute(t, axes));
}

PyObject* matrix_transposed(const Tensor& t) {
  if (t.dim() < 2)
    fail_runtime("mT", "expected at least 2 dimensions, got shape ", t.shape(), "; use T");
  return wrap(mT(t));
}

PyObject* number(const Tensor& t, const void* at) {
  return visit(t.dtype(), [&](auto zero) -> PyObject* {
    using T = decltype(zero);
    const T value = *static_cast<const T*>(at);
    if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(value);
    else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(value);
    else return PyFloat_FromDouble(static_cast<double>(value));
  });
}

PyObject* item(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor t = tensor_of(self);
    if (t.numel() != 1) item_double(t);  // throws
    return number(t, t.raw());
  });
}

PyObject* nested_list(const Tensor& t, int dim, int64_t offset) {
  if (dim == t.dim())
    return number(t, static_cast<const char*>(t->storage->data()) + offset * size_of(t.dtype()));
  py::list list(static_cast<size_t>(t.shape()[dim]));
  for (int64_t i = 0; i < t.shape()[dim]; ++i)
    PyList_SET_ITEM(list.ptr(), i, nested_list(t, dim + 1, offset + i * t.strides()[dim]));
  return list.release().ptr();
}

PyObject* tolist(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor t = tensor_of(self);
    return nested_list(t, 0, t->offset);
  });
}

/// One entry of a shape or strides, or all of them.
PyObject* entry(const char* op, const Tensor& t, const Dims& values, PyObject* args,
                PyObject* kwargs, bool as_size) {
  PyObject* dim = Py_None;
  static const char* names[] = {"dim", nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O", const_cast<char**>(names), &dim))
    throw py::error_already_set();
  if (dim != Py_None) {
    const int64_t axis = PyLong_AsLongLong(dim);
    if (axis == -1 && PyErr_Occurred()) throw py::error_already_set();
    if (t.dim() == 0) fail_index(op, "dimension ", axis, " of a 0-d tensor");
    return PyLong_FromLongLong(values[wrap_axis(op, axis, t.dim())]);
  }
  if (as_size) return wrap_size(values);
  py::tuple tuple(static_cast<size_t>(values.size()));
  for (int i = 0; i < values.size(); ++i) tuple[static_cast<size_t>(i)] = values[i];
  return tuple.release().ptr();
}

PyObject* size(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    const Tensor t = tensor_of(self);
    return entry("size", t, t.shape(), args, kwargs, true);
  });
}
PyObject* stride(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    const Tensor t = tensor_of(self);
    return entry("stride", t, t.strides(), args, kwargs, false);
  });
}

template <auto f>
PyObject* no_args(PyObject* self, PyObject*) {
  return get<f>(self, nullptr);
}

PyObject* dimensions(const Tensor& t) { return PyLong_FromLong(t.dim()); }
PyObject* elements(const Tensor& t) { return PyLong_FromLongLong(t.numel()); }
PyObject* item_size(const Tensor& t) { return PyLong_FromLongLong(size_of(t.dtype())); }
PyObject* address(const Tensor& t) {
  return PyLong_FromVoidPtr(t.numel() ? t.raw() : nullptr);
}
PyObject* numpy(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    int force = 0;
    static const char* names[] = {"force", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p", const_cast<char**>(names), &force))
      throw py::error_already_set();
    const Tensor t = tensor_of(self);
    if (requires_grad(t) && !force)
      fail_runtime("numpy", "can't call numpy() on a tensor of shape ", t.shape(),
                   " that requires grad; use tensor.detach().numpy() instead");
    return to_numpy(detached(t)).release().ptr();
  });
}

/// to(dtype), to(other), to(device), to(device, dtype): only the type can change.
PyObject* convert(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(self);
    DType dtype = t.dtype();
    bool copy = false;
    auto take = [&](const std::string& name, PyObject* o) {
      if (o == Py_None) return;
      if (name == "copy") copy = PyObject_IsTrue(o) == 1;
      else if (name == "non_blocking" || name == "memory_format" || PyBool_Check(o)) return;
      else if (const auto d = dtype_from(o)) dtype = *d;
      else if (is_tensor(o)) dtype = tensor_of(o).dtype();
      else if (const std::string device = py::str(py::handle(o)); device.rfind("cpu", 0) != 0)
        fail_runtime("to", "'", device, "' is neither a dtype, a tensor nor the device 'cpu', the "
                     "only one");
    };
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i)
      take(i == 3 ? "copy" : "", PyTuple_GET_ITEM(args, i));
    if (kwargs)
      for (auto [name, value] : py::reinterpret_borrow<py::dict>(kwargs))
        take(py::str(name), value.ptr());
    return wrap(dtype == t.dtype() && copy ? clone(t) : to(t, dtype));
  });
}

PyObject* set_requires_grad_method(PyObject* self, PyObject* args, PyObject* kwargs) {
  int wanted = 1;
  static const char* names[] = {"requires_grad", nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p", const_cast<char**>(names), &wanted))
    return nullptr;
  if (set_requires_grad(self, wanted ? Py_True : Py_False, nullptr) < 0) return nullptr;
  return Py_NewRef(self);
}

template <class F>
PyCFunction with_keywords(F f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

}  // namespace

PyGetSetDef tensor_attributes[] = {
    {"data", get<data>, set_data, "The same memory without the graph; writes are not tracked.",
     nullptr},
    {"grad", get<grad>, set_grad, "The accumulated gradient, or None.", nullptr},
    {"grad_fn", get<node>, nullptr, "The node that made this tensor, None for leaves.", nullptr},
    {"requires_grad", get<[](const Tensor& t) { return from_bool(requires_grad(t)); }>,
     set_requires_grad, "Whether gradients are computed for this tensor.", nullptr},
    {"is_leaf", get<[](const Tensor& t) { return from_bool(!grad_fn(t)); }>, nullptr,
     "Whether it was made by the user, not by a recorded operation.", nullptr},
    {"retains_grad", get<[](const Tensor& t) { return from_bool(t->retains_grad); }>, nullptr,
     "Whether a non-leaf keeps its gradient.", nullptr},
    {"output_nr", get<[](const Tensor& t) { return PyLong_FromLong(static_cast<long>(t->output_nr)); }>,
     nullptr, "Which output of grad_fn this is.", nullptr},
    {"shape", get<[](const Tensor& t) { return wrap_size(t.shape()); }>, nullptr,
     "The sizes of the dimensions.", nullptr},
    {"dtype", get<[](const Tensor& t) { return wrap_dtype(t.dtype()); }>, nullptr,
     "The type of the elements.", nullptr},
    {"ndim", get<dimensions>, nullptr, "The number of dimensions.", nullptr},
    {"itemsize", get<item_size>, nullptr, "Bytes per element.", nullptr},
    {"nbytes", get<[](const Tensor& t) {
       return PyLong_FromLongLong(t.numel() * size_of(t.dtype()));
     }>, nullptr, "Bytes of all elements.", nullptr},
    {"T", get<reversed>, nullptr, "The dimensions reversed, as a view.", nullptr},
    {"mT", get<matrix_transposed>, nullptr, "The last two dimensions swapped, as a view.", nullptr},
    {"_version", get<[](const Tensor& t) {
       return PyLong_FromUnsignedLong(t->storage->version());
     }>, nullptr, "How often the memory was written in place.", nullptr},
    {"_base", get<[](const Tensor& t) { return wrap(Tensor(t->view_base)); }>, nullptr,
     "Of a view: the tensor that it shows.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMethodDef tensor_methods[] = {
    {"item", item, METH_NOARGS, "The only element as a Python number; RuntimeError for more."},
    {"tolist", tolist, METH_NOARGS, "The elements as nested lists of Python numbers."},
    {"size", with_keywords(size), METH_VARARGS | METH_KEYWORDS, "The shape, or one size of it."},
    {"stride", with_keywords(stride), METH_VARARGS | METH_KEYWORDS,
     "The strides in elements, or one of them."},
    {"dim", no_args<dimensions>, METH_NOARGS, "The number of dimensions."},
    {"ndimension", no_args<dimensions>, METH_NOARGS, "The number of dimensions."},
    {"numel", no_args<elements>, METH_NOARGS, "The number of elements."},
    {"nelement", no_args<elements>, METH_NOARGS, "The number of elements."},
    {"element_size", no_args<item_size>, METH_NOARGS, "Bytes per element."},
    {"data_ptr", no_args<address>, METH_NOARGS, "The address of the first element."},
    {"storage_offset",
     no_args<[](const Tensor& t) { return PyLong_FromLongLong(t->offset); }>, METH_NOARGS,
     "Elements before the first one in the memory."},
    {"is_contiguous",
     with_keywords(+[](PyObject* self, PyObject*, PyObject*) {
       return get<[](const Tensor& t) { return from_bool(t.is_contiguous()); }>(self, nullptr);
     }),
     METH_VARARGS | METH_KEYWORDS, "Whether the elements lie row-major without gaps."},
    {"is_floating_point",
     no_args<[](const Tensor& t) { return from_bool(is_floating(t.dtype())); }>, METH_NOARGS,
     "Whether the elements are floats."},
    {"is_complex", no_args<[](const Tensor&) { return from_bool(false); }>, METH_NOARGS,
     "Whether the elements are complex: never."},
    {"numpy", with_keywords(numpy), METH_VARARGS | METH_KEYWORDS,
     "A NumPy array on the same memory; RuntimeError where requires_grad, unless force=True."},
    {"to", with_keywords(convert), METH_VARARGS | METH_KEYWORDS,
     "Conversion to a dtype, or to another tensor's; the tensor itself where nothing changes."},
    {"requires_grad_", with_keywords(set_requires_grad_method), METH_VARARGS | METH_KEYWORDS,
     "Turns requires_grad on or off, in place."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace bx
