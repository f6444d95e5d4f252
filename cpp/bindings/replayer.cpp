// A captured function is called: what was called last is replayed without a Python frame, all else
// goes to Captured._call.
#include "bindings/python.h"
#include "capture/replay.h"

namespace bx {

namespace {

using capture::Program;

/// What a recording is kept under, built while arguments are walked: bytes for tensors and for the
/// structure, and the objects that are neither.
class Signature {
 public:
  Signature(PyObject* args, PyObject* kwargs) {
    text.reserve(256);
    text.push_back(grad_enabled() ? 'g' : 'n');
    add(args);
    if (kwargs) add(kwargs);
  }
  /// The same as an object.
  py::object key() const {
    py::object bytes = py::bytes(text);
    return others ? py::make_tuple(std::move(bytes), py::tuple(others)) : bytes;
  }

  std::string text;
  Tensors tensors;
  py::object others;  // a list, where there are any

 private:
  void add(PyObject* o) {
    if (is_tensor(o)) return add_tensor(tensor_of(o));
    if (PyTuple_Check(o) || PyList_Check(o) || PyDict_Check(o)) {
      if (Py_EnterRecursiveCall(" in the arguments of a captured function"))
        throw py::error_already_set();
      struct Leave {
        ~Leave() { Py_LeaveRecursiveCall(); }
      } leave;
      return add_container(o);
    }
    if (is_numpy_array(o)) add_tensor(tensor_from_array(o));
    else add_object(o);
  }
  void add_container(PyObject* o) {
    if (PyDict_Check(o)) {
      open('{', o, PyDict_Size(o));
      PyObject *key, *value;
      for (Py_ssize_t at = 0; PyDict_Next(o, &at, &key, &value);) {
        add_object(key);
        add(value);
      }
      return;
    }
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    open(PyTuple_Check(o) ? '(' : '[', o, n);
    for (Py_ssize_t i = 0; i < n; ++i) add(PySequence_Fast_GET_ITEM(o, i));
  }
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
    if (PyFloat_CheckExact(o)) return put(PyFloat_AS_DOUBLE(o));  // 0.0 and -0.0 are two
    if (PyObject_Hash(o) != -1) {
      if (!others) others = py::list();
      return py::reinterpret_borrow<py::list>(others).append(py::handle(o));
    }
    PyErr_Clear();
    put(static_cast<void*>(o));
  }
};

/// The recording of the last call.
struct Last {
  py::object key, program_object, changes, rebuild;  // rebuild: None for a single tensor
  std::string text;
  py::object others;
  int64_t seen;
  Program* program;

  bool is_of(const Signature& s) const {
    if (s.text != text || static_cast<bool>(s.others) != static_cast<bool>(others)) return false;
    if (!others) return true;
    return py::tuple(s.others).equal(others);
  }
  /// Whether nothing was assigned to a module since.
  bool holds() const {
    static PyObject* const name = PyUnicode_InternFromString("count");
    const auto count = py::reinterpret_steal<py::object>(PyObject_GetAttr(changes.ptr(), name));
    if (!count) throw py::error_already_set();
    return PyLong_AsLongLong(count.ptr()) == seen && program->applies();
  }
};

struct PyReplayer {
  PyObject_HEAD
  Last* last;
};
PyReplayer* as_replayer(PyObject* o) { return reinterpret_cast<PyReplayer*>(o); }

PyObject* call_replayer(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    Signature signature(args, kwargs);
    if (const Last* last = as_replayer(self)->last;
        last && last->is_of(signature) && last->holds()) {
      // The call may replace what it is called on.
      const py::object program = last->program_object, rebuild = last->rebuild;
      Tensors results = last->program->run(signature.tensors);
      if (rebuild.is_none()) return wrap(results[0]);
      return rebuild(std::move(results)).release().ptr();
    }
    const py::object named = kwargs ? py::reinterpret_borrow<py::object>(kwargs) : py::dict();
    return py::handle(self)
        .attr("_call")(signature.key(), std::move(signature.tensors), py::handle(args), named)
        .release()
        .ptr();
  });
}

/// _remember(key, program, changes, rebuild): the recording that the next call most likely wants.
PyObject* remember(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    auto [key, program, changes, rebuild] =
        py::reinterpret_borrow<py::tuple>(args)
            .cast<std::tuple<py::object, py::object, py::object, py::object>>();
    auto last = std::make_unique<Last>();
    const bool plain = py::isinstance<py::bytes>(key);
    last->text = (plain ? key : py::object(key[py::int_(0)])).cast<std::string>();
    if (!plain) last->others = key[py::int_(1)];
    last->program = program.cast<Program*>();
    last->seen = changes.attr("count").cast<int64_t>();
    last->program_object = std::move(program);
    last->changes = std::move(changes);
    last->rebuild = std::move(rebuild);
    delete std::exchange(as_replayer(self)->last, last.release());
    Py_RETURN_NONE;
  });
}

/// _tensors(args, kwargs): those of a call, in the order in which a replay takes them.
PyObject* tensors(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const auto [positional, named] =
        py::reinterpret_borrow<py::tuple>(args).cast<std::pair<py::tuple, py::dict>>();
    Signature signature(positional.ptr(), named.ptr());
    return py::cast(std::move(signature.tensors)).release().ptr();
  });
}

PyObject* forget(PyObject* self, PyObject*) {
  delete std::exchange(as_replayer(self)->last, nullptr);
  Py_RETURN_NONE;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (const Last* last = as_replayer(self)->last) {
    Py_VISIT(last->program_object.ptr());
    Py_VISIT(last->rebuild.ptr());
    Py_VISIT(last->others.ptr());
  }
  return 0;
}

int clear(PyObject* self) {
  delete std::exchange(as_replayer(self)->last, nullptr);
  return 0;
}

void dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  type->tp_free(self);
  Py_DECREF(type);
}

PyMethodDef methods[] = {
    {"_remember", remember, METH_VARARGS,
     "_remember(key, program, changes, rebuild): what the next call most likely replays."},
    {"_tensors", tensors, METH_VARARGS,
     "_tensors(args, kwargs): those of a call, in the order in which a replay takes them."},
    {"_forget", forget, METH_NOARGS, "Drops what was remembered."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void bind_replayer(py::module_& m) {
  static PyType_Slot slots[] = {slot(Py_tp_call, call_replayer),
                                slot(Py_tp_dealloc, dealloc),
                                slot(Py_tp_traverse, traverse),
                                slot(Py_tp_clear, clear),
                                slot(Py_tp_new, PyType_GenericNew),
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  static PyType_Spec spec{"backprop_ext._core._Replayer", sizeof(PyReplayer), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  m.attr("_Replayer") = py::reinterpret_steal<py::object>(type);
}

}  // namespace bx
