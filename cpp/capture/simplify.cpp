// What a record does without: constants folded, what is repeated or dead dropped.
#include <unordered_map>

#include "capture/replay.h"

namespace bx::capture {

/// What is computed from constants alone is a constant too: its memory holds it still, since what a
/// recording has used is given back at its end.
void Program::fold_constants() {
  constexpr int64_t kMost = 1 << 14;  // bytes worth keeping
  std::vector<int> writes(record_.buffers.size());
  for (const Event& event : record_.events)
    if (const auto* launch = std::get_if<Launch>(&event))
      for (const Operand& o : launch->out) ++writes[static_cast<size_t>(o.buffer)];
  const auto buffer = [&](const Operand& o) -> Buffer& {
    return record_.buffers[static_cast<size_t>(o.buffer)];
  };
  const auto folds = [&](const Launch& launch) {
    if (has_effects(launch)) return false;
    for (const Operand& o : launch.in)
      if (const Buffer& b = buffer(o);
          b.origin != Origin::Internal || b.initial.empty() || b.written)
        return false;
    for (const Operand& o : launch.out)
      if (const Buffer& b = buffer(o); b.origin != Origin::Internal || !b.initial.empty() ||
                                       writes[static_cast<size_t>(o.buffer)] != 1 || b.bytes == 0 ||
                                       b.bytes > kMost)
        return false;
    return true;
  };
  std::erase_if(record_.events, [&](const Event& event) {
    const auto* launch = std::get_if<Launch>(&event);
    if (!launch || !folds(*launch)) return false;
    for (const Operand& o : launch->out) {
      Buffer& b = buffer(o);
      const auto* start = static_cast<const char*>(b.start);
      b.initial.assign(start, start + b.bytes);
      b.written = false;
    }
    return true;
  });
}

/// A gradient that is set again to what it is.
void Program::drop_repeated() {
  std::unordered_map<const TensorImpl*, const GradSet*> last;
  std::vector<bool> repeated(record_.events.size());
  for (size_t e = 0; e < record_.events.size(); ++e) {
    const auto* set = std::get_if<GradSet>(&record_.events[e]);
    if (!set) continue;
    const GradSet*& before = last[set->leaf.impl()];
    repeated[e] = before && before->grad.has_value() == set->grad.has_value() &&
                  (!set->grad || before->grad->same_place(*set->grad));
    before = set;
  }
  size_t e = 0;
  std::erase_if(record_.events, [&](const Event&) { return repeated[e++]; });
}

/// Launches that nobody sees the result of.
void Program::drop_dead() {
  std::vector<bool> needed(record_.buffers.size());
  for (size_t k = 0; k < needed.size(); ++k)
    needed[k] = record_.buffers[k].origin != Origin::Internal;
  std::vector<Event> kept;
  for (size_t e = record_.events.size(); e-- > 0;) {
    Event& event = record_.events[e];
    if (auto* launch = std::get_if<Launch>(&event)) {
      bool live = has_effects(*launch);
      for (const Operand& o : launch->out) live = live || needed[static_cast<size_t>(o.buffer)];
      if (!live) continue;
      for (const Operand& o : launch->in) needed[static_cast<size_t>(o.buffer)] = true;
      for (const Operand& o : launch->out) needed[static_cast<size_t>(o.buffer)] = true;
    } else if (auto* set = std::get_if<GradSet>(&event)) {
      if (set->grad) needed[static_cast<size_t>(set->grad->buffer)] = true;
    }
    kept.push_back(std::move(event));
  }
  record_.events.assign(std::make_move_iterator(kept.rbegin()),
                        std::make_move_iterator(kept.rend()));
}

}  // namespace bx::capture
