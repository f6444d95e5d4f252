// The update steps of parameter groups: once, or again and again as a replay does.
#include "autograd/sparse.h"
#include "bindings/update_state.h"
#include "capture/recorder.h"

namespace bx {

namespace {

/// A parameter with a gradient.
struct Stepped {
  py::object param;
  UpdateItem item;
};

/// _sparse_step of optim/sparse_adam.py: the step of parameters whose gradient is sparse.
py::handle sparse_step;

/// One step of the parameters of a group that have a gradient; those with a dense one are returned.
/// Nothing is written before all of them are checked.
std::vector<Stepped> step(size_t number, const py::dict& group, const py::dict& states,
                          const double* settings) {
  const UpdateRule& rule = rule_numbered(number);
  std::vector<Stepped> stepped;
  py::list sparse;
  const auto list = py::reinterpret_steal<py::object>(
      PySequence_Fast(group["params"].ptr(), "[step] a group's params must be a list of Tensors"));
  if (!list) throw py::error_already_set();
  stepped.reserve(static_cast<size_t>(PySequence_Fast_GET_SIZE(list.ptr())));
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list.ptr()); ++i) {
    const py::handle param = PySequence_Fast_GET_ITEM(list.ptr(), i);
    if (!is_tensor(param.ptr()))
      fail(ErrorKind::WrongKind, rule.name, "a parameter is a ", Py_TYPE(param.ptr())->tp_name,
           "; the group's params must be Tensors");
    const Tensor& t = tensor_of(param.ptr());
    if (!t->grad) continue;
    if (coordinates(*t->grad)) {
      sparse.append(param);
      continue;
    }
    UpdateItem item;
    item.param = t;
    item.grad = Tensor(t->grad);
    check_gradient(rule, item);
    stepped.push_back({py::reinterpret_borrow<py::object>(param), std::move(item)});
  }
  for (auto& [param, item] : stepped) {
    read_state(rule, names_numbered(number), item, states.ptr(), param.ptr(), settings);
    check_state(rule, item);
  }
  if (!sparse.empty()) sparse_step(rule.name, group, states, sparse);
  StepScalars scalars(rule, settings);
  for (const Stepped& one : stepped) run_update(rule, one.item, scalars);
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
    if (!settled_ || !entries_.are_of(group_.ptr())) read_group();
    if (!unchanged()) return keep(step(number_, group_, states_, settings_));
    StepScalars scalars(rule_, settings_);
    for (Kept& kept : kept_) kept.ready.run(scalars);
  }
  void forget() {
    settled_ = false;
    list_ = nullptr;
    kept_.clear();
    params_.clear();
    state_entries_ = {};
    entries_ = {};
  }

 private:
  struct Kept {
    PyObject* param;  // group["params"] holds it, or another is found in its place
    py::object state;
    Entries entries;
    ReadyUpdate ready;
  };

  void read_group() {
    double now[kMaxSettings];
    read_settings(rule_, names_, group_.ptr(), now);
    if (!same_slots(now)) params_.clear();
    std::copy_n(now, rule_.settings.size(), settings_);
    settled_ = settled(names_, group_.ptr());
    if (settled_) entries_ = Entries(group_.ptr());
    list_ = entry_of(group_.ptr(), names_.params);
    if (list_ && !PyList_CheckExact(list_)) list_ = nullptr;
  }

  void keep(const std::vector<Stepped>& stepped) {
    kept_.clear();
    params_.clear();
    if (!list_) return;
    for (const Stepped& one : stepped)
      if (!ReadyUpdate::possible(one.item)) return;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list_); ++i)
      params_.push_back(PyList_GET_ITEM(list_, i));
    for (const Stepped& one : stepped) {
      Kept kept{one.param.ptr(), {}, {}, ReadyUpdate(rule_, one.item)};
      if (PyObject* state = entry_of(states_.ptr(), one.param.ptr());
          state && PyDict_Check(state)) {
        kept.state = py::reinterpret_borrow<py::object>(state);
        kept.entries = Entries(state);
      }
      kept_.push_back(std::move(kept));
    }
    state_entries_ = Entries(states_.ptr());
  }

  /// Whether settings keep the slots that those of the last step kept.
  bool same_slots(const double* settings) const {
    return std::all_of(rule_.slots.begin(), rule_.slots.end(), [&](const auto& slot) {
      return slot.when < 0 || (settings[slot.when] != 0) == (settings_[slot.when] != 0);
    });
  }

  /// Whether parameters, gradients and state are those of the last step.
  bool unchanged() const {
    if (params_.empty() || !list_ ||
        PyList_GET_SIZE(list_) != static_cast<Py_ssize_t>(params_.size()) ||
        !state_entries_.are_of(states_.ptr()))
      return false;
    size_t next = 0;
    for (size_t i = 0; i < params_.size(); ++i) {
      PyObject* param = PyList_GET_ITEM(list_, static_cast<Py_ssize_t>(i));
      if (param != params_[i]) return false;
      if (next == kept_.size() || kept_[next].param != param) {
        if (is_tensor(param) && tensor_of(param)->grad) return false;  // it had none
        continue;
      }
      const Kept& kept = kept_[next++];
      if (!kept.ready.holds() || (kept.state && !kept.entries.are_of(kept.state.ptr())))
        return false;
    }
    return true;
  }

  size_t number_;
  const UpdateRule& rule_;
  const UpdateNames& names_;
  py::dict group_, states_;
  PyObject* list_ = nullptr;       // group["params"] as it was read, where it is a list
  std::vector<PyObject*> params_;  // all of the group's at the last step
  std::vector<Kept> kept_;
  Entries entries_, state_entries_;  // of group_ and states_ then
  bool settled_ = false;
  double settings_[kMaxSettings] = {};
};

}  // namespace

void bind_optim(py::module_& m) {
  py::dict rules;
  for (size_t k = 0; k < update_rules().size(); ++k) rules[update_rules()[k].name] = k;
  m.attr("_update_rules") = rules;
  m.def(
      "_set_sparse_step", [](py::object f) { sparse_step = f.release(); },
      "Names the function that updates parameters whose gradient is sparse.");
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
