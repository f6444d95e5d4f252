// The one header through which bindings see Python: pybind11, the Tensor type and its caster.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "autograd/node.h"
#include "ops/registry.h"

PYBIND11_DECLARE_HOLDER_TYPE(T, bx::Ref<T>, true)

namespace py = pybind11;

namespace bx {

/// A Tensor object: one counted handle. At most one lives per TensorImpl at a time.
struct PyTensor {
  PyObject_HEAD
  Tensor tensor;
  PyObject* dict;
  PyObject* weakrefs;
};

/// Python's types that the bindings make or are told of.
extern PyTypeObject* tensor_type;
extern PyObject* size_type;

inline bool is_tensor(PyObject* o) { return PyObject_TypeCheck(o, tensor_type); }
/// The tensor of a Tensor object, for as long as the object lives.
inline const Tensor& tensor_of(PyObject* o) { return reinterpret_cast<PyTensor*>(o)->tensor; }
/// The Python object of a tensor (None for an undefined one), a new reference.
PyObject* wrap(Tensor&& t);
inline PyObject* wrap(const Tensor& t) { return wrap(Tensor(t)); }
/// The same for what may be a view of `base`.
PyObject* wrap_view(const Tensor& made, const Tensor& base);
/// The class of sparse tensors.
PyTypeObject* sparse_type();
/// The same as an instance of a subclass of Tensor.
PyObject* wrap_as(PyTypeObject* type, Tensor t);
/// torch.Size from a shape, a new reference.
PyObject* wrap_size(const Dims& shape);
/// The singleton dtype object, a new reference.
PyObject* wrap_dtype(DType dtype);
/// A node of the tape, of a class that has its name: type(y.grad_fn).__name__ is what is printed.
py::object wrap_node(const Ref<Node>& node);
std::optional<DType> dtype_from(PyObject* o);
std::optional<MemoryFormat> format_from(PyObject* o);

/// Sets Python's error from the C++ exception in flight.
void set_python_error() noexcept;

/// Runs f; a C++ exception becomes Python's error and nullptr (or -1) is returned.
template <class F>
auto guarded(F f) noexcept -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    set_python_error();
    if constexpr (std::is_pointer_v<decltype(f())>) return nullptr;
    else return -1;
  }
}

/// A Python or NumPy number, if it is one.
std::optional<Scalar> scalar_from(PyObject* o, PyObject* overflow = PyExc_OverflowError);
/// That number as a wrapped tensor, in `like`'s type where that is a floating-point one.
Tensor wrapped_scalar(const Scalar& s, const Tensor* like);
/// A tensor from anything array-like: numbers, nested sequences, arrays, tensors. Always a copy.
Tensor tensor_from_data(py::handle data, std::optional<DType> dtype);
/// Whether it is a sequence of data: no string, no 0-d tensor.
bool is_sequence(PyObject* o);
bool is_numpy_scalar(PyObject* o);
Tensor tensor_from_sequence(PyObject* data, std::optional<DType> dtype);
/// A tensor on an array's own memory.
Tensor tensor_from_array(py::handle array);
bool is_numpy_array(PyObject* o);
/// The type of an array or NumPy scalar, if tensors have it.
std::optional<DType> dtype_of_numpy(PyObject* o);
py::object to_numpy(const Tensor& t);

/// The error of another place than the CPU: `on_cpu` of _device.py.
void require_cpu(py::handle device);
/// The error of pin_memory=True.
[[noreturn]] void refuse_to_pin();

/// The error of an argument that is no tensor, or else no dtype.
[[noreturn]] void reject_argument(ErrorKind kind, PyObject* given);

/// The names of a module that do not begin with an underscore, sorted.
py::list public_names(const py::module_& m);

PyObject* get_item(const Tensor& t, PyObject* key);
void set_item(const Tensor& t, PyObject* key, PyObject* value);

// One function per file of bindings; module.cpp calls them in turn.
void bind_errors(py::module_& m);
void bind_dtype(py::module_& m);
void bind_memory_format(py::module_& m);
void bind_tensor(py::module_& m);
void bind_operations(py::module_& m);
void bind_autocast(py::module_& m);
void bind_numpy(py::module_& m);
void bind_dlpack(py::module_& m);
void bind_autograd(py::module_& m);
void bind_function(py::module_& m);
void bind_watch(py::module_& m);
void bind_module_call(py::module_& m);
void bind_random(py::module_& m);
void bind_sparse(py::module_& m);
void bind_optim(py::module_& m);
void bind_capture(py::module_& m);
void bind_replayer(py::module_& m);
void bind_runtime(py::module_& m);

/// A getter that returns what f makes of the tensor.
template <auto f>
PyObject* get(PyObject* self, void*) {
  return guarded([&]() -> PyObject* { return f(tensor_of(self)); });
}
/// Python's truth of an object; its error where it has none.
inline bool is_true(PyObject* o) {
  const int truth = PyObject_IsTrue(o);
  if (truth < 0) throw py::error_already_set();
  return truth != 0;
}
inline PyObject* from_bool(bool b) { return PyBool_FromLong(b); }

/// A function as a slot of a type.
template <class F>
PyType_Slot slot(int id, F f) {
  return {id, reinterpret_cast<void*>(f)};
}

// What makes up the type Tensor, by file.
std::vector<PyType_Slot> operator_slots();
std::vector<PyType_Slot> buffer_slots();
extern PyGetSetDef tensor_attributes[];
extern PyMethodDef tensor_methods[];

}  // namespace bx

namespace pybind11::detail {

template <>
struct type_caster<bx::Tensor> {
  PYBIND11_TYPE_CASTER(bx::Tensor, const_name("Tensor"));
  bool load(handle source, bool converts) {
    if (bx::is_tensor(source.ptr())) value = bx::tensor_of(source.ptr());
    else if (converts) bx::reject_argument(bx::ErrorKind::WrongKind, source.ptr());
    else return false;
    return true;
  }
  static handle cast(bx::Tensor t, return_value_policy, handle) { return bx::wrap(std::move(t)); }
};

/// A list in which None stands for an undefined tensor.
template <>
struct type_caster<bx::OptTensors> {
  PYBIND11_TYPE_CASTER(bx::OptTensors, const_name("list[Tensor | None]"));
  bool load(handle source, bool) {
    if (!isinstance<sequence>(source) || isinstance<str>(source)) return false;
    for (handle h : reinterpret_borrow<sequence>(source)) {
      if (!h.is_none() && !bx::is_tensor(h.ptr())) return false;
      value.list.push_back(h.is_none() ? bx::Tensor() : bx::tensor_of(h.ptr()));
    }
    return true;
  }
};

template <>
struct type_caster<bx::DType> {
  PYBIND11_TYPE_CASTER(bx::DType, const_name("dtype"));
  bool load(handle source, bool converts) {
    const auto dtype = bx::dtype_from(source.ptr());
    if (dtype) value = *dtype;
    else if (converts) bx::reject_argument(bx::ErrorKind::Type, source.ptr());
    return dtype.has_value();
  }
  static handle cast(bx::DType t, return_value_policy, handle) { return bx::wrap_dtype(t); }
};

}  // namespace pybind11::detail
