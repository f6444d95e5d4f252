// Fused update steps.
#include "bindings/python.h"
#include "optim/sgd.h"

namespace bx {

namespace {

Tensors from_list(const py::list& list) {
  Tensors out;
  out.reserve(list.size());
  for (py::handle h : list) out.push_back(is_tensor(h.ptr()) ? tensor_of(h.ptr()) : Tensor());
  return out;
}

void sgd(const py::list& params, const py::list& buffers, double lr, double momentum,
         double dampening, double weight_decay, bool nesterov, bool maximize) {
  const Tensors targets = from_list(params);
  for (const Tensor& t : targets)
    if (!t.defined()) fail_type("SGD", "every parameter must be a Tensor");
  Tensors state = from_list(buffers);
  if (momentum != 0 && state.size() != targets.size())
    fail_value("SGD", targets.size(), " parameters with ", state.size(),
               " momentum buffers; give one (or None) for each");
  sgd_step(targets, state, {lr, momentum, dampening, weight_decay, nesterov, maximize});
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
