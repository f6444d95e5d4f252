// Recorded steps, as capture.py uses them.
#include "bindings/python.h"
#include "capture/recorder.h"
#include "capture/replay.h"

namespace bx {

namespace {

using capture::Program;

/// What a recording is kept under, built while arguments are walked: bytes for tensors and for the
/// structure, and the objects that are neither.
class Signature {
 public:
  std::string text;
  Tensors tensors;
  py::list others;

  void add(PyObject* o) {
    if (is_tensor(o)) return add_tensor(tensor_of(o));
    if (PyTuple_Check(o) || PyList_Check(o)) {
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      open(PyTuple_Check(o) ? '(' : '[', o, n);
      for (Py_ssize_t i = 0; i < n; ++i) add(PySequence_Fast_GET_ITEM(o, i));
    } else if (PyDict_Check(o)) {
      open('{', o, PyDict_Size(o));
      PyObject *key, *value;
      for (Py_ssize_t at = 0; PyDict_Next(o, &at, &key, &value);) {
        add_object(key);
        add(value);
      }
    } else if (is_numpy_array(o)) {
      add_tensor(tensor_from_array(o));
    } else {
      add_object(o);
    }
  }

 private:
  template <class T>
  void put(T value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void open(char kind, PyObject* o, Py_ssize_t n) {
    put(kind);
    put(static_cast<void*>(Py_TYPE(o)));
    put(n);
  }
  void add_tensor(const Tensor& t) {
    put('T');
    put(t.dtype());
    put(requires_grad(t));
    put(t.dim());
    for (int d = 0; d < t.dim(); ++d) {
      put(t.shape()[d]);
      put(t.strides()[d]);
    }
    tensors.push_back(t);
  }
  /// By value where it has a hash, else by identity; 1, 1.0 and True are three values.
  void add_object(PyObject* o) {
    put('O');
    put(static_cast<void*>(Py_TYPE(o)));
    if (PyObject_Hash(o) != -1) return others.append(py::handle(o));
    PyErr_Clear();
    put(static_cast<void*>(o));
  }
};

/// (key, tensors) of a call; arrays become tensors on their memory.
py::tuple signature_of(const py::tuple& args, const py::dict& kwargs) {
  Signature s;
  s.text.push_back(grad_enabled() ? 'g' : 'n');
  s.add(args.ptr());
  s.add(kwargs.ptr());
  py::object key = py::bytes(s.text);
  if (s.others.size()) key = py::make_tuple(key, py::tuple(s.others));
  return py::make_tuple(std::move(key), std::move(s.tensors));
}

/// Runs `step`, which returns tensors, once while every launch is written down.
std::unique_ptr<Program> record(const py::function& step, const Tensors& arguments) {
  capture::Recorder recorder(arguments);
  const auto results = step().cast<Tensors>();
  return std::make_unique<Program>(recorder.finish(results), results);
}

}  // namespace

void bind_capture(py::module_& m) {
  py::class_<Program>(m, "_Program", "A recorded step, ready to run again.")
      .def("applies", &Program::applies,
           "Whether the gradients that the step adds to are those that it was recorded with.")
      .def("watch", &Program::watch, py::arg("tensors"),
           "Tensors whose memory, shape and need of a gradient a replay relies on.")
      .def("run", &Program::run, py::arg("arguments"),
           "Runs the step on tensors laid out as the recorded ones; returns fresh tensors.")
      .def("explain", &Program::explain, "What was recorded, fused and planned, as text.")
      .def_property_readonly("launches", &Program::launches, "Kernels that the step launches.")
      .def_property_readonly("instructions", &Program::instructions,
                             "What is left of them after fusion.")
      .def_property_readonly("live_bytes", &Program::live_bytes,
                             "The most that is alive at once of what the step needs in between.")
      .def_property_readonly("arena_bytes", &Program::arena_bytes,
                             "Memory for what the step needs in between.");
  m.def("_signature", &signature_of, py::arg("args"), py::arg("kwargs"),
        "(key, tensors) of a call: what must be equal for a replay, and the tensors in order.");
  m.def("_record", &record, py::arg("step"), py::arg("arguments"),
        "Runs step() once, which returns a list of tensors, and returns it recorded.");
  m.def(
      "_host_call",
      [](const char* name, const py::function& run) {
        auto again = std::make_shared<py::function>(run);
        capture::host_call(name, [again] { (*again)(); });
      },
      py::arg("name"), py::arg("run"),
      "Runs a function now and, where a step is recorded, at every replay.");
  m.def(
      "_recording", [] { return capture::active() != nullptr; },
      "Whether this thread records a step.");
}

}  // namespace bx
