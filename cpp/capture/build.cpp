// What becomes of a record: constants folded, dead launches dropped, the rest ordered and fused,
// its memory planned, its pointers in place.
#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "capture/instructions.h"
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
    if (const auto* launch = std::get_if<Launch>(&event)) {
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

void Program::point(int buffer, void** place, int64_t offset) {
  pointers_[static_cast<size_t>(buffer)].push_back({place, offset});
}

/// Every pointer into a buffer, now that it starts here.
void Program::place(int buffer, void* start) {
  for (const Pointer& p : pointers_[static_cast<size_t>(buffer)])
    *p.place = static_cast<char*>(start) + p.offset;
}

/// Gives every internal buffer its place; true for those that live inside one group, in no memory.
std::vector<bool> Program::plan_memory(const std::vector<size_t>& ends) {
  const size_t count = record_.events.size();
  std::vector<int> groups(count);
  for (size_t e = 0, g = 0; e < count; ++e) {
    if (e == ends[g]) ++g;
    groups[e] = static_cast<int>(g);
  }
  const auto group_of = [&](int event) {
    return groups[std::min(static_cast<size_t>(event), count - 1)];
  };
  const auto is_fused = [&](int group) {
    const auto g = static_cast<size_t>(group);
    return ends[g] - (g ? ends[g - 1] : 0) > 1;
  };
  std::vector<bool> scratch(record_.buffers.size());
  for (size_t k = 0; k < scratch.size(); ++k) {
    Buffer& b = record_.buffers[k];
    if (b.first < 0) continue;
    const bool internal = b.origin == Origin::Internal;
    scratch[k] = internal && b.initial.empty() && group_of(b.first) == group_of(b.last) &&
                 is_fused(group_of(b.first));
    if (scratch[k]) {
      b.first = b.last = -1;
      continue;
    }
    if (internal && !b.initial.empty()) {
      b.first = 0;  // there from the start, and untouched until it is read
      if (!b.written) b.last = static_cast<int>(count);
    }
    // Lifetimes count in groups: a group reads and writes all of its operands at once.
    if (b.first >= static_cast<int>(count)) continue;
    b.first = group_of(b.first);
    b.last = group_of(b.last);
  }
  arena_bytes_ = plan_arena(record_.buffers, &live_bytes_);
  arena_ = make<Storage>(arena_bytes_);
  return scratch;
}

/// The memory of a gradient that the step sets: its own, or a part of the arena.
Ref<Storage> Program::storage_of(int number) {
  const Buffer& b = record_.buffers[static_cast<size_t>(number)];
  if (b.storage || b.arena_offset < 0) return b.storage;
  held_.push_back(make<Storage>(static_cast<char*>(arena_->data()) + b.arena_offset, b.bytes,
                                std::function<void()>()));
  return held_.back();
}

std::unique_ptr<Instruction> Program::restore(int number) {
  auto one = std::make_unique<Restore>(record_.buffers[static_cast<size_t>(number)].initial);
  point(number, &one->to, 0);
  return one;
}

std::unique_ptr<Instruction> Program::set_grad(const GradSet& set) {
  if (!set.grad) return std::make_unique<SetGrad>(set, nullptr, nullptr);
  const int number = set.grad->buffer;
  return std::make_unique<SetGrad>(set, storage_of(number),
                                   record_.buffers[static_cast<size_t>(number)].start);
}

std::unique_ptr<Instruction> Program::general(const Launch& launch) {
  auto one = std::make_unique<GeneralKernel>(launch);
  for (size_t k = 0; k < launch.out.size(); ++k)
    point(launch.out[k].buffer, &one->out[k].data, launch.out[k].offset);
  for (size_t k = 0; k < launch.in.size(); ++k)
    point(launch.in[k].buffer, &one->in[k].data, launch.in[k].offset);
  return one;
}

std::unique_ptr<Instruction> Program::straight(const Launch& launch) {
  auto one = std::make_unique<StraightKernel>(launch);
  point(launch.out[0].buffer, &one->out, launch.out[0].offset);
  for (size_t k = 0; k < launch.in.size(); ++k)
    point(launch.in[k].buffer, &one->in[k], launch.in[k].offset);
  return one;
}

/// The launches [begin, end) as one walk.
std::unique_ptr<Instruction> Program::fused(size_t begin, size_t end,
                                            const std::vector<bool>& scratch) {
  auto walk = std::make_unique<FusedKernels>();
  const Dims& shape = std::get<Launch>(record_.events[begin]).out[0].shape;
  std::vector<const Operand*> slots;
  const auto slot = [&](const Operand& o, bool written) {
    for (size_t k = 0; k < slots.size(); ++k)
      if (slots[k]->same_place(o)) {
        if (written) walk->operands[k].is_written = true;
        return static_cast<int>(k);
      }
    slots.push_back(&o);
    PointwiseOperand p{nullptr, size_of(o.dtype), !written, written,
                       broadcast_strides(o.shape, o.strides, shape)};
    if (scratch[static_cast<size_t>(o.buffer)]) p.layout = Layout::Scratch;
    walk->operands.push_back(p);
    return static_cast<int>(slots.size()) - 1;
  };
  walk->params.reserve(end - begin);  // the steps point into it
  for (size_t e = begin; e < end; ++e) {
    const auto& launch = std::get<Launch>(record_.events[e]);
    walk->params.push_back(launch.params);
    walk->names.push_back(launch.op);
    PointwiseStep step{
        launch.kernel.pointwise, walk->params.back().f, 0, static_cast<int>(launch.in.size()), {}};
    for (size_t k = 0; k < launch.in.size(); ++k) step.inputs[k] = slot(launch.in[k], false);
    step.output = slot(launch.out[0], true);
    walk->steps.push_back(step);
  }
  walk->plan.emplace(shape, walk->operands, walk->steps);
  for (size_t k = 0; k < slots.size(); ++k)
    if (walk->operands[k].layout != Layout::Scratch)
      point(slots[k]->buffer, reinterpret_cast<void**>(&walk->operands[k].data), slots[k]->offset);
  return walk;
}

/// What the events of a group become.
std::unique_ptr<Instruction> Program::instruction(size_t begin, size_t end,
                                                  const std::vector<bool>& scratch) {
  const Event& event = record_.events[begin];
  if (const auto* set = std::get_if<GradSet>(&event)) return set_grad(*set);
  if (const auto* call = std::get_if<HostCall>(&event)) return std::make_unique<CallHost>(*call);
  const auto& first = std::get<Launch>(event);
  if (!first.kernel.pointwise) return general(first);
  const Operand& out = first.out[0];
  const bool is_straight = end - begin == 1 && out.numel() < kLongKernel &&
                           is_contiguous(out.shape, out.strides) &&
                           std::all_of(
                               first.in.begin(), first.in.end(),
                               [&](const Operand& o) {
                                 return o.shape == out.shape && is_contiguous(o.shape, o.strides);
                               });
  return is_straight ? straight(first) : fused(begin, end, scratch);
}

void Program::build() {
  std::vector<Buffer>& buffers = record_.buffers;
  // Groups first: what lives inside one needs no memory.
  const std::vector<size_t> ends = schedule(record_.events);
  find_lifetimes();
  pointers_.resize(buffers.size());
  const std::vector<bool> scratch = plan_memory(ends);
  for (size_t k = 0; k < buffers.size(); ++k) {
    const Buffer& b = buffers[k];
    const bool again = b.origin == Origin::Result || (b.origin == Origin::Internal && b.written);
    if (!b.initial.empty() && again) instructions_.push_back(restore(static_cast<int>(k)));
  }
  restores_ = instructions();
  for (size_t begin = 0, g = 0; g < ends.size(); begin = ends[g++]) {
    work_.resize(instructions_.size() + 1);
    for (size_t e = begin; e < ends[g]; ++e)
      if (const auto* launch = std::get_if<Launch>(&record_.events[e]))
        for (const auto* operands : {&launch->out, &launch->in})
          for (const Operand& o : *operands) work_.back() += o.numel();
    instructions_.push_back(instruction(begin, ends[g], scratch));
  }
  for (size_t k = 0; k < buffers.size(); ++k) {
    Buffer& b = buffers[k];
    if (b.origin == Origin::Outside && b.storage) {
      place(static_cast<int>(k), b.storage->data());
      if (b.written) written_.push_back(b.storage);
    } else if (b.arena_offset >= 0) {
      char* start = static_cast<char*>(arena_->data()) + b.arena_offset;
      place(static_cast<int>(k), start);
      if (!b.written && !b.initial.empty()) std::memcpy(start, b.initial.data(), b.initial.size());
    }
    b.initial = {};
  }
}

}  // namespace bx::capture
