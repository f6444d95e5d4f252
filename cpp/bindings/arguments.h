// Python's arguments to an operation's values, by the operation's own table of arguments.
#pragma once

#include "bindings/python.h"

namespace bx {

/// Checked for every operation when the module is loaded.
inline constexpr int kMaxArguments = 12;

/// The values of one call, in the order of the overload's arguments.
struct Arguments {
  Value values[kMaxArguments];
  /// Keywords that many operations share: the tensor to write the result to, and requires_grad.
  Tensors out;
  bool requires_grad = false;
  /// Whether something else stood where a tensor is needed, or where PyTorch computes with a
  /// number.
  bool lacks_tensor = false, lacks_number = false;
};

/// A Python int (or what counts as one, but no bool) as int64.
bool whole_number(PyObject* o, int64_t& out);
/// So in a list of numbers: after the first, a bool is one too, as in PyTorch.
bool further_number(PyObject* o, bool further, int64_t& out);
/// The object as a value of the argument's type; false where it is none.
bool convert(const Argument& a, PyObject* o, Value& out);

/// Fills `arguments` for an overload, or returns why it does not fit (empty: it fits), in words
/// where they are asked for. A method has its tensor as first argument.
std::string match(const Overload& overload, bool method, PyObject* const* args,
                  Py_ssize_t positional, PyObject* names, Arguments& arguments, bool explain);

/// The first way to call it that takes the arguments; null where none does.
const Overload* choose(const Operation& operation, bool method, PyObject* const* args,
                       Py_ssize_t positional, PyObject* names, Arguments& arguments);
/// TypeError that says what of the arguments no way to call it takes.
[[noreturn]] void reject(const Operation& operation, bool method, PyObject* const* args,
                         Py_ssize_t positional, PyObject* names, Arguments& arguments);

/// "(input, dim=None, keepdim=False, *, dtype=None)"
std::string signature_text(const Overload& overload);

/// A result as Python sees it, a new reference.
PyObject* to_python(const Operation& operation, const Overload& overload, const Value& value);

}  // namespace bx
