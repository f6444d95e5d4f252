// DLPack: tensors handed to another library, and taken from it, without a copy.
// Source: https://dmlc.github.io/dlpack/latest/c_api.html
#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {

// The standard's structures, as they lie in memory.
struct DLDevice {
  int32_t type;
  int32_t id;
};
struct DLDataType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major;
  uint32_t minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};

constexpr int32_t kCpu = 1;
constexpr uint64_t kReadOnly = 1, kCopied = 2;
enum Code : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBFloat = 4, kComplex = 5, kBool = 6 };

template <class Managed>
struct Names;
template <>
struct Names<DLManagedTensor> {
  static constexpr const char *fresh = "dltensor", *used = "used_dltensor";
};
template <>
struct Names<DLManagedTensorVersioned> {
  static constexpr const char *fresh = "dltensor_versioned", *used = "used_dltensor_versioned";
};

/// A tensor on loan: the other library calls the deleter when it needs it no more.
template <class Managed>
struct Loan {
  Tensor tensor;
  Dims shape, strides;
  Managed managed{};

  explicit Loan(const Tensor& t) : tensor(t), shape(t.shape()), strides(t.strides()) {
    const uint8_t code = is_complex(t.dtype())          ? kComplex
                         : t.dtype() == DType::BFloat16 ? kBFloat
                         : is_floating(t.dtype())       ? kFloat
                         : t.dtype() == DType::Bool     ? kBool
                         : t.dtype() == DType::UInt8    ? kUInt
                                                        : kInt;
    t->storage->fixed();
    note_read(t);
    managed.tensor = {t.raw(),
                      {kCpu, 0},
                      t.dim(),
                      {code, static_cast<uint8_t>(8 * size_of(t.dtype())), 1},
                      const_cast<int64_t*>(shape.begin()),
                      const_cast<int64_t*>(strides.begin()),
                      0};
    managed.context = this;
    managed.deleter = [](Managed* m) { delete static_cast<Loan*>(m->context); };
  }
};

/// A capsule that was never taken frees what it holds.
template <class Managed>
void drop(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, Names<Managed>::fresh)) return;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Names<Managed>::fresh));
  if (managed->deleter) managed->deleter(managed);
}

template <class Managed>
py::object lend(const Tensor& t, bool copied) {
  auto loan = std::make_unique<Loan<Managed>>(t);
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    loan->managed.major = 1;
    loan->managed.flags = copied ? kCopied : 0;
  }
  PyObject* capsule = PyCapsule_New(&loan->managed, Names<Managed>::fresh, &drop<Managed>);
  if (!capsule) throw py::error_already_set();
  (void)loan.release();
  return py::reinterpret_steal<py::object>(capsule);
}

DType dtype_of(const DLDataType& d) {
  if (d.lanes == 1) {
    if (d.code == kFloat && d.bits == 16) return DType::Float16;
    if (d.code == kBFloat && d.bits == 16) return DType::BFloat16;
    if (d.code == kFloat && d.bits == 32) return DType::Float32;
    if (d.code == kFloat && d.bits == 64) return DType::Float64;
    if (d.code == kUInt && d.bits == 8) return DType::UInt8;
    if (d.code == kComplex && d.bits == 64) return DType::Complex64;
    if (d.code == kComplex && d.bits == 128) return DType::Complex128;
    if (d.code == kInt && d.bits == 8) return DType::Int8;
    if (d.code == kInt && d.bits == 16) return DType::Int16;
    if (d.code == kInt && d.bits == 32) return DType::Int32;
    if (d.code == kInt && d.bits == 64) return DType::Int64;
    if (d.code == kBool && d.bits == 8) return DType::Bool;
  }
  fail_type(
      "from_dlpack", "elements of DLPack type ", int{d.code}, " with ", int{d.bits}, " bits, ",
      d.lanes,
      " lanes; supported are complex128, complex64, float64, float32, float16, bfloat16, int64, "
      "int32, int16, int8, uint8 and bool; convert them");
}

template <class Managed>
Tensor take(PyObject* capsule) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, Names<Managed>::fresh));
  if constexpr (std::is_same_v<Managed, DLManagedTensorVersioned>) {
    if (managed->major != 1)
      fail_runtime("from_dlpack", "the capsule is of DLPack ", managed->major, ".", managed->minor,
                   "; 1.x is needed");
    if (managed->flags & kReadOnly &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "[from_dlpack] the memory is not writable, a tensor is; writing to it would "
                     "change memory that should not change; use clone()",
                     1) < 0)
      throw py::error_already_set();
  }
  const DLTensor& given = managed->tensor;
  if (given.device.type != kCpu)
    fail_runtime("from_dlpack", "the memory is on DLPack device ", given.device.type,
                 ", 1 (the CPU) is needed; move it there first");
  const DType dtype = dtype_of(given.dtype);
  Dims shape, strides;
  for (int d = 0; d < given.ndim; ++d) shape.push_back(given.shape[d]);
  if (!given.strides) strides = contiguous_strides(shape);
  else
    for (int d = 0; d < given.ndim; ++d) strides.push_back(given.strides[d]);
  int64_t extent = 1;
  for (int d = 0; d < shape.size(); ++d) {
    if (strides[d] < 0)
      fail_value("from_dlpack", "a negative stride at dimension ", d, "; copy the array first");
    extent += (std::max<int64_t>(1, shape[d]) - 1) * strides[d];
  }
  PyCapsule_SetName(capsule, Names<Managed>::used);
  auto storage = make<Storage>(static_cast<char*>(given.data) + given.byte_offset,
                               shape.product() ? extent * size_of(dtype) : 0, [managed] {
                                 if (!Py_IsInitialized()) return;
                                 py::gil_scoped_acquire gil;
                                 if (managed->deleter) managed->deleter(managed);
                               });
  return Tensor(make<TensorImpl>(std::move(storage), 0, shape, strides, dtype));
}

}  // namespace

void bind_dlpack(py::module_& m) {
  m.def(
      "_to_dlpack",
      [](const Tensor& t, bool versioned, bool copied) {
        return versioned ? lend<DLManagedTensorVersioned>(t, copied)
                         : lend<DLManagedTensor>(t, copied);
      },
      py::arg("input"), py::arg("versioned"), py::arg("copied"),
      "A DLPack capsule on the tensor's memory, which it keeps alive.");
  m.def(
      "_from_dlpack",
      [](const py::capsule& capsule) {
        if (PyCapsule_IsValid(capsule.ptr(), Names<DLManagedTensorVersioned>::fresh))
          return take<DLManagedTensorVersioned>(capsule.ptr());
        if (PyCapsule_IsValid(capsule.ptr(), Names<DLManagedTensor>::fresh))
          return take<DLManagedTensor>(capsule.ptr());
        fail_runtime("from_dlpack", "the capsule is named '", capsule.name() ? capsule.name() : "",
                     "': used already, or not of DLPack; a capsule can be taken once");
      },
      py::arg("capsule"), "A tensor on the memory of a DLPack capsule, which is used up.");
}

}  // namespace bx
