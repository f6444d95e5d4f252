// Operations as Python callables: one small type serves every function and method.
#include "bindings/arguments.h"

#include <structmember.h>

#include <cstddef>
#include <span>
#include <utility>

#include "autograd/views.h"
#include "bindings/autocast.h"
#include "bindings/overrides.h"
#include "ops/ops.h"

namespace bx {

namespace {

/// The callable: torch.exp, or Tensor.exp, which takes nothing but a tensor first.
struct PyOperation {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  const Operation* operation;
  bool method;
  PyObject* name;
  PyObject* doc;
};

PyOperation* as_operation(PyObject* o) { return reinterpret_cast<PyOperation*>(o); }

/// Said once, as by PyTorch.
void warn_of_older(const Operation& op, const Overload& overload) {
  static bool said = false;
  if (std::exchange(said, true)) return;
  const std::string text = str("[", op.name, "] ", signature_text(overload),
                               " is deprecated; call ", op.name, signature_text(op.overloads[0]));
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw py::error_already_set();
}

/// out=: the result written into a given tensor, which takes its shape; `warns` where it had
/// elements.
void write_out(const Operation& operation, const Tensor& out, const Tensor& result, bool warns) {
  const char* op = operation.name.c_str();
  if (grad_enabled() && (requires_grad(result) || requires_grad(out)))
    fail_runtime(op,
                 "out= does not support automatic differentiation, but one "
                 "of the arguments requires grad; use the result instead");
  if (operation.widens ? !can_store(result.dtype(), out.dtype()) : result.dtype() != out.dtype())
    fail_runtime(op, "the result is ", name_of(result.dtype()), ", which out, ",
                 name_of(out.dtype()), ", cannot hold; give one of the result's type");
  if (!(out.shape() == result.shape())) {
    check_inplace(op, out);
    if (warns && out.numel() > 0)
      warn(op, "out has shape ", out.shape(), " and is resized to that of the result, ",
           result.shape(), "; give one of that shape, or an empty one");
    resize_(op, out, result.shape());
    if (is_dense(result))  // laid out as the result, as in PyTorch
      out->move_to(out->storage, out->offset, result.shape(), result.strides(), out.dtype());
  }
  copy_(out, result);
}

/// Whether PyTorch writes a result before the argument is read: it may not be out= then.
bool writes_early(std::string_view op, size_t argument) {
  if (argument > 0 && (op.starts_with("scatter") || op.starts_with("index_"))) return true;
  return op == "gather" || op == "index_select" || op == "take" || op == "take_along_dim" ||
         op == "cross";
}

/// f(t) for the tensors of a value.
template <class F>
void for_tensors(const Value& value, F f) {
  if (const auto* one = std::get_if<Tensor>(&value); one && one->defined()) f(*one);
  if (const auto* list = std::get_if<Tensors>(&value))
    for (const Tensor& t : *list)
      if (t.defined()) f(t);
}

/// Where nothing is recorded: the results that lie in the memory of an argument, and are none, are
/// its views.
void note_views(const Operation& op, std::span<const Value> arguments, const Value& result) {
  if (op.name == "detach") return;
  for_tensors(result, [&](const Tensor& made) {
    Tensor base;
    bool given = false;
    for (const Value& argument : arguments)
      for_tensors(argument, [&](const Tensor& t) {
        given = given || made.same_as(t);
        if (!base.defined() && t->storage->root_address() == made->storage->root_address())
          base = t;
      });
    if (base.defined() && !given) note_unrecorded_view(made, base);
  });
}

PyObject* call_operation(PyObject* self, PyObject* const* args, size_t flags, PyObject* names) {
  const Py_ssize_t positional = PyVectorcall_NARGS(flags);
  PyObject* made = guarded([&]() -> PyObject* {
    const PyOperation& callable = *as_operation(self);
    const Operation& op = *callable.operation;
    if (subclasses_take_part)
      if (PyObject* made = overridden(self, args, positional, names, true)) return made;
    Arguments arguments;
    const Overload* chosen = choose(op, callable.method, args, positional, names, arguments);
    if (!chosen) {
      if (PyObject* made = overridden(self, args, positional, names, false)) return made;
      reject(op, callable.method, args, positional, names, arguments);
    }
    const Overload& overload = *chosen;
    if (overload.older) warn_of_older(op, overload);
    if (autocast_type != DType::Float32) [[unlikely]]
      autocast(op, arguments);
    Value result = overload.call(arguments.values);
    if (!grad_enabled()) [[unlikely]]
      note_views(op, {arguments.values, overload.arguments.size()}, result);
    if (!arguments.out.empty()) {
      Tensors one;
      if (const auto* t = std::get_if<Tensor>(&result)) one = {*t};
      const Tensors& all = one.empty() ? std::get<Tensors>(result) : one;
      if (all.size() != arguments.out.size())
        fail_type(op.name.c_str(), all.size(), " results, but out has ", arguments.out.size(),
                  " tensors; give one for each");
      bool reads = false;
      const auto apart = [&](const Tensor& read, bool wholly) {
        if (read->is_wrapped_number) return;
        reads = true;
        for (size_t k = 0; k < all.size(); ++k) {
          const Tensor& out = arguments.out[k];  // a smaller one is written when all is read
          if (out.numel() >= read.numel())
            require_apart(op.name.c_str(), out, read, wholly || !(out.shape() == all[k].shape()));
        }
      };
      for (size_t k = 0; k < overload.arguments.size(); ++k) {
        const Value& v = arguments.values[k];
        const bool wholly = std::holds_alternative<Tensors>(v) || writes_early(op.name, k);
        for_tensors(v, [&](const Tensor& read) { apart(read, wholly); });
      }
      for (size_t k = 0; k < all.size(); ++k) write_out(op, arguments.out[k], all[k], reads);
      result = one.empty() ? Value(arguments.out) : Value(arguments.out[0]);
    }
    if (arguments.requires_grad) {
      const Tensor& t = std::get<Tensor>(result);
      if (!is_differentiable(t.dtype()))
        fail_runtime(op.name.c_str(),
                     "only tensors of floating-point type can require gradients, "
                     "this is ",
                     name_of(t.dtype()), "; pass dtype=torch.float32");
      t->leaf_requires_grad = true;
    }
    return to_python(op, overload, result);
  });
  return made ? made : made_on_meta(self, args, positional, names);
}

PyObject* bind_to(PyObject* self, PyObject* object, PyObject*) {
  if (!object || object == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, object);
}

PyObject* repr(PyObject* self) {
  return PyUnicode_FromFormat("<operation %U>", as_operation(self)->name);
}

PyObject* reduce(PyObject* self, PyObject*) { return Py_NewRef(as_operation(self)->name); }

PyObject* signature(PyObject* self, void*) {
  return guarded([&] {
    const Operation& op = *as_operation(self)->operation;
    return PyUnicode_FromString(signature_text(op.overloads[0]).c_str());
  });
}

PyTypeObject* make_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOperation, vectorcall), READONLY, nullptr},
      {"__name__", T_OBJECT, offsetof(PyOperation, name), READONLY, nullptr},
      {"__qualname__", T_OBJECT, offsetof(PyOperation, name), READONLY, nullptr},
      {"__doc__", T_OBJECT, offsetof(PyOperation, doc), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyGetSetDef attributes[] = {{"__text_signature__", signature, nullptr, nullptr, nullptr},
                                     {nullptr, nullptr, nullptr, nullptr, nullptr}};
  static PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr},
                                  {nullptr, nullptr, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_descr_get, reinterpret_cast<void*>(bind_to)},
                                {Py_tp_repr, reinterpret_cast<void*>(repr)},
                                {Py_tp_members, members},
                                {Py_tp_getset, attributes},
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  PyType_Spec spec{"backprop_ext.Operation", sizeof(PyOperation), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
                       Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  return reinterpret_cast<PyTypeObject*>(type);
}

/// The docstring: every way to call it, then the formula and the rest.
std::string full_doc(const Operation& op) {
  std::string text;
  for (const Overload& overload : op.overloads)
    if (!overload.older) text += op.name + signature_text(overload) + "\n";
  return text + "\n" + op.doc;
}

const char* type_text(ArgType type) {
  switch (type) {
    case ArgType::Tensor: return "Tensor";
    case ArgType::Operand: return "Tensor | Number";
    case ArgType::Tensors: return "Sequence[Tensor]";
    case ArgType::OptTensors: return "Sequence[Tensor | None]";
    case ArgType::Scalar: return "Number | Tensor";
    case ArgType::Bool: return "bool";
    case ArgType::Int: return "int";
    case ArgType::Float: return "float | Tensor";
    case ArgType::Sizes: return "Sequence[int]";
    case ArgType::Dims:
    case ArgType::Ints: return "int | Sequence[int]";
    case ArgType::DType: return "dtype";
    case ArgType::Format: return "memory_format";
    case ArgType::String: return "str";
    default: return "Generator";
  }
}

/// A new callable for an operation.
py::object make_callable(PyTypeObject* type, const Operation& op, bool method) {
  auto* callable = PyObject_New(PyOperation, type);
  if (!callable) throw py::error_already_set();
  callable->vectorcall = &call_operation;
  callable->operation = &op;
  callable->method = method;
  callable->name = PyUnicode_FromString(op.name.c_str());
  callable->doc = PyUnicode_FromString(full_doc(op).c_str());
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(callable));
}

/// The registry as plain Python data, for the stub and the tests.
py::list describe() {
  py::list list;
  for (const auto& op : registry().operations()) {
    py::list overloads;
    for (const Overload& overload : op->overloads) {
      if (overload.older) continue;
      py::list arguments;
      for (const Argument& a : overload.arguments) {
        py::dict d;
        d["name"] = a.name;
        d["type"] = std::string(type_text(a.type)) + (a.optional ? " | None" : "");
        d["keyword_only"] = a.keyword_only;
        d["one_by_one"] = a.one_by_one;
        d["default"] = a.has_default ? py::object(py::str(a.default_text)) : py::object(py::none());
        arguments.append(d);
      }
      py::dict way;
      way["arguments"] = arguments;
      way["returns"] = overload.returns;
      way["results"] = py::cast(overload.results);
      overloads.append(way);
    }
    py::dict d;
    d["name"] = op->name;
    d["function"] = op->place == Place::Function || op->place == Place::Both;
    d["method"] = op->place == Place::Method || op->place == Place::Both;
    d["namespace"] = namespace_of(op->place);
    d["doc"] = op->doc;
    d["overloads"] = overloads;
    list.append(d);
  }
  return list;
}

}  // namespace

py::list public_names(const py::module_& m) {
  py::list list;
  for (auto [name, value] : py::reinterpret_borrow<py::dict>(m.attr("__dict__")))
    if (std::string(py::str(name))[0] != '_') list.append(name);
  list.attr("sort")();
  return list;
}

void bind_operations(py::module_& m) {
  PyTypeObject* type = make_type();
  std::map<std::string, py::module_> namespaces;
  for (Place place : {Place::Nn, Place::Linalg, Place::Special, Place::Fft}) {
    const std::string name = namespace_of(place);
    namespaces.emplace(name, m.def_submodule(("_" + name).c_str(),
                                             ("Operations that PyTorch has in " +
                                              (name == "nn" ? "nn.functional" : name) + " alone.")
                                                 .c_str()));
  }
  for (const auto& op : registry().operations()) {
    for (const Overload& overload : op->overloads)
      if (overload.arguments.size() > kMaxArguments)
        fail_runtime("registry", op->name, " has ", overload.arguments.size(),
                     " arguments; raise kMaxArguments, ", kMaxArguments);
    const auto place = static_cast<int>(op->place);
    const bool method = place & static_cast<int>(Place::Method);
    if (const std::string home = namespace_of(op->place); !home.empty())
      namespaces.at(home).attr(op->name.c_str()) = make_callable(type, *op, false);
    if (place & static_cast<int>(Place::Function))
      m.attr(op->name.c_str()) = make_callable(type, *op, false);
    if (method && PyObject_SetAttrString(reinterpret_cast<PyObject*>(tensor_type), op->name.c_str(),
                                         make_callable(type, *op, true).ptr()) < 0)
      throw py::error_already_set();
  }
  for (auto& [name, module] : namespaces) module.attr("__all__") = public_names(module);
  m.def("_operations", &describe, "The registry of operations as plain data.");
  m.def(
      "result_type",
      [](py::handle a, py::handle b) {
        auto operand = [](py::handle h) {
          if (is_tensor(h.ptr())) return tensor_of(h.ptr());
          if (const auto s = scalar_from(h.ptr())) return wrapped_scalar(*s, nullptr);
          fail_type("result_type", "a ", Py_TYPE(h.ptr())->tp_name,
                    "; tensors and numbers have a type");
        };
        const Tensor both[] = {operand(a), operand(b)};
        return result_type(both, 2);
      },
      py::arg("tensor1"), py::arg("tensor2"), "The type in which the two would be combined.");
}

}  // namespace bx
