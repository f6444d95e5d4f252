// One Python object to one argument's value, and a result back.
#include "bindings/arguments.h"

namespace bx {

bool whole_number(PyObject* o, int64_t& out) {
  if (PyBool_Check(o) || PyFloat_Check(o) || !PyIndex_Check(o)) return false;
  if (is_tensor(o) && tensor_of(o).dtype() == DType::Bool) return false;
  out = PyLong_Check(o) ? PyLong_AsLongLong(o) : [&] {
    const auto i = py::reinterpret_steal<py::object>(PyNumber_Index(o));
    return i ? PyLong_AsLongLong(i.ptr()) : -1;
  }();
  if (out == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    return false;
  }
  return true;
}

bool further_number(PyObject* o, bool further, int64_t& out) {
  if (!further || !PyBool_Check(o)) return whole_number(o, out);
  out = o == Py_True;
  return true;
}

namespace {

/// A tuple or list of whole numbers, or one number alone. As in PyTorch, bools count after the
/// first.
template <class List>
bool whole_numbers(PyObject* o, List& out) {
  int64_t one = 0;
  if (whole_number(o, one)) {
    out = {one};
    return true;
  }
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  out = {};
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!further_number(PySequence_Fast_GET_ITEM(o, i), i > 0, one)) return false;
    out.push_back(one);
  }
  return true;
}

/// No whole number: ValueError for one that int64 does not hold.
bool no_number(const Argument& a, PyObject* o) {
  if (PyLong_Check(o) && !PyBool_Check(o))
    fail_value("argument", a.name, "=", std::string(py::str(o)), " does not fit into int64");
  return false;
}

/// A 0-d tensor that may stand for a number: what requires a gradient would lose it.
bool is_number_like(PyObject* o) {
  return is_tensor(o) && tensor_of(o).dim() == 0 && !requires_grad(tensor_of(o));
}

bool tensors(PyObject* o, bool none_allowed, Tensors& out) {
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* item = PySequence_Fast_GET_ITEM(o, i);
    if (item == Py_None && none_allowed) out.emplace_back();
    else if (is_tensor(item)) out.push_back(tensor_of(item));
    else return false;
  }
  return true;
}

}  // namespace

bool convert(const Argument& a, PyObject* o, Value& out) {
  if (o == Py_None && a.optional) {
    out = std::monostate{};
    return true;
  }
  switch (a.type) {
    case ArgType::Tensor:
      if (!is_tensor(o)) return false;
      out = tensor_of(o);
      return true;
    case ArgType::Operand:
      if (is_tensor(o)) {
        out = tensor_of(o);
        return true;
      }
      if (const auto s = scalar_from(o)) {
        out = wrapped_scalar(*s, nullptr);
        return true;
      }
      return false;
    case ArgType::Tensors:
    case ArgType::OptTensors: {
      Tensors list;
      if (!tensors(o, a.type == ArgType::OptTensors, list)) return false;
      out = std::move(list);
      return true;
    }
    case ArgType::Scalar:
      if (const auto s = scalar_from(o)) {
        out = *s;
        return true;
      }
      if (is_number_like(o)) {
        const Tensor t = tensor_of(o);
        if (is_complex(t.dtype())) {
          const Complex<double> z = item_complex(t);
          out = Scalar{Scalar::Complex, 0, z.re, z.im};
          return true;
        }
        out = is_floating(t.dtype()) ? Scalar{Scalar::Float, 0, item_double(t)}
                                     : Scalar{t.dtype() == DType::Bool ? Scalar::Bool : Scalar::Int,
                                              item_int(t), item_double(t)};
        return true;
      }
      return false;
    case ArgType::Bool:
      if (a.in_python) {
        const int truth = PyObject_IsTrue(o);
        if (truth < 0) throw py::error_already_set();
        out = truth != 0;
      } else if (!PyBool_Check(o)) {
        return false;
      } else {
        out = o == Py_True;
      }
      return true;
    case ArgType::Int: {
      int64_t i = 0;
      if (!whole_number(o, i)) return no_number(a, o);
      if (is_tensor(o) && tensor_of(o).dim() > 0) return false;
      if (!PyLong_Check(o) && a.name.find("dim") != a.name.npos && is_numpy_array(o)) return false;
      out = i;
      return true;
    }
    case ArgType::Float:
      if (PyLong_Check(o) && !PyBool_Check(o)) {
        const double d = PyLong_AsDouble(o);
        if (d == -1. && PyErr_Occurred()) throw py::error_already_set();
        out = d;
        return true;
      }
      if (const auto s = scalar_from(o); s && s->kind != Scalar::Complex) {
        out = s->as_double();
        return true;
      }
      if (is_number_like(o)) {
        out = item_double(tensor_of(o));
        return true;
      }
      return false;
    case ArgType::Sizes:
      if (int64_t one = 0; whole_number(o, one)) return false;
      [[fallthrough]];
    case ArgType::Dims: {
      if (a.type == ArgType::Dims && !PyLong_Check(o) && !PyTuple_Check(o) && is_numpy_array(o))
        return false;
      Dims dims;
      if (!whole_numbers(o, dims)) return a.type == ArgType::Dims && no_number(a, o);
      out = dims;
      return true;
    }
    case ArgType::Ints: {
      if (int64_t one = 0; whole_number(o, one)) return false;
      Ints numbers;
      if (!whole_numbers(o, numbers)) return false;
      out = std::move(numbers);
      return true;
    }
    case ArgType::DType:
      if (const auto t = dtype_from(o)) {
        out = *t;
        return true;
      }
      return false;
    case ArgType::Format:
      if (const auto f = format_from(o)) {
        out = *f;
        return true;
      }
      return false;
    case ArgType::String:
      if (!PyUnicode_Check(o) && !a.in_python) return false;
      out = PyUnicode_Check(o) ? std::string(PyUnicode_AsUTF8(o)) : std::string(py::str(o));
      return true;
    case ArgType::Generator:
      try {
        out = py::handle(o).cast<Generator*>();
        return true;
      } catch (const py::cast_error&) {
        return false;
      }
  }
  return false;
}

PyObject* to_python(const Operation& operation, const Overload& overload, const Value& value) {
  return std::visit(
      [&](const auto& v) -> PyObject* {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::is_same_v<T, Tensor>) {
          return wrap(v);
        } else if constexpr (std::is_same_v<T, Tensors>) {
          py::tuple tuple(v.size());
          for (size_t i = 0; i < v.size(); ++i)
            PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), wrap(v[i]));
          if (!overload.results.empty()) {
            static const auto* make =
                new py::object(py::module_::import("backprop_ext._return_types").attr("named"));
            py::tuple names(overload.results.size());
            for (size_t i = 0; i < overload.results.size(); ++i) names[i] = overload.results[i];
            const std::string home = namespace_of(operation.place);
            return (*make)(home.empty() ? operation.name : home + "_" + operation.name, names,
                           tuple)
                .release()
                .ptr();
          }
          return tuple.release().ptr();
        } else if constexpr (std::is_same_v<T, bool>) {
          return PyBool_FromLong(v);
        } else if constexpr (std::is_same_v<T, int64_t>) {
          return PyLong_FromLongLong(v);
        } else if constexpr (std::is_same_v<T, DType>) {
          return wrap_dtype(v);
        } else {
          Py_RETURN_NONE;
        }
      },
      value);
}

}  // namespace bx
