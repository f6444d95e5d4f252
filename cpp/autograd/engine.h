// Backpropagation: walks the tape from roots to leaves.
#pragma once

#include <optional>

#include "autograd/node.h"

namespace bx {

struct BackwardOptions {
  bool retain_graph = false;  // keep saved values for another pass
  bool create_graph = false;  // record the backward pass itself
  bool accumulate = true;     // write leaves' .grad; else return the gradients of `inputs`
  bool allow_unused = false;  // an input that the roots do not depend on is no error
};

/// Gradients of the roots, weighted by `grads` (undefined: 1 for a root of one element).
/// With `inputs`, only what leads to them is computed. Returns their gradients, in order, when
/// `accumulate` is off. RuntimeError: a root without a graph, a root of several elements without
/// a gradient, a gradient of another shape, an unused input, a graph freed by an earlier pass.
Tensors run_backward(const Tensors& roots, const Tensors& grads,
                     const std::optional<Tensors>& inputs, const BackwardOptions& options);

/// The backward pass that runs on this thread: its number (-1: none), and whether a node is in it.
int64_t current_pass();
bool current_pass_runs(const Node& node);
/// Whether none of its roots has been a root of, or inside, a pass that freed its graph.
bool current_pass_is_first();

}  // namespace bx
