// Views and in-place writes: how a write through a view reaches the graph of its base.
#pragma once

#include "autograd/node.h"
#include "ops/ops.h"

namespace bx {

/// Where a view lies in its base. The dimensions of the base by falling stride make its memory
/// row-major but for gaps; the part is a walk over the elements in that order.
struct MemoryPart {
  Dims shape;  // of the base, its dimensions in order
  Dims order;  // the base's dimensions by falling stride
  Part part;
  bool by_parts = false;  // one of them complex, the other real: the complex one as pairs
};
/// NotImplementedError where the view is no such walk: a base that repeats its own elements.
MemoryPart memory_part(const Tensor& view, const Tensor& base);
/// Zeros of the base's shape with t added at the part.
Tensor embed_in_memory(const Tensor& t, const MemoryPart& where);

/// Marks `view` as showing `base`'s memory (or that of base's own base).
void track_view(const Tensor& view, const Tensor& base);

/// Made where nothing is recorded, of memory of `base`: a view that requires grad as its base does,
/// and has no place in its graph. Neither may be written where operations are recorded.
void note_unrecorded_view(const Tensor& made, const Tensor& base);

[[noreturn]] void fail_written_outside(const char* op, const Tensor& view);

/// The base was written in place: gives the view a new grad_fn that reads the base. RuntimeError
/// for an unrecorded view.
void refresh_view(const Tensor& view);

/// `view` was written in place by `node`: the base's history becomes "base with that part written".
void rebase_view(const Tensor& view, const Ref<Node>& node);

}  // namespace bx
