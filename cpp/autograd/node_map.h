// The places of nodes in one backward pass.
#pragma once

#include <vector>

#include "autograd/node.h"

namespace bx {

/// From node to its place in the pass: open addressing, grown by doubling.
class NodeMap {
 public:
  NodeMap() : slots_(64) {}
  /// The place of the node, or -1; `place` is entered when it was absent.
  int insert(Node* node, int place) {
    if (++count_ * 2 > slots_.size()) grow();
    Slot& slot = find(node);
    if (slot.node) {
      --count_;
      return slot.place;
    }
    slot = {node, place};
    return -1;
  }
  int at(Node* node) { return find(node).node ? find(node).place : -1; }
  void move(Node* node, int place) { find(node).place = place; }

 private:
  struct Slot {
    Node* node = nullptr;
    int place = 0;
  };
  Slot& find(Node* node) {
    size_t i = (reinterpret_cast<uintptr_t>(node) >> 6) * 0x9E3779B97F4A7C15u >> 20;
    for (;; ++i) {
      Slot& slot = slots_[i & (slots_.size() - 1)];
      if (!slot.node || slot.node == node) return slot;
    }
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.node) find(slot.node) = slot;
  }
  std::vector<Slot> slots_;
  size_t count_ = 0;
};

}  // namespace bx
