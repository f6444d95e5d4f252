// What a node keeps of tensors for the way back.
#pragma once

#include "core/tensor.h"

namespace bx {

class Node;

/// Where a gradient goes next: output `nr` of `node`. No node: nobody wants it.
struct Edge {
  Ref<Node> node;
  uint32_t nr = 0;
};

/// What stands for a saved tensor that a hook has packed.
class PackedTensor : public Object {
 public:
  virtual Tensor unpack() = 0;
  Edge edge;  // where the gradient of the tensor goes
};
/// Packs tensors as they are saved on this thread; null: they are kept as they are.
using PackTensor = Ref<PackedTensor> (*)(const Tensor&);
void set_pack_tensor(PackTensor pack);

/// A tensor kept for the backward pass, with the version it had.
class SavedTensor {
 public:
  SavedTensor() = default;
  /// `own_output`: t is the node's output, kept without its graph so that no cycle forms.
  SavedTensor(const Tensor& t, bool own_output);

  bool defined() const { return static_cast<bool>(held_); }
  /// The tensor with its graph; RuntimeError when it was written to since.
  Tensor unpack(const Node& owner) const;
  /// The bare tensor, unchecked, for reports.
  Tensor peek() const { return tensor_ || !held_ ? Tensor(tensor_) : packed().unpack(); }
  bool is_packed() const { return held_ && !tensor_; }
  /// Of one that is not packed: the memory that is kept, and whether it was written to since.
  Ref<Storage> storage() const { return is_packed() ? nullptr : Ref<Storage>(held_); }
  bool is_stale() const { return storage() && storage()->version() != version_; }

 private:
  PackedTensor& packed() const { return static_cast<PackedTensor&>(*held_); }

  Ref<TensorImpl> tensor_;
  Ref<Object> held_;  // the storage of the tensor, or, without a tensor, what stands for it
  uint32_t version_ = 0, moves_ = 0;
  bool own_output_ = false;
  uint32_t output_nr_ = 0;
};

}  // namespace bx
