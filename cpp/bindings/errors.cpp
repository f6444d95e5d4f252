// C++ errors become the classes that PyTorch raises.
#include <cstring>
#include <vector>

#include "bindings/python.h"
#include "core/linalg_error.h"

namespace bx {

namespace {
PyObject* linalg_error = nullptr;

/// Where PyTorch raises one class or another, by where its own check stands: an error of all of
/// them, under the name of the first, which is the most frequent.
struct Joint {
  ErrorKind kind;
  const char* attribute;
  const char* shown;
  std::vector<PyObject*> bases;
  const char* doc;
  PyObject* made = nullptr;
};

std::vector<Joint>& joints() {
  static auto& all = *new std::vector<Joint>{
      {ErrorKind::WrongKind,
       "_WrongKindError",
       "builtins.TypeError",
       {PyExc_TypeError, PyExc_AttributeError},
       "Of another type than is needed, and without its attributes."},
      {ErrorKind::NotANumber,
       "_NotANumberError",
       "builtins.TypeError",
       {PyExc_TypeError, PyExc_ValueError, PyExc_RuntimeError},
       "Of several elements, or of a type, that are no number."},
      {ErrorKind::SeveralElements,
       "_SeveralElementsError",
       "builtins.RuntimeError",
       {PyExc_RuntimeError, PyExc_ValueError, PyExc_TypeError},
       "A tensor of several elements, or of none, where one is asked for."},
      {ErrorKind::NotOneElement,
       "_NotOneElementError",
       "builtins.ValueError",
       {PyExc_ValueError, PyExc_RuntimeError, PyExc_TypeError},
       "A tensor of several elements, or of none, that is to become a float."},
      {ErrorKind::OutOfRange,
       "_OutOfRangeError",
       "builtins.IndexError",
       {PyExc_IndexError, PyExc_RuntimeError},
       "An index beyond the elements that there are."},
      {ErrorKind::OutOfBounds,
       "_OutOfBoundsError",
       "builtins.RuntimeError",
       {PyExc_RuntimeError, PyExc_IndexError},
       "An index of gather, scatter and their kin beyond the elements that there are."},
  };
  return all;
}

PyObject* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Value: return PyExc_ValueError;
    case ErrorKind::Type: return PyExc_TypeError;
    case ErrorKind::Index: return PyExc_IndexError;
    case ErrorKind::ZeroDivision: return PyExc_ZeroDivisionError;
    case ErrorKind::Assertion: return PyExc_AssertionError;
    case ErrorKind::NotImplemented: return PyExc_NotImplementedError;
    default:
      for (const Joint& joint : joints())
        if (joint.kind == kind) return joint.made;
      return PyExc_RuntimeError;
  }
}
}  // namespace

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const LinAlgError& e) {
    PyErr_SetString(linalg_error, e.what());
  } catch (const Error& e) {
    PyErr_SetString(class_of(e.kind()), e.what());
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_RuntimeError, "[memory] out of memory; use smaller tensors or batches");
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

void refuse_to_pin() {
  fail_runtime("pin_memory", "there is no accelerator to pin memory for; leave it out");
}

void require_cpu(py::handle device) {
  if (device.is_none()) return;
  if (PyUnicode_Check(device.ptr()) && !PyUnicode_CompareWithASCIIString(device.ptr(), "cpu"))
    return;
  py::module_::import("backprop_ext._device").attr("on_cpu")(device);
}

void reject_argument(ErrorKind kind, PyObject* given) {
  const bool tensor = kind == ErrorKind::WrongKind;
  fail(kind, "argument", std::string(py::repr(given)).substr(0, 60), " is a ",
       Py_TYPE(given)->tp_name,
       tensor ? "; a Tensor is needed, wrap it in tensor()"
              : "; a dtype is needed, as torch.float32");
}

void bind_errors(py::module_& m) {
  warning_handler = [](const std::string& message) {
    py::gil_scoped_acquire gil;
    if (PyErr_WarnEx(PyExc_UserWarning, message.c_str(), 1) < 0) throw py::error_already_set();
  };
  const auto add = [&](const char* attribute, const char* name, const char* doc, py::handle bases) {
    PyObject* made = PyErr_NewExceptionWithDoc(name, doc, bases.ptr(), nullptr);
    if (!made) throw py::error_already_set();
    m.add_object(attribute, made);
    return made;
  };
  linalg_error =
      add("_LinAlgError", "torch._C._LinAlgError",
          "A singular matrix, or an iteration that did not converge.", PyExc_RuntimeError);
  py::list made;
  for (Joint& joint : joints()) {
    py::list bases;
    for (PyObject* base : joint.bases) bases.append(py::handle(base));
    joint.made = add(joint.attribute, joint.shown, joint.doc, py::tuple(bases));
    made.append(py::handle(joint.made));
  }
  m.attr("_joint_errors") = py::tuple(made);
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const LinAlgError& e) {
      PyErr_SetString(linalg_error, e.what());
    } catch (const Error& e) {
      PyErr_SetString(class_of(e.kind()), e.what());
    }
  });
}

}  // namespace bx
