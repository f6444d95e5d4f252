#include "bindings/arguments.h"

#include <cstring>

namespace bx {

namespace {

bool whole_number(PyObject* o, int64_t& out) {
  if (PyBool_Check(o) || PyFloat_Check(o) || !PyIndex_Check(o)) return false;
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

/// A tuple or list of whole numbers, or one number alone.
bool whole_numbers(PyObject* o, Dims& out) {
  int64_t one = 0;
  if (whole_number(o, one)) {
    out = {one};
    return true;
  }
  if (!PyTuple_Check(o) && !PyList_Check(o)) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
  out = {};
  for (Py_ssize_t i = 0; i < n; ++i) {
    if (!whole_number(PySequence_Fast_GET_ITEM(o, i), one)) return false;
    out.push_back(one);
  }
  return true;
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
      if (is_tensor(o) && tensor_of(o).numel() == 1) {
        const Tensor t = tensor_of(o);
        out = is_floating(t.dtype()) ? Scalar{Scalar::Float, 0, item_double(t)}
                                     : Scalar{Scalar::Int, item_int(t), item_double(t)};
        return true;
      }
      return false;
    case ArgType::Bool:
      if (!PyBool_Check(o)) {
        const auto s = scalar_from(o);
        if (!s || s->kind != Scalar::Bool) return false;
        out = s->i != 0;
      } else {
        out = o == Py_True;
      }
      return true;
    case ArgType::Int: {
      int64_t i = 0;
      if (!whole_number(o, i)) return false;
      out = i;
      return true;
    }
    case ArgType::Float:
      if (const auto s = scalar_from(o)) {
        out = s->as_double();
        return true;
      }
      if (is_tensor(o) && tensor_of(o).numel() == 1) {
        out = item_double(tensor_of(o));
        return true;
      }
      return false;
    case ArgType::Dims: {
      Dims dims;
      if (!whole_numbers(o, dims)) return false;
      out = dims;
      return true;
    }
    case ArgType::DType:
      if (const auto t = dtype_from(o)) {
        out = *t;
        return true;
      }
      return false;
    case ArgType::String:
      if (!PyUnicode_Check(o)) return false;
      out = std::string(PyUnicode_AsUTF8(o));
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

const char* type_name(const Argument& a) {
  switch (a.type) {
    case ArgType::Tensor: return "Tensor";
    case ArgType::Operand: return "Tensor or number";
    case ArgType::Tensors: return "tuple or list of Tensors";
    case ArgType::OptTensors: return "tuple or list of Tensors or None";
    case ArgType::Scalar: return "number";
    case ArgType::Bool: return "bool";
    case ArgType::Int: return "int";
    case ArgType::Float: return "float";
    case ArgType::Dims: return "int or tuple of ints";
    case ArgType::DType: return "dtype";
    case ArgType::String: return "str";
    default: return "Generator";
  }
}

/// NumPy's names for PyTorch's arguments, which PyTorch accepts too.
const char* alternative(const char* name) {
  if (!std::strcmp(name, "axis")) return "dim";
  if (!std::strcmp(name, "keepdims")) return "keepdim";
  if (!std::strcmp(name, "x") || !std::strcmp(name, "self")) return "input";
  if (!std::strcmp(name, "x2")) return "other";
  return name;
}

/// Keywords outside the table: out=, and for creation what other devices would need.
bool shared_keyword(const Overload& overload, const char* name, PyObject* value, Arguments& args,
                    std::string& why) {
  if (!std::strcmp(name, "out")) {
    if (value == Py_None) return true;
    if (!is_tensor(value)) why = str("out must be a Tensor, not ", Py_TYPE(value)->tp_name);
    else args.out = tensor_of(value);
    return true;
  }
  const bool creates = !overload.arguments.empty() &&
                       overload.arguments.back().type == ArgType::DType &&
                       overload.arguments.back().keyword_only;
  if (!creates) return false;
  if (!std::strcmp(name, "requires_grad")) {
    args.requires_grad = is_true(value);
    return true;
  }
  if (!std::strcmp(name, "device")) {
    const std::string device = value == Py_None ? "cpu" : std::string(py::str(py::handle(value)));
    if (device.rfind("cpu", 0) != 0)
      fail_runtime("device", "'", device, "' is not available; only 'cpu' is");
    return true;
  }
  for (const char* ignored : {"layout", "pin_memory", "memory_format"})
    if (!std::strcmp(name, ignored)) return true;
  return false;
}

}  // namespace

std::string match(const Operation& operation, const Overload& overload, PyObject* const* args,
                  Py_ssize_t positional, PyObject* names, Arguments& out) {
  const auto& table = overload.arguments;
  const int count = static_cast<int>(table.size());
  bool given[kMaxArguments] = {};
  int taken = 0;
  for (int k = 0; k < count && taken < positional; ++k) {
    const Argument& a = table[static_cast<size_t>(k)];
    if (a.keyword_only) break;
    const bool last = k + 1 == count || table[static_cast<size_t>(k) + 1].keyword_only;
    int64_t number = 0;
    if (a.type == ArgType::Dims && last && positional - taken > 1 &&
        whole_number(args[taken], number)) {
      Dims dims;  // view(2, 3) for view((2, 3))
      for (; taken < positional; ++taken) {
        if (!whole_number(args[taken], number))
          return str("argument '", a.name, "' must be ints, not ", Py_TYPE(args[taken])->tp_name);
        dims.push_back(number);
      }
      out.values[k] = dims;
    } else if (!convert(a, args[taken], out.values[k])) {
      return str("argument '", a.name, "' must be ", type_name(a), ", not ",
                 Py_TYPE(args[taken])->tp_name);
    } else {
      ++taken;
    }
    given[k] = true;
  }
  if (taken < positional)
    return str("takes at most ", taken, " positional arguments (", positional, " given)");
  const Py_ssize_t keywords = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t i = 0; i < keywords; ++i) {
    const char* raw = PyUnicode_AsUTF8(PyTuple_GET_ITEM(names, i));
    PyObject* value = args[positional + i];
    int k = 0;
    auto find = [&](const char* name) {
      for (k = 0; k < count; ++k)
        if (table[static_cast<size_t>(k)].name == name) return true;
      return false;
    };
    if (!find(raw) && !find(alternative(raw))) {
      std::string why;
      if (!shared_keyword(overload, raw, value, out, why))
        return str("got an unexpected keyword argument '", raw, "'");
      if (!why.empty()) return why;
      continue;
    }
    const Argument& a = table[static_cast<size_t>(k)];
    if (given[k]) return str("got multiple values for argument '", a.name, "'");
    if (!convert(a, value, out.values[k]))
      return str("argument '", a.name, "' must be ", type_name(a), ", not ",
                 Py_TYPE(value)->tp_name);
    given[k] = true;
  }
  for (int k = 0; k < count; ++k) {
    if (given[k]) continue;
    const Argument& a = table[static_cast<size_t>(k)];
    if (a.has_default) out.values[k] = a.default_value;
    else if (a.type != ArgType::Generator) return str("missing argument '", a.name, "'");
  }
  (void)operation;
  return {};
}

std::string signature_text(const Overload& overload) {
  std::string text = "(";
  bool keyword_only = false;
  for (const Argument& a : overload.arguments) {
    if (text.size() > 1) text += ", ";
    if (a.keyword_only && !keyword_only) text += "*, ";
    keyword_only = a.keyword_only;
    text += a.name;
    if (a.has_default) text += "=" + a.default_text;
  }
  return text + ")";
}

PyObject* to_python(const Operation& operation, const Value& value) {
  return std::visit(
      [&](const auto& v) -> PyObject* {
        using T = std::remove_cvref_t<decltype(v)>;
        if constexpr (std::is_same_v<T, Tensor>) {
          return wrap(v);
        } else if constexpr (std::is_same_v<T, Tensors>) {
          py::tuple tuple(v.size());
          for (size_t i = 0; i < v.size(); ++i)
            PyTuple_SET_ITEM(tuple.ptr(), static_cast<Py_ssize_t>(i), wrap(v[i]));
          // max(dim) and its kin answer with names: .values, .indices
          if (operation.returns_values_indices && v.size() == 2) {
            static const auto* make =
                new py::object(py::module_::import("backprop_ext._return_types").attr("named"));
            return (*make)(operation.name, *tuple).release().ptr();
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
