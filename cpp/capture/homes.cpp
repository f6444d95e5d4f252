// Which memory each buffer of a recording gets.
#include <cstring>

#include "capture/replay.h"
#include "capture/rows.h"

namespace bx::capture {

/// Which events touch each buffer first and last.
void Program::find_lifetimes() {
  for (Buffer& b : record_.buffers) b.first = b.last = -1;
  auto touch = [&](int buffer, int e) {
    Buffer& b = record_.buffers[static_cast<size_t>(buffer)];
    if (b.first < 0) b.first = e;
    b.last = e;
  };
  std::vector<int> grads;  // set, and read by what the host does later
  for (int e = 0; e < static_cast<int>(record_.events.size()); ++e) {
    const Event& event = record_.events[static_cast<size_t>(e)];
    if (const Launch* launch = launch_of(event)) {
      ++launches_;
      for (const Operand& o : launch->in) touch(o.buffer, e);
      for (const Operand& o : launch->out) touch(o.buffer, e);
    } else if (const auto* set = std::get_if<GradSet>(&event)) {
      if (set->grad) {
        touch(set->grad->buffer, e);
        grads.push_back(set->grad->buffer);
      }
    } else {
      for (int buffer : grads) touch(buffer, e);
      grads.clear();
    }
  }
}

namespace {

/// Which piece each event belongs to.
std::vector<int> numbers_of(const std::vector<size_t>& ends, size_t events) {
  std::vector<int> of_event(events);
  for (size_t e = 0, piece = 0; e < events; ++e) {
    if (e == ends[piece]) ++piece;
    of_event[e] = static_cast<int>(piece);
  }
  return of_event;
}

/// Whether an operand is as many dense rows as there are, one after the other, and nothing else of
/// its buffer is touched.
bool is_whole_rows(const Launch& launch, const Operand& o, const Buffer& b, bool walked,
                   int64_t rows) {
  return o.offset == 0 && o.is_contiguous() && o.numel() % rows == 0 &&
         o.numel() * size_of(o.dtype) == b.bytes &&
         (launch.kernel.pointwise ? o.shape() == launch.out[0].shape()
                                  : walked && row_step(o, rows) > 0);
}

}  // namespace

/// Which buffers live inside one group or one walk.
void Program::find_homes(const Schedule& schedule) {
  const std::span<const Event> events = record_.events;
  const std::vector<int> groups = numbers_of(schedule.groups, events.size());
  const std::vector<int> walks = numbers_of(schedule.walks, events.size());
  std::vector<bool> in_rows(record_.buffers.size(), true);
  for (size_t begin = 0; const size_t end : schedule.walks) {
    const auto walk = events.subspan(begin, end - begin);
    const bool apart = groups[begin] == groups[end - 1] || fits_cache(walk);
    const int64_t rows = apart ? 0 : rows_of(walk);
    for (size_t e = begin; e < end; ++e) {
      const Launch* launch = launch_of(events[e]);
      if (!launch) continue;
      const bool leads = e == begin && is_leading(*launch);
      const auto look = [&](const std::vector<Operand>& operands, unsigned mask) {
        for (size_t k = 0; k < operands.size(); ++k) {
          const Operand& o = operands[k];
          if (apart || leads || !is_whole_rows(*launch, o, buffer_of(o), mask >> k & 1, rows))
            in_rows[static_cast<size_t>(o.buffer)] = false;
        }
      };
      const kernels::Rows rows_of_launch = rows_apart(*launch);
      look(launch->out, rows_of_launch.out);
      look(launch->in, rows_of_launch.in);
    }
    begin = end;
  }
  for (size_t k = 0; k < record_.buffers.size(); ++k) {
    Buffer& b = record_.buffers[k];
    if (b.first < 0 || b.origin != Origin::Internal || !b.initial.empty()) continue;
    const auto first = static_cast<size_t>(b.first), last = static_cast<size_t>(b.last);
    const auto group = static_cast<size_t>(groups[first]);
    const size_t size = schedule.groups[group] - (group ? schedule.groups[group - 1] : 0);
    if (groups[first] == groups[last] && size > 1) b.home = Home::Group;
    else if (walks[first] == walks[last] && in_rows[k]) b.home = Home::Walk;
  }
}

/// Gives every internal buffer its place.
void Program::plan_memory(const Schedule& schedule) {
  const size_t count = record_.events.size();
  const std::vector<int> walks = numbers_of(schedule.walks, count);
  for (Buffer& b : record_.buffers) {
    if (b.first < 0) continue;
    if (b.home != Home::Memory) {
      b.first = b.last = -1;
      continue;
    }
    if (b.is_constant()) {
      b.storage = make<Storage>(b.bytes);
      std::memcpy(b.storage->data(), b.initial.data(), b.initial.size());
      b.first = b.last = -1;
      continue;
    }
    // There from the start, and untouched until it is read.
    if (b.origin == Origin::Internal && !b.initial.empty()) b.first = 0;
    // Lifetimes count in walks: a walk reads and writes all of its operands at once.
    if (b.first >= static_cast<int>(count)) continue;
    const auto walk_at = [&](int event) {
      return walks[std::min(static_cast<size_t>(event), count - 1)];
    };
    b.first = walk_at(b.first);
    b.last = walk_at(b.last);
  }
  arena_bytes_ = plan_arena(record_.buffers, &live_bytes_);
  arena_ = make<Storage>(arena_bytes_);
}

}  // namespace bx::capture
