// The orders of dimensions in memory as Python objects: torch.channels_last and its kin.
#include "bindings/python.h"

namespace bx {

namespace {
struct PyFormat {
  MemoryFormat value;
  const char* name() const { return kFormatNames[static_cast<int>(value)]; }
};
}  // namespace

std::optional<MemoryFormat> format_from(PyObject* o) {
  if (!py::isinstance<PyFormat>(o)) return std::nullopt;
  return py::handle(o).cast<const PyFormat&>().value;
}

void bind_memory_format(py::module_& m) {
  py::class_<PyFormat>(m, "memory_format", "The order of a tensor's dimensions in memory.")
      .def("__repr__", [](const PyFormat& f) { return str("torch.", f.name()); })
      .def("__reduce__", &PyFormat::name);
  for (int k = 0; const char* name : kFormatNames)
    m.attr(name) = py::cast(PyFormat{static_cast<MemoryFormat>(k++)});
}

}  // namespace bx
