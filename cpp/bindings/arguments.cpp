#include "bindings/arguments.h"

#include <algorithm>
#include <cstring>

namespace bx {

namespace {

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
    case ArgType::Sizes:
    case ArgType::Ints: return "tuple of ints";
    case ArgType::Dims: return "int or tuple of ints";
    case ArgType::DType: return "dtype";
    case ArgType::Format: return "memory_format";
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
  if (!std::strcmp(name, "A")) return "input";
  return name;
}

/// Keywords outside the table: out= of functions, and for creation what other devices would need.
bool shared_keyword(const Overload& overload, bool method, const char* name, PyObject* value,
                    Arguments& args, std::string& why) {
  if (!method && !std::strcmp(name, "out")) {
    if (value == Py_None) return true;
    if (is_tensor(value)) {
      args.out = {tensor_of(value)};
    } else {
      try {
        args.out = py::handle(value).cast<Tensors>();
      } catch (const std::exception&) {
        args.out = {};
      }
      if (args.out.empty())
        why = str("out must be a Tensor or a tuple of them, not ", Py_TYPE(value)->tp_name);
    }
    return true;
  }
  const bool creates = !overload.arguments.empty() &&
                       overload.arguments.back().type == ArgType::DType &&
                       overload.arguments.back().keyword_only;
  if (!creates) return false;
  if (!std::strcmp(name, "requires_grad")) {
    if (PyBool_Check(value) || value == Py_None) args.requires_grad = value == Py_True;
    else why = str("argument 'requires_grad' must be bool, not ", Py_TYPE(value)->tp_name);
    return true;
  }
  if (!std::strcmp(name, "device")) {
    require_cpu(value);
    return true;
  }
  if (!std::strcmp(name, "pin_memory")) {
    if (value == Py_True) refuse_to_pin();
    if (!PyBool_Check(value) && value != Py_None)
      why = str("argument 'pin_memory' must be bool, not ", Py_TYPE(value)->tp_name);
    return true;
  }
  if (std::strcmp(name, "layout")) return false;
  static const auto* layout =
      new py::object(py::module_::import("backprop_ext._layout").attr("layout"));
  if (value != Py_None && !py::isinstance(value, *layout))
    why = str("argument 'layout' must be layout, not ", Py_TYPE(value)->tp_name);
  return true;
}

/// The type of a value, and where it is a list, of its first elements.
struct TypeOf {
  PyObject* value;
};

std::ostream& operator<<(std::ostream& out, TypeOf given) {
  PyObject* value = given.value;
  out << Py_TYPE(value)->tp_name;
  if (is_tensor(value) && requires_grad(tensor_of(value))) out << " that requires grad";
  if (!PyTuple_Check(value) && !PyList_Check(value)) return out;
  const Py_ssize_t n = std::min<Py_ssize_t>(PySequence_Fast_GET_SIZE(value), 3);
  for (Py_ssize_t k = 0; k < n; ++k)
    out << (k ? ", " : " of ") << Py_TYPE(PySequence_Fast_GET_ITEM(value, k))->tp_name;
  return out;
}

void note_lack(const Argument& a, PyObject* value, Arguments& out) {
  out.lacks_tensor |= a.type <= ArgType::OptTensors && !is_tensor(value);
  const bool number = a.type >= ArgType::Scalar && a.type <= ArgType::Ints;
  out.lacks_number |= number && (a.in_python || is_numpy_array(value) ||
                                 (is_tensor(value) && tensor_of(value).numel() != 1));
}

}  // namespace

std::string match(const Overload& overload, bool method, PyObject* const* args,
                  Py_ssize_t positional, PyObject* names, Arguments& out, bool explain) {
  const auto reason = [explain](const auto&... parts) {
    return explain ? str(parts...) : std::string("?");
  };
  const auto& table = overload.arguments;
  const int count = static_cast<int>(table.size());
  if (method && !(positional > 0 && is_tensor(args[0]))) {
    out.lacks_tensor = positional > 0;
    return reason("a method of Tensor, called on ",
                  positional > 0 ? Py_TYPE(args[0])->tp_name : "nothing");
  }
  bool given[kMaxArguments] = {};
  int taken = 0;
  for (int k = 0; k < count && taken < positional; ++k) {
    const Argument& a = table[static_cast<size_t>(k)];
    if (a.keyword_only) break;
    const bool last = k + 1 == count || table[static_cast<size_t>(k) + 1].keyword_only;
    const bool list = a.type == ArgType::Dims || a.type == ArgType::Sizes;
    int64_t number = 0;
    if (list && last && k == method && whole_number(args[taken], number)) {
      Dims dims;  // view(2, 3) for view((2, 3))
      for (; taken < positional; ++taken) {
        if (!further_number(args[taken], !dims.empty(), number))
          return reason("argument '", a.name, "' must be ints, not ",
                        Py_TYPE(args[taken])->tp_name);
        dims.push_back(number);
      }
      out.values[k] = dims;
    } else if ((a.one_by_one || (a.type == ArgType::Tensors && a.has_default)) && last &&
               is_tensor(args[taken])) {
      Tensors list;  // meshgrid(a, b) for meshgrid((a, b))
      for (; taken < positional; ++taken) {
        if (!is_tensor(args[taken]))
          return reason("argument '", a.name, "' must be Tensors, not ",
                        Py_TYPE(args[taken])->tp_name);
        list.push_back(tensor_of(args[taken]));
      }
      out.values[k] = std::move(list);
    } else if (a.one_by_one || !convert(a, args[taken], out.values[k])) {
      note_lack(a, args[taken], out);
      return reason("argument '", a.name, "' must be ", type_name(a), ", not ",
                    TypeOf{args[taken]});
    } else {
      ++taken;
    }
    given[k] = true;
  }
  if (taken < positional)
    return reason("takes at most ", taken, " positional arguments (", positional, " given)");
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
      if (!shared_keyword(overload, method, raw, value, out, why))
        return reason("got an unexpected keyword argument '", raw, "'");
      if (!why.empty()) return why;
      continue;
    }
    const Argument& a = table[static_cast<size_t>(k)];
    if (given[k]) return reason("got multiple values for argument '", a.name, "'");
    if (!convert(a, value, out.values[k])) {
      note_lack(a, value, out);
      return reason("argument '", a.name, "' must be ", type_name(a), ", not ", TypeOf{value});
    }
    given[k] = true;
  }
  for (int k = 0; k < count; ++k) {
    if (given[k]) continue;
    const Argument& a = table[static_cast<size_t>(k)];
    if (a.one_by_one) out.values[k] = Tensors{};
    else if (a.has_default) out.values[k] = a.default_value;
    else if (a.type != ArgType::Generator) return reason("missing argument '", a.name, "'");
  }
  return {};
}

std::string signature_text(const Overload& overload) {
  std::string text = "(";
  bool keyword_only = false;
  for (const Argument& a : overload.arguments) {
    if (text.size() > 1) text += ", ";
    if (a.keyword_only && !keyword_only) text += "*, ";
    keyword_only = a.keyword_only;
    text += (a.one_by_one ? "*" : "") + a.name;
    if (a.has_default) text += "=" + a.default_text;
  }
  return text + ")";
}

const Overload* choose(const Operation& op, bool method, PyObject* const* args,
                       Py_ssize_t positional, PyObject* names, Arguments& arguments) {
  for (const Overload& overload : op.overloads) {
    if (match(overload, method, args, positional, names, arguments, false).empty())
      return &overload;
    arguments.out = {};
  }
  return nullptr;
}

void reject(const Operation& op, bool method, PyObject* const* args, Py_ssize_t positional,
            PyObject* names, Arguments& arguments) {
  std::vector<std::string> reasons;
  arguments.lacks_tensor = arguments.lacks_number = false;
  for (const Overload& overload : op.overloads) {
    if (overload.older) continue;
    reasons.push_back(match(overload, method, args, positional, names, arguments, true));
    arguments.out = {};
  }
  const ErrorKind kind = arguments.lacks_tensor   ? ErrorKind::WrongKind
                         : arguments.lacks_number ? ErrorKind::NotANumber
                                                  : ErrorKind::Type;
  if (reasons.size() == 1)
    fail(kind, op.name.c_str(), reasons[0], "; usage: ", op.name, signature_text(op.overloads[0]));
  std::string text;
  for (size_t k = 0; k < reasons.size(); ++k)
    text += "\n  " + op.name + signature_text(op.overloads[k]) + ": " + reasons[k];
  fail(kind, op.name.c_str(), "no way to call it takes these arguments:", text);
}

}  // namespace bx
