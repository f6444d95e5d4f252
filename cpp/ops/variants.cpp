#include "ops/variants.h"

#include <map>

#include "ops/ops.h"

namespace bx {

namespace {

const Operation& registered(const Registry& r, const std::string& name) {
  for (const auto& op : r.operations())
    if (op->name == name && !*namespace_of(op->place)) return *op;
  fail_runtime("registry", name, " is not registered yet");
}

/// The arguments as a registering call writes them.
std::string signature_of(const Overload& overload) {
  std::string text;
  bool keyword_only = false;
  for (const Argument& a : overload.arguments) {
    if (!text.empty()) text += ", ";
    if (a.keyword_only && !keyword_only) text += "*, ";
    keyword_only = a.keyword_only;
    text += a.name + (a.has_default ? "=" + a.default_text : "");
  }
  return text;
}

/// Registers `name` with every overload of `op`, called through `around`.
template <class F>
void add_variant(Registry& r, const Operation& op, Place place, const std::string& name,
                 const std::string& doc, F around) {
  const std::vector<Overload> overloads = op.overloads;
  for (Overload overload : overloads) {
    const std::string signature = signature_of(overload);
    overload.call = [call = overload.call, around](Value* v) { return around(call, v); };
    r.add_overload(place, name.c_str(), signature.c_str(), std::move(overload), doc.c_str());
  }
}

/// Gives the node of a view PyTorch's name for a tensor that becomes the view.
void name_inplace(Node& node) {
  static const std::map<std::string, const char*> names = {
      {"TBackward0", "TBackward1"},
      {"TransposeBackward0", "TransposeBackward1"},
      {"UnsqueezeBackward0", "UnsqueezeBackward1"},
      {"SqueezeBackward0", "SqueezeBackward3"},
      {"SqueezeBackward1", "SqueezeBackward4"}};
  if (const auto found = names.find(node.name()); found != names.end()) node.rename(found->second);
}

void check_leaf(const char* op, const Tensor& self) {
  if (grad_enabled() && self->leaf_requires_grad)
    fail_runtime(op, "a leaf tensor that requires grad (shape ", self.shape(),
                 ") is changed in place; do it under no_grad(), or out of place");
}

/// self with the layout and the history of a view of it.
Tensor become(const Tensor& self, const Tensor& view) {
  const Ref<Node> node = grad_fn(view);
  self->move_to(self->storage, view->offset, view->shape, view->strides, self->dtype);
  self->storage->bump_version();
  if (!self->view_base && node) {
    name_inplace(*node);
    set_history(self, node, view->output_nr);
  }
  return self;
}

Value copy_of(const Value& views) {
  if (const auto* one = std::get_if<Tensor>(&views)) return clone(*one);
  Tensors all;
  for (const Tensor& t : std::get<Tensors>(views)) all.push_back(clone(t));
  return all;
}

}  // namespace

void add_inplace_views(Registry& r, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Operation& op = registered(r, name);
    add_variant(r, op, Place::Method, str(name, "_"), "The tensor becomes the view. " + op.doc,
                [name](const std::function<Value(Value*)>& call, Value* v) -> Value {
                  const Tensor self = std::get<Tensor>(v[0]);
                  check_leaf(name, self);
                  // The gradient of a result has to come back in its old shape, whatever the mode.
                  GradMode mode(grad_enabled() || self->grad_fn);
                  return become(self, std::get<Tensor>(call(v)));
                });
  }
}

void add_copies(Registry& r, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const Operation& op = registered(r, name);
    const bool method = std::string_view(name) == "narrow";  // in PyTorch the only one
    add_variant(
        r, op, method ? Place::Both : Place::Function, str(name, "_copy"),
        str("A copy, where ", name, " gives a view. ", op.doc),
        [](const std::function<Value(Value*)>& call, Value* v) { return copy_of(call(v)); });
  }
}

void add_apart(Registry& r, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    Operation op = registered(r, name);
    if (op.overloads.size() > 1)  // of split: PyTorch's unsafe_split takes no list of sizes
      std::erase_if(op.overloads,
                    [](const Overload& o) { return o.arguments[1].type == ArgType::Ints; });
    add_variant(
        r, op, Place::Both, str("unsafe_", name),
        str("Pieces with memory of their own, where ", name, " gives views. ", op.doc),
        [](const std::function<Value(Value*)>& call, Value* v) { return copy_of(call(v)); });
  }
}

}  // namespace bx
