// What backprop_ext.explain sees: nodes from inside, and the tape while it is recorded.
#include "autograd/watch.h"

#include "bindings/python.h"

namespace bx {

namespace {

/// Python's listeners, or None. Never destroyed: the interpreter may be gone by then.
struct Listeners {
  py::object recorded, writes, released;
};
Listeners& listeners() {
  static auto* all = new Listeners{py::none(), py::none(), py::none()};
  return *all;
}

py::tuple tuple_of(std::span<const Tensor> tensors) {
  py::tuple tuple(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) tuple[i] = tensors[i];
  return tuple;
}

py::object object_of(const Node& node) { return wrap_node(Ref<Node>(const_cast<Node*>(&node))); }

void recorded(Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  py::gil_scoped_acquire gil;
  listeners().recorded(object_of(node), tuple_of(inputs), tuple_of(outputs));
}

void writes(const char* op, const Tensor& t) {
  py::gil_scoped_acquire gil;
  listeners().writes(op, t);
}

void released(Node& node) {
  py::gil_scoped_acquire gil;
  listeners().released(object_of(node));
}

/// What Python adds to an error; nothing where that fails, for the error itself matters more.
template <class... Args>
std::string ask(const char* function, Args&&... args) {
  try {
    return py::module_::import("backprop_ext._stories")
        .attr(function)(std::forward<Args>(args)...)
        .template cast<std::string>();
  } catch (py::error_already_set&) {
    return "";
  }
}

std::string name(const Tensor& t) {
  py::gil_scoped_acquire gil;
  return ask("name_of", t);
}

std::string story(const Node& node, const Tensor* t) {
  py::gil_scoped_acquire gil;
  return ask("story_of", object_of(node), t ? *t : Tensor());
}

void set_watch(py::object on_recorded, py::object on_writes, py::object on_released) {
  listeners() = {std::move(on_recorded), std::move(on_writes), std::move(on_released)};
  watch.enabled = !listeners().recorded.is_none();
}

/// (address, bytes, whether they are the pool's) of the memory behind a storage.
py::tuple memory_of(const Ref<Storage>& storage) {
  const Ref<Storage> root = storage->root();
  return py::make_tuple(reinterpret_cast<uintptr_t>(root.get()), root->bytes(),
                        !root->is_borrowed());
}

void add_kept(const Node& node, py::list& kept) {
  for (const SavedTensor& s : node.saved) {
    if (!s.defined()) continue;
    if (s.is_packed()) kept.append(py::make_tuple(py::none(), py::none(), false));
    else
      // Unpacked, so that an output that is kept tells whose output it is.
      kept.append(py::make_tuple(s.is_stale() ? s.peek() : s.unpack(node), memory_of(s.storage()),
                                 s.is_stale()));
  }
  if (node.inner()) add_kept(*node.inner(), kept);
}

/// (name, outputs, freed, edges, kept, notes): all there is to see of a node, in one call.
py::tuple inspect_node(const Node& node) {
  py::tuple edges(static_cast<size_t>(node.edges.size()));
  for (int i = 0; i < node.edges.size(); ++i)
    edges[static_cast<size_t>(i)] = py::make_tuple(node.edges[i].node, node.edges[i].nr);
  py::list kept;
  add_kept(node, kept);
  py::object notes = py::none();
  if (node.hooks && node.hooks->metadata)
    notes = *static_cast<py::object*>(node.hooks->metadata.get());
  return py::make_tuple(node.name(), node.output_count, node.released, edges, kept, notes);
}

py::tuple run_node_alone(Node& node, const OptTensors& grads) {
  return tuple_of(run_node(node, grads.list));
}

}  // namespace

void bind_watch(py::module_& m) {
  watch.recorded = &recorded;
  watch.writes = &writes;
  watch.released = &released;
  watch.name = &name;
  watch.story = &story;
  m.def("_set_watch", &set_watch, py::arg("recorded"), py::arg("writes"), py::arg("released"),
        "From now on recorded(node, inputs, outputs) for each node, writes(op, tensor) before a "
        "write in place, released(node) when it is freed; None: no more.");
  m.def("_inspect_node", &inspect_node, py::arg("node"),
        "(name, outputs, freed, edges, kept, notes) of a node; kept: (tensor, memory, stale), None "
        "where a hook has packed it.");
  m.def("_run_node", &run_node_alone, py::arg("node"), py::arg("grads"),
        "The gradients of a node's inputs by the node alone: no hooks, nothing freed.");
  m.def(
      "_memory_of", [](const Tensor& t) { return memory_of(t->storage); }, py::arg("tensor"),
      "(address, bytes, whether they are the pool's) of the memory behind a tensor.");
}

}  // namespace bx
