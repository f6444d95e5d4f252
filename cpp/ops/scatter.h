// What the operations that write at indices share.
#pragma once

#include "ops/target.h"

namespace bx {

/// How an op speaks of its index: the error of its type, whether negative entries wrap, and
/// whether it may be int32.
struct IndexRules {
  const char* op;
  ErrorKind type_error = ErrorKind::Runtime;
  bool wraps = false;
  bool takes_int32 = true;
  ErrorKind range_error = ErrorKind::OutOfRange;
};

/// The index as int64 with every entry in [0, size).
Tensor checked_index(const IndexRules& rules, const Tensor& index, int64_t size);

/// Writes src into target, which carries no graph; `index` is checked, src has its shape.
void launch_scatter(const char* op, const Tensor& target, int axis, const Tensor& index,
                    const Tensor& src, ScatterMode mode);

/// gather under a name of its own; `index` is checked.
Tensor gather_as(const char* node, const Tensor& t, int axis, const Tensor& index);
/// scatter, mode Set or Add, under a name of its own; `index` is checked, src has its shape.
Tensor scatter_as(const char* op, const char* node, bool inplace, const Tensor& self, int axis,
                  const Tensor& index, const Tensor& src, ScatterMode mode);
/// scatter_reduce under a name of its own.
Tensor scatter_reduce_as(const char* op, const char* node, bool inplace, const Tensor& self,
                         int axis, const Tensor& index, const Tensor& src,
                         const std::string& reduce, bool include_self);

/// take, put and the masked operations; called by register_index_along.
void register_flat_index(Registry& r);

}  // namespace bx
