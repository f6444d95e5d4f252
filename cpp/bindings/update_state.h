// Python's parameter groups and state, as the update steps read them.
#pragma once

#include "bindings/python.h"
#include "optim/update.h"

namespace bx {

inline constexpr size_t kMaxSettings = 8;

/// The names of a rule as Python strings, made once.
struct UpdateNames {
  PyObject* params = PyUnicode_InternFromString("params");
  struct Setting {
    PyObject* key;
    Py_ssize_t index;  // of an element of a sequence; -1: the value itself
    bool truth;        // not a number: whatever is true counts 1
  };
  std::vector<Setting> settings;
  std::vector<PyObject*> counters, slots;

  explicit UpdateNames(const UpdateRule& rule);
};

/// A rule by its number in _update_rules, IndexError beyond, and its names.
const UpdateRule& rule_numbered(size_t number);
const UpdateNames& names_numbered(size_t number);

/// A dict's value, borrowed; null where there is none.
PyObject* entry_of(PyObject* dict, PyObject* key);

/// A dict as it was: whether the same objects still stand in it is told by its version, or by one
/// walk.
class Entries {
 public:
  Entries() = default;
  explicit Entries(PyObject* dict);
  bool are_of(PyObject* dict) const {
#if PY_VERSION_HEX < 0x030C0000
    if (version_of(dict) == version_) return true;
#endif
    return stand_in(dict);
  }

 private:
  bool stand_in(PyObject* dict) const;
#if PY_VERSION_HEX < 0x030C0000
  /// PEP 509: of this dict in this state alone. Later versions of Python do without.
  static uint64_t version_of(PyObject* dict) {
    return reinterpret_cast<PyDictObject*>(dict)->ma_version_tag;
  }
  uint64_t version_ = 0;
#endif
  std::vector<std::pair<py::object, py::object>> entries_;
};

/// Whether a rule's settings are what they are for as long as the group holds the same objects.
bool settled(const UpdateNames& names, PyObject* group);
/// KeyError where a group lacks a setting.
void read_settings(const UpdateRule& rule, const UpdateNames& names, PyObject* group,
                   double* settings);

/// Fills the slots and counters of an item from its state; what keeps nothing has no state.
void read_state(const UpdateRule& rule, const UpdateNames& names, UpdateItem& item,
                PyObject* states, PyObject* param, const double* settings);

}  // namespace bx
