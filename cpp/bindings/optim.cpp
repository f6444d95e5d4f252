// Fused update steps.
#include "bindings/python.h"
#include "optim/sgd.h"

namespace bx {

namespace {

void sgd(const Tensors& params, py::list buffers, double lr, double momentum, double dampening,
         double weight_decay, bool nesterov, bool maximize) {
  Tensors state = py::cast<OptTensors>(buffers).list;
  if (momentum != 0 && state.size() != params.size())
    fail_value("SGD", params.size(), " parameters with ", state.size(),
               " momentum buffers; give one (or None) for each");
  sgd_step(params, state, {lr, momentum, dampening, weight_decay, nesterov, maximize});
  for (size_t k = 0; k < state.size(); ++k)
    if (buffers[k].is_none() && state[k].defined()) buffers[k] = state[k];
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def("sgd_step", &sgd, py::arg("params"), py::arg("buffers"), py::arg("lr"), py::arg("momentum"),
        py::arg("dampening"), py::arg("weight_decay"), py::arg("nesterov"), py::arg("maximize"),
        "One SGD update of all parameters that have a gradient; new momentum buffers are entered "
        "into `buffers`.");
}

}  // namespace bx
