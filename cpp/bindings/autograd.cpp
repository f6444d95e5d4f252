// The tape as Python sees it: nodes, hooks, grad mode, backward.
#include <atomic>
#include <unordered_set>

#include "autograd/anomaly.h"
#include "autograd/engine.h"
#include "bindings/python.h"

namespace bx {

namespace {

std::atomic<int64_t> next_hook{0};

/// A Python object that C++ holds. The last copy may die on any thread.
using Held = std::shared_ptr<py::object>;
Held held(py::object object) {
  return Held(new py::object(std::move(object)), [](py::object* o) {
    if (!Py_IsInitialized()) return;
    py::gil_scoped_acquire gil;
    delete o;
  });
}

Hook python_hook(py::object callable) {
  return [hook = held(std::move(callable))](const Tensor& g) -> Tensor {
    py::gil_scoped_acquire gil;
    const py::object result = (*hook)(g);
    if (result.is_none()) return {};
    if (!is_tensor(result.ptr()))
      fail_type("backward", "a hook returned ", Py_TYPE(result.ptr())->tp_name,
                "; it must return a Tensor or None");
    return tensor_of(result.ptr());
  };
}

py::tuple tuple_of(std::span<const Tensor> tensors) {
  py::tuple tuple(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) tuple[i] = tensors[i];
  return tuple;
}

/// hook(outputs), or hook(inputs, outputs); a tuple that it returns replaces the first.
NodeHook python_node_hook(py::object callable, bool both) {
  return [hook = held(std::move(callable)), both](std::span<Tensor> changeable,
                                                  std::span<const Tensor> outputs) {
    py::gil_scoped_acquire gil;
    py::object result =
        both ? (*hook)(tuple_of(changeable), tuple_of(outputs)) : (*hook)(tuple_of(outputs));
    if (result.is_none()) return;
    if (is_tensor(result.ptr())) result = py::make_tuple(result);
    const bool is_tuple = py::isinstance<py::tuple>(result);
    if (!is_tuple || py::len(result) != changeable.size())
      fail(is_tuple ? ErrorKind::Runtime : ErrorKind::Type, "backward",
           "a hook of a node returned ", Py_TYPE(result.ptr())->tp_name, " for ", changeable.size(),
           " gradients; return None, or a tuple of as many");
    const py::tuple tuple(result);
    for (size_t i = 0; i < changeable.size(); ++i)
      changeable[i] = tuple[i].is_none() ? Tensor() : py::cast<Tensor>(tuple[i]);
  };
}

NodeHooks& hooks_of(Node& node) {
  if (!node.hooks) node.hooks = std::make_unique<NodeHooks>();
  return *node.hooks;
}

LeafExtras& extras_of(const Tensor& t) {
  if (!t->extras) t->extras = std::make_unique<LeafExtras>();
  return *static_cast<LeafExtras*>(t->extras.get());
}

/// What register_hook returns: takes the hook off the list it stands in.
struct HookHandle {
  int64_t id;
  std::function<void(int64_t)> drop;
};

/// Enters a hook into a list that `owner`, captured by `find`, keeps alive.
template <class Entry, class Find>
HookHandle enter_hook(Find find, Entry entry) {
  const int64_t id = entry.id;
  find().push_back(std::move(entry));
  return {id, [find](int64_t id) { std::erase_if(find(), [id](auto& h) { return h.id == id; }); }};
}

/// A list of a leaf's hooks, about to change.
template <auto List>
auto& changing(const Tensor& leaf) {
  LeafExtras& extras = extras_of(leaf);
  ++extras.hook_changes;
  return extras.*List;
}

HookHandle register_hook(const Tensor& t, py::object callable) {
  if (!requires_grad(t))
    fail_runtime("register_hook", "cannot register a hook on a tensor of shape ", t.shape(),
                 " that doesn't require gradient; set requires_grad=True first");
  const Ref<Node> node = grad_fn(t);
  NumberedHook hook{next_hook++, node ? t->output_nr : 0, python_hook(std::move(callable))};
  if (node)
    return enter_hook([node]() -> auto& { return hooks_of(*node).before; }, std::move(hook));
  return enter_hook([t]() -> auto& { return changing<&LeafExtras::hooks>(t); }, std::move(hook));
}

HookHandle register_after(const Tensor& t, py::object callable) {
  if (!t->leaf_requires_grad || grad_fn(t))
    fail_runtime("register_post_accumulate_grad_hook",
                 "post accumulate grad hooks cannot be "
                 "registered on non-leaf tensors, or on leaves without requires_grad (shape ",
                 t.shape(), "); use register_hook");
  return enter_hook([t]() -> auto& { return changing<&LeafExtras::after>(t); },
                    NumberedHook{next_hook++, 0, python_hook(std::move(callable))});
}

template <bool on_inputs>
HookHandle register_node_hook(const Ref<Node>& node, py::object callable) {
  return enter_hook(
      [node]() -> auto& {
        return on_inputs ? hooks_of(*node).on_inputs : hooks_of(*node).on_outputs;
      },
      NumberedNodeHook{next_hook++, python_node_hook(std::move(callable), on_inputs)});
}

/// The dict of a node, for notes.
py::object metadata(Node& node) {
  auto& kept = hooks_of(node).metadata;
  if (!kept) kept = held(py::dict());
  return *static_cast<py::object*>(kept.get());
}

// Anomaly mode: the stack of the forward call is kept with the node, as lines of text.
constexpr const char* kTraceback = "traceback_";

void note_recorded(Node& node) {
  py::gil_scoped_acquire gil;
  metadata(node)[kTraceback] = py::module_::import("traceback").attr("format_stack")();
}

void report_failed(Node& node) {
  py::gil_scoped_acquire gil;
  const py::dict notes = metadata(node);
  std::string text = "no traceback: it was recorded outside anomaly mode";
  if (notes.contains(kTraceback))
    text = "Traceback of forward call that caused the error:\n" +
           py::str("").attr("join")(notes[kTraceback]).cast<std::string>();
  const std::string message = "[backward] Error detected in " + node.name() + ". " + text;
  if (PyErr_WarnEx(PyExc_UserWarning, message.c_str(), 1) < 0) PyErr_Clear();
}

void retain_grad(const Tensor& t) {
  if (!requires_grad(t))
    fail_runtime("retain_grad", "a tensor of shape ", t.shape(),
                 " does not require grad, so it has no gradient to keep; set requires_grad=True");
  const Ref<Node> node = grad_fn(t);
  if (!node || t->retains_grad) return;  // leaves keep theirs anyway
  hooks_of(*node).retaining.push_back(t.impl());
  t->retains_grad = true;
}

/// (node, output) of every edge, None where no gradient goes.
py::tuple next_functions(const Node& node) {
  py::tuple result(static_cast<size_t>(node.edges.size()));
  for (int i = 0; i < node.edges.size(); ++i)
    result[static_cast<size_t>(i)] =
        py::make_tuple(wrap_node(node.edges[i].node), node.edges[i].nr);
  return result;
}

/// What switches something on: a bool or a byte, as PyTorch's backward takes it.
bool is_on(const char* name, py::handle given) {
  unsigned char on = 0;
  if (PyArg_Parse(given.ptr(), "b", &on)) return on;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
  PyErr_Clear();
  fail_type("backward", name, "=", std::string(py::repr(given)), "; pass True or False");
}

py::tuple backward(const Tensors& roots, const OptTensors& seeds, py::handle retain,
                   py::handle create, const std::optional<Tensors>& inputs, bool accumulate,
                   py::handle allow) {
  const bool create_graph = is_on("create_graph", create),
             allow_unused = is_on("allow_unused", allow);
  const bool retain_graph = is_on("retain_graph", retain);
  const Tensors& grads = seeds.list;
  if (grads.size() != roots.size())
    fail_runtime("backward", roots.size(), " tensors with ", grads.size(),
                 " gradients; give one (or None) for each");
  const Tensors results = run_backward(
      roots, grads, inputs, {retain_graph || create_graph, create_graph, accumulate, allow_unused});
  py::tuple tuple(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    if (!results[i].defined() && !accumulate && !allow_unused)
      fail_runtime("grad", "input ", i,
                   " got no gradient, as if it were not used in the graph; "
                   "pass allow_unused=True to get None for it");
    tuple[i] = results[i];
  }
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
      const py::object g = found[i];
      if (g.is_none()) continue;
      if (!is_tensor(g.ptr()))
        fail_type("backward", "a hook returned ", Py_TYPE(g.ptr())->tp_name,
                  " as a gradient; it must return Tensors or None");
      if (b.wants(edge)) b.give(edge, tensor_of(g.ptr()));
    }
  });
  return out;
}

/// Whether the graph of `outputs` begins at other leaves than `own`.
bool leads_elsewhere(const Tensors& outputs, const Tensors& own) {
  std::unordered_set<const Node*> seen;
  std::vector<Ref<Node>> found;  // kept: a node that is gone may leave its address to another
  const auto visit = [&](const Ref<Node>& node) {
    if (node && seen.insert(node.get()).second) found.push_back(node);
  };
  for (const Tensor& t : own) visit(gradient_edge(t).node);
  size_t next = found.size();
  for (const Tensor& t : outputs) visit(gradient_edge(t).node);
  for (; next < found.size(); ++next) {
    const Ref<Node> node = found[next];
    if (as_leaf(*node)) return true;
    for (const Edge& edge : node->edges) visit(edge.node);
  }
  return false;
}

/// The kept values under the commonest of PyTorch's names for them.
Tensor saved_as(const py::object& self, const std::string& name) {
  const auto& node = self.cast<const Node&>();
  const int place = name == "_saved_self" ? 0 : name == "_saved_other" ? 1 : -1;
  if (place < node.edges.size() && (place >= 0 || name == "_saved_result")) {
    if (node.released) fail_freed(node);
    const Node* from = place < 0 ? &node : node.edges[place].node.get();
    for (const SavedTensor& s : node.saved)
      if (const Tensor t = s.unpack(node); t.defined() && gradient_edge(t).node.get() == from)
        return t;
  }
  throw py::attribute_error(str("'", node.name(), "' object has no attribute '", name, "'"));
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
      .def("__getattr__", &saved_as, py::arg("name"))
      .def_property_readonly(
          "_released", [](const Node& n) { return n.released; },
          "Whether an earlier backward freed what it kept.")
      .def_property_readonly(
          "variable",
          [](Node& n) -> Tensor {
            const AccumulateGrad* leaf = as_leaf(n);
            if (!leaf) throw py::attribute_error("only AccumulateGrad has a variable");
            return leaf->leaf;
          },
          "Of AccumulateGrad: the leaf.")
      .def_property_readonly("metadata", &metadata, "A dict for notes; anomaly mode uses it.")
      .def("_sequence_nr", &Node::number, "Grows with every node that is recorded.")
      .def("register_hook", &register_node_hook<true>, py::arg("fn"),
           "Runs fn(grad_inputs, grad_outputs) after the node; a tuple replaces grad_inputs.")
      .def("register_prehook", &register_node_hook<false>, py::arg("fn"),
           "Runs fn(grad_outputs) before the node; a tuple it returns replaces them.")
      .def("__repr__", [](const py::object& self) {
        return str("<", self.cast<const Node&>().name(), " object at ",
                   static_cast<void*>(self.ptr()), ">");
      });
  py::class_<HookHandle>(m, "RemovableHandle", "A registered hook.")
      .def_readonly("id", &HookHandle::id, "Its number.")
      .def(
          "remove", [](HookHandle& h) { h.drop(h.id); }, "Takes the hook off again.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](HookHandle& h, const py::args&) { h.drop(h.id); });
  py::handle type(reinterpret_cast<PyObject*>(tensor_type));
  type.attr("register_hook") = py::cpp_function(
      &register_hook, py::name("register_hook"), py::is_method(type), py::arg("hook"),
      "Runs hook(grad) when this tensor's gradient is computed; a tensor it returns replaces it.");
  type.attr("register_post_accumulate_grad_hook") = py::cpp_function(
      &register_after, py::name("register_post_accumulate_grad_hook"), py::is_method(type),
      py::arg("hook"), "Runs hook(leaf) each time its .grad has been added to.");
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
  m.def(
      "_is_inference_mode", [] { return inference; }, "Whether this thread is in inference_mode.");
  m.def(
      "_set_inference_mode", [](bool on) { inference = on; }, py::arg("on"),
      "Puts this thread into inference_mode, or out of it.");
  anomaly.recorded = &note_recorded;
  anomaly.failed = &report_failed;
  m.def(
      "_set_anomaly",
      [](bool enabled, bool check_nan) {
        anomaly.enabled = enabled;
        anomaly.check_nan = check_nan;
      },
      py::arg("enabled"), py::arg("check_nan"), "Turns anomaly mode on or off.");
  m.def(
      "_anomaly", [] { return py::make_tuple(anomaly.enabled, anomaly.check_nan); },
      "Whether anomaly mode is on, and looks for NaN.");
  m.def(
      "_gradient_edge",
      [](const Tensor& t) {
        Edge edge = gradient_edge(t);
        return py::make_tuple(wrap_node(edge.node), edge.nr);
      },
      py::arg("tensor"), "The node that a tensor's gradient goes to, and its output there.");
  m.def(
      "_increment_version", [](const Tensor& t) { t->storage->bump_version(); }, py::arg("tensor"),
      "Counts a write.");
  m.def("_current_pass", &current_pass, "The number of the backward pass that runs here, or -1.");
  m.def("_current_pass_runs", &current_pass_runs, py::arg("node"),
        "Whether the backward pass that runs here computes this node.");
  m.def("_leads_elsewhere", &leads_elsewhere, py::arg("outputs"), py::arg("own"),
        "Whether the graph of `outputs` begins at other leaves than `own`.");
  m.def("_run_backward", &backward, py::arg("tensors"), py::arg("grad_tensors"),
        py::arg("retain_graph"), py::arg("create_graph"), py::arg("inputs"), py::arg("accumulate"),
        py::arg("allow_unused"),
        "Backpropagates from `tensors`; returns the gradients of `inputs` unless it accumulates.");
}

}  // namespace bx
