// What a record does without: constants folded, what is repeated or dead dropped.
#include <unordered_map>

#include "capture/replay.h"

namespace bx::capture {

/// What is small and computed from constants alone is a constant too.
void Program::fold_constants() {
  std::vector<int> writes(record_.buffers.size());
  for (const Event& event : record_.events)
    if (const Launch* launch = launch_of(event))
      for (const Operand& o : launch->out) ++writes[static_cast<size_t>(o.buffer)];
  const auto buffer = [&](const Operand& o) -> Buffer& {
    return record_.buffers[static_cast<size_t>(o.buffer)];
  };
  const auto folds = [&](const Launch& launch) {
    if (has_effects(launch)) return false;
    for (const Operand& o : launch.in)
      if (!buffer(o).is_constant()) return false;
    for (const Operand& o : launch.out)
      if (const Buffer& b = buffer(o); b.origin != Origin::Internal || b.folded.empty() ||
                                       writes[static_cast<size_t>(o.buffer)] != 1)
        return false;
    return true;
  };
  std::erase_if(record_.events, [&](const Event& event) {
    const Launch* launch = launch_of(event);
    if (!launch || !folds(*launch)) return false;
    for (const Operand& o : launch->out) {
      Buffer& b = buffer(o);
      b.initial = std::move(b.folded);
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
  drop(repeated);
}

/// Launches that nobody sees the result of.
void Program::drop_dead() {
  std::vector<bool> needed(record_.buffers.size());
  for (size_t k = 0; k < needed.size(); ++k)
    needed[k] = record_.buffers[k].origin != Origin::Internal;
  std::vector<bool> dead(record_.events.size());
  for (size_t e = record_.events.size(); e-- > 0;) {
    if (const Launch* launch = launch_of(record_.events[e])) {
      bool live = has_effects(*launch);
      for (const Operand& o : launch->out) live = live || needed[static_cast<size_t>(o.buffer)];
      dead[e] = !live;
      if (!live) continue;
      for (const Operand& o : launch->in) needed[static_cast<size_t>(o.buffer)] = true;
      for (const Operand& o : launch->out) needed[static_cast<size_t>(o.buffer)] = true;
    } else if (const auto* set = std::get_if<GradSet>(&record_.events[e])) {
      if (set->grad) needed[static_cast<size_t>(set->grad->buffer)] = true;
    }
  }
  drop(dead);
}

void Program::drop(const std::vector<bool>& events) {
  size_t e = 0;
  std::erase_if(record_.events, [&](const Event&) { return events[e++]; });
}

}  // namespace bx::capture
