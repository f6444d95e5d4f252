// The update steps, on Python's parameter groups and state.
#include "bindings/python.h"
#include "capture/recorder.h"
#include "optim/update.h"

namespace bx {

namespace {

constexpr size_t kMaxSettings = 8;

/// The names of a rule as Python strings, made once.
struct Names {
  PyObject* params = PyUnicode_InternFromString("params");
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

const UpdateRule& rule_numbered(size_t number) {
  if (number >= update_rules().size())
    fail_index("step", "there is no update rule ", number, "; take one of _update_rules");
  return update_rules()[number];
}

const Names& names_numbered(size_t number) {
  static const auto& all = *new std::vector<Names>(update_rules().begin(), update_rules().end());
  return all[number];
}

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

/// The steps of one group. What was read and checked is kept from step to step, and read anew where
/// a parameter, a gradient or a piece of state is another than it was.
class GroupStep {
 public:
  GroupStep(size_t number, py::dict group, py::dict states)
      : rule_(rule_numbered(number)),
        names_(names_numbered(number)),
        group_(std::move(group)),
        states_(std::move(states)) {}

  void run() {
    double settings[kMaxSettings];
    read_settings(rule_, names_, group_.ptr(), settings);
    if (!unchanged(settings)) return run_anew(settings);
    for (Kept& kept : kept_) kept.ready.run(settings);
  }

 private:
  struct Kept {
    PyObject* param;  // group["params"] holds it, or another is found in its place
    py::object state;
    std::vector<PyObject*> entries;  // of the state: counters, then slots
    ReadyUpdate ready;
  };

  /// Nothing is written before all parameters are checked.
  void run_anew(const double* settings) {
    kept_.clear();
    params_.clear();
    std::vector<PyObject*> params;
    const py::sequence list(group_["params"]);
    for (py::handle param : list) {
      params_.push_back(param.ptr());
      if (is_tensor(param.ptr()) && tensor_of(param.ptr())->grad) {
        check_gradient(rule_, tensor_of(param.ptr()));
        params.push_back(param.ptr());
      }
    }
    std::vector<UpdateItem> items(params.size());
    bool can_be_kept = PyList_CheckExact(list.ptr());
    for (size_t i = 0; i < params.size(); ++i) {
      UpdateItem& item = items[i];
      item.param = tensor_of(params[i]);
      item.grad = Tensor(item.param->grad);
      read_state(rule_, names_, item, states_.ptr(), params[i], settings);
      check_state(rule_, item);
      can_be_kept = can_be_kept && ReadyUpdate::possible(item);
    }
    for (const UpdateItem& item : items) run_update(rule_, item, settings);
    if (!can_be_kept) return params_.clear();
    for (size_t i = 0; i < params.size(); ++i) {
      Kept kept{params[i], {}, {}, ReadyUpdate(rule_, items[i])};
      if (!rule_.counters.empty() || !rule_.slots.empty()) keep_entries(kept);
      kept_.push_back(std::move(kept));
    }
    std::copy_n(settings, rule_.settings.size(), settings_);
  }

  void keep_entries(Kept& kept) {
    PyObject* state = entry_of(states_.ptr(), kept.param);
    if (!state) return;  // nothing is kept of this parameter
    kept.state = py::reinterpret_borrow<py::object>(state);
    for (PyObject* name : names_.counters) kept.entries.push_back(entry_of(state, name));
    for (PyObject* name : names_.slots) kept.entries.push_back(entry_of(state, name));
  }

  bool unchanged(const double* settings) const {
    if (params_.empty()) return false;
    // A setting that switches a slot on or off.
    for (const auto& slot : rule_.slots)
      if (slot.when >= 0 && (settings[slot.when] != 0) != (settings_[slot.when] != 0)) return false;
    PyObject* list = entry_of(group_.ptr(), names_.params);
    if (!list || !PyList_CheckExact(list) ||
        PyList_GET_SIZE(list) != static_cast<Py_ssize_t>(params_.size()))
      return false;
    size_t next = 0;
    for (size_t i = 0; i < params_.size(); ++i) {
      PyObject* param = PyList_GET_ITEM(list, static_cast<Py_ssize_t>(i));
      if (param != params_[i]) return false;
      if (next == kept_.size() || kept_[next].param != param) {
        if (is_tensor(param) && tensor_of(param)->grad) return false;  // it had none
        continue;
      }
      const Kept& kept = kept_[next++];
      if (!kept.ready.holds() || !same_state(kept)) return false;
    }
    return true;
  }

  bool same_state(const Kept& kept) const {
    if (!kept.state) return true;
    PyObject* state = kept.state.ptr();
    if (entry_of(states_.ptr(), kept.param) != state) return false;
    size_t next = 0;
    for (const auto* names : {&names_.counters, &names_.slots})
      for (PyObject* name : *names)
        if (entry_of(state, name) != kept.entries[next++]) return false;
    return true;
  }

  const UpdateRule& rule_;
  const Names& names_;
  py::dict group_, states_;
  std::vector<PyObject*> params_;  // all of the group's at the last step
  std::vector<Kept> kept_;
  double settings_[kMaxSettings] = {};
};

}  // namespace

void bind_optim(py::module_& m) {
  py::dict rules;
  for (size_t k = 0; k < update_rules().size(); ++k) rules[update_rules()[k].name] = k;
  m.attr("_update_rules") = rules;
  m.def(
      "_update",
      [](size_t rule, const py::dict& group, const py::dict& state) {
        // A replay reads the settings anew: schedulers go on working.
        if (!capture::active()) return GroupStep(rule, group, state).run();
        auto step = std::make_shared<GroupStep>(rule, group, state);
        capture::host_call("update", [step] { step->run(); });
      },
      py::arg("rule"), py::arg("group"), py::arg("state"),
      "One step of a group's parameters by a rule of _update_rules; settings and state are read "
      "from the group and from state[parameter].");
}

}  // namespace bx
