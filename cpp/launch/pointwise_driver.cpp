#include "launch/pointwise_driver.h"

#include <algorithm>
#include <cstring>

#include "launch/parallel.h"

namespace bx {

namespace {

constexpr int64_t kBlock = 1024;           // elements that stay in L1 between two kernels
constexpr int64_t kThreadGrain = 1 << 16;  // elements worth a second thread
constexpr int kMaxSlots = kernels::kMaxOperands;

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
  else copy_items<uint64_t>(to, to_step, from, from_step, n);
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

enum class Layout { Straight, Constant, Periodic, Strided };

struct Plan {
  const Dims& shape;
  std::span<PointwiseOperand> operands;
  std::span<const PointwiseStep> steps;
  int64_t block;
  Layout layouts[kMaxSlots];
};

Layout layout_of(const Dims& shape, const PointwiseOperand& o, int64_t block) {
  if (is_contiguous(shape, o.strides)) return Layout::Straight;
  const bool outer_repeat =
      std::all_of(o.strides.begin(), o.strides.end() - 1, [](int64_t s) { return s == 0; });
  if (outer_repeat && o.strides.back() == 0) return Layout::Constant;
  if (outer_repeat && block % shape.back() == 0) return Layout::Periodic;
  return Layout::Strided;
}

/// Blocks [begin, end) of the plan. Buffers that repeat are filled once.
void run_blocks(const Plan& plan, int64_t total, int64_t begin, int64_t end,
                kernels::FaultInfo* fault) {
  const int count = static_cast<int>(plan.operands.size());
  alignas(64) char scratch[kMaxSlots][kBlock * 8];
  const int64_t first = std::min(plan.block, total - begin * plan.block);
  for (int k = 0; k < count; ++k)
    if (plan.layouts[k] == Layout::Constant || plan.layouts[k] == Layout::Periodic)
      transfer(plan.shape, plan.operands[k], 0, first, scratch[k], true);
  for (int64_t b = begin; b < end; ++b) {
    const int64_t at = b * plan.block, n = std::min(plan.block, total - at);
    char* place[kMaxSlots];
    for (int k = 0; k < count; ++k) {
      const PointwiseOperand& o = plan.operands[k];
      place[k] = plan.layouts[k] == Layout::Straight ? o.data + at * o.item : scratch[k];
      if (plan.layouts[k] == Layout::Strided && !o.is_output)
        transfer(plan.shape, o, at, n, scratch[k], true);
    }
    for (const PointwiseStep& step : plan.steps) {
      void* out[1] = {place[step.output]};
      const void* in[4];
      for (int k = 0; k < step.input_count; ++k) in[k] = place[step.inputs[k]];
      step.fn(out, in, n, step.params, fault);
    }
    for (int k = 0; k < count; ++k)
      if (plan.operands[k].is_output && plan.layouts[k] != Layout::Straight)
        transfer(plan.shape, plan.operands[k], at, n, scratch[k], false);
  }
}

}  // namespace

void run_pointwise(const Dims& full_shape, std::span<PointwiseOperand> operands,
                   std::span<const PointwiseStep> steps, kernels::FaultInfo* fault) {
  Dims shape = full_shape;
  coalesce(shape, operands);
  if (shape.empty()) {
    shape.push_back(1);
    for (auto& o : operands) o.strides.push_back(1);
  }
  const int64_t total = shape.product(), inner = shape.back();
  // Whole rows per block, so that a row that repeats is gathered once.
  const int64_t block = inner <= kBlock ? kBlock / inner * inner : kBlock;
  Plan plan{shape, operands, steps, block, {}};
  for (size_t k = 0; k < operands.size(); ++k)
    plan.layouts[k] = layout_of(shape, operands[k], block);
  const int64_t blocks = (total + block - 1) / block;
  if (total < 2 * kThreadGrain) return run_blocks(plan, total, 0, blocks, fault);
  struct Context {
    const Plan& plan;
    int64_t total;
    kernels::FaultInfo* fault;
  } context{plan, total, fault};
  parallel_for(
      blocks, kThreadGrain / kBlock,
      [](void* c, int64_t begin, int64_t end) {
        auto& x = *static_cast<Context*>(c);
        run_blocks(x.plan, x.total, begin, end, x.fault);
      },
      &context);
}

}  // namespace bx
