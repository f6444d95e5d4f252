// Views and in-place writes: how a write through a view reaches the graph of its base.
#pragma once

#include "autograd/node.h"

namespace bx {

/// Marks `view` as showing `base`'s memory (or that of base's own base).
void track_view(const Tensor& view, const Tensor& base);

/// The base was written in place: gives the view a new grad_fn that reads the base.
void refresh_view(const Tensor& view);

/// `view` was written in place by `node`: the base's history becomes "base with that part written".
void rebase_view(const Tensor& view, const Ref<Node>& node);

}  // namespace bx
