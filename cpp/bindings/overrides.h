// Classes that take part in operations by a __torch_function__ of their own.
#pragma once

#include "bindings/python.h"

namespace bx {

/// Whether a class derived from Tensor was made that takes part: until then calls look for none.
extern bool subclasses_take_part;
/// Whether they are asked now; not within DisableTorchFunctionSubclass.
bool subclasses_are_asked();

/// Whether a class with __torch_dispatch__ was made, and whether an object is of one: it is asked
/// always.
extern bool classes_dispatch;
bool dispatches(PyObject* o);

/// Whether this is a block of `with torch.device("meta")`.
bool in_meta_block();

/// What the __torch_function__ of an argument makes of a call; null where no argument has one.
/// Only classes derived from Tensor are looked for with `subclasses_only`.
PyObject* overridden(PyObject* function, PyObject* const* args, Py_ssize_t positional,
                     PyObject* names, bool subclasses_only);

/// Where the error in flight says that a result was to be on the meta device: the call made again
/// there, of a tensor its `to`. Null with the error else.
PyObject* made_on_meta(PyObject* function, PyObject* const* args, Py_ssize_t positional,
                       PyObject* names);
PyObject* made_on_meta(PyObject* function, PyObject* args, PyObject* kwargs);

void bind_overrides(py::module_& m);

}  // namespace bx
