// C++ errors become the classes that PyTorch raises.
#include "bindings/python.h"
#include "core/linalg_error.h"

namespace bx {

namespace {
PyObject* linalg_error = nullptr;

PyObject* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Value: return PyExc_ValueError;
    case ErrorKind::Type: return PyExc_TypeError;
    case ErrorKind::Index: return PyExc_IndexError;
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

void require_cpu(py::handle device) {
  if (device.is_none()) return;
  if (PyUnicode_Check(device.ptr()) && !PyUnicode_CompareWithASCIIString(device.ptr(), "cpu"))
    return;
  py::module_::import("backprop_ext._device").attr("on_cpu")(device);
}

void require_format_fits(const char* op, const Tensor& t, py::handle format) {
  const std::string name = py::str(format);
  const int dims = name == "torch.channels_last"      ? 4
                   : name == "torch.channels_last_3d" ? 5
                                                      : t.dim();
  if (t.dim() != dims)
    fail_runtime(op, name, " of a tensor of shape ", t.shape(), "; it is for ", dims,
                 " dimensions");
}

void bind_errors(py::module_& m) {
  warning_handler = [](const std::string& message) {
    py::gil_scoped_acquire gil;
    if (PyErr_WarnEx(PyExc_UserWarning, message.c_str(), 1) < 0) throw py::error_already_set();
  };
  linalg_error = PyErr_NewExceptionWithDoc(
      "torch.linalg.LinAlgError", "A singular matrix, or an iteration that did not converge.",
      PyExc_RuntimeError, nullptr);
  if (!linalg_error) throw py::error_already_set();
  m.attr("_LinAlgError") = py::reinterpret_borrow<py::object>(linalg_error);
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
