#include "bindings/update_state.h"

#include <algorithm>

namespace bx {

UpdateNames::UpdateNames(const UpdateRule& rule) {
  for (const char* name : rule.settings) {
    const std::string_view text(name);
    const size_t end = text.find_first_of(".?");
    const bool part = end != text.npos && text[end] == '.';
    const std::string key(text.substr(0, end));
    settings.push_back({PyUnicode_InternFromString(key.c_str()), part ? text[end + 1] - '0' : -1,
                        end != text.npos && !part});
  }
  for (const auto& counter : rule.counters)
    counters.push_back(PyUnicode_InternFromString(counter.name));
  for (const auto& slot : rule.slots) slots.push_back(PyUnicode_InternFromString(slot.name));
}

const UpdateRule& rule_numbered(size_t number) {
  if (number >= update_rules().size())
    fail_index("step", "there is no update rule ", number, "; take one of _update_rules");
  return update_rules()[number];
}

const UpdateNames& names_numbered(size_t number) {
  static const auto& all =
      *new std::vector<UpdateNames>(update_rules().begin(), update_rules().end());
  return all[number];
}

PyObject* entry_of(PyObject* dict, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dict, key);
  if (!value && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

Entries::Entries(PyObject* dict) {
#if PY_VERSION_HEX < 0x030C0000
  version_ = version_of(dict);
#endif
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value);)
    entries_.emplace_back(py::reinterpret_borrow<py::object>(key),
                          py::reinterpret_borrow<py::object>(value));
}

bool Entries::stand_in(PyObject* dict) const {
  if (PyDict_GET_SIZE(dict) != static_cast<Py_ssize_t>(entries_.size())) return false;
  PyObject *key, *value;
  Py_ssize_t at = 0;
  for (const auto& [k, v] : entries_)
    if (!PyDict_Next(dict, &at, &key, &value) || key != k.ptr() || value != v.ptr()) return false;
  return true;
}

namespace {

bool never_changes(PyObject* value) {
  if (PyTuple_CheckExact(value)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i)
      if (!never_changes(PyTuple_GET_ITEM(value, i))) return false;
    return true;
  }
  return PyFloat_CheckExact(value) || PyLong_CheckExact(value) || PyBool_Check(value);
}

}  // namespace

bool settled(const UpdateNames& names, PyObject* group) {
  return std::all_of(names.settings.begin(), names.settings.end(), [&](const auto& setting) {
    PyObject* value = entry_of(group, setting.key);
    return value && never_changes(value);
  });
}

namespace {

/// Of a number, a bool, a tensor of one element; of a switch its truth.
double number(const UpdateRule& rule, const UpdateNames::Setting& setting, PyObject* value) {
  if (setting.truth) {
    const int on = PyObject_IsTrue(value);
    if (on < 0) throw py::error_already_set();
    return on;
  }
  const double x = PyFloat_AsDouble(value);
  if (x != -1 || !PyErr_Occurred()) return x;
  if (is_tensor(value) || !PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
  PyErr_Clear();
  fail_type(rule.name, "the setting ", PyUnicode_AsUTF8(setting.key), " is a ",
            Py_TYPE(value)->tp_name, "; set a number");
}

/// Entered together once all are made: to make one may let another thread in, that would find the
/// state half begun.
using Made = std::vector<std::pair<PyObject*, py::object>>;

/// The tensor in a state under a name; one that is missing is made, in a state that has not begun.
template <class Make>
Tensor stored(const UpdateRule& rule, PyObject* state, PyObject* name, bool begun, bool* is_new,
              Made& made, Make make) {
  const auto held = py::reinterpret_borrow<py::object>(entry_of(state, name));
  PyObject* found = held.ptr();
  if (found && is_tensor(found)) return tensor_of(found);
  if (!found && begun)
    throw py::key_error(str("[", rule.name, "] the state of a parameter has no '",
                            PyUnicode_AsUTF8(name), "'; clear the state, or load a whole one"));
  Tensor t = make();
  if (found && found != Py_None) {
    // Old files keep the step as a number.
    if (t.dim() != 0)
      fail(ErrorKind::WrongKind, rule.name, "a state is ", Py_TYPE(found)->tp_name,
           "; it must be a Tensor");
    t = tensor_from_data(found, t.dtype());
  } else if (is_new) {
    *is_new = true;
  }
  made.emplace_back(name, py::reinterpret_steal<py::object>(wrap(t)));
  return t;
}

}  // namespace

void read_settings(const UpdateRule& rule, const UpdateNames& names, PyObject* group,
                   double* settings) {
  for (size_t i = 0; i < names.settings.size(); ++i) {
    const UpdateNames::Setting& setting = names.settings[i];
    PyObject* value = entry_of(group, setting.key);
    if (!value)
      throw py::key_error(str("[", rule.name, "] a parameter group has no '",
                              PyUnicode_AsUTF8(setting.key), "'; add it"));
    py::object part;
    if (setting.index >= 0) {
      part = py::reinterpret_steal<py::object>(PySequence_GetItem(value, setting.index));
      if (!part) throw py::error_already_set();
      value = part.ptr();
    }
    settings[i] = number(rule, setting, value);
  }
}

void read_state(const UpdateRule& rule, const UpdateNames& names, UpdateItem& item,
                PyObject* states, PyObject* param, const double* settings) {
  py::object state;
  auto dict = [&] {
    if (!state) {
      state = py::reinterpret_steal<py::object>(PyObject_GetItem(states, param));
      if (!state) throw py::error_already_set();
      if (!PyDict_Check(state.ptr()))
        fail_type(rule.name, "the state of a parameter is ", Py_TYPE(state.ptr())->tp_name,
                  "; it must be a dict");
    }
    return state.ptr();
  };
  // SGD, which counts no steps, takes any state.
  const bool begun = !rule.counters.empty() && PyDict_GET_SIZE(dict()) > 0;
  Made made;
  for (size_t k = 0; k < rule.counters.size(); ++k)
    item.counters[k] = stored(rule, dict(), names.counters[k], begun, nullptr, made,
                              [&] { return new_counter(rule.counters[k], settings); });
  for (size_t k = 0; k < rule.slots.size(); ++k)
    if (const auto& slot = rule.slots[k]; slot.when < 0 || settings[slot.when] != 0)
      item.slots[k] = stored(rule, dict(), names.slots[k], begun, &item.first, made,
                             [&] { return new_slot(slot, settings, item.param); });
  for (const auto& [name, tensor] : made)
    if (PyDict_SetItem(dict(), name, tensor.ptr()) < 0) throw py::error_already_set();
}

}  // namespace bx
