// The compiled surface of backprop_ext, on one screen.
#include "bindings/overrides.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "backprop_ext's engine: tensors, tape and kernels.";
  bx::bind_errors(m);         // C++ errors as Python's classes
  bx::bind_dtype(m);          // float32, float64, int64, int32, bool
  bx::bind_memory_format(m);  // channels_last and its kin
  bx::bind_tensor(m);         // the type Tensor: operators, attributes, short methods
  bx::bind_operations(m);     // the registry: functions and methods of every operation
  bx::bind_overrides(m);      // classes with a __torch_function__ of their own
  bx::bind_autocast(m);       // blocks of narrow products
  bx::bind_numpy(m);          // tensor(), from_numpy(), Tensor.numpy()
  bx::bind_dlpack(m);         // tensors to and from other libraries
  bx::bind_autograd(m);       // nodes, hooks, grad mode, backward
  bx::bind_function(m);       // operations whose derivative is written in Python
  bx::bind_watch(m);          // what explain sees: nodes from inside, the tape as it grows
  bx::bind_module_call(m);    // Module.__call__
  bx::bind_random(m);         // Generator
  bx::bind_sparse(m);         // tensors of values at given indices
  bx::bind_optim(m);          // fused update steps
  bx::bind_capture(m);        // recorded steps
  bx::bind_replayer(m);       // the call of a captured function
  bx::bind_runtime(m);        // threads, memory, instruction set
  m.attr("__all__") = bx::public_names(m);
}
