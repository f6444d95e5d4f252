// Data in and out: NumPy arrays without copies where memory allows, numbers and nested sequences.
#include "bindings/python.h"

#include <pybind11/numpy.h>

#include "ops/ops.h"

namespace bx {

namespace {

PyObject* generic_type() {
  static PyObject* type = py::object(py::module_::import("numpy").attr("generic")).release().ptr();
  return type;
}

bool is_numpy_scalar(PyObject* o) {
  return PyObject_TypeCheck(o, reinterpret_cast<PyTypeObject*>(generic_type()));
}

std::optional<DType> dtype_of_array(const py::dtype& d) {
  switch (d.kind()) {
    case 'b': return DType::Bool;
    case 'i':
      if (d.itemsize() == 4) return DType::Int32;
      return d.itemsize() == 8 ? std::optional(DType::Int64) : std::nullopt;
    case 'f':
      if (d.itemsize() == 4) return DType::Float32;
      return d.itemsize() == 8 ? std::optional(DType::Float64) : std::nullopt;
    default: return std::nullopt;
  }
}

bool is_native(const py::dtype& d) { return py::bool_(d.attr("isnative")); }

[[noreturn]] void reject_dtype(const char* op, const py::dtype& d) {
  fail_type(op, "can't convert a NumPy array of type ", std::string(py::str(d)),
            "; supported are float64, float32, int64, int32 and bool; use array.astype(...)");
}

py::dtype numpy_dtype(DType t) {
  return visit(t, [](auto zero) { return py::dtype::of<decltype(zero)>(); });
}

/// The array itself, or one whose layout and byte order a tensor can take.
py::array readable(const char* op, const py::array& a) {
  if (!dtype_of_array(a.dtype())) reject_dtype(op, a.dtype());
  bool plain = is_native(a.dtype());
  for (int d = 0; d < a.ndim(); ++d)
    plain = plain && a.strides(d) >= 0 && a.strides(d) % a.itemsize() == 0;
  plain =
      plain && reinterpret_cast<uintptr_t>(a.data()) % static_cast<uintptr_t>(a.itemsize()) == 0;
  if (plain) return a;
  return py::module_::import("numpy").attr("array")(
      a, py::arg("dtype") = numpy_dtype(*dtype_of_array(a.dtype())), py::arg("order") = "C");
}

/// A tensor on the array's memory; the array lives until the last tensor on it is gone.
Tensor borrow(const py::array& a) {
  Dims shape, strides;
  int64_t extent = 1;
  for (int d = 0; d < a.ndim(); ++d) {
    shape.push_back(a.shape(d));
    strides.push_back(a.strides(d) / a.itemsize());
    extent += (std::max<int64_t>(1, shape[d]) - 1) * strides[d];
  }
  PyObject* owner = Py_NewRef(a.ptr());
  auto storage = make<Storage>(const_cast<void*>(a.data()), extent * a.itemsize(), [owner] {
    if (!Py_IsInitialized()) return;  // the interpreter is gone, and its memory with it
    py::gil_scoped_acquire gil;
    Py_DECREF(owner);
  });
  return Tensor(
      make<TensorImpl>(std::move(storage), 0, shape, strides, *dtype_of_array(a.dtype())));
}

// Nested sequences ---------------------------------------------------------------------------

bool is_sequence(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o)) return true;
  if (is_tensor(o)) return tensor_of(o).dim() > 0;
  if (PyUnicode_Check(o) || PyBytes_Check(o) || PyDict_Check(o) || !PySequence_Check(o))
    return false;
  return PySequence_Size(o) >= 0 || (PyErr_Clear(), false);
}

/// A leaf of nested data as a number; for anything else PyTorch's class of error.
Scalar leaf(PyObject* o, int depth) {
  if (const auto s = scalar_from(o)) return *s;
  if (is_tensor(o)) {
    const Tensor t = tensor_of(o);
    const double d = item_double(t);
    if (is_floating(t.dtype())) return {Scalar::Float, 0, d};
    return {t.dtype() == DType::Bool ? Scalar::Bool : Scalar::Int, item_int(t), d};
  }
  if (is_numpy_array(o) && py::reinterpret_borrow<py::array>(o).ndim() == 0)
    return leaf(py::reinterpret_borrow<py::object>(o).attr("item")().ptr(), depth);
  fail(!PyUnicode_Check(o) ? ErrorKind::Runtime
       : depth             ? ErrorKind::Value
                           : ErrorKind::Type,
       "tensor", "invalid data type '", Py_TYPE(o)->tp_name,
       "'; expected numbers, or nested sequences of numbers");
}

/// Shape and elements of nested sequences; every row must be as long as the first.
struct Flattened {
  Dims shape;
  std::vector<Scalar> values;
  Scalar::Kind kind = Scalar::Bool;

  explicit Flattened(PyObject* data) {
    for (py::object o = py::reinterpret_borrow<py::object>(data); is_sequence(o.ptr());) {
      const Py_ssize_t n = PySequence_Size(o.ptr());
      shape.push_back(n);
      if (n == 0) break;
      o = py::reinterpret_steal<py::object>(PySequence_GetItem(o.ptr(), 0));
      if (!o) throw py::error_already_set();
    }
    collect(data, 0);
  }

  void collect(PyObject* o, int depth) {
    if (depth == shape.size()) {
      if (is_sequence(o))
        fail_value("tensor", "too many dimensions: a sequence at depth ", depth,
                   " where a number was before; make every row equally deep");
      values.push_back(leaf(o, depth));
      kind = std::max(kind, values.back().kind);
      return;
    }
    if (!is_sequence(o))
      fail_type("tensor", "a ", Py_TYPE(o)->tp_name, " at depth ", depth,
                " where a sequence was before; make every row equally deep");
    const py::object fast = py::reinterpret_steal<py::object>(PySequence_Fast(o, "a sequence"));
    if (!fast) throw py::error_already_set();
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
    if (n != shape[depth])
      fail_value("tensor", "expected sequence of length ", shape[depth], " at dim ", depth,
                 " (got ", n, "); pad the rows or cut them");
    for (Py_ssize_t i = 0; i < n; ++i) collect(PySequence_Fast_GET_ITEM(fast.ptr(), i), depth + 1);
  }
};

Tensor from_sequence(PyObject* data, std::optional<DType> dtype) {
  const Flattened flat(data);
  const DType inferred = flat.kind == Scalar::Float || flat.values.empty() ? default_dtype()
                         : flat.kind == Scalar::Int                        ? DType::Int64
                                                                           : DType::Bool;
  Tensor out = empty(flat.shape, dtype.value_or(inferred));
  visit(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.data<T>();
    for (const Scalar& s : flat.values)
      *to++ = s.kind == Scalar::Float ? static_cast<T>(s.d) : static_cast<T>(s.i);
  });
  return out;
}

}  // namespace

bool is_numpy_array(PyObject* o) { return py::isinstance<py::array>(o); }

std::optional<Scalar> scalar_from(PyObject* o) {
  if (PyFloat_Check(o)) return Scalar{Scalar::Float, 0, PyFloat_AS_DOUBLE(o)};
  if (PyBool_Check(o)) return Scalar{Scalar::Bool, o == Py_True, static_cast<double>(o == Py_True)};
  if (PyLong_Check(o)) {
    const int64_t i = PyLong_AsLongLong(o);
    if (i == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      fail_value("tensor", "overflow: the whole number ", std::string(py::str(o)),
                 " does not fit into int64; use a float");
    }
    return Scalar{Scalar::Int, i, static_cast<double>(i)};
  }
  if (!is_numpy_scalar(o)) return std::nullopt;
  const char* name = Py_TYPE(o)->tp_name;
  if (std::string(name).find("bool") != std::string::npos)
    return Scalar{Scalar::Bool, is_true(o), static_cast<double>(is_true(o))};
  if (PyIndex_Check(o)) {
    const py::object i = py::reinterpret_steal<py::object>(PyNumber_Index(o));
    if (!i) throw py::error_already_set();
    return scalar_from(i.ptr());
  }
  if (std::string(name).find("float") == std::string::npos) return std::nullopt;
  return Scalar{Scalar::Float, 0, PyFloat_AsDouble(o)};
}

Tensor wrapped_scalar(const Scalar& s, const Tensor* like) {
  const bool to_like = like && is_floating(like->dtype());
  if (s.kind == Scalar::Float) return wrapped_number(s.d, to_like ? like->dtype() : DType::Float64);
  return wrapped_number(s.i, to_like ? like->dtype() : s.dtype());
}

Tensor tensor_from_data(py::handle data, std::optional<DType> dtype) {
  GradMode off(false);
  if (is_tensor(data.ptr())) {
    const Tensor t = tensor_of(data.ptr());
    return clone(to(t, dtype.value_or(t.dtype())));
  }
  if (is_numpy_array(data.ptr())) {
    const Tensor t = borrow(readable("tensor", py::reinterpret_borrow<py::array>(data)));
    return dtype && *dtype != t.dtype() ? to(t, *dtype) : clone(t);
  }
  if (is_numpy_scalar(data.ptr()) && !dtype) {
    const auto array = py::reinterpret_borrow<py::object>(data).attr("dtype").cast<py::dtype>();
    dtype = dtype_of_array(array);
    if (!dtype) reject_dtype("tensor", array);
  }
  if (!is_sequence(data.ptr()) && py::hasattr(data, "__array__"))
    return tensor_from_data(py::module_::import("numpy").attr("asarray")(data), dtype);
  return from_sequence(data.ptr(), dtype);
}

Tensor tensor_from_array(py::handle data) {
  if (!is_numpy_array(data.ptr()))
    fail_type("from_numpy", "expected np.ndarray (got ", Py_TYPE(data.ptr())->tp_name,
              "); use tensor(data)");
  const auto a = py::reinterpret_borrow<py::array>(data);
  if (!dtype_of_array(a.dtype())) reject_dtype("from_numpy", a.dtype());
  if (!is_native(a.dtype()))
    fail_value("from_numpy",
               "the array's byte order differs from the native one; convert it with "
               "array.astype(array.dtype.newbyteorder('='))");
  for (int d = 0; d < a.ndim(); ++d) {
    if (a.strides(d) < 0)
      fail_value("from_numpy", "the array has a negative stride at dimension ", d,
                 "; use array.copy()");
    if (a.strides(d) % a.itemsize() != 0)
      fail_value("from_numpy", "a stride of ", a.strides(d), " bytes at dimension ", d,
                 " is no multiple of the element size ", a.itemsize(), "; use array.copy()");
  }
  if (!a.writeable() &&
      PyErr_WarnEx(
          PyExc_UserWarning,
          "[from_numpy] the array is not writable, a tensor is; writing to it would change "
          "memory that should not change; use array.copy()",
          1) < 0)
    throw py::error_already_set();
  return borrow(a);
}

py::object to_numpy(const Tensor& t) {
  std::vector<py::ssize_t> shape, strides;
  for (int d = 0; d < t.dim(); ++d) {
    shape.push_back(t.shape()[d]);
    strides.push_back(t.strides()[d] * size_of(t.dtype()));
  }
  t->storage->retain();
  py::capsule owner(t->storage.get(), [](void* s) { static_cast<Storage*>(s)->release(); });
  return py::array(numpy_dtype(t.dtype()), shape, strides, t.raw(), owner);
}

void bind_numpy(py::module_& m) {
  auto make_tensor = [](py::handle data, std::optional<DType> dtype, py::handle, bool requires_grad,
                        bool) {
    Tensor t = tensor_from_data(data, dtype);
    if (requires_grad && !is_floating(t.dtype()))
      fail_runtime("tensor", "only tensors of floating-point type can require gradients, this is ",
                   name_of(t.dtype()), "; pass dtype=torch.float32");
    t->leaf_requires_grad = requires_grad;
    return t;
  };
  m.def("tensor", make_tensor, py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(),
        py::arg("device") = py::none(), py::arg("requires_grad") = false,
        py::arg("pin_memory") = false,
        "A new tensor with data's values: numbers, nested sequences, a NumPy array or a tensor.\n\n"
        "Floats give the default type (float32), whole numbers int64, bools bool; an array keeps "
        "its type. ValueError for rows of unequal length, TypeError for what is no number.");
  m.def("from_numpy", &tensor_from_array, py::arg("ndarray"),
        "A tensor on the array's own memory: writes to one show in the other.\n\n"
        "TypeError for types without a counterpart, ValueError for negative strides or foreign "
        "byte order; a warning for a read-only array.");
  m.def(
      "as_tensor",
      [](py::handle data, std::optional<DType> dtype, py::handle) {
        if (is_tensor(data.ptr()))
          return to(tensor_of(data.ptr()), dtype.value_or(tensor_of(data.ptr()).dtype()));
        if (is_numpy_array(data.ptr())) {
          const auto a = readable("as_tensor", py::reinterpret_borrow<py::array>(data));
          const Tensor t = borrow(a);
          return to(t, dtype.value_or(t.dtype()));
        }
        return tensor_from_data(data, dtype);
      },
      py::arg("data"), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      "data as a tensor, without a copy where its memory can be shared.");
}

}  // namespace bx
