// A captured function is called: what was called last is replayed without a Python frame, all else
// goes to Captured._call.
#include <structmember.h>

#include <cstring>

#include "bindings/python.h"
#include "capture/replay.h"

namespace bx {

namespace {

using capture::Program;

/// Counts what is assigned to modules, so that who relies on them knows when to look again.
struct PyChanges {
  PyObject_HEAD
  long long count;
};
const PyChanges* changes = nullptr;

/// The arguments of a call: their tensors, and what a recording is kept under, which goes to a
/// derived class: bytes for tensors and for the structure, and the objects that are neither.
template <class Derived>
class Arguments {
 public:
  Program::Few tensors;

 protected:
  void walk(PyObject* args, PyObject* kwargs) {
    put(grad_enabled());
    add(args);
    if (kwargs) add(kwargs);
  }

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }
  template <class T>
  void put(T value) {
    derived().bytes(reinterpret_cast<const char*>(&value), sizeof value);
  }
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
    if (PyObject_Hash(o) != -1) return derived().other(o);
    PyErr_Clear();
    put(static_cast<void*>(o));
  }
};

/// What a recording is kept under.
class Signature : public Arguments<Signature> {
 public:
  Signature(PyObject* args, PyObject* kwargs) { walk(args, kwargs); }
  /// The same as an object.
  py::object key() const {
    py::object bytes = py::bytes(text_);
    return others_ ? py::make_tuple(std::move(bytes), py::tuple(others_)) : bytes;
  }

  void bytes(const char* from, size_t count) { text_.append(from, count); }
  void other(PyObject* o) {
    if (!others_) others_ = py::list();
    py::reinterpret_borrow<py::list>(others_).append(py::handle(o));
  }

 private:
  std::string text_;
  py::object others_;  // a list, where there are any
};

/// The recording of the last call.
struct Last : Object {
  py::object key, program_object, rebuild;  // rebuild: None for a single tensor
  std::string text;
  std::vector<py::object> others;
  int64_t seen;  // changes
  Program* program;

  /// Whether nothing was assigned to a module since.
  bool holds() const { return seen == changes->count && program->applies(); }
};

/// Whether arguments are those of the last call, but for their values.
class Match : public Arguments<Match> {
 public:
  Match(const Last& last, PyObject* args, PyObject* kwargs)
      : text_(last.text), others_(last.others) {
    walk(args, kwargs);
  }
  explicit operator bool() const {
    return same_ && at_ == text_.size() && next_ == others_.size();
  }

  void bytes(const char* from, size_t count) {
    same_ = same_ && count <= text_.size() - at_ && std::memcmp(&text_[at_], from, count) == 0;
    if (same_) at_ += count;
  }
  void other(PyObject* o) {
    if (!same_ || next_ == others_.size()) return void(same_ = false);
    const int equal = PyObject_RichCompareBool(o, others_[next_++].ptr(), Py_EQ);
    if (equal < 0) throw py::error_already_set();
    same_ = equal != 0;
  }

 private:
  const std::string& text_;
  const std::vector<py::object>& others_;
  size_t at_ = 0, next_ = 0;
  bool same_ = true;
};

struct PyReplayer {
  PyObject_HEAD
  Ref<Last> last;
};
PyReplayer* as_replayer(PyObject* o) { return reinterpret_cast<PyReplayer*>(o); }

py::list as_list(const Program::Few& tensors) {
  py::list all;
  for (const Tensor& t : tensors) all.append(py::reinterpret_steal<py::object>(wrap(t)));
  return all;
}

PyObject* call_replayer(PyObject* self, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    // The call may replace what it is called on.
    if (const Ref<Last> last = as_replayer(self)->last) {
      const Match match(*last, args, kwargs);
      if (match && last->holds()) {
        Program::Few results;
        last->program->run(match.tensors, results);
        if (last->rebuild.is_none()) return wrap(results[0]);
        return last->rebuild(as_list(results)).release().ptr();
      }
    }
    const Signature signature(args, kwargs);
    const py::object named = kwargs ? py::reinterpret_borrow<py::object>(kwargs) : py::dict();
    return py::handle(self)
        .attr("_call")(signature.key(), as_list(signature.tensors), py::handle(args), named)
        .release()
        .ptr();
  });
}

/// _remember(key, program, rebuild): the recording that the next call most likely wants.
PyObject* remember(PyObject* self, PyObject* args) {
  return guarded([&]() -> PyObject* {
    auto [key, program, rebuild] = py::reinterpret_borrow<py::tuple>(args)
                                       .cast<std::tuple<py::object, py::object, py::object>>();
    auto last = make<Last>();
    const bool plain = py::isinstance<py::bytes>(key);
    last->text = (plain ? key : py::object(key[py::int_(0)])).cast<std::string>();
    if (!plain)
      for (py::handle o : key[py::int_(1)])
        last->others.push_back(py::reinterpret_borrow<py::object>(o));
    last->key = std::move(key);
    last->program = program.cast<Program*>();
    last->seen = changes->count;
    last->program_object = std::move(program);
    last->rebuild = std::move(rebuild);
    as_replayer(self)->last = std::move(last);
    Py_RETURN_NONE;
  });
}

/// _tensors(args, kwargs): those of a call, in the order in which a replay takes them.
PyObject* tensors(PyObject*, PyObject* args) {
  return guarded([&]() -> PyObject* {
    const auto [positional, named] =
        py::reinterpret_borrow<py::tuple>(args).cast<std::pair<py::tuple, py::dict>>();
    return as_list(Signature(positional.ptr(), named.ptr()).tensors).release().ptr();
  });
}

PyObject* forget(PyObject* self, PyObject*) {
  as_replayer(self)->last = nullptr;
  Py_RETURN_NONE;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  if (const Last* last = as_replayer(self)->last.get()) {
    Py_VISIT(last->program_object.ptr());
    Py_VISIT(last->rebuild.ptr());
    for (const py::object& o : last->others) Py_VISIT(o.ptr());
  }
  return 0;
}

int clear(PyObject* self) {
  as_replayer(self)->last = nullptr;
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
     "_remember(key, program, rebuild): what the next call most likely replays."},
    {"_tensors", tensors, METH_VARARGS,
     "_tensors(args, kwargs): those of a call, in the order in which a replay takes them."},
    {"_forget", forget, METH_NOARGS, "Drops what was remembered."},
    {nullptr, nullptr, 0, nullptr}};

py::object new_type(PyType_Spec& spec) {
  PyObject* type = PyType_FromSpec(&spec);
  if (!type) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(type);
}

void bind_changes(py::module_& m) {
  static PyMemberDef members[] = {
      {"count", T_LONGLONG, offsetof(PyChanges, count), 0, "How many there were."},
      {nullptr, 0, 0, 0, nullptr}};
  static PyType_Slot slots[] = {{Py_tp_members, members}, {0, nullptr}};
  static PyType_Spec spec{"backprop_ext._core._Changes", sizeof(PyChanges), 0, Py_TPFLAGS_DEFAULT,
                          slots};
  const py::object counter = new_type(spec)();
  changes = reinterpret_cast<PyChanges*>(counter.ptr());
  m.attr("_module_changes") = counter;
  counter.inc_ref();  // for good
}

}  // namespace

void bind_replayer(py::module_& m) {
  bind_changes(m);
  static PyType_Slot slots[] = {slot(Py_tp_call, call_replayer),
                                slot(Py_tp_dealloc, dealloc),
                                slot(Py_tp_traverse, traverse),
                                slot(Py_tp_clear, clear),
                                slot(Py_tp_new, PyType_GenericNew),
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  static PyType_Spec spec{"backprop_ext._core._Replayer", sizeof(PyReplayer), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  m.attr("_Replayer") = new_type(spec);
}

}  // namespace bx
