#include "bindings/update_state.h"

namespace bx {

UpdateNames::UpdateNames(const UpdateRule& rule) {
  for (const char* name : rule.settings) {
    const std::string_view text(name);
    const size_t dot = text.find('.');
    const std::string key(text.substr(0, dot));
    settings.push_back(
        {PyUnicode_InternFromString(key.c_str()), dot == text.npos ? -1 : text[dot + 1] - '0'});
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

namespace {

double number(PyObject* value) {
  const double x = PyFloat_AsDouble(value);  // of a number, a bool, a tensor of one element
  if (x == -1 && PyErr_Occurred()) throw py::error_already_set();
  return x;
}

/// The tensor in a state under a name; one that is missing is made and entered.
template <class Make>
Tensor stored(const UpdateRule& rule, PyObject* state, PyObject* name, bool* is_new, Make make) {
  PyObject* found = entry_of(state, name);
  if (found && is_tensor(found)) return tensor_of(found);
  Tensor t = make();
  if (found && found != Py_None) {
    // Old files keep the step as a number.
    if (t.dim() != 0)
      fail_type(rule.name, "a state is ", Py_TYPE(found)->tp_name, "; it must be a Tensor");
    t = tensor_from_data(found, t.dtype());
  } else if (is_new) {
    *is_new = true;
  }
  if (PyDict_SetItem(state, name, py::reinterpret_steal<py::object>(wrap(t)).ptr()) < 0)
    throw py::error_already_set();
  return t;
}

}  // namespace

void read_settings(const UpdateRule& rule, const UpdateNames& names, PyObject* group,
                   double* settings) {
  for (size_t i = 0; i < names.settings.size(); ++i) {
    const auto [key, index] = names.settings[i];
    PyObject* value = entry_of(group, key);
    if (!value)
      throw py::key_error(
          str("[", rule.name, "] a parameter group has no '", rule.settings[i], "'; add it"));
    settings[i] =
        index < 0
            ? number(value)
            : number(py::reinterpret_steal<py::object>(PySequence_GetItem(value, index)).ptr());
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
  for (size_t k = 0; k < rule.counters.size(); ++k)
    item.counters[k] = stored(rule, dict(), names.counters[k], nullptr,
                              [&] { return new_counter(rule.counters[k], settings); });
  for (size_t k = 0; k < rule.slots.size(); ++k)
    if (const auto& slot = rule.slots[k]; slot.when < 0 || settings[slot.when] != 0)
      item.slots[k] = stored(rule, dict(), names.slots[k], &item.first,
                             [&] { return new_slot(slot, settings, item.param); });
}

}  // namespace bx
