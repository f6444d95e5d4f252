// Which launches run together, block by block in cache: a launch joins an earlier group of its
// index space where nothing between them stands in its way.
#include <algorithm>
#include <optional>

#include "capture/replay.h"
#include "launch/pointwise_driver.h"

namespace bx::capture {

namespace {

constexpr size_t kMaxSteps = 96;

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
    // The same memory seen in another layout must not be written in the group.
    for (const Operand& in : launch.in)
      for (const Seen& s : seen_)
        if (s.operand->buffer == in.buffer && s.written && !s.operand->same_place(in)) return false;
    for (const Seen& s : seen_)
      if (s.operand->buffer == out.buffer && !s.operand->same_place(out)) return false;
    for (const Operand& in : launch.in)
      if (in.buffer == out.buffer && !in.same_place(out)) return false;
    const size_t before = seen_.size();
    const auto see = [&](const Operand& o) {
      for (const Seen& s : seen_)
        if (s.operand->same_place(o)) return;
      seen_.push_back({&o, false});
    };
    for (const Operand& in : launch.in) see(in);
    see(out);
    if (seen_.size() > static_cast<size_t>(kMaxPointwiseOperands)) {
      seen_.resize(before);
      return false;
    }
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

constexpr int kLookBack = 32;   // items that a launch may pass
constexpr int64_t kSmall = 64;  // elements of a launch that moves up alone, out of others' way

/// A launch or a group of them, or something that nothing may pass.
struct Item {
  explicit Item(size_t event) : events{event} {}

  bool conflicts(const Launch& launch, bool effects) const {
    if (barrier || (effects && has_effects)) return true;
    const auto touches = [&](const std::vector<int>& list, const Operand& o) {
      return std::find(list.begin(), list.end(), o.buffer) != list.end();
    };
    for (const Operand& o : launch.in)
      if (touches(written, o)) return true;
    for (const Operand& o : launch.out)
      if (touches(written, o) || touches(read, o)) return true;
    return false;
  }
  void take(const Launch& launch, bool effects) {
    for (const Operand& o : launch.in) read.push_back(o.buffer);
    for (const Operand& o : launch.out) written.push_back(o.buffer);
    has_effects = has_effects || effects;
  }

  std::vector<size_t> events;
  std::optional<Group> group;
  std::vector<int> read, written;
  bool barrier = false, has_effects = false;
};

}  // namespace

std::vector<size_t> schedule(std::vector<Event>& events) {
  std::vector<Item> items;
  items.reserve(events.size());
  for (size_t e = 0; e < events.size(); ++e) {
    const auto* launch = std::get_if<Launch>(&events[e]);
    if (!launch) {
      items.emplace_back(e).barrier = true;
      continue;
    }
    const bool effects = has_effects(*launch);
    size_t place = items.size();
    bool joined = false;
    for (int passed = 0; place > 0 && passed < kLookBack; ++passed, --place) {
      Item& item = items[place - 1];
      if (item.group && item.group->add(*launch)) {
        item.events.push_back(e);
        item.take(*launch, effects);
        joined = true;
        break;
      }
      if (item.conflicts(*launch, effects)) break;
    }
    if (joined) continue;
    const bool small = std::all_of(launch->out.begin(), launch->out.end(),
                                   [](const Operand& o) { return o.numel() <= kSmall; });
    const auto at = items.emplace(
        small && !effects ? items.begin() + static_cast<ptrdiff_t>(place) : items.end(), e);
    at->take(*launch, effects);
    Group group;
    if (group.add(*launch)) at->group = std::move(group);
  }
  std::vector<Event> ordered;
  std::vector<size_t> ends;
  ordered.reserve(events.size());
  for (const Item& item : items) {
    for (size_t e : item.events) ordered.push_back(std::move(events[e]));
    ends.push_back(ordered.size());
  }
  events = std::move(ordered);
  return ends;
}

}  // namespace bx::capture
