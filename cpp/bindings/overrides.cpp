#include "bindings/overrides.h"

#include <utility>

#include "autograd/sparse.h"
#include "core/thread_local.h"
#include "launch/launch.h"
#include "ops/ops.h"

namespace bx {

bool subclasses_take_part = false, classes_dispatch = false;

namespace {

thread_local int asking_is_off = 0;

/// `call` and `disabled` of _overrides.py: who is asked in which order, and who opts out.
PyObject* call = nullptr;
PyObject* disabled = nullptr;

/// Of _device.py and _meta.py: the error that means so, who makes the call then, and, in a block of
/// `with torch.device("meta")`, who is told of every call.
PyObject *on_meta = nullptr, *make_on_meta = nullptr, *meta_block = nullptr;

/// Of _dispatch.py: who is told of every call of this thread, and whether of those too of which no
/// subclass is asked.
thread_local PyObject* mode BX_FAST_TLS = nullptr;
thread_local bool mode_is_below BX_FAST_TLS = false;

bool takes_part(PyObject* o, bool subclasses_only) {
  PyTypeObject* type = Py_TYPE(o);
  if (type == tensor_type || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return false;
  if (is_tensor(o) ? !subclasses_are_asked() : subclasses_only) return false;
  PyObject* own = PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__torch_function__");
  if (!own) PyErr_Clear();
  Py_XDECREF(own);
  return own && own != Py_None && own != disabled;
}

void collect(PyObject* o, bool subclasses_only, py::list& found) {
  const auto look = [&](PyObject* one) {
    if (takes_part(one, subclasses_only) || dispatches(one)) found.append(py::handle(one));
  };
  look(o);
  if (!PyList_CheckExact(o) && !PyTuple_CheckExact(o)) return;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) look(PySequence_Fast_GET_ITEM(o, i));
}

/// What a call was given, as Python has it.
std::pair<py::tuple, py::dict> packed(PyObject* const* args, Py_ssize_t positional,
                                      PyObject* names) {
  py::tuple given(static_cast<size_t>(positional));
  for (Py_ssize_t i = 0; i < positional; ++i)
    given[static_cast<size_t>(i)] = py::reinterpret_borrow<py::object>(args[i]);
  py::dict named;
  for (Py_ssize_t i = 0; i < (names ? PyTuple_GET_SIZE(names) : 0); ++i)
    named[PyTuple_GET_ITEM(names, i)] = py::reinterpret_borrow<py::object>(args[positional + i]);
  return {given, named};
}

}  // namespace

bool dispatches(PyObject* o) {
  return classes_dispatch && is_tensor(o) && Py_TYPE(o) != tensor_type &&
         PyObject_HasAttrString(reinterpret_cast<PyObject*>(Py_TYPE(o)), "__torch_dispatch__");
}

bool in_meta_block() { return meta_block && asking_is_off == 0; }

bool subclasses_are_asked() { return subclasses_take_part && asking_is_off == 0; }

PyObject* overridden(PyObject* function, PyObject* const* args, Py_ssize_t positional,
                     PyObject* names, bool subclasses_only) {
  const Py_ssize_t keywords = names ? PyTuple_GET_SIZE(names) : 0;
  py::list found;
  for (Py_ssize_t i = 0; i < positional + keywords; ++i) collect(args[i], subclasses_only, found);
  PyObject* of_all = subclasses_only && in_meta_block() ? meta_block : nullptr;
  if (subclasses_only && mode && (mode_is_below || asking_is_off == 0)) of_all = mode;
  PyObject* const told = of_all ? of_all : call;
  if (!told || (found.empty() && !of_all)) return nullptr;
  const auto [given, named] = packed(args, positional, names);
  return py::handle(told)(py::handle(function), found, given, named).release().ptr();
}

PyObject* made_on_meta(PyObject* function, PyObject* args, PyObject* kwargs) {
  if (!on_meta || !PyErr_ExceptionMatches(on_meta)) return nullptr;
  PyErr_Clear();
  return PyObject_CallFunctionObjArgs(make_on_meta, function, args, kwargs, nullptr);
}

PyObject* made_on_meta(PyObject* function, PyObject* const* args, Py_ssize_t positional,
                       PyObject* names) {
  if (!on_meta || !PyErr_ExceptionMatches(on_meta)) return nullptr;
  PyObject *type, *value, *trace;
  PyErr_Fetch(&type, &value, &trace);  // none may be in flight while objects are made
  const auto [given, named] = packed(args, positional, names);
  PyErr_Restore(type, value, trace);
  return made_on_meta(function, given.ptr(), named.ptr());
}

void bind_overrides(py::module_& m) {
  m.def(
      "_set_overrides",
      [](py::object f, py::object none) {
        call = f.release().ptr();
        disabled = none.release().ptr();
      },
      "Names the function that asks, and the method of those who opt out.");
  m.def(
      "_set_meta",
      [](py::object error, py::object make) {
        on_meta = error.release().ptr();
        make_on_meta = make.release().ptr();
      },
      "Names the error of a result on the meta device, and the function that makes it there.");
  const auto set = [](PyObject*& place, const py::object& told) {
    subclasses_take_part |= !told.is_none();
    Py_XDECREF(std::exchange(place, told.is_none() ? nullptr : told.inc_ref().ptr()));
  };
  m.def(
      "_set_meta_block", [set](const py::object& told) { set(meta_block, told); },
      "Names the function that is told of every call in a meta block, or None.");
  m.def(
      "_set_mode",
      [set](const py::object& told, bool below) {
        set(mode, told);
        mode_is_below = below;
      },
      "Names the function that is told of every call of this thread, or None; below: also of those "
      "of which no subclass is asked.");
  m.def("_skip_kernels", &skip_kernels, "On and off, in pairs: in between no kernel runs.");
  m.def(
      "_subclasses_take_part",
      [](bool dispatch) {
        subclasses_take_part = true;
        classes_dispatch |= dispatch;
      },
      "From now on calls look for classes derived from Tensor, also for __torch_dispatch__.");
  m.def("_subclasses_are_asked", &subclasses_are_asked, "Whether calls look for them now.");
  m.def(
      "_takes_part", [](py::handle o) { return takes_part(o.ptr(), false); },
      "Whether an object's class has a __torch_function__ that would be asked.");
  m.def(
      "_ask_subclasses", [](bool on) { asking_is_off += on ? -1 : 1; },
      "Off and on again, in pairs.");
  m.def(
      "_in_class",
      [](const Tensor& t, py::type type) {
        return py::reinterpret_steal<py::object>(
            wrap_as(reinterpret_cast<PyTypeObject*>(type.ptr()), t));
      },
      "The tensor itself as an object of a subclass of Tensor: that is its object from now on.");
  m.def(
      "_as_subclass",
      [](const Tensor& t, py::type type) {
        auto* wanted = reinterpret_cast<PyTypeObject*>(type.ptr());
        if (!PyType_IsSubtype(wanted, tensor_type))
          fail_type("as_subclass", "cls is ", std::string(py::str(type)),
                    "; it must be a subclass of Tensor");
        require_dense("as_subclass", t);
        return py::reinterpret_steal<py::object>(
            wrap_as(wanted, named("AliasBackward0", reshape(t, t.shape()))));
      },
      "The same memory and place in the graph as an object of a subclass of Tensor.");
}

}  // namespace bx
