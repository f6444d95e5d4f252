// The update steps of parameter groups: once, or again and again as a replay does.
#include "bindings/update_state.h"
#include "capture/recorder.h"

namespace bx {

namespace {

/// A parameter with a gradient.
struct Stepped {
  PyObject* param;
  UpdateItem item;
};

/// One step of the parameters of a group that have a gradient, which are returned. Nothing is
/// written before all of them are checked.
std::vector<Stepped> step(size_t number, const py::dict& group, const py::dict& states,
                          const double* settings) {
  const UpdateRule& rule = rule_numbered(number);
  std::vector<Stepped> stepped;
  const py::sequence list(group["params"]);
  for (py::handle param : list)
    if (is_tensor(param.ptr()) && tensor_of(param.ptr())->grad) {
      check_gradient(rule, tensor_of(param.ptr()));
      stepped.push_back({param.ptr(), {}});
    }
  for (auto& [param, item] : stepped) {
    item.param = tensor_of(param);
    item.grad = Tensor(item.param->grad);
    read_state(rule, names_numbered(number), item, states.ptr(), param, settings);
    check_state(rule, item);
  }
  for (const Stepped& one : stepped) run_update(rule, one.item, settings);
  return stepped;
}

void step_once(size_t number, const py::dict& group, const py::dict& states) {
  double settings[kMaxSettings];
  read_settings(rule_numbered(number), names_numbered(number), group.ptr(), settings);
  step(number, group, states, settings);
}

/// The steps of one group in replays. What was read and checked is kept from step to step, and read
/// anew where a parameter, a gradient or a piece of state is another than it was.
class GroupStep {
 public:
  GroupStep(size_t number, py::dict group, py::dict states)
      : number_(number),
        rule_(rule_numbered(number)),
        names_(names_numbered(number)),
        group_(std::move(group)),
        states_(std::move(states)) {}

  void run() {
    double settings[kMaxSettings];
    read_settings(rule_, names_, group_.ptr(), settings);
    if (!unchanged(settings)) return keep(step(number_, group_, states_, settings), settings);
    for (Kept& kept : kept_) kept.ready.run(settings);
  }
  void forget() {
    kept_.clear();
    params_.clear();
  }

 private:
  struct Kept {
    PyObject* param;  // group["params"] holds it, or another is found in its place
    py::object state;
    std::vector<PyObject*> entries;  // of the state: counters, then slots
    ReadyUpdate ready;
  };

  void keep(const std::vector<Stepped>& stepped, const double* settings) {
    forget();
    PyObject* list = entry_of(group_.ptr(), names_.params);
    if (!list || !PyList_CheckExact(list)) return;
    for (const Stepped& one : stepped)
      if (!ReadyUpdate::possible(one.item)) return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i)
      params_.push_back(PyList_GET_ITEM(list, i));
    for (const Stepped& one : stepped) {
      Kept kept{one.param, {}, {}, ReadyUpdate(rule_, one.item)};
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

  size_t number_;
  const UpdateRule& rule_;
  const UpdateNames& names_;
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
        if (!capture::active()) return step_once(rule, group, state);
        // A replay reads the settings anew: schedulers go on working.
        auto steps = std::make_shared<GroupStep>(rule, group, state);
        capture::host_call("update", [steps] { steps->run(); });
        steps->forget();  // what is kept would outlive the recording
      },
      py::arg("rule"), py::arg("group"), py::arg("state"),
      "One step of a group's parameters by a rule of _update_rules; settings and state are read "
      "from the group and from state[parameter].");
}

}  // namespace bx
