// The element types as Python objects: torch.float32 and its kin.
#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {
/// A type of PyTorch's that no memory here has: a name, to compare with and to pass on.
struct NameOnly {
  const char* name;
  int64_t itemsize;
  const char* instead;
};
constexpr auto kQuantize = "what quantize_per_tensor makes";
constexpr NameOnly kNamesOnly[] = {
    {"uint16", 2, "int32"},     {"uint32", 4, "int64"},     {"uint64", 8, "int64"},
    {"qint8", 1, kQuantize},    {"quint8", 1, kQuantize},   {"qint32", 4, kQuantize},
    {"quint4x2", 1, kQuantize}, {"quint2x4", 1, kQuantize},
};

struct PyDType {
  DType value = DType::Float32;
  const NameOnly* other = nullptr;
  const char* name() const { return other ? other->name : name_of(value); }
};
PyObject* singletons[kDTypeCount];
}  // namespace

PyObject* wrap_dtype(DType dtype) { return Py_NewRef(singletons[static_cast<int>(dtype)]); }

std::optional<DType> dtype_from(PyObject* o) {
  for (int t = 0; t < kDTypeCount; ++t)
    if (o == singletons[t]) return static_cast<DType>(t);
  // Python's own types stand for their widest.
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::Float64;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::Int64;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
  if (o == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::Complex128;
  if (py::isinstance<PyDType>(o)) {
    const auto& type = py::handle(o).cast<const PyDType&>();
    fail(ErrorKind::NotImplemented, "dtype", "no tensor here is ", type.name(), "; take ",
         type.other->instead);
  }
  return std::nullopt;
}

void bind_dtype(py::module_& m) {
  py::class_<PyDType> type(m, "dtype", "The type of a tensor's elements.");
  type.def_property_readonly("is_floating_point",
                             [](const PyDType& d) { return !d.other && is_floating(d.value); })
      .def_property_readonly("is_complex",
                             [](const PyDType& d) { return !d.other && is_complex(d.value); })
      .def_property_readonly("is_signed",
                             [](const PyDType& d) { return !d.other && is_signed(d.value); })
      .def_property_readonly(
          "itemsize",
          [](const PyDType& d) { return d.other ? d.other->itemsize : size_of(d.value); })
      .def("__repr__", [](const PyDType& d) { return str("torch.", d.name()); })
      .def("__reduce__", [](const PyDType& d) { return d.name(); });
  type.def(
          "to_real", [](const PyDType& d) { return real_of(d.value); },
          "The type of the parts of a complex one.")
      .def(
          "to_complex", [](const PyDType& d) { return complex_of(d.value); },
          "The complex type with parts of this one.");
  for (int t = 0; t < kDTypeCount; ++t) {
    const auto dtype = static_cast<DType>(t);
    py::object o = py::cast(PyDType{dtype});
    m.attr(name_of(dtype)) = o;
    singletons[t] = o.release().ptr();
  }
  for (const NameOnly& other : kNamesOnly) m.attr(other.name) = py::cast(PyDType{.other = &other});
  m.def(
      "get_default_dtype", [] { return default_dtype(); },
      "The type of tensors made from Python floats.");
  m.def(
      "set_default_dtype",
      [](py::handle d) {
        if (!py::isinstance<PyDType>(d))
          fail_type("set_default_dtype", "d is a ", Py_TYPE(d.ptr())->tp_name,
                    "; pass torch.float32 or torch.float64");
        set_default_dtype(*dtype_from(d.ptr()));
      },
      py::arg("d"),
      "Sets the type of tensors made from Python floats; TypeError unless it is a float type.");
  m.def(
      "promote_types", [](DType a, DType b) { return promote(a, b); }, py::arg("type1"),
      py::arg("type2"), "The wider of two types.");
}

}  // namespace bx
