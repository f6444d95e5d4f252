// Which launches run together, block by block in cache: a launch joins an earlier group of its
// index space where nothing between them stands in its way; groups and kernels over the same rows
// then make walks.
#include <algorithm>
#include <optional>

#include "capture/group.h"
#include "capture/replay.h"
#include "capture/rows.h"

namespace bx::capture {

namespace {

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

/// Pointwise launches of one index space, and what reduces it, as groups.
std::vector<Item> group_events(const std::vector<Event>& events) {
  std::vector<Item> items;
  items.reserve(events.size());
  for (size_t e = 0; e < events.size(); ++e) {
    const Launch* launch = launch_of(events[e]);
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
  return items;
}

/// Items that run together, rows by rows: each reads, of what the others write, its own rows alone.
class Walk {
 public:
  Walk(Item item, const std::vector<Event>& events) {
    const Event& first = events[item.events.front()];
    if (const Launch* launch = launch_of(first)) {
      rows_ = item.group ? 0 : own_rows(*launch);
      leads_ = !item.group && is_leading(*launch);
    }
    items.push_back(std::move(item));
  }

  /// Takes the item in, or leaves the walk as it was and returns false.
  bool add(Item& item, const std::vector<Event>& events) {
    const Launch* launch = launch_of(events[item.events.front()]);
    if (!launch || items.front().barrier) return false;
    const int64_t own = item.group ? 0 : own_rows(*launch);
    const int64_t rows = rows_ ? rows_ : own;
    if (rows < 2 || (own && own != rows) || (!own && !item.group)) return false;
    // A leader's rows come in any pieces.
    if (leads_ && reduces_rows(*launch)) return false;
    std::vector<RowOperand> before = operands_, added;
    if (before.empty() && !find_operands(items.front(), events, rows, leads_, before)) return false;
    if (!find_operands(item, events, rows, false, added)) return false;
    bool shares = false;
    for (const RowOperand& a : before)
      for (const RowOperand& b : added) {
        if (a.buffer != b.buffer) continue;
        const bool same = a.row_bytes > 0 && a.row_bytes == b.row_bytes && a.offset == b.offset;
        if ((a.written || b.written) && !same) return false;
        shares = shares || same;
      }
    if (!shares) return false;
    rows_ = rows;
    operands_ = std::move(before);
    operands_.insert(operands_.end(), added.begin(), added.end());
    items.push_back(std::move(item));
    return true;
  }

  bool conflicts(const Item& item) const {
    for (const Item& mine : items) {
      if (mine.barrier || item.barrier || (mine.has_effects && item.has_effects)) return true;
      const auto meet = [](const std::vector<int>& a, const std::vector<int>& b) {
        return std::find_first_of(a.begin(), a.end(), b.begin(), b.end()) != a.end();
      };
      if (meet(mine.written, item.read) || meet(mine.written, item.written) ||
          meet(mine.read, item.written))
        return true;
    }
    return false;
  }

  std::vector<Item> items;

 private:
  static bool find_operands(const Item& item, const std::vector<Event>& events, int64_t rows,
                            bool leads, std::vector<RowOperand>& found) {
    if (item.group && item.group->reduces()) return false;
    for (size_t e : item.events)
      if (!row_operands(*launch_of(events[e]), rows, leads, found)) return false;
    return true;
  }

  int64_t rows_ = 0;  // 0: whatever its first item can be cut into
  bool leads_ = false;
  std::vector<RowOperand> operands_;  // once there is a second item
};

std::vector<Walk> group_rows(std::vector<Item> items, const std::vector<Event>& events) {
  std::vector<Walk> walks;
  walks.reserve(items.size());
  for (Item& item : items) {
    bool joined = false;
    for (size_t passed = 0; passed < std::min<size_t>(walks.size(), kLookBack); ++passed) {
      Walk& walk = walks[walks.size() - 1 - passed];
      joined = walk.add(item, events);
      if (joined || walk.conflicts(item)) break;
    }
    if (!joined) walks.emplace_back(std::move(item), events);
  }
  return walks;
}

}  // namespace

Schedule schedule(std::vector<Event>& events) {
  std::vector<Event> ordered;
  ordered.reserve(events.size());
  Schedule ends;
  for (const Walk& walk : group_rows(group_events(events), events)) {
    for (const Item& item : walk.items) {
      for (size_t e : item.events) ordered.push_back(std::move(events[e]));
      ends.groups.push_back(ordered.size());
    }
    ends.walks.push_back(ordered.size());
  }
  events = std::move(ordered);
  return ends;
}

}  // namespace bx::capture
