// Module.__call__: a training step calls it for every layer, so it costs no Python frame.
#include "bindings/python.h"

namespace bx {

namespace {

struct Installed {
  PyObject *global_hooks, *call_with_hooks, *hooked, *forward;
};
Installed* installed = nullptr;

constexpr Py_ssize_t kFew = 8;

/// A list that takes every module which this thread calls; null: none does.
thread_local PyObject* calls BX_FAST_TLS = nullptr;

/// self.forward(...), with the hooks around it where there are any.
PyObject* call_module(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  PyObject* hooked = PyObject_GetAttr(self, installed->hooked);
  if (!hooked) {
    PyErr_Clear();
    return PyErr_Format(PyExc_AttributeError,
                        "[Module] %s was called before Module.__init__() ran; call "
                        "super().__init__() in its __init__()",
                        Py_TYPE(self)->tp_name);
  }
  if (calls && PyList_Append(calls, self) < 0) {
    Py_DECREF(hooked);
    return nullptr;
  }
  const bool plain = hooked == Py_False && PyDict_GET_SIZE(installed->global_hooks) == 0;
  Py_DECREF(hooked);
  const Py_ssize_t given = names ? PyTuple_GET_SIZE(names) : 0;
  if (plain && count + given < kFew) {
    PyObject* all[kFew] = {self};
    std::copy_n(args, count + given, all + 1);
    return PyObject_VectorcallMethod(installed->forward, all, static_cast<size_t>(count) + 1,
                                     names);
  }
  return guarded([&]() -> PyObject* {
    py::tuple positional(static_cast<size_t>(count));
    for (Py_ssize_t i = 0; i < count; ++i) positional[static_cast<size_t>(i)] = py::handle(args[i]);
    py::dict named;
    for (Py_ssize_t i = 0; i < given; ++i)
      named[py::handle(PyTuple_GET_ITEM(names, i))] = py::handle(args[count + i]);
    if (plain) return py::handle(self).attr("forward")(*positional, **named).release().ptr();
    return py::handle(installed->call_with_hooks)(py::handle(self), positional, named)
        .release()
        .ptr();
  });
}

PyMethodDef call_method = {
    "__call__", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&call_module)),
    METH_FASTCALL | METH_KEYWORDS, "forward(*args, **kwargs), with the hooks around it."};

}  // namespace

void bind_module_call(py::module_& m) {
  m.def(
      "_install_module_call",
      [](const py::type& module, py::dict global_hooks, py::function call_with_hooks) {
        installed = new Installed{global_hooks.release().ptr(), call_with_hooks.release().ptr(),
                                  PyUnicode_InternFromString("_hooked"),
                                  PyUnicode_InternFromString("forward")};
        module.attr("__call__") = py::reinterpret_steal<py::object>(
            PyDescr_NewMethod(reinterpret_cast<PyTypeObject*>(module.ptr()), &call_method));
      },
      py::arg("module"), py::arg("global_hooks"), py::arg("call_with_hooks"),
      "Gives the class Module its __call__.");
  m.def(
      "_note_module_calls",
      [](const std::optional<py::list>& into) {
        const auto before = py::reinterpret_steal<py::object>(calls);
        calls = into ? py::object(*into).release().ptr() : nullptr;
        return before ? before : py::none();
      },
      py::arg("into"),
      "From now on a list takes every module that this thread calls, None: none does; returns what "
      "took them before.");
}

}  // namespace bx
