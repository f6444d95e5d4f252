// Which launches run together, block by block in cache.
#include "capture/replay.h"
#include "launch/pointwise_driver.h"

namespace bx::capture {

namespace {

constexpr size_t kMaxSteps = 32;

/// The operands of a group so far.
class Group {
 public:
  /// Takes the launch in, or leaves the group as it was and returns false.
  bool add(const Launch& launch) {
    if (!launch.kernel.pointwise || launch.in.size() > 4) return false;
    const Operand& out = launch.out[0];
    if (steps_ == 0) shape_ = out.shape;
    else if (!(out.shape == shape_)) return false;
    if (out.numel() == 0 || steps_ == kMaxSteps) return false;
    if (seen_.size() + launch.in.size() + 1 > static_cast<size_t>(kMaxPointwiseOperands))
      return false;
    // The same memory seen in another layout must not be written in the group.
    for (const Operand& in : launch.in)
      for (const Seen& s : seen_)
        if (s.operand->buffer == in.buffer && s.written && !s.operand->same_place(in)) return false;
    for (const Seen& s : seen_)
      if (s.operand->buffer == out.buffer && !s.operand->same_place(out)) return false;
    for (const Operand& in : launch.in)
      if (in.buffer == out.buffer && !in.same_place(out)) return false;
    for (const Operand& in : launch.in) seen_.push_back({&in, false});
    seen_.push_back({&out, true});
    for (Seen& s : seen_)
      if (s.operand->buffer == out.buffer) s.written = true;
    ++steps_;
    return true;
  }

 private:
  struct Seen {
    const Operand* operand;
    bool written;
  };
  Dims shape_;
  std::vector<Seen> seen_;
  size_t steps_ = 0;
};

}  // namespace

size_t fusion_end(const std::vector<Event>& events, size_t begin) {
  Group group;
  size_t end = begin;
  while (end < events.size()) {
    const auto* launch = std::get_if<Launch>(&events[end]);
    if (!launch || !group.add(*launch)) break;
    ++end;
  }
  return end;
}

}  // namespace bx::capture
