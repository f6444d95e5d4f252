// The update steps, on Python's parameter groups and state.
#include "bindings/python.h"
#include "capture/recorder.h"
#include "optim/update.h"

namespace bx {

namespace {

constexpr size_t kMaxSettings = 8;

/// The names of a rule as Python strings, made once.
struct Names {
  struct Setting {
    PyObject* key;
    Py_ssize_t index;  // of an element of a sequence; -1: the value itself
  };
  std::vector<Setting> settings;
  std::vector<PyObject*> counters, slots;

  explicit Names(const UpdateRule& rule) {
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
};

double number(PyObject* value) {
  const double x = PyFloat_AsDouble(value);  // of a number, a bool, a tensor of one element
  if (x == -1 && PyErr_Occurred()) throw py::error_already_set();
  return x;
}

PyObject* entry_of(PyObject* dict, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dict, key);
  if (!value && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

void read_settings(const UpdateRule& rule, const Names& names, PyObject* group, double* settings) {
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

/// Fills the slots and counters of an item from its state; what keeps nothing has no state.
void read_state(const UpdateRule& rule, const Names& names, UpdateItem& item, PyObject* states,
                PyObject* param, const double* settings) {
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

/// One step of the parameters of a group that have a gradient. Nothing is written before all of
/// them are checked.
void step(size_t number, const py::dict& group, const py::dict& states) {
  static const auto& all_names =
      *new std::vector<Names>(update_rules().begin(), update_rules().end());
  if (number >= update_rules().size())
    fail_index("step", "there is no update rule ", number, "; take one of _update_rules");
  const UpdateRule& rule = update_rules()[number];
  const Names& names = all_names[number];
  double settings[kMaxSettings];
  read_settings(rule, names, group.ptr(), settings);
  std::vector<PyObject*> params;
  const py::sequence list(group["params"]);
  for (py::handle param : list)
    if (is_tensor(param.ptr()) && tensor_of(param.ptr())->grad) {
      check_gradient(rule, tensor_of(param.ptr()));
      params.push_back(param.ptr());
    }
  std::vector<UpdateItem> items(params.size());
  for (size_t i = 0; i < params.size(); ++i) {
    UpdateItem& item = items[i];
    item.param = tensor_of(params[i]);
    item.grad = Tensor(item.param->grad);
    read_state(rule, names, item, states.ptr(), params[i], settings);
    check_state(rule, item);
  }
  for (const UpdateItem& item : items) run_update(rule, item, settings);
}

}  // namespace

void bind_optim(py::module_& m) {
  py::dict rules;
  for (size_t k = 0; k < update_rules().size(); ++k) rules[update_rules()[k].name] = k;
  m.attr("_update_rules") = rules;
  m.def(
      "_update",
      [](size_t rule, const py::dict& group, const py::dict& state) {
        // A replay reads the settings anew: schedulers go on working.
        if (!capture::active()) return step(rule, group, state);
        capture::host_call("update", [rule, group, state] { step(rule, group, state); });
      },
      py::arg("rule"), py::arg("group"), py::arg("state"),
      "One step of a group's parameters by a rule of _update_rules; settings and state are read "
      "from the group and from state[parameter].");
}

}  // namespace bx
