// What listens to the tape while someone wants to see it (backprop_ext.explain.record), and what
// knows more about an error than the engine does. The bindings fill it in.
#pragma once

#include <span>
#include <string>

#include "core/tensor.h"

namespace bx {

class Node;

struct Watch {
  /// Whether the first three are called; off, each costs one look at this flag.
  bool enabled = false;
  /// A node has been entered, complete. `inputs` are in the order of its edges; they may be absent.
  void (*recorded)(Node&, std::span<const Tensor> inputs,
                   std::span<const Tensor> outputs) = nullptr;
  /// `op` is about to write a tensor in place.
  void (*writes)(const char* op, const Tensor&) = nullptr;
  /// A backward pass has freed what a node kept.
  void (*released)(Node&) = nullptr;
  /// For errors: the name that the program has for a tensor, " 'w'", or nothing.
  std::string (*name)(const Tensor&) = nullptr;
  /// For errors: where a node was recorded and freed and, with a tensor that it kept, where that
  /// was written; or how to find out.
  std::string (*story)(const Node&, const Tensor*) = nullptr;
};
inline Watch watch;

inline std::string name_for_error(const Tensor& t) { return watch.name ? watch.name(t) : ""; }
inline std::string story_for_error(const Node& node, const Tensor* t = nullptr) {
  return watch.story ? watch.story(node, t) : "";
}

}  // namespace bx
