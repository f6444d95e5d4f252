// The memory plan: every internal buffer gets a place in one block, for as long as it is alive.
#include <algorithm>
#include <map>

#include "capture/replay.h"

namespace bx::capture {

namespace {

constexpr int64_t round_up(int64_t bytes) {
  constexpr auto step = static_cast<int64_t>(memory::kAlignment);
  return (bytes + step - 1) / step * step;
}

/// Free parts of the block by place; the smallest that is large enough is taken.
class Gaps {
 public:
  int64_t take(int64_t bytes) {
    const auto best = by_size_.lower_bound(bytes);
    if (best == by_size_.end()) {
      // At the end; a gap that reaches there is used first.
      int64_t at = end_;
      if (!by_place_.empty()) {
        const auto last = std::prev(by_place_.end());
        if (last->first + last->second == end_) {
          at = last->first;
          erase(last);
        }
      }
      end_ = at + bytes;
      return at;
    }
    const auto [size, at] = *best;
    erase(by_place_.find(at));
    if (size > bytes) insert(at + bytes, size - bytes);
    return at;
  }

  void give(int64_t at, int64_t bytes) {
    const auto next = by_place_.lower_bound(at);
    if (next != by_place_.end() && at + bytes == next->first) {
      bytes += next->second;
      erase(next);
    }
    const auto after = by_place_.lower_bound(at);
    if (after != by_place_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == at) {
        at = before->first;
        bytes += before->second;
        erase(before);
      }
    }
    insert(at, bytes);
  }

  int64_t end() const { return end_; }

 private:
  using Places = std::map<int64_t, int64_t>;
  void insert(int64_t at, int64_t bytes) {
    by_place_[at] = bytes;
    by_size_.emplace(bytes, at);
  }
  void erase(Places::iterator it) {
    auto [first, last] = by_size_.equal_range(it->second);
    for (; first != last; ++first)
      if (first->second == it->first) {
        by_size_.erase(first);
        break;
      }
    by_place_.erase(it);
  }

  Places by_place_;
  std::multimap<int64_t, int64_t> by_size_;
  int64_t end_ = 0;
};

bool needs_place(const Buffer& b) {
  return b.origin == Origin::Internal && b.first >= 0 && b.bytes > 0;
}

/// By best fit in the order in which they come to be: one walk.
int64_t plan_by_birth(std::vector<Buffer>& buffers, int64_t* live_peak) {
  std::vector<std::pair<int, size_t>> births, deaths;  // (event, buffer)
  for (size_t k = 0; k < buffers.size(); ++k) {
    const Buffer& b = buffers[k];
    if (!needs_place(b)) continue;
    births.emplace_back(b.first, k);
    deaths.emplace_back(b.last, k);
  }
  std::sort(births.begin(), births.end());
  std::sort(deaths.begin(), deaths.end());
  Gaps gaps;
  int64_t live = 0;
  *live_peak = 0;
  size_t dead = 0;
  for (const auto& [now, k] : births) {
    for (; dead < deaths.size() && deaths[dead].first < now; ++dead) {
      const Buffer& b = buffers[deaths[dead].second];
      gaps.give(b.arena_offset, round_up(b.bytes));
      live -= round_up(b.bytes);
    }
    buffers[k].arena_offset = gaps.take(round_up(buffers[k].bytes));
    live += round_up(buffers[k].bytes);
    *live_peak = std::max(*live_peak, live);
  }
  return gaps.end();
}

/// A buffer that has its place.
struct Placed {
  int first, last;  // events
  int64_t begin, end;
};

/// By weight, the heaviest first, each into the smallest gap between those that are alive at the
/// same time; in the square of their number.
template <class Weight>
int64_t plan_by(Weight weight, std::vector<Buffer>& buffers, std::vector<size_t> order) {
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return weight(buffers[a]) > weight(buffers[b]); });
  std::vector<Placed> placed;  // by where they begin
  placed.reserve(order.size());
  int64_t end = 0;
  for (size_t k : order) {
    Buffer& b = buffers[k];
    const int64_t bytes = round_up(b.bytes);
    int64_t at = -1, room = 0, free_from = 0;
    for (const Placed& other : placed) {
      if (other.last < b.first || other.first > b.last) continue;
      const int64_t gap = other.begin - free_from;
      if (gap >= bytes && (at < 0 || gap < room)) {
        at = free_from;
        room = gap;
      }
      free_from = std::max(free_from, other.end);
    }
    b.arena_offset = at < 0 ? free_from : at;
    const Placed one{b.first, b.last, b.arena_offset, b.arena_offset + bytes};
    end = std::max(end, one.end);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), one,
                         [](const Placed& x, const Placed& y) { return x.begin < y.begin; }),
        one);
  }
  return end;
}

}  // namespace

int64_t plan_arena(std::vector<Buffer>& buffers, int64_t* live_peak) {
  std::vector<size_t> placed;
  for (size_t k = 0; k < buffers.size(); ++k)
    if (needs_place(buffers[k])) placed.push_back(k);
  int64_t best = plan_by_birth(buffers, live_peak);
  // Nothing can be better than the most that is alive at once; many buffers would take long.
  constexpr size_t kMany = 4000;
  if (placed.size() > kMany) return best;
  std::vector<int64_t> offsets;
  const auto keep = [&] {
    offsets.clear();
    for (size_t k : placed) offsets.push_back(buffers[k].arena_offset);
  };
  keep();
  const auto attempt = [&](auto weight) {
    if (best == *live_peak) return;
    const int64_t bytes = plan_by(weight, buffers, placed);
    if (bytes >= best) return;
    best = bytes;
    keep();
  };
  attempt([](const Buffer& b) { return b.bytes; });
  attempt([](const Buffer& b) { return b.bytes * (b.last - b.first + 1); });
  for (size_t i = 0; i < placed.size(); ++i) buffers[placed[i]].arena_offset = offsets[i];
  return best;
}

}  // namespace bx::capture
