// Stochastic gradient descent with momentum, all parameters in one call.
#pragma once

#include "core/tensor.h"

namespace bx {

struct SgdOptions {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize;
};

/// Updates every parameter that has a gradient. With momentum, `buffers` runs along `params`; an
/// undefined one is made and filled with the first gradient. [Sutskever et al. 2013]
void sgd_step(const Tensors& params, Tensors& buffers, const SgdOptions& options);

}  // namespace bx
