// The classes of nodes: one per name, so that type(y.grad_fn).__name__ is what is printed.
#include <map>

#include "autograd/node.h"
#include "bindings/python.h"

namespace bx {

namespace {

/// The class of nodes of one name: a Python class under the compiled one, made when first needed.
const py::detail::type_info* class_named(const py::detail::type_info* base,
                                         const std::string& name) {
  static auto* classes =
      new std::map<std::pair<const void*, std::string>, const py::detail::type_info*>;
  auto& found = (*classes)[{base, name}];
  if (!found) {
    const py::handle type(reinterpret_cast<PyObject*>(base->type));
    py::dict body;
    body["__slots__"] = py::tuple();
    body["__module__"] = "builtins";  // as PyTorch's, which print as <class 'MulBackward0'>
    auto own = std::make_unique<py::detail::type_info>(*base);
    py::object made = py::type::handle_of(type)(name, py::make_tuple(type), body);
    own->type = reinterpret_cast<PyTypeObject*>(made.release().ptr());
    found = own.release();
  }
  return found;
}

}  // namespace

py::object wrap_node(const Ref<Node>& node) {
  if (!node) return py::none();
  using Caster = py::detail::type_caster_base<Node>;
  Caster::cast_sources source(node.get());
  source.result.tinfo = class_named(source.result.tinfo, node->name());
  return py::reinterpret_steal<py::object>(Caster::cast_holder(source, &node));
}

}  // namespace bx
