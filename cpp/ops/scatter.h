// What the operations that write at indices share.
#pragma once

#include "ops/ops.h"

namespace bx {

/// An op that writes into part of a tensor: into self, or into a copy of it.
class Target {
 public:
  /// Checks that self may be written where `inplace`; nothing is written yet.
  Target(const char* op, const Tensor& self, bool inplace) : inplace_(inplace) {
    if (!inplace) {
      before_ = self;
      GradMode off(false);
      out_ = clone(self);
      return;
    }
    check_inplace(op, self);
    out_ = self;
    before_ = detached(self);
    if (grad_enabled() && is_floating(self.dtype())) {
      before_->grad_fn = grad_fn(self);
      before_->output_nr = self->output_nr;
    }
  }

  /// What the kernel writes to, without a graph.
  Tensor out() const { return detached(out_); }
  /// self at its place in the graph before the write: an input for Recorder.
  const Tensor& before() const { return before_; }
  /// The value of self before the write, for a derivative that reads it.
  Tensor old_value() const { return inplace_ ? unwritten(out_) : before_; }
  /// A source that may share memory with what is written.
  Tensor apart(const Tensor& source) const {
    return inplace_ && source->storage->root() == out_->storage->root() ? clone(source) : source;
  }

  /// After the write: the result, with its node.
  template <class F>
  Tensor done(Recorder& r, const char* node, F run) const {
    if (inplace_) out_->storage->bump_version();
    if (r && inplace_) r.done_inplace(node, out_, std::move(run));
    else if (r) r.done(node, out_, std::move(run));
    return out_;
  }

 private:
  bool inplace_;
  Tensor out_, before_;
};

/// How an op speaks of its index: the class of its errors, and whether negative entries wrap.
struct IndexRules {
  const char* op;
  ErrorKind type_error = ErrorKind::Runtime;
  ErrorKind range_error = ErrorKind::Runtime;
  bool wraps = false;
};

/// The index as int64 with every entry in [0, size).
Tensor checked_index(const IndexRules& rules, const Tensor& index, int64_t size);

/// gather under a name of its own; `index` is checked.
Tensor gather_as(const char* node, const Tensor& t, int axis, const Tensor& index);
/// scatter, mode Set or Add, under a name of its own; `index` is checked, src has its shape.
Tensor scatter_as(const char* op, const char* node, bool inplace, const Tensor& self, int axis,
                  const Tensor& index, const Tensor& src, ScatterMode mode);
/// scatter_reduce under a name of its own.
Tensor scatter_reduce_as(const char* op, const char* node, bool inplace, const Tensor& self,
                         int axis, const Tensor& index, const Tensor& src,
                         const std::string& reduce, bool include_self);

}  // namespace bx
