// NumPy arrays in and out, without copies where memory allows.
#include "autograd/sparse.h"
#include "bindings/overrides.h"
#include "bindings/python.h"

#include <algorithm>
#include <pybind11/complex.h>
#include <pybind11/numpy.h>

#include "ops/ops.h"

namespace bx {

namespace {

std::optional<DType> dtype_of_array(const py::dtype& d) {
  switch (d.kind()) {
    case 'b': return DType::Bool;
    case 'u': return d.itemsize() == 1 ? std::optional(DType::UInt8) : std::nullopt;
    case 'i':
      if (d.itemsize() == 1) return DType::Int8;
      if (d.itemsize() == 2) return DType::Int16;
      return d.itemsize() == 4 ? DType::Int32 : DType::Int64;
    case 'f':
      if (d.itemsize() == 2) return DType::Float16;
      if (d.itemsize() == 4) return DType::Float32;
      return d.itemsize() == 8 ? std::optional(DType::Float64) : std::nullopt;
    case 'c':
      if (d.itemsize() == 8) return DType::Complex64;
      return d.itemsize() == 16 ? std::optional(DType::Complex128) : std::nullopt;
    default: return std::nullopt;
  }
}

bool is_native(const py::dtype& d) { return py::bool_(d.attr("isnative")); }

[[noreturn]] void reject_dtype(const char* op, const py::dtype& d) {
  fail_type(op, "can't convert a NumPy array of type ", std::string(py::str(d)),
            "; supported are complex128, complex64, float64, float32, float16, int64, int32, "
            "int16, int8, "
            "uint8 and bool; use array.astype(...)");
}

py::dtype numpy_dtype(DType t) {
  if (t == DType::BFloat16)
    fail_type("numpy", "NumPy has no bfloat16; convert the tensor, e.g. with .float()");
  return py::dtype(name_of(t));
}

/// The array, or a copy where its elements lie between the places that a kernel reads. As PyTorch,
/// ValueError for a layout that no tensor has.
py::array readable(const char* op, const py::array& a) {
  if (!dtype_of_array(a.dtype())) reject_dtype(op, a.dtype());
  if (!is_native(a.dtype()))
    fail_value(op,
               "the array's byte order differs from the native one; convert it with "
               "array.astype(array.dtype.newbyteorder('='))");
  for (int d = 0; d < a.ndim(); ++d) {
    if (a.strides(d) < 0)
      fail_value(op, "the array has a negative stride at dimension ", d, "; use array.copy()");
    if (a.strides(d) % a.itemsize() != 0)
      fail_value(op, "a stride of ", a.strides(d), " bytes at dimension ", d,
                 " is no multiple of the element size ", a.itemsize(), "; use array.copy()");
  }
  const auto unit = static_cast<uintptr_t>(size_of(real_of(*dtype_of_array(a.dtype()))));
  if (reinterpret_cast<uintptr_t>(a.data()) % unit == 0) return a;
  return py::module_::import("numpy").attr("array")(
      a, py::arg("dtype") = numpy_dtype(*dtype_of_array(a.dtype())), py::arg("order") = "C");
}

/// A tensor on the array's memory; the array lives until the last tensor on it is gone.
Tensor borrow(const py::array& a) {
  Dims shape, strides;
  int64_t extent = 1;
  for (int d = 0; d < a.ndim(); ++d) {
    shape.push_back(a.shape(d));
    strides.push_back(a.strides(d) / a.itemsize());
    extent += (std::max<int64_t>(1, shape[d]) - 1) * strides[d];
  }
  PyObject* owner = Py_NewRef(a.ptr());
  const int64_t bytes = a.size() ? extent * a.itemsize() : 0;
  auto storage = make<Storage>(const_cast<void*>(a.data()), bytes, [owner] {
    if (!Py_IsInitialized()) return;  // the interpreter is gone, and its memory with it
    py::gil_scoped_acquire gil;
    Py_DECREF(owner);
  });
  return Tensor(
      make<TensorImpl>(std::move(storage), 0, shape, strides, *dtype_of_array(a.dtype())));
}

/// What a buffer shows, kept until it is released.
struct Export {
  Ref<Storage> storage;
  std::vector<Py_ssize_t> shape, strides;  // strides in bytes
};

const char* buffer_format(DType t) {
  switch (t) {
    case DType::Bool: return "?";
    case DType::UInt8: return "B";
    case DType::Int8: return "b";
    case DType::Int16: return "h";
    case DType::Float16: return "e";
    case DType::Int32: return "i";
    case DType::Int64: return sizeof(long) == 8 ? "l" : "q";
    case DType::Float32: return "f";
    case DType::Complex64: return "Zf";
    case DType::Complex128: return "Zd";
    default: return "d";
  }
}

/// The buffer protocol: memoryview(t), np.asarray(t). A tensor that requires grad has none.
int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded([&]() -> int {
    const Tensor t = tensor_of(self);
    auto refuse = [](const char* why) {
      PyErr_SetString(PyExc_BufferError, why);
      return -1;
    };
    if (coordinates(t)) return refuse("[buffer] the tensor is sparse; use tensor.to_dense()");
    if (Py_TYPE(self) != tensor_type && PyObject_HasAttrString(self, "_without_memory"))
      return refuse("[buffer] the tensor has no memory");
    if (requires_grad(t)) return refuse("[buffer] the tensor requires grad; use tensor.detach()");
    if (t.dtype() == DType::BFloat16)
      return refuse("[buffer] no format stands for bfloat16; use tensor.float()");
    auto shown = std::make_unique<Export>();
    shown->storage = t->storage;
    for (int d = 0; d < t.dim(); ++d) {
      shown->shape.push_back(t.shape()[d]);
      shown->strides.push_back(t.strides()[d] * size_of(t.dtype()));
    }
    const bool with_shape = flags & PyBUF_ND;
    const bool with_strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
    *view = Py_buffer{};
    t->storage->fixed();
    note_read(t);
    view->buf = t.raw();
    view->len = t.numel() * size_of(t.dtype());
    view->itemsize = size_of(t.dtype());
    view->format = flags & PyBUF_FORMAT ? const_cast<char*>(buffer_format(t.dtype())) : nullptr;
    view->ndim = t.dim();
    view->shape = shown->shape.data();
    view->strides = shown->strides.data();
    const char order = (flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS       ? 'C'
                       : (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS     ? 'F'
                       : (flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS ? 'A'
                                                                                : 0;
    if ((order && !PyBuffer_IsContiguous(view, order)) || (!with_strides && !t.is_contiguous()))
      return refuse("[buffer] the elements do not lie in the order asked for; use contiguous()");
    if (!with_strides) view->strides = nullptr;
    if (!with_shape) {  // memoryview reads the shape of several dimensions all the same
      view->shape = nullptr;
      view->ndim = std::min(view->ndim, 1);
    }
    view->internal = shown.release();
    view->obj = Py_NewRef(self);
    return 0;
  });
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Export*>(view->internal); }

}  // namespace

std::vector<PyType_Slot> buffer_slots() {
  return {slot(Py_bf_getbuffer, get_buffer), slot(Py_bf_releasebuffer, release_buffer)};
}

std::optional<DType> dtype_of_numpy(PyObject* o) {
  return dtype_of_array(py::reinterpret_borrow<py::object>(o).attr("dtype").cast<py::dtype>());
}

bool is_numpy_array(PyObject* o) { return py::isinstance<py::array>(o); }

Tensor tensor_from_data(py::handle data, std::optional<DType> dtype) {
  GradMode off(false);
  if (is_tensor(data.ptr())) {
    const Tensor t = tensor_of(data.ptr());
    require_dense("tensor", t);
    return clone(to(t, dtype.value_or(t.dtype())));
  }
  if (is_numpy_array(data.ptr())) {
    const Tensor t = borrow(readable("tensor", py::reinterpret_borrow<py::array>(data)));
    return dtype && *dtype != t.dtype() ? to(t, *dtype) : clone(t);
  }
  if (is_numpy_scalar(data.ptr()) && !dtype) {
    const auto array = py::reinterpret_borrow<py::object>(data).attr("dtype").cast<py::dtype>();
    dtype = dtype_of_array(array);
    if (!dtype) reject_dtype("tensor", array);
  }
  if (!is_sequence(data.ptr()) && py::hasattr(data, "__array__"))
    return tensor_from_data(py::module_::import("numpy").attr("asarray")(data), dtype);
  return tensor_from_sequence(data.ptr(), dtype);
}

Tensor tensor_from_array(py::handle data) {
  if (!is_numpy_array(data.ptr()))
    fail_type("from_numpy", "expected np.ndarray (got ", Py_TYPE(data.ptr())->tp_name,
              "); use tensor(data)");
  const auto a = readable("from_numpy", py::reinterpret_borrow<py::array>(data));
  if (!a.writeable() &&
      PyErr_WarnEx(
          PyExc_UserWarning,
          "[from_numpy] the array is not writable, a tensor is; writing to it would change "
          "memory that should not change; use array.copy()",
          1) < 0)
    throw py::error_already_set();
  return borrow(a);
}

py::object to_numpy(const Tensor& t) {
  t->storage->fixed();
  note_read(t);
  std::vector<py::ssize_t> shape, strides;
  for (int d = 0; d < t.dim(); ++d) {
    shape.push_back(t.shape()[d]);
    strides.push_back(t.strides()[d] * size_of(t.dtype()));
  }
  t->storage->retain();
  py::capsule owner(t->storage.get(), [](void* s) { static_cast<Storage*>(s)->release(); });
  return py::array(numpy_dtype(t.dtype()), shape, strides, t.raw(), owner);
}

namespace {

/// A result of which the values are known, on the device that was named.
py::object placed(const Tensor& t, py::handle device) {
  py::object made = py::cast(t);
  const bool on_meta = device.is_none() ? in_meta_block() : std::string(py::str(device)) == "meta";
  if (!on_meta) {
    require_cpu(device);
    return made;
  }
  return made.attr("to")("meta");
}

}  // namespace

void bind_numpy(py::module_& m) {
  auto make_tensor = [](py::handle data, std::optional<DType> dtype, py::handle device,
                        const py::bool_& requires_grad, const py::bool_& pin_memory) {
    if (pin_memory) refuse_to_pin();
    if (is_tensor(data.ptr()))
      warn("tensor",
           "the data is a tensor already; write data.detach().clone(), or clone() to keep "
           "its graph");
    Tensor t = tensor_from_data(data, dtype);
    if (requires_grad && !is_differentiable(t.dtype()))
      fail_runtime("tensor", "only tensors of floating-point type can require gradients, this is ",
                   name_of(t.dtype()), "; pass dtype=torch.float32");
    t->leaf_requires_grad = requires_grad;
    return placed(t, device);
  };
  m.def("tensor", make_tensor, py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(),
        py::arg("device") = py::none(), py::arg("requires_grad") = false,
        py::arg("pin_memory") = false,
        "A new tensor with data's values: numbers, nested sequences, a NumPy array or a tensor.\n\n"
        "Floats give the default type (float32), whole numbers int64, bools bool; an array keeps "
        "its type. ValueError for rows of unequal length, TypeError for what is no number.");
  m.def("from_numpy", &tensor_from_array, py::arg("ndarray"),
        "A tensor on the array's own memory: writes to one show in the other.\n\n"
        "TypeError for types without a counterpart, ValueError for negative strides or foreign "
        "byte order; a warning for a read-only array.");
  m.def(
      "as_tensor",
      [](py::handle data, std::optional<DType> dtype, py::handle device) {
        Tensor t;
        if (is_tensor(data.ptr())) t = tensor_of(data.ptr());
        else if (is_numpy_array(data.ptr()))
          t = borrow(readable("as_tensor", py::reinterpret_borrow<py::array>(data)));
        else t = tensor_from_data(data, dtype);
        return placed(to(t, dtype.value_or(t.dtype())), device);
      },
      py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(),
      "data as a tensor, without a copy where its memory can be shared.");
}

}  // namespace bx
