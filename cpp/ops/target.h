// What an in-place operation and its out-of-place twin share.
#pragma once

#include "ops/ops.h"

namespace bx {

/// An op that writes a tensor or part of it: self, or a copy of it.
class Target {
 public:
  /// Checks that self may be written where `inplace`; nothing is written yet. `repeats`: also where
  /// elements share memory.
  Target(const char* op, const Tensor& self, bool inplace, bool repeats = false)
      : inplace_(inplace) {
    if (!inplace) {
      before_ = self;
      GradMode off(false);
      out_ = clone(self);
      return;
    }
    check_inplace(op, self, repeats);
    out_ = self;
    before_ = detached(self);
    if (grad_enabled() && is_differentiable(self.dtype())) {
      before_->grad_fn = grad_fn(self);
      before_->output_nr = self->output_nr;
    }
  }

  /// What the kernel writes to, without a graph.
  Tensor out() const { return detached(out_); }
  /// self at its place in the graph before the write: an input for Recorder.
  const Tensor& before() const { return before_; }
  /// The value of self before the write, for a derivative that reads it: that of self, or of what
  /// stands `beside` it and requires grad.
  Tensor old_value(bool beside) const { return inplace_ ? unwritten(out_, beside) : before_; }
  /// A source that may share memory with what is written, but for gaps.
  Tensor apart(const char* op, const Tensor& source) const {
    if (inplace_) require_apart(op, out_, source, true);
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

}  // namespace bx
