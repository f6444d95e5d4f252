// Walks over tensors along one axis: a line for every combination of the other coordinates.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "core/dims.h"
#include "kernels/families.h"

namespace bx::kernels {

/// The starts of the lines of several operands, which share the dimensions of `lead` except `axis`
/// (and `inner`, where a kernel walks that one itself). Strides may be any.
class Lines {
 public:
  static constexpr int kMaxViews = 4;

  Lines(std::initializer_list<const View*> views, const View& lead, int axis, int inner = -1) {
    for (int d = 0; d < lead.ndim; ++d) {
      if (d == axis || d == inner) continue;
      shape_.push_back(lead.shape[d]);
      int k = 0;
      for (const View* v : views) strides_[k++].push_back(v->strides[d]);
    }
    views_ = static_cast<int>(views.size());
    count_ = shape_.product();
  }

  int64_t count() const { return count_; }

  /// body(offsets of the operands, number of the line) for the lines [begin, end).
  template <class Body>
  void run(int64_t begin, int64_t end, Body body) const {
    if (begin >= end) return;
    int64_t at[kMaxDims], offset[kMaxViews] = {};
    int64_t rest = begin;
    for (int d = shape_.size() - 1; d >= 0; --d) {
      at[d] = rest % shape_[d];
      rest /= shape_[d];
      for (int k = 0; k < views_; ++k) offset[k] += at[d] * strides_[k][d];
    }
    for (int64_t line = begin;;) {
      body(offset, line);
      if (++line == end) return;
      for (int d = shape_.size() - 1;; --d) {
        const bool wraps = ++at[d] == shape_[d];
        if (wraps) at[d] = 0;
        for (int k = 0; k < views_; ++k) offset[k] += strides_[k][d] * (wraps ? 1 - shape_[d] : 1);
        if (!wraps) break;
      }
    }
  }

 private:
  Dims shape_, strides_[kMaxViews];
  int views_ = 0;
  int64_t count_ = 1;
};

}  // namespace bx::kernels
