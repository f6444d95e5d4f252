#include "autograd/saved_tensor.h"

#include "autograd/sparse.h"
#include "core/thread_local.h"

namespace bx {

namespace {
thread_local PackTensor pack_tensor BX_FAST_TLS = nullptr;

/// Without the graph, sparse where t is.
Tensor alone(const Tensor& t) { return with_coordinates_of(t, detached(t)); }
}  // namespace

void set_pack_tensor(PackTensor pack) { pack_tensor = pack; }

SavedTensor::SavedTensor(const Tensor& t, bool own_output)
    : own_output_(own_output), output_nr_(t->output_nr) {
  if (t->storage->is_inference()) [[unlikely]]
    fail_runtime("backward", "a tensor of shape ", t->shape,
                 " that was made in inference_mode() would be kept for a gradient; clone() it "
                 "first, or use no_grad()");
  if (pack_tensor && !t->is_wrapped_number) [[unlikely]] {
    const Edge edge = own_output ? Edge{} : gradient_edge(t);
    GradMode off(false);
    const uint32_t version = t->storage->version();
    // An output without its node, which would hold itself.
    const Ref<PackedTensor> packed = pack_tensor(own_output ? alone(t) : t);
    if (t->storage->version() != version)
      fail_runtime("saved_tensors_hooks", "the pack hook wrote into its tensor, of shape ",
                   t->shape, ", which is needed as it is; work on a clone()");
    packed->edge = edge;
    held_ = packed;
    return;
  }
  tensor_ = own_output ? alone(t).ref() : t.ref();
  held_ = t->storage;
  version_ = t->storage->version();
  moves_ = tensor_->moves;
}

Tensor SavedTensor::unpack(const Node& owner) const {
  if (!held_) return {};
  if (!tensor_) {
    GradMode off(false);
    Tensor t = detached(packed().unpack());
    t->grad_fn =
        own_output_ ? Ref<Object>(const_cast<Node*>(&owner)) : Ref<Object>(packed().edge.node);
    t->output_nr = own_output_ ? output_nr_ : packed().edge.nr;
    return t;
  }
  const Ref<Storage> storage(held_);
  if (storage->version() != version_)
    fail_runtime("backward", "a tensor", name_for_error(Tensor(tensor_)), " of shape ",
                 tensor_->shape, " that ", owner.name(),
                 " kept for its gradient was modified by an inplace operation: it is at version ",
                 storage->version(), ", version ", version_,
                 " is needed; write out of place (x = x + 1) or clone() it first", [&] {
                   const Tensor kept(tensor_);
                   return story_for_error(owner, &kept);
                 }());
  if (tensor_->moves != moves_)
    fail_runtime("backward", "a tensor", name_for_error(Tensor(tensor_)), " that ", owner.name(),
                 " kept for its gradient was given another shape or layout since, ", tensor_->shape,
                 "; keep the old one, and write x = x.squeeze() instead of x.squeeze_()");
  // `.data = ...` since then: the value of that time is what the gradient needs.
  Tensor t(tensor_);
  if (!(tensor_->storage == storage)) {
    t = Tensor(make<TensorImpl>(storage, tensor_->offset, tensor_->shape, tensor_->strides,
                                tensor_->dtype));
    t->grad_fn = tensor_->grad_fn;
    t->output_nr = tensor_->output_nr;
  }
  if (!own_output_) return t;
  Tensor output = alone(t);
  output->grad_fn = Ref<Object>(const_cast<Node*>(&owner));
  output->output_nr = output_nr_;
  return output;
}

}  // namespace bx
