// Tensor's short methods that are not operations: numbers out, sizes, conversion.
#include "bindings/overrides.h"
#include "bindings/python.h"
#include "core/observer.h"
#include "ops/ops.h"

namespace bx {

namespace {

PyObject* number(const Tensor& t, const void* at) {
  return visit_all(t.dtype(), [&](auto zero) -> PyObject* {
    using T = decltype(zero);
    const T value = *static_cast<const T*>(at);
    if constexpr (is_complex(bx::dtype_of<T>())) return PyComplex_FromDoubles(value.re, value.im);
    else if constexpr (std::is_same_v<T, bool>) return PyBool_FromLong(value);
    else if constexpr (std::is_integral_v<T>) return PyLong_FromLongLong(value);
    else return PyFloat_FromDouble(static_cast<double>(value));
  });
}

/// The tensor, of a narrow type the wide one's, for the host to look at.
Tensor for_host(PyObject* self) {
  GradMode off(false);
  return to(tensor_of(self), wide_of(tensor_of(self).dtype()));
}

PyObject* item(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor t = for_host(self);
    if (t.numel() != 1) item_double(t);  // throws
    note_read(t);
    return number(t, t.raw());
  });
}

PyObject* as_complex(PyObject* self, PyObject*) {
  return guarded([&] {
    const Complex<double> z = item_complex(tensor_of(self));
    return PyComplex_FromDoubles(z.re, z.im);
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
    const Tensor t = for_host(self);
    note_read(t);
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
  if (PyBool_Check(dim)) fail_type(op, "dim is a bool; pass an int");
  if (dim != Py_None) {
    int overflow = 0;
    const int64_t axis = PyLong_AsLongLongAndOverflow(dim, &overflow);
    if (overflow)
      fail_index(op, "dimension ", std::string(py::str(py::handle(dim))), " is out of range");
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
  t->storage->fixed();
  return PyLong_FromVoidPtr(t.numel() ? t.raw() : nullptr);
}
PyObject* numpy(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    int force = 0;
    static const char* names[] = {"force", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$p", const_cast<char**>(names), &force))
      throw py::error_already_set();
    const Tensor t = tensor_of(self);
    if (grad_enabled() && requires_grad(t) && !force)
      fail_runtime("numpy", "can't call numpy() on a tensor of shape ", t.shape(),
                   " that requires grad; use tensor.detach().numpy() instead");
    return to_numpy(detached(t)).release().ptr();
  });
}

MemoryFormat the_format(const char* op, PyObject* o) {
  if (const auto format = format_from(o)) return *format;
  fail_type(op, "memory_format is a ", Py_TYPE(o)->tp_name, "; pass one, as torch.channels_last");
}

PyObject* lies_densely(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&] {
    PyObject* format = nullptr;
    static const char* names[] = {"memory_format", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O", const_cast<char**>(names), &format))
      throw py::error_already_set();
    return from_bool(lies_in(
        tensor_of(self), format ? the_format("is_contiguous", format) : MemoryFormat::Contiguous));
  });
}

/// to(dtype), to(other), to(device), to(device, dtype): only the type can change.
PyObject* to_other(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* made = guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(self);
    DType dtype = t.dtype();
    MemoryFormat format = MemoryFormat::Preserve;
    bool copy = false;
    auto take = [&](const std::string& name, PyObject* o) {
      if (name == "copy" || name == "non_blocking") {
        if (!PyBool_Check(o))
          fail_type("to", name, " is a ", Py_TYPE(o)->tp_name, "; pass True or False");
        if (name == "copy") copy = o == Py_True;
        return;
      }
      const bool known = name.empty() || name == "dtype" || name == "device" || name == "other" ||
                         name == "memory_format";
      if (!known) fail_type("to", "got an unexpected keyword argument '", name, "'; leave it out");
      if (o == Py_None) return;
      if (name == "memory_format") format = the_format("to", o);
      else if (const auto d = dtype_from(o); d && (name.empty() || name == "dtype")) dtype = *d;
      else if (is_tensor(o) && (name.empty() || name == "other")) dtype = tensor_of(o).dtype();
      else if (name == "other")
        fail_type("to", "other is a ", Py_TYPE(o)->tp_name, "; pass a tensor");
      else if (name == "dtype")
        fail_type("to", "dtype is a ", Py_TYPE(o)->tp_name, "; pass a type, as torch.float64");
      else require_cpu(o);
    };
    // A device may come before the type; the two flags come last.
    Py_ssize_t flags = 1;
    const auto is_type = [](PyObject* o) { return is_tensor(o) || dtype_from(o); };
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) {
      PyObject* o = PyTuple_GET_ITEM(args, i);
      const bool second = i == 1 && !PyBool_Check(o) && !is_type(PyTuple_GET_ITEM(args, 0));
      flags += second;
      take(i == 0 ? "" : second ? "dtype" : i == flags ? "non_blocking" : "copy", o);
    }
    if (kwargs)
      for (auto [name, value] : py::reinterpret_borrow<py::dict>(kwargs))
        take(py::str(name), value.ptr());
    copy |= format == MemoryFormat::Contiguous && !lies_in(t, format);
    return wrap(dtype == t.dtype() && copy ? clone(t, format) : to(t, dtype, format));
  });
  return made ? made : made_on_meta(self, args, kwargs ? kwargs : Py_None);
}

PyObject* set_requires_grad_method(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* wanted = Py_True;
  static const char* names[] = {"requires_grad", nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O!", const_cast<char**>(names), &PyBool_Type,
                                   &wanted))
    return nullptr;
  if (PyObject_SetAttrString(self, "requires_grad", wanted) < 0) return nullptr;
  return Py_NewRef(self);
}

template <class F>
PyCFunction with_keywords(F f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

}  // namespace

PyMethodDef tensor_methods[] = {
    {"item", item, METH_NOARGS, "The only element as a Python number; RuntimeError for more."},
    {"__complex__", as_complex, METH_NOARGS, "The only element as a complex number."},
    {"tolist", tolist, METH_NOARGS, "The elements as nested lists of Python numbers."},
    {"size", with_keywords(size), METH_VARARGS | METH_KEYWORDS, "The shape, or one size of it."},
    {"stride", with_keywords(stride), METH_VARARGS | METH_KEYWORDS,
     "The strides in elements, or one of them."},
    {"dim", no_args<dimensions>, METH_NOARGS, "The number of dimensions."},
    {"ndimension", no_args<dimensions>, METH_NOARGS, "The number of dimensions."},
    {"numel", no_args<elements>, METH_NOARGS, "The number of elements."},
    {"nelement", no_args<elements>, METH_NOARGS, "The number of elements."},
    {"is_inference", no_args<[](const Tensor& t) { return from_bool(t->storage->is_inference()); }>,
     METH_NOARGS, "Whether it was made in inference_mode."},
    {"element_size", no_args<item_size>, METH_NOARGS, "Bytes per element."},
    {"data_ptr", no_args<address>, METH_NOARGS, "The address of the first element."},
    {"storage_offset", no_args<[](const Tensor& t) { return PyLong_FromLongLong(t->offset); }>,
     METH_NOARGS, "Elements before the first one in the memory."},
    {"is_contiguous", with_keywords(lies_densely), METH_VARARGS | METH_KEYWORDS,
     "Whether the elements lie row-major, or in a memory format, without gaps."},
    {"is_floating_point",
     no_args<[](const Tensor& t) { return from_bool(is_floating(t.dtype())); }>, METH_NOARGS,
     "Whether the elements are floats."},
    {"is_complex", no_args<[](const Tensor& t) { return from_bool(is_complex(t.dtype())); }>,
     METH_NOARGS, "Whether the elements are complex."},
    {"numpy", with_keywords(numpy), METH_VARARGS | METH_KEYWORDS,
     "A NumPy array on the same memory; RuntimeError where requires_grad, unless force=True."},
    {"to", with_keywords(to_other), METH_VARARGS | METH_KEYWORDS,
     "Conversion to a dtype, or to another tensor's; the tensor itself where nothing changes."},
    {"requires_grad_", with_keywords(set_requires_grad_method), METH_VARARGS | METH_KEYWORDS,
     "Turns requires_grad on or off, in place."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace bx
