// What becomes of the events of a record: ordered and fused, their memory planned, their pointers
// in place.
#include <algorithm>

#include "capture/instructions.h"
#include "capture/replay.h"
#include "capture/rows.h"
#include "capture/walks.h"

namespace bx::capture {

void Program::point(int buffer, void** place, int64_t offset) {
  pointers_[static_cast<size_t>(buffer)].push_back({place, offset});
}

/// Every pointer into a buffer, now that it starts here.
void Program::place(int buffer, void* start) {
  for (const Pointer& p : pointers_[static_cast<size_t>(buffer)])
    *p.place = static_cast<char*>(start) + p.offset;
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

std::unique_ptr<Stage> Program::general(std::unique_ptr<Launch> launch) {
  auto one = std::make_unique<GeneralKernel>(std::move(launch));
  const auto place_all = [&](const std::vector<Operand>& operands,
                             std::vector<kernels::View>& views, std::vector<int64_t>& local) {
    local.reserve(operands.size());
    for (size_t k = 0; k < operands.size(); ++k) {
      local.push_back(buffer_of(operands[k]).row_offset);
      if (local[k] < 0) point(operands[k].buffer, &views[k].data, operands[k].offset);
    }
  };
  place_all(one->launch().out, one->out, one->out_local);
  place_all(one->launch().in, one->in, one->in_local);
  return one;
}

std::unique_ptr<Stage> Program::row_reduction(std::unique_ptr<Launch> launch) {
  auto one = std::make_unique<RowReduction>(std::move(launch));
  const Operand &out = one->launch().out[0], &in = one->launch().in[0];
  point(out.buffer, &one->out, out.offset);
  one->in_local = buffer_of(in).row_offset;
  if (one->in_local < 0) point(in.buffer, &one->in, in.offset);
  return one;
}

std::unique_ptr<Instruction> Program::straight(std::unique_ptr<Launch> launch) {
  auto one = std::make_unique<StraightKernel>(std::move(launch));
  const std::vector<Operand>&out = one->launch().out, &in = one->launch().in;
  point(out[0].buffer, &one->out, out[0].offset);
  for (size_t k = 0; k < in.size(); ++k) point(in[k].buffer, &one->in[k], in[k].offset);
  return one;
}

/// The launches [begin, end) block by block.
std::unique_ptr<Stage> Program::fused(size_t begin, size_t end) {
  auto fused = std::make_unique<FusedKernels>();
  const Dims& shape = launch_of(record_.events[begin])->out[0].shape();
  std::vector<Operand> slots;
  const auto slot = [&](const Operand& o, bool written) {
    for (size_t k = 0; k < slots.size(); ++k)
      if (slots[k].same_place(o)) {
        if (written) fused->operands[k].is_written = true;
        return static_cast<int>(k);
      }
    slots.push_back(o);
    PointwiseOperand p{nullptr, size_of(o.dtype), !written, written,
                       broadcast_strides(o.shape(), o.strides(), shape)};
    if (buffer_of(o).home == Home::Group) p.layout = Layout::Scratch;
    p.local = buffer_of(o).row_offset;
    fused->operands.push_back(p);
    return static_cast<int>(slots.size()) - 1;
  };
  const auto leaves = [&](const Operand& result) {
    slots.push_back(result);
    const int64_t item = size_of(result.dtype);
    auto list =
        std::make_unique<char[]>(static_cast<size_t>(kernels::leaf_count(shape.product()) * item));
    fused->operands.push_back(
        {list.get(), item, false, true, contiguous_strides(shape), Layout::Leaves});
    fused->trees.push_back({nullptr, std::move(list)});
    return static_cast<int>(slots.size()) - 1;
  };
  // Pointers into it are kept.
  fused->trees.reserve(end - begin);
  fused->launches.reserve(end - begin);
  for (size_t e = begin; e < end; ++e) {
    const Launch& launch = *launch_of(record_.events[e]);
    const bool reduces = !launch.kernel.pointwise;
    fused->launches.push_back(take_launch(record_.events[e]));
    PointwiseStep step{reduces ? launch.kernel.leaves : launch.kernel.pointwise,
                       launch.params.f,
                       0,
                       static_cast<int>(launch.in.size()),
                       {}};
    for (size_t k = 0; k < launch.in.size(); ++k)
      step.inputs[k] = slot(reduces ? spread(launch.in[k], shape) : launch.in[k], false);
    step.output = reduces ? leaves(launch.out[0]) : slot(launch.out[0], true);
    if (reduces) {
      fused->trees.back().join = launch.kernel.tree;
      point(launch.out[0].buffer, &fused->trees.back().out, launch.out[0].offset);
    }
    fused->steps.push_back(step);
  }
  fused->shape = shape;
  fused->plan.emplace(shape, fused->operands, fused->steps);
  for (size_t k = 0; k < slots.size(); ++k)
    if (fused->operands[k].has_tensor() && fused->operands[k].local < 0)
      point(slots[k].buffer, reinterpret_cast<void**>(&fused->operands[k].data), slots[k].offset);
  return fused;
}

/// What the events of a group become, which are moved into it.
std::unique_ptr<Instruction> Program::instruction(size_t begin, size_t end) {
  Event& event = record_.events[begin];
  if (const auto* set = std::get_if<GradSet>(&event)) return set_grad(*set);
  if (const auto* call = std::get_if<HostCall>(&event)) return std::make_unique<CallHost>(*call);
  const Launch& first = *launch_of(event);
  if (!first.kernel.pointwise) return general(take_launch(event));
  const Operand& out = first.out[0];
  const bool is_straight =
      end - begin == 1 && out.numel() < kLongKernel && out.is_contiguous() &&
      std::all_of(
          first.in.begin(), first.in.end(),
          [&](const Operand& o) { return o.shape() == out.shape() && o.is_contiguous(); });
  return is_straight ? straight(take_launch(event)) : fused(begin, end);
}

/// Groups that end at `ends`, the first of which begins at `begin`.
std::unique_ptr<Instruction> Program::walk(std::span<const size_t> ends, size_t begin) {
  if (ends.size() == 1) return instruction(begin, ends[0]);
  const std::span<const Event> events =
      std::span<const Event>(record_.events).subspan(begin, ends.back() - begin);
  const int64_t rows = rows_of(events);
  if (fits_cache(events)) {
    std::vector<std::unique_ptr<Instruction>> parts;
    for (size_t end : ends) parts.push_back(instruction(std::exchange(begin, end), end));
    return std::make_unique<WholeWalk>(rows, std::move(parts));
  }
  const bool leads = is_leading(*launch_of(events[0]));
  int64_t elements = 0, bytes = 0, unit = 1;
  std::vector<RowOperand> operands;
  for (size_t e = 0; e < events.size(); ++e) {
    const Launch& launch = *launch_of(events[e]);
    row_operands(launch, rows, leads && e == 0, operands);
    if (reduces_rows(launch))
      unit = std::max(unit, kernels::straight_rows(launch.in[0].shape()[2]));
    elements += (reduces_rows(launch) ? launch.in : launch.out)[0].numel() / rows;
  }
  std::vector<int> counted;
  for (const RowOperand& o : operands) {
    if (record_.buffers[static_cast<size_t>(o.buffer)].home == Home::Group ||
        std::find(counted.begin(), counted.end(), o.buffer) != counted.end())
      continue;
    counted.push_back(o.buffer);
    bytes += o.row_bytes;
  }
  const int64_t block = std::min(rows, RowWalk::block_of(bytes, unit));
  int64_t local = 0;
  for (int number : counted) {
    Buffer& b = record_.buffers[static_cast<size_t>(number)];
    if (b.home != Home::Walk) continue;
    b.row_offset = local;
    local += (b.bytes / rows * block + 127) / 64 * 64;  // not all in the same cache sets
  }
  std::vector<std::unique_ptr<Stage>> stages;
  const GeneralKernel* leader = nullptr;
  for (size_t end : ends) {
    Event& event = record_.events[begin];
    const Launch& launch = *launch_of(event);
    stages.push_back(launch.kernel.pointwise ? fused(begin, end)
                     : reduces_rows(launch)  ? row_reduction(take_launch(event))
                                             : general(take_launch(event)));
    stages.back()->cut(rows);
    begin = end;
  }
  if (leads) leader = static_cast<const GeneralKernel*>(stages.front().get());
  return std::make_unique<RowWalk>(rows, block, unit, elements, local, std::move(stages), leader);
}

void Program::build() {
  std::vector<Buffer>& buffers = record_.buffers;
  // Groups first: what lives inside one needs no memory.
  const Schedule ends = schedule(record_.events);
  find_lifetimes();
  pointers_.resize(buffers.size());
  find_homes(ends);
  plan_memory(ends);
  for (size_t k = 0; k < buffers.size(); ++k) {
    const Buffer& b = buffers[k];
    // What nothing uses any more has no place.
    const bool again = b.origin == Origin::Result ||
                       (b.origin == Origin::Internal && b.written && b.arena_offset >= 0);
    if (!b.initial.empty() && again) instructions_.push_back(restore(static_cast<int>(k)));
  }
  restores_ = instructions();
  for (size_t begin = 0, g = 0; const size_t end : ends.walks) {
    work_.resize(instructions_.size() + 1);
    for (size_t e = begin; e < end; ++e)
      if (const Launch* launch = launch_of(record_.events[e]))
        for (const auto* operands : {&launch->out, &launch->in})
          for (const Operand& o : *operands) work_.back() += o.numel();
    const size_t first = g;
    while (ends.groups[g++] != end) {
    }
    instructions_.push_back(walk(std::span(ends.groups).subspan(first, g - first), begin));
    begin = end;
  }
  for (size_t k = 0; k < buffers.size(); ++k) {
    Buffer& b = buffers[k];
    if (b.storage) {
      place(static_cast<int>(k), b.storage->data());
      if (b.written) written_.push_back(b.storage);
    } else if (b.arena_offset >= 0) {
      place(static_cast<int>(k), static_cast<char*>(arena_->data()) + b.arena_offset);
    }
    b.initial = b.folded = {};
  }
  record_.events = std::vector<Event>();
}

}  // namespace bx::capture
