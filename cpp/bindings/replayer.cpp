// A captured function is called: what was called last is replayed without a Python frame, all else
// goes to Captured._call.
#include "bindings/python.h"

#include <structmember.h>

#include <cstring>

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

/// The arguments of a call, as vectorcall hands them on.
struct Call {
  PyObject* const* args;
  Py_ssize_t positional;
  PyObject* names;  // of those by keyword, which follow; null: none

  Py_ssize_t named() const { return names ? PyTuple_GET_SIZE(names) : 0; }
  py::tuple tuple() const {
    py::tuple all(static_cast<size_t>(positional));
    for (Py_ssize_t i = 0; i < positional; ++i) all[static_cast<size_t>(i)] = py::handle(args[i]);
    return all;
  }
  py::dict dict() const {
    py::dict all;
    for (Py_ssize_t i = 0; i < named(); ++i)
      all[py::handle(PyTuple_GET_ITEM(names, i))] = py::handle(args[positional + i]);
    return all;
  }
};

/// What a call is given: its tensors, and what a recording is kept under, which goes to a
/// derived class: bytes for tensors and for the structure, and the objects that are neither.
template <class Derived>
class Arguments {
 public:
  /// The caller holds what it passed itself, and this what stands inside of that.
  InlineVector<const Tensor*, 8> tensors;

 protected:
  void walk(const Call& call) {
    put(grad_enabled());
    put(call.positional);
    for (Py_ssize_t i = 0; i < call.positional; ++i) pass(call.args[i]);
    for (Py_ssize_t i = 0; i < call.named(); ++i) {
      add_object(PyTuple_GET_ITEM(call.names, i));
      pass(call.args[call.positional + i]);
    }
    int next = 0;
    for (const Tensor*& t : tensors)
      if (!t) t = &held_[next++];
  }

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }
  template <class T>
  void put(T value) {
    derived().template bytes<sizeof value>(reinterpret_cast<const char*>(&value));
  }
  void pass(PyObject* o) {
    if (!is_tensor(o)) return add(o);
    put_layout(tensor_of(o));
    tensors.push_back(&tensor_of(o));
  }
  void add(PyObject* o) {
    if (is_tensor(o)) return hold(tensor_of(o));
    if (PyTuple_Check(o) || PyList_Check(o) || PyDict_Check(o)) {
      if (Py_EnterRecursiveCall(" in the arguments of a captured function"))
        throw py::error_already_set();
      struct Leave {
        ~Leave() { Py_LeaveRecursiveCall(); }
      } leave;
      return add_container(o);
    }
    if (is_numpy_array(o)) hold(tensor_from_array(o));
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
  void hold(Tensor t) {
    put_layout(t);
    held_.push_back(std::move(t));
    tensors.push_back(nullptr);
  }
  void put_layout(const Tensor& t) {
    put('T');
    put(t.dtype());
    put(requires_grad(t));
    put(t.dim());
    for (int d = 0; d < t.dim(); ++d) {
      put(t.shape()[d]);
      put(t.strides()[d]);
    }
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

  Program::Few held_;
};

/// What a recording is kept under.
class Signature : public Arguments<Signature> {
 public:
  explicit Signature(const Call& call) { walk(call); }
  /// The same as an object.
  py::object key() const {
    py::object bytes = py::bytes(text_);
    return others_ ? py::make_tuple(std::move(bytes), py::tuple(others_)) : bytes;
  }

  template <size_t count>
  void bytes(const char* from) {
    text_.append(from, count);
  }
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
  py::object program_object, rebuild;  // rebuild: None for a single tensor
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
  Match(const Last& last, const Call& call) : text_(last.text), others_(last.others) { walk(call); }
  explicit operator bool() const { return same_ && at_ == text_.size() && next_ == others_.size(); }

  template <size_t count>
  void bytes(const char* from) {
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
  vectorcallfunc call;
  Ref<Last> last;
};
PyReplayer* as_replayer(PyObject* o) { return reinterpret_cast<PyReplayer*>(o); }

const Tensor& tensor_at(const Tensor& t) { return t; }
const Tensor& tensor_at(const Tensor* t) { return *t; }

template <class Items>
py::list as_list(const Items& tensors) {
  py::list all;
  for (const auto& t : tensors) all.append(py::reinterpret_steal<py::object>(wrap(tensor_at(t))));
  return all;
}

PyObject* call_replayer(PyObject* self, PyObject* const* args, size_t count, PyObject* names) {
  const Call call{args, PyVectorcall_NARGS(count), names};
  return guarded([&]() -> PyObject* {
    // The call may replace what it is called on.
    if (const Ref<Last> last = as_replayer(self)->last) {
      const Match match(*last, call);
      if (match && last->holds()) {
        Program::Few results;
        last->program->run(match.tensors, results);
        if (last->rebuild.is_none()) return wrap(std::move(results[0]));
        return last->rebuild(as_list(results)).release().ptr();
      }
    }
    const Signature signature(call);
    return py::handle(self)
        .attr("_call")(signature.key(), as_list(signature.tensors), call.tuple(), call.dict())
        .release()
        .ptr();
  });
}

PyObject* new_replayer(PyTypeObject* type, PyObject*, PyObject*) {
  PyObject* self = type->tp_alloc(type, 0);
  if (self) as_replayer(self)->call = call_replayer;
  return self;
}

/// A subclass is called as this type is, unless it has a __call__ of its own: Python before 3.12
/// does not hand that on.
PyObject* init_subclass(PyObject* type, PyObject*) {
  auto* subclass = reinterpret_cast<PyTypeObject*>(type);
  if (subclass->tp_call == PyVectorcall_Call) subclass->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  Py_RETURN_NONE;
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
    last->program = program.cast<Program*>();
    last->seen = changes->count;
    last->program_object = std::move(program);
    last->rebuild = std::move(rebuild);
    as_replayer(self)->last = std::move(last);
    Py_RETURN_NONE;
  });
}

PyObject* tensors(PyObject*, PyObject* const* args, Py_ssize_t count, PyObject* names) {
  return guarded([&]() -> PyObject* {
    return as_list(Signature({args, count, names}).tensors).release().ptr();
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
    {"_tensors", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&tensors)),
     METH_FASTCALL | METH_KEYWORDS,
     "_tensors(*args, **kwargs): those of a call, in the order in which a replay takes them."},
    {"__init_subclass__", init_subclass, METH_NOARGS | METH_CLASS, "Calls stay without a frame."},
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
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyReplayer, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr}};
  static PyType_Slot slots[] = {slot(Py_tp_call, PyVectorcall_Call),
                                {Py_tp_members, members},
                                slot(Py_tp_dealloc, dealloc),
                                slot(Py_tp_traverse, traverse),
                                slot(Py_tp_clear, clear),
                                slot(Py_tp_new, new_replayer),
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  static PyType_Spec spec{
      "backprop_ext._core._Replayer", sizeof(PyReplayer), 0,
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
      slots};
  m.attr("_Replayer") = new_type(spec);
}

}  // namespace bx
