// Operations whose derivative is written in Python: torch.autograd.Function on the tape.
#include "autograd/sparse.h"
#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {

class FunctionNode;

/// A context's way to its node, cut when the node goes.
struct FunctionLink {
  FunctionNode* node = nullptr;
};

/// What is known of an argument or a result of forward.
struct Endpoint {
  int edge = -1;  // -1: no tensor
  Dims shape;
  DType dtype = DType::Float32;
  std::optional<Coordinates> at;  // of a sparse one
};

/// Holds the context, which holds what forward left there; it goes with the graph.
class FunctionNode final : public Node {
 public:
  FunctionNode(std::string name, py::object context)
      : Node(""), name_(std::move(name)), context_(std::move(context)) {}
  ~FunctionNode() override {
    link->node = nullptr;
    if (!Py_IsInitialized()) {
      context_.release();
      return;
    }
    py::gil_scoped_acquire gil;
    context_ = py::object();
  }

  std::string name() const override { return name_; }
  void backward(const Backward& call) override;

  py::tuple saved_tensors() {
    if (released) Backward{*this, nullptr, nullptr, nullptr}.saved(0);  // raises
    py::tuple tuple(static_cast<size_t>(saved.size()));
    for (int i = 0; i < saved.size(); ++i) tuple[static_cast<size_t>(i)] = saved[i].unpack(*this);
    return tuple;
  }

  py::object attribute(const py::str& name) {
    if (!py::hasattr(context_, name))
      throw py::attribute_error(
          str("'", name_, "' object has no attribute '", std::string(name), "'"));
    return context_.attr(name);
  }

  std::shared_ptr<FunctionLink> link = std::make_shared<FunctionLink>();
  std::vector<Endpoint> arguments, results;
  bool materialize = true;

 private:
  void give(const Backward& call, size_t position, py::handle value) const;

  std::string name_;
  py::object context_;
};

void FunctionNode::backward(const Backward& call) {
  py::gil_scoped_acquire gil;
  py::tuple grads(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    Tensor g = call.grad(static_cast<int>(i));
    if (!g.defined() && materialize && results[i].edge >= 0)
      g = zeros(results[i].shape, results[i].dtype);
    grads[i] = g;
  }
  py::object given = context_.attr("_backward")(*grads);
  const py::tuple tuple =
      py::isinstance<py::tuple>(given) ? py::tuple(given) : py::make_tuple(given);
  size_t count = tuple.size();
  while (count > arguments.size() && tuple[count - 1].is_none()) --count;
  if (count != arguments.size())
    fail_runtime(name_.c_str(), "function ", name_,
                 " returned an incorrect number of gradients (expected ", arguments.size(),
                 ", got ", count, "); return one, or None, for each argument of forward");
  for (size_t i = 0; i < count; ++i) give(call, i, tuple[i]);
}

void FunctionNode::give(const Backward& call, size_t position, py::handle value) const {
  if (value.is_none()) return;
  const Endpoint& argument = arguments[position];
  if (argument.edge < 0)
    fail_runtime(name_.c_str(), "a gradient different from None at position ", position + 1,
                 ", but that argument of forward is no tensor; return None for it");
  if (!is_tensor(value.ptr()))
    fail_runtime(name_.c_str(), "gradient ", position, " is ", Py_TYPE(value.ptr())->tp_name,
                 "; return a Tensor or None");
  if (!call.wants(argument.edge)) return;
  Tensor g = tensor_of(value.ptr());
  if (!(whole_shape(g) == argument.shape)) {
    bool fits = g.dim() >= argument.shape.size();
    for (int d = 1; fits && d <= argument.shape.size(); ++d)
      fits = argument.shape[argument.shape.size() - d] == g.size(-d) ||
             argument.shape[argument.shape.size() - d] == 1;
    if (!fits)
      fail_runtime(name_.c_str(), "function ", name_, " returned an invalid gradient at index ",
                   position, " - got ", whole_shape(g), " but expected shape compatible with ",
                   argument.shape, "; return a gradient of the argument's shape");
    g = sum_to_size(g, argument.shape);
  }
  if (argument.at) g = values_at(g, *argument.at);
  call.give(argument.edge, to(g, argument.dtype));
}

bool is_among(const Tensor& t, const py::tuple& list) {
  for (py::handle item : list)
    if (is_tensor(item.ptr()) && tensor_of(item.ptr()).same_as(t)) return true;
  return false;
}

Endpoint endpoint_of(py::handle value, int edge) {
  if (!is_tensor(value.ptr())) return {};
  const Tensor t = tensor_of(value.ptr());
  const Coordinates* at = coordinates(t);
  return {edge, whole_shape(t), t.dtype(), at ? std::optional(*at) : std::nullopt};
}

/// A node for a forward pass that has run without recording, where some argument needs it.
Ref<FunctionNode> node_for(const std::string& name, const py::object& context,
                           const py::tuple& args, const py::tuple& dirty) {
  bool needed = false;
  for (py::handle arg : args)
    needed = needed || (is_tensor(arg.ptr()) && requires_grad(tensor_of(arg.ptr())));
  if (!needed || !grad_enabled()) return nullptr;
  for (py::handle item : dirty) check_inplace(name.c_str(), tensor_of(item.ptr()));
  // The edges first: a node must be younger than the nodes it leads to.
  std::vector<Edge> edges;
  std::vector<Endpoint> arguments;
  for (py::handle arg : args) {
    arguments.push_back(endpoint_of(arg, static_cast<int>(edges.size())));
    if (!is_tensor(arg.ptr())) continue;
    const Tensor t = tensor_of(arg.ptr());
    if (t->view_base && !edges.empty() && is_among(t, dirty))
      fail_runtime(name.c_str(), "a view, argument ", arguments.size() - 1,
                   ", is marked dirty; pass it first, or write into a clone()");
    edges.push_back(gradient_edge(t));
  }
  auto node = make<FunctionNode>(name, context);
  for (Edge& edge : edges) node->edges.push_back(std::move(edge));
  node->arguments = std::move(arguments);
  context.attr("_link") = py::cast(node->link);
  return node;
}

/// A result of forward with its place in the graph.
py::object placed(py::handle value, uint32_t nr, const Ref<FunctionNode>& node,
                  const py::tuple& args, const py::tuple& dirty, const py::tuple& fixed) {
  auto object = py::reinterpret_borrow<py::object>(value);
  if (!is_tensor(value.ptr())) return object;
  Tensor t = tensor_of(value.ptr());
  const bool records = node && is_differentiable(t.dtype()) && !is_among(t, fixed);
  if (is_among(t, dirty)) {
    if (records) rebase_history(t, node);
    return object;
  }
  // An argument that is handed on, and a part of one, gets a tensor of its own.
  if (is_among(t, args) || requires_grad(t) || t->unrecorded_view) {
    t = detached(t);
    object = py::cast(t);
  }
  if (records) set_history(t, node, nr);
  return object;
}

Tensors tensors_in(const py::tuple& values) {
  Tensors tensors;
  for (py::handle value : values)
    if (is_tensor(value.ptr())) tensors.push_back(tensor_of(value.ptr()));
  return tensors;
}

/// Records one call; `outputs` become results of the node. Returns them.
py::tuple record_function(const std::string& name, const py::object& context, const py::tuple& args,
                          const py::tuple& outputs, const py::tuple& saved, const py::tuple& dirty,
                          const py::tuple& fixed, bool materialize) {
  for (py::handle item : dirty)
    if (!is_tensor(item.ptr()) || !is_among(tensor_of(item.ptr()), outputs))
      fail_runtime(name.c_str(),
                   "a tensor was marked dirty in forward but not returned; return it");
  for (py::handle item : saved)
    if (!item.is_none() && !is_tensor(item.ptr()))
      fail_type(name.c_str(), "save_for_backward got ", Py_TYPE(item.ptr())->tp_name,
                "; pass tensors, and set other values as attributes of ctx");
  const Ref<FunctionNode> node = node_for(name, context, args, dirty);
  py::tuple placed_outputs(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i)
    placed_outputs[i] = placed(outputs[i], static_cast<uint32_t>(i), node, args, dirty, fixed);
  if (!node) return placed_outputs;
  node->link->node = node.get();
  node->materialize = materialize;
  node->output_count = static_cast<uint32_t>(outputs.size());
  for (py::handle output : placed_outputs) node->results.push_back(endpoint_of(output, 0));
  for (py::handle item : saved) {
    const Tensor t = item.is_none() ? Tensor() : tensor_of(item.ptr());
    node->saved.push_back(!t.defined() ? SavedTensor()
                                       : SavedTensor(t, t->grad_fn == Ref<Object>(node)));
  }
  if (watch.enabled) [[unlikely]]
    watch.recorded(*node, tensors_in(args), tensors_in(placed_outputs));
  return placed_outputs;
}

// saved_tensors_hooks ----------------------------------------------------------------------------

/// What a pair of hooks made of a tensor.
class PythonPacked final : public PackedTensor {
 public:
  PythonPacked(py::object packed, py::object unpack)
      : packed_(std::move(packed)), unpack_(std::move(unpack)) {}
  ~PythonPacked() override {
    if (!Py_IsInitialized()) {
      packed_.release();
      unpack_.release();
      return;
    }
    py::gil_scoped_acquire gil;
    packed_ = py::object();
    unpack_ = py::object();
  }
  Tensor unpack() override {
    py::gil_scoped_acquire gil;
    const py::object result = unpack_(packed_);
    if (!is_tensor(result.ptr()))
      fail_type("saved_tensors_hooks", "the unpack hook returned ", Py_TYPE(result.ptr())->tp_name,
                "; it must return the Tensor that was packed");
    return tensor_of(result.ptr());
  }

 private:
  py::object packed_, unpack_;
};

/// The pairs in force on this thread, the innermost last. Raw: no destructor without the lock.
thread_local std::vector<std::pair<PyObject*, PyObject*>>* pairs = nullptr;

Ref<PackedTensor> pack(const Tensor& t) {
  py::gil_scoped_acquire gil;
  const auto [pack_hook, unpack_hook] = pairs->back();
  return make<PythonPacked>(py::reinterpret_borrow<py::object>(pack_hook)(t),
                            py::reinterpret_borrow<py::object>(unpack_hook));
}

void push_pair(py::object pack_hook, py::object unpack_hook) {
  if (!pairs) pairs = new std::vector<std::pair<PyObject*, PyObject*>>;
  pairs->emplace_back(pack_hook.release().ptr(), unpack_hook.release().ptr());
  set_pack_tensor(&pack);
}

void pop_pair() {
  if (!pairs || pairs->empty())
    fail_runtime("saved_tensors_hooks", "no hooks are in force; they were taken off already");
  const auto [pack_hook, unpack_hook] = pairs->back();
  pairs->pop_back();
  if (pairs->empty()) set_pack_tensor(nullptr);
  Py_DECREF(pack_hook);
  Py_DECREF(unpack_hook);
}

}  // namespace

void bind_function(py::module_& m) {
  py::class_<FunctionLink, std::shared_ptr<FunctionLink>>(m, "_FunctionLink")
      .def("saved_tensors", [](FunctionLink& link) {
        if (!link.node)
          fail_runtime("saved_tensors",
                       "the graph that this context belongs to is gone; keep the "
                       "result of the function");
        return link.node->saved_tensors();
      });
  py::class_<FunctionNode, Node, Ref<FunctionNode>>(m, "_FunctionNode")
      .def_property_readonly("saved_tensors", &FunctionNode::saved_tensors,
                             "What forward gave to save_for_backward.")
      .def("__getattr__", &FunctionNode::attribute, py::arg("name"),
           "What forward set on its context, which in PyTorch is the node itself.")
      .def("__repr__", [](const py::object& self) {
        return str("<torch.autograd.function.", self.cast<const Node&>().name(), " object at ",
                   static_cast<void*>(self.ptr()), ">");
      });
  m.def("_record_function", &record_function, py::arg("name"), py::arg("context"), py::arg("args"),
        py::arg("outputs"), py::arg("saved"), py::arg("dirty"), py::arg("fixed"),
        py::arg("materialize"), "Enters a call of a Function into the tape; returns its results.");
  m.def("_push_saved_tensors_hooks", &push_pair, py::arg("pack"), py::arg("unpack"),
        "From now on pack(tensor) is kept for the backward pass, and unpack(that) used.");
  m.def("_pop_saved_tensors_hooks", &pop_pair, "Takes the innermost pair of hooks off.");
}

}  // namespace bx
