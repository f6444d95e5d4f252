// C++ errors become the classes that PyTorch raises.
#include <cstring>

#include "bindings/python.h"
#include "core/linalg_error.h"

namespace bx {

namespace {
PyObject* linalg_error = nullptr;
PyObject* not_a_tensor = nullptr;
PyObject* not_a_number = nullptr;
PyObject* out_of_range = nullptr;

PyObject* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Value: return PyExc_ValueError;
    case ErrorKind::Type: return PyExc_TypeError;
    case ErrorKind::NotATensor: return not_a_tensor;
    case ErrorKind::NotANumber: return not_a_number;
    case ErrorKind::Index: return PyExc_IndexError;
    case ErrorKind::OutOfRange: return out_of_range;
    case ErrorKind::ZeroDivision: return PyExc_ZeroDivisionError;
    case ErrorKind::Assertion: return PyExc_AssertionError;
    case ErrorKind::NotImplemented: return PyExc_NotImplementedError;
    default: return PyExc_RuntimeError;
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
  const bool tensor = kind == ErrorKind::NotATensor;
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
  // PyTorch raises the one or the other, as the function is written in C++ or in Python.
  not_a_tensor = add("_NotATensorError", "torch.NotATensorError",
                     "Of another type than a tensor, and without a tensor's attributes.",
                     py::make_tuple(py::handle(PyExc_TypeError), py::handle(PyExc_AttributeError)));
  // PyTorch converts, compares or computes with it first.
  not_a_number = add("_NotANumberError", "torch.NotANumberError",
                     "Of several elements, or of a type, that are no number.",
                     py::make_tuple(py::handle(PyExc_TypeError), py::handle(PyExc_ValueError),
                                    py::handle(PyExc_RuntimeError)));
  // PyTorch raises the one or the other, by dimension and layout.
  out_of_range = add("_OutOfRangeError", "torch.OutOfRangeError",
                     "An index beyond the elements that there are.",
                     py::make_tuple(py::handle(PyExc_IndexError), py::handle(PyExc_RuntimeError)));
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
