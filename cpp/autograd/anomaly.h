// Anomaly mode: where nodes were recorded, and NaN in what they compute.
#pragma once

#include "autograd/node.h"

namespace bx {

/// What the bindings do when a node is recorded, and when its backward pass fails.
struct AnomalyMode {
  bool enabled = false, check_nan = true;
  void (*recorded)(Node&) = nullptr;
  void (*failed)(Node&) = nullptr;
};
extern AnomalyMode anomaly;

/// RuntimeError when a node has computed NaN.
void check_nan(Node& node, const Tensor* results, int count);

}  // namespace bx
