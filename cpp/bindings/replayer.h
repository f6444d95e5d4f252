// The call of a captured function.
#pragma once

#include "bindings/python.h"

namespace bx {

/// Enters the type _Replayer, the base of Captured.
void bind_replayer(py::module_& m);

}  // namespace bx
