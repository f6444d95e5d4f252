// Python's and NumPy's numbers, and nested sequences of them.
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "bindings/python.h"

#include <pybind11/numpy.h>
#include "ops/ops.h"

namespace bx {

namespace {

PyObject* generic_type() {
  static PyObject* type = py::object(py::module_::import("numpy").attr("generic")).release().ptr();
  return type;
}

/// The type of a NumPy scalar; looked up once for each of NumPy's classes.
std::optional<DType> dtype_of_scalar(PyObject* o) {
  static auto* known = new std::unordered_map<PyTypeObject*, std::optional<DType>>;
  const auto [at, added] = known->try_emplace(Py_TYPE(o));
  if (added) at->second = dtype_of_numpy(o);
  return at->second;
}

struct Leaf {
  Scalar value;
  DType dtype;
};

/// A leaf of nested data as a number with its type (a Python float has the default type); for
/// anything else PyTorch's class of error. `first`: no leaf came before; `typed`: a dtype is given.
Leaf leaf(PyObject* o, int depth, bool first, bool typed) {
  if (const auto s = scalar_from(o, PyExc_ValueError)) {
    const auto own = is_numpy_scalar(o) ? dtype_of_scalar(o) : std::nullopt;
    return {*s, own.value_or(s->kind == Scalar::Complex ? complex_of(default_dtype())
                             : s->kind == Scalar::Float ? default_dtype()
                                                        : s->dtype())};
  }
  if (is_tensor(o)) {
    const Tensor t = tensor_of(o);
    if (t.numel() != 1)
      fail_value("tensor", "a tensor of shape ", t.shape(),
                 " inside of a sequence; only one element becomes a number, use stack()");
    if (is_complex(t.dtype())) {
      const Complex<double> z = item_complex(t);
      return {{Scalar::Complex, 0, z.re, z.im}, t.dtype()};
    }
    const double d = item_double(t);
    if (is_floating(t.dtype())) return {{Scalar::Float, 0, d}, t.dtype()};
    return {{t.dtype() == DType::Bool ? Scalar::Bool : Scalar::Int, item_int(t), d}, t.dtype()};
  }
  if (is_numpy_array(o) && py::reinterpret_borrow<py::array>(o).ndim() == 0) {
    const auto number = py::reinterpret_borrow<py::object>(o)[py::tuple()];
    return leaf(py::object(number).ptr(), depth, first, typed);
  }
  const bool text = PyUnicode_Check(o);
  fail(text && depth && first              ? ErrorKind::Value
       : text || PyBytes_Check(o) || typed ? ErrorKind::Type
                                           : ErrorKind::Runtime,
       "tensor", "invalid data type '", Py_TYPE(o)->tp_name,
       "'; expected numbers, or nested sequences of numbers");
}

/// A sequence of data; a tensor among them is one number.
bool is_nested(PyObject* o) { return !is_tensor(o) && is_sequence(o); }

/// Shape and elements of nested sequences; every row must be as long as the first.
struct Flattened {
  Dims shape;
  std::vector<Scalar> values;
  std::optional<DType> dtype;  // the widest of all
  bool typed;                  // whether another is wanted

  Flattened(PyObject* data, bool typed) : typed(typed) {
    for (py::object o = py::reinterpret_borrow<py::object>(data); is_nested(o.ptr());) {
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
      if (is_nested(o))
        fail_type("tensor", "too many dimensions: a sequence at depth ", depth,
                  " where a number was before; make every row equally deep");
      const Leaf l = leaf(o, depth, values.empty(), typed);
      values.push_back(l.value);
      dtype = promote(dtype.value_or(l.dtype), l.dtype);
      return;
    }
    if (!is_nested(o)) {
      const Py_ssize_t n = typed ? PyObject_Size(o) : -1;  // a dict has one too
      PyErr_Clear();
      const bool known = typed || PyNumber_Check(o) || PyUnicode_Check(o) || PyBytes_Check(o);
      fail(n >= 0 && n != shape[depth] ? ErrorKind::Value
           : known                     ? ErrorKind::Type
                                       : ErrorKind::Runtime,
           "tensor", "a ", Py_TYPE(o)->tp_name, " at depth ", depth,
           " where a sequence was before; make every row equally deep");
    }
    const py::object fast = py::reinterpret_steal<py::object>(PySequence_Fast(o, "a sequence"));
    if (!fast) throw py::error_already_set();
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(fast.ptr());
    if (n != shape[depth])
      fail_value("tensor", "expected sequence of length ", shape[depth], " at dim ", depth,
                 " (got ", n, "); pad the rows or cut them");
    for (Py_ssize_t i = 0; i < n; ++i) collect(PySequence_Fast_GET_ITEM(fast.ptr(), i), depth + 1);
  }
};

}  // namespace

bool is_numpy_scalar(PyObject* o) {
  return PyObject_TypeCheck(o, reinterpret_cast<PyTypeObject*>(generic_type()));
}

bool is_sequence(PyObject* o) {
  if (PyList_Check(o) || PyTuple_Check(o)) return true;
  if (is_tensor(o)) return tensor_of(o).dim() > 0;
  if (PyUnicode_Check(o) || PyBytes_Check(o) || PyDict_Check(o) || !PySequence_Check(o))
    return false;
  return PySequence_Size(o) >= 0 || (PyErr_Clear(), false);
}

std::optional<Scalar> scalar_from(PyObject* o, PyObject* overflow) {
  if (PyFloat_Check(o)) return Scalar{Scalar::Float, 0, PyFloat_AS_DOUBLE(o)};
  if (PyBool_Check(o)) return Scalar{Scalar::Bool, o == Py_True, static_cast<double>(o == Py_True)};
  if (PyLong_Check(o)) {
    const int64_t i = PyLong_AsLongLong(o);
    if (i == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      const std::string text = str("[tensor] overflow: the whole number ", std::string(py::str(o)),
                                   " does not fit into int64; use a float");
      PyErr_SetString(overflow, text.c_str());
      throw py::error_already_set();
    }
    return Scalar{Scalar::Int, i, static_cast<double>(i)};
  }
  if (PyComplex_Check(o))
    return Scalar{Scalar::Complex, 0, PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)};
  if (!is_numpy_scalar(o)) return std::nullopt;
  const char* name = Py_TYPE(o)->tp_name;
  if (std::string(name).find("bool") != std::string::npos)
    return Scalar{Scalar::Bool, is_true(o), static_cast<double>(is_true(o))};
  if (PyIndex_Check(o)) {
    const py::object i = py::reinterpret_steal<py::object>(PyNumber_Index(o));
    if (!i) throw py::error_already_set();
    return scalar_from(i.ptr(), overflow);
  }
  if (std::string(name).find("complex64") != std::string::npos) {
    const Py_complex z = PyComplex_AsCComplex(o);
    return Scalar{Scalar::Complex, 0, z.real, z.imag};
  }
  if (std::string(name).find("float") == std::string::npos) return std::nullopt;
  return Scalar{Scalar::Float, 0, PyFloat_AsDouble(o)};
}

Tensor wrapped_scalar(const Scalar& s, const Tensor* like) {
  if (s.kind == Scalar::Complex)
    return number_as(s, like && is_complex(like->dtype()) ? like->dtype() : DType::Complex128);
  const bool to_like = like && is_differentiable(like->dtype());
  // What overflows stays what it is: who writes it tells that it does not fit.
  const bool large = std::isfinite(s.d) && std::abs(s.d) > std::numeric_limits<float>::max();
  if (s.kind == Scalar::Float)
    return wrapped_number(s.d, to_like && !large ? like->dtype() : DType::Float64);
  return wrapped_number(s.i, to_like ? like->dtype() : s.dtype());
}

Tensor tensor_from_sequence(PyObject* data, std::optional<DType> dtype) {
  const Flattened flat(data, dtype.has_value());
  const DType type = dtype.value_or(flat.dtype.value_or(default_dtype()));
  Tensor out = empty(flat.shape, wide_of(type));
  if (flat.dtype && is_complex(*flat.dtype) && !is_complex(type))
    fail_type("tensor", "a complex number for ", name_of(type), "; pass its real part");
  visit_all(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T* to = out.data<T>();
    for (const Scalar& s : flat.values) {
      if constexpr (is_integral(bx::dtype_of<T>())) require_fits("tensor", s, type);
      if constexpr (is_complex(bx::dtype_of<T>()))
        if (s.kind == Scalar::Complex) {
          *to++ = {s.d, s.im};
          continue;
        }
      *to++ = s.kind >= Scalar::Float ? static_cast<T>(s.as_double()) : static_cast<T>(s.i);
    }
  });
  return to(out, type);
}

}  // namespace bx
