// The tape as Python sees it: nodes, hooks, grad mode, backward.
#include <atomic>

#include "autograd/engine.h"
#include "bindings/python.h"

namespace bx {

namespace {

std::atomic<int64_t> next_hook{0};

/// A Python callable as a hook. The last copy may die on any thread.
Hook python_hook(py::object callable) {
  std::shared_ptr<py::object> held(new py::object(std::move(callable)), [](py::object* o) {
    py::gil_scoped_acquire gil;
    delete o;
  });
  return [held](const Tensor& g) -> Tensor {
    py::gil_scoped_acquire gil;
    const py::object result = (*held)(g);
    if (result.is_none()) return {};
    if (!is_tensor(result.ptr()))
      fail_type("backward", "a hook returned ", Py_TYPE(result.ptr())->tp_name,
                "; it must return a Tensor or None");
    return tensor_of(result.ptr());
  };
}

std::vector<NumberedHook>& hooks_of(const Tensor& t) {
  if (Ref<Node> node = grad_fn(t)) {
    if (!node->hooks) node->hooks = std::make_unique<NodeHooks>();
    return node->hooks->before;
  }
  if (!t->extras) t->extras = std::make_unique<LeafExtras>();
  return static_cast<LeafExtras*>(t->extras.get())->hooks;
}

/// What register_hook returns.
struct HookHandle {
  Ref<Node> node;
  Tensor leaf;
  int64_t id;

  void remove() {
    auto drop = [this](std::vector<NumberedHook>& list) {
      std::erase_if(list, [this](const NumberedHook& h) { return h.id == id; });
    };
    if (node && node->hooks) drop(node->hooks->before);
    if (leaf.defined() && leaf->extras) drop(static_cast<LeafExtras*>(leaf->extras.get())->hooks);
  }
};

HookHandle register_hook(const Tensor& t, py::object callable) {
  if (!requires_grad(t))
    fail_runtime("register_hook", "cannot register a hook on a tensor of shape ", t.shape(),
                 " that doesn't require gradient; set requires_grad=True first");
  const int64_t id = next_hook++;
  hooks_of(t).push_back({id, grad_fn(t) ? t->output_nr : 0, python_hook(std::move(callable))});
  Ref<Node> node = grad_fn(t);
  return node ? HookHandle{node, {}, id} : HookHandle{{}, t, id};
}

void retain_grad(const Tensor& t) {
  if (!requires_grad(t))
    fail_runtime("retain_grad", "a tensor of shape ", t.shape(),
                 " does not require grad, so it has no gradient to keep; set requires_grad=True");
  const Ref<Node> node = grad_fn(t);
  if (!node || t->retains_grad) return;  // leaves keep theirs anyway
  if (!node->hooks) node->hooks = std::make_unique<NodeHooks>();
  node->hooks->retaining.push_back(t.impl());
  t->retains_grad = true;
}

/// (node, output) of every edge, None where no gradient goes.
py::tuple next_functions(const Node& node) {
  py::tuple result(static_cast<size_t>(node.edges.size()));
  for (int i = 0; i < node.edges.size(); ++i)
    result[static_cast<size_t>(i)] = py::make_tuple(node.edges[i].node, node.edges[i].nr);
  return result;
}

py::tuple backward(const Tensors& roots, const OptTensors& seeds, bool retain_graph,
                   bool create_graph, const std::optional<Tensors>& inputs, bool accumulate,
                   bool allow_unused) {
  const Tensors& grads = seeds.list;
  if (grads.size() != roots.size())
    fail_runtime("backward", roots.size(), " tensors with ", grads.size(),
                 " gradients; give one (or None) for each");
  const Tensors results = run_backward(
      roots, grads, inputs, {retain_graph || create_graph, create_graph, accumulate, allow_unused});
  py::tuple tuple(results.size());
  for (size_t i = 0; i < results.size(); ++i) tuple[i] = results[i];
  return tuple;
}

/// The tensors as outputs of one node, at which hook(gradients) runs, a tuple with None where none
/// arrived; a tuple that it returns replaces them.
Tensors gate_gradients(const Tensors& tensors, py::object callable) {
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(detached(t));
  Recorder r(tensors);
  if (!r) return tensors;
  std::shared_ptr<py::object> held(new py::object(std::move(callable)), [](py::object* o) {
    py::gil_scoped_acquire gil;
    delete o;
  });
  r.done("BackwardHookFunctionBackward", out, [held, count = tensors.size()](const Backward& b) {
    py::gil_scoped_acquire gil;
    py::tuple grads(count);
    for (size_t i = 0; i < count; ++i) {
      const Tensor& g = b.grad(static_cast<int>(i));
      grads[i] = g.defined() ? py::cast(g) : py::none();
    }
    const py::object result = (*held)(grads);
    const py::tuple found = result.is_none() ? grads : py::tuple(result);
    for (size_t i = 0; i < count; ++i) {
      const int edge = static_cast<int>(i);
      if (b.wants(edge) && !found[i].is_none()) b.give(edge, tensor_of(py::object(found[i]).ptr()));
    }
  });
  return out;
}

}  // namespace

void bind_autograd(py::module_& m) {
  py::class_<Node, Ref<Node>>(m, "Node", "An operation on the tape.")
      .def("name", &Node::name, "PyTorch's name of the node, e.g. MulBackward0.")
      .def_property_readonly("next_functions", &next_functions,
                             "Where the gradients go: (node, output number) per input.")
      .def_property_readonly(
          "_saved_tensors",
          [](const Node& n) {
            py::list list;
            for (const SavedTensor& s : n.saved)
              if (s.defined()) list.append(s.peek());
            return list;
          },
          "What the node keeps for the backward pass.")
      .def_property_readonly(
          "_released", [](const Node& n) { return n.released; },
          "Whether an earlier backward freed what it kept.")
      .def_property_readonly(
          "variable",
          [](Node& n) -> Tensor {
            auto* leaf = dynamic_cast<AccumulateGrad*>(&n);
            if (!leaf) throw py::attribute_error("only AccumulateGrad has a variable");
            return leaf->leaf;
          },
          "Of AccumulateGrad: the leaf.")
      .def("__repr__", [](const py::object& self) {
        return str("<", self.cast<const Node&>().name(), " object at ",
                   static_cast<void*>(self.ptr()), ">");
      });
  py::class_<HookHandle>(m, "RemovableHandle", "A registered hook.")
      .def("remove", &HookHandle::remove, "Takes the hook off again.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](HookHandle& h, const py::args&) { h.remove(); });
  py::handle type(reinterpret_cast<PyObject*>(tensor_type));
  type.attr("register_hook") = py::cpp_function(
      &register_hook, py::name("register_hook"), py::is_method(type), py::arg("hook"),
      "Runs hook(grad) when this tensor's gradient is computed; a tensor it returns replaces it.");
  type.attr("retain_grad") =
      py::cpp_function(&retain_grad, py::name("retain_grad"), py::is_method(type),
                       "Keeps the gradient of a non-leaf in its .grad.");
  m.def(
      "_gate_gradients",
      [](const Tensors& tensors, py::object hook) {
        const Tensors out = gate_gradients(tensors, std::move(hook));
        py::tuple result(out.size());
        for (size_t i = 0; i < out.size(); ++i) result[i] = out[i];
        return result;
      },
      py::arg("tensors"), py::arg("hook"),
      "The tensors again; hook(gradients) sees theirs together, and may replace them.");
  m.def("_is_grad_enabled", &grad_enabled, "Whether operations are recorded on this thread.");
  m.def("_set_grad_enabled", &set_grad_enabled, py::arg("enabled"),
        "Turns recording on or off on this thread.");
  m.def("_run_backward", &backward, py::arg("tensors"), py::arg("grad_tensors"),
        py::arg("retain_graph"), py::arg("create_graph"), py::arg("inputs"), py::arg("accumulate"),
        py::arg("allow_unused"),
        "Backpropagates from `tensors`; returns the gradients of `inputs` unless it accumulates.");
}

}  // namespace bx
