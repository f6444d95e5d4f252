// Runs lists of pointwise kernels over tensors of any layout, block by block in cache.
#pragma once

#include "launch/launch.h"

namespace bx {

/// One kernel of a list. Slots number the driver's operands.
struct PointwiseStep {
  kernels::PointwiseFn fn;
  const double* params;
  int output;
  int input_count;
  int inputs[4];
};

/// How a block of an operand is reached.
enum class Layout : uint8_t {
  Straight,  // in place
  Constant,  // one element, repeated into a buffer once
  Periodic,  // a row that repeats, gathered once
  Strided,   // gathered or scattered for every block
  Scratch,   // no memory behind it: lives in the block's buffer alone
  Leaves,    // a list that a reduction writes, an element for every kernels::kLeaf elements
};

/// Operands that a plan may have.
inline constexpr int kMaxPointwiseOperands = 64;

/// Bytes per element of all of them: as many as of the widest real numbers.
inline constexpr int64_t kMaxPointwiseBytes = 8 * kMaxPointwiseOperands;

/// Bytes per element of all operands where a reduction is among the steps.
inline constexpr int64_t kMaxReducedBytes = 88;

/// One operand of a list: a tensor's memory read or written with the common shape's strides.
struct PointwiseOperand {
  char* data;
  int64_t item;  // bytes per element
  bool is_read, is_written;
  Dims strides;  // elements, 0 where it repeats
  Layout layout = Layout::Straight;
  int64_t local = -1;  // if not -1: where it begins in `local` of run_range, and nowhere else;
                       // there, as far from a multiple of the alignment as it would be in a tensor

  bool has_tensor() const { return layout != Layout::Scratch && layout != Layout::Leaves; }
};

/// A list of kernels over one index space, made ready; the spans belong to the caller.
struct PointwisePlan {
  /// Joins dimensions and decides how each operand is reached (but for those marked Scratch or
  /// Leaves).
  PointwisePlan(const Dims& shape, std::span<PointwiseOperand> operands,
                std::span<const PointwiseStep> steps);

  /// Runs the steps in order on every block. The operands' data may change between two runs.
  void run(kernels::FaultInfo* fault) const;
  /// The same on the elements [begin, end) of the index space, which are whole rows of it. `local`
  /// holds these elements of the operands that are there.
  void run_range(int64_t begin, int64_t end, kernels::FaultInfo* fault,
                 char* local = nullptr) const;

  std::span<PointwiseOperand> operands;
  std::span<const PointwiseStep> steps;
  Dims shape;
  int64_t total, block;

 private:
  int64_t assign_slots();
  void run_steps(char* const* place, int64_t n, kernels::FaultInfo* fault) const;
  void run_buffered(int64_t begin, int64_t end, kernels::FaultInfo* fault, char* local) const;
  bool in_place_ = false;  // no operand needs a buffer
  bool scatters_ = false;  // some operand is written from a buffer
  // Where each operand's buffer begins, in bytes per element of a block: those that are never
  // alive at the same time share one.
  int32_t slots_[kMaxPointwiseOperands];
};

}  // namespace bx
