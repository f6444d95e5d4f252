#include "launch/pointwise_driver.h"

#include <algorithm>
#include <cstring>

#include "core/inline_vector.h"
#include "launch/parallel.h"

namespace bx {

namespace {

constexpr int64_t kBlock = 1024;          // elements at a time, where few operands are in use
constexpr int64_t kLeast = 128;           // and where many are
constexpr int64_t kInnermost = 40 << 10;  // bytes in use that stay in L1 between two kernels
constexpr int64_t kScratch = 96 << 10;    // bytes of buffers per thread
constexpr auto kAligned = static_cast<int64_t>(memory::kAlignment);
constexpr int64_t kApart = 64;  // elements between buffers: not all in the same cache sets
static_assert(kMaxPointwiseBytes * (kLeast + kApart) <= kScratch);
static_assert(kMaxReducedBytes * (kernels::kLeaf + kApart) <= kScratch);

/// Merges neighbouring dimensions that every operand crosses evenly; drops sizes of 1.
void coalesce(Dims& shape, std::span<PointwiseOperand> operands) {
  int kept = -1;
  for (int d = 0; d < shape.size(); ++d) {
    if (shape[d] == 1) continue;
    const bool merges = kept >= 0 && std::all_of(operands.begin(), operands.end(), [&](auto& o) {
                          return o.strides[kept] == o.strides[d] * shape[d];
                        });
    if (merges) {
      shape[kept] *= shape[d];
    } else {
      ++kept;
      shape[kept] = shape[d];
    }
    for (auto& o : operands) o.strides[kept] = o.strides[d];
  }
  shape.resize(kept + 1);
  for (auto& o : operands) o.strides.resize(kept + 1);
}

template <class Item>
void copy_items(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t n) {
  auto* out = reinterpret_cast<Item*>(to);
  const auto* in = reinterpret_cast<const Item*>(from);
  if (from_step == 0)
    for (int64_t i = 0; i < n; ++i) out[i * to_step] = *in;
  else
    for (int64_t i = 0; i < n; ++i) out[i * to_step] = in[i * from_step];
}

/// n items between two runs of evenly spaced ones.
void copy_run(int64_t item, char* to, int64_t to_step, const char* from, int64_t from_step,
              int64_t n) {
  if (to_step == 1 && from_step == 1) std::memcpy(to, from, static_cast<size_t>(n * item));
  else if (item == 1) copy_items<uint8_t>(to, to_step, from, from_step, n);
  else if (item == 4) copy_items<uint32_t>(to, to_step, from, from_step, n);
  else if (item == 8) copy_items<uint64_t>(to, to_step, from, from_step, n);
  else copy_items<Complex<double>>(to, to_step, from, from_step, n);
}

/// Gathers (or scatters) the elements [begin, begin + n) of the index space into a straight buffer.
void transfer(const Dims& shape, const PointwiseOperand& o, int64_t begin, int64_t n, char* buffer,
              bool gather) {
  const int last = shape.size() - 1;
  int64_t index[kMaxDims], offset = 0, rest = begin;
  for (int d = last; d >= 0; --d) {
    index[d] = rest % shape[d];
    rest /= shape[d];
    offset += index[d] * o.strides[d];
  }
  while (n > 0) {
    const int64_t run = std::min(n, shape[last] - index[last]);
    char* place = o.data + offset * o.item;
    if (gather) copy_run(o.item, buffer, 1, place, o.strides[last], run);
    else copy_run(o.item, place, o.strides[last], buffer, 1, run);
    buffer += run * o.item;
    n -= run;
    offset += run * o.strides[last];
    index[last] += run;
    for (int d = last; d > 0 && index[d] == shape[d]; --d) {
      offset += o.strides[d - 1] - index[d] * o.strides[d];
      index[d] = 0;
      ++index[d - 1];
    }
  }
}

Layout layout_of(const Dims& shape, const PointwiseOperand& o, int64_t block) {
  if (is_contiguous(shape, o.strides)) return Layout::Straight;
  const bool outer_repeat =
      std::all_of(o.strides.begin(), o.strides.end() - 1, [](int64_t s) { return s == 0; });
  if (outer_repeat && o.strides.back() == 0) return Layout::Constant;
  if (outer_repeat && block % shape.back() == 0) return Layout::Periodic;
  return Layout::Strided;
}

/// Where the elements from `at` on lie of an operand that is read and written in place, in a run
/// that began at `begin`.
char* place_of(const PointwiseOperand& o, int64_t begin, int64_t at, char* local) {
  return o.local >= 0 ? local + o.local + begin * o.item % kAligned + (at - begin) * o.item
                      : o.data + at * o.item;
}

}  // namespace

PointwisePlan::PointwisePlan(const Dims& full_shape, std::span<PointwiseOperand> operands,
                             std::span<const PointwiseStep> steps)
    : operands(operands), steps(steps), shape(full_shape) {
  coalesce(shape, operands);
  if (shape.empty()) {
    shape.push_back(1);
    for (auto& o : operands) o.strides.push_back(1);
  }
  total = shape.product();
  block = 1;
  if (total == 0) return;
  const int64_t bytes = assign_slots();
  const int64_t inner = shape.back();
  int64_t most = kBlock;
  while (most > kLeast && most * bytes > kInnermost) most /= 2;
  // Whole rows per block, so that a row that repeats is gathered once; a reduction's leaves are
  // blocks of their own.
  const bool reduces = std::any_of(operands.begin(), operands.end(),
                                   [](auto& o) { return o.layout == Layout::Leaves; });
  block = reduces ? kernels::kLeaf : inner <= most ? most / inner * inner : most;
  for (auto& o : operands)
    if (o.has_tensor()) o.layout = layout_of(shape, o, block);
  scatters_ = std::any_of(operands.begin(), operands.end(), [](auto& o) {
    return o.is_written && o.layout != Layout::Straight && o.has_tensor();
  });
  in_place_ = std::all_of(operands.begin(), operands.end(),
                          [](auto& o) { return o.layout == Layout::Straight; });
}

/// Gives every operand a buffer that it may need, and returns the bytes per element in use, memory
/// included. An operand without memory lives from the step that writes it to the last that reads
/// it.
int64_t PointwisePlan::assign_slots() {
  int32_t end = 0;
  int64_t bytes = 0;
  for (size_t k = 0; k < operands.size(); ++k) {
    if (!operands[k].has_tensor()) continue;
    bytes += operands[k].item;
    slots_[k] = end;
    end += static_cast<int32_t>(operands[k].item);
  }
  if (steps.size() == 1) return bytes;
  int last_use[kMaxPointwiseOperands] = {};
  for (size_t s = 0; s < steps.size(); ++s)
    for (int k = 0; k < steps[s].input_count; ++k)
      last_use[steps[s].inputs[k]] = static_cast<int>(s);
  InlineVector<std::pair<int64_t, int32_t>, 16> free;  // (item, slot)
  const auto take = [&](int64_t item) {
    for (int k = 0; k < free.size(); ++k)
      if (free[k].first == item) {
        const int32_t slot = free[k].second;
        free[k].first = 0;
        return slot;
      }
    const int32_t slot = end;
    end += static_cast<int32_t>(item);
    return slot;
  };
  bool seen[kMaxPointwiseOperands] = {};
  const int32_t own = end;
  for (size_t s = 0; s < steps.size(); ++s) {
    const PointwiseStep& step = steps[s];
    // An output may take the place of an input that is not needed any more.
    for (int k = 0; k < step.input_count; ++k) {
      const int in = step.inputs[k];
      if (operands[in].layout != Layout::Scratch || last_use[in] != static_cast<int>(s)) continue;
      bool again = false;
      for (int j = 0; j < k; ++j) again = again || step.inputs[j] == in;
      if (!again && in != step.output) free.push_back({operands[in].item, slots_[in]});
    }
    const int out = step.output;
    if (operands[out].layout != Layout::Scratch || seen[out]) continue;
    seen[out] = true;
    slots_[out] = take(operands[out].item);
  }
  return bytes + end - own;
}

void PointwisePlan::run_steps(char* const* place, int64_t n, kernels::FaultInfo* fault) const {
  for (const PointwiseStep& step : steps) {
    void* out[1] = {place[step.output]};
    const void* in[4];
    for (int k = 0; k < step.input_count; ++k) in[k] = place[step.inputs[k]];
    step.fn(out, in, n, step.params, fault);
  }
}

void PointwisePlan::run_range(int64_t begin, int64_t end, kernels::FaultInfo* fault,
                              char* local) const {
  if (!in_place_) return run_buffered(begin, end, fault, local);
  char* place[kMaxPointwiseOperands];
  for (int64_t at = begin; at < end; at += block) {
    for (size_t k = 0; k < operands.size(); ++k) place[k] = place_of(operands[k], begin, at, local);
    run_steps(place, std::min(block, end - at), fault);
  }
}

/// Block by block. Buffers that repeat are filled once.
void PointwisePlan::run_buffered(int64_t begin, int64_t end, kernels::FaultInfo* fault,
                                 char* local) const {
  const int count = static_cast<int>(operands.size());
  alignas(64) char scratch[kScratch];
  char* buffers[kMaxPointwiseOperands];
  const int64_t first = std::min(block, end - begin), apart = (block + 63) / 64 * 64 + kApart;
  for (int k = 0; k < count; ++k) {
    const PointwiseOperand& o = operands[k];
    buffers[k] = scratch + slots_[k] * apart;
    if (o.layout == Layout::Constant || o.layout == Layout::Periodic)
      transfer(shape, o, begin, first, buffers[k], true);
  }
  for (int64_t at = begin; at < end; at += block) {
    const int64_t n = std::min(block, end - at);
    char* place[kMaxPointwiseOperands];
    for (int k = 0; k < count; ++k) {
      const PointwiseOperand& o = operands[k];
      place[k] = o.local >= 0 || o.layout == Layout::Straight ? place_of(o, begin, at, local)
                 : o.layout == Layout::Leaves ? o.data + at / kernels::kLeaf * o.item
                                              : buffers[k];
      if (o.layout == Layout::Strided && o.is_read) transfer(shape, o, at, n, buffers[k], true);
    }
    run_steps(place, n, fault);
    for (int k = 0; scatters_ && k < count; ++k) {
      const PointwiseOperand& o = operands[k];
      if (o.is_written && o.layout != Layout::Straight && o.has_tensor())
        transfer(shape, o, at, n, buffers[k], false);
    }
  }
}

void PointwisePlan::run(kernels::FaultInfo* fault) const {
  const int64_t blocks = (total + block - 1) / block;
  if (blocks == 0) return;
  if (total < 2 * kThreadGrain) return run_range(0, total, fault);
  struct Context {
    const PointwisePlan& plan;
    kernels::FaultInfo* fault;
  } context{*this, fault};
  parallel_for(
      blocks, kThreadGrain / block,
      [](void* c, int64_t begin, int64_t end) {
        auto& x = *static_cast<Context*>(c);
        const PointwisePlan& plan = x.plan;
        plan.run_range(begin * plan.block, std::min(plan.total, end * plan.block), x.fault);
      },
      &context);
}

}  // namespace bx
