// Pointwise launches over one index space, and reductions of it: which of them can be one walk.
#pragma once

#include <vector>

#include "capture/program.h"
#include "launch/pointwise_driver.h"

namespace bx::capture {

inline constexpr size_t kMaxSteps = 96;

/// The operands of a group so far.
class Group {
 public:
  /// Takes the launch in, or leaves the group as it was and returns false.
  bool add(const Launch& launch) {
    if (steps_ == kMaxSteps) return false;
    if (launch.kernel.pointwise) return add_pointwise(launch);
    return launch.kernel.leaves && steps_ > 0 && add_reduction(launch);
  }
  bool reduces() const { return reduces_; }

 private:
  struct Seen {
    Operand operand;
    bool written;
  };

  bool add_pointwise(const Launch& launch) {
    if (launch.in.size() > 4) return false;
    const Operand& out = launch.out[0];
    if (steps_ == 0) shape_ = &out.shape();
    else if (!(out.shape() == *shape_)) return false;
    if (out.numel() == 0) return false;
    // The same memory seen in another layout must not be written in the group.
    for (const Operand& in : launch.in)
      if (is_written_elsewhere(in) || (in.buffer == out.buffer && !in.same_place(out)))
        return false;
    for (const Seen& s : seen_)
      if (s.operand.buffer == out.buffer && !s.operand.same_place(out)) return false;
    const size_t before = seen_.size();
    for (const Operand& in : launch.in) see(in);
    see(out);
    if (!has_room()) {
      seen_.resize(before);
      return false;
    }
    for (Seen& s : seen_)
      if (s.operand.buffer == out.buffer) s.written = true;
    ++steps_;
    return true;
  }

  /// A reduction of what the group runs over, to one element, which nothing in the group may read.
  bool add_reduction(const Launch& launch) {
    const Operand& out = launch.out[0];
    if (out.numel() != 1 || launch.in[0].numel() != shape_->product()) return false;
    const Operand in = spread(launch.in[0], *shape_);
    if (is_written_elsewhere(in)) return false;
    for (const Seen& s : seen_)
      if (s.operand.buffer == out.buffer) return false;
    const size_t before = seen_.size();
    see(in);
    if (!has_room(true)) {
      seen_.resize(before);
      return false;
    }
    reduces_ = true;
    results_.push_back(out.buffer);
    ++steps_;
    return true;
  }

  bool is_written_elsewhere(const Operand& o) const {
    for (int result : results_)
      if (result == o.buffer) return true;
    for (const Seen& s : seen_)
      if (s.operand.buffer == o.buffer && s.written && !s.operand.same_place(o)) return true;
    return false;
  }
  void see(const Operand& o) {
    for (const Seen& s : seen_)
      if (s.operand.same_place(o)) return;
    seen_.push_back({o, false});
  }
  bool has_room(bool reduces = false) const {
    if (seen_.size() + results_.size() + 1 > static_cast<size_t>(kMaxPointwiseOperands))
      return false;
    int64_t bytes = 0;
    for (const Seen& s : seen_) bytes += size_of(s.operand.dtype);
    return bytes <= (reduces || reduces_ ? kMaxReducedBytes : kMaxPointwiseBytes);
  }

  const Dims* shape_ = nullptr;  // of the first launch
  std::vector<Seen> seen_;
  std::vector<int> results_;  // buffers of reductions
  size_t steps_ = 0;
  bool reduces_ = false;
};

}  // namespace bx::capture
