// The update steps of all optimizers: rules (formulas/update.h) applied to tensors.
#pragma once

#include <span>
#include <string_view>

#include "core/tensor.h"
#include "formulas/update.h"
#include "launch/launch.h"

namespace bx {

/// A rule without its types, as the engine and the bindings read it.
struct UpdateRule {
  const char* name;
  /// Names in a parameter group; "betas.0" is an element of a sequence, "maximize?" counts by
  /// truth.
  std::span<const char* const> settings;
  std::span<const formulas::Counter> counters;
  std::span<const formulas::Slot> slots;
  /// Moves the counters one step on and makes what the kernel needs.
  void (*scalars)(const double* settings, double* counters, bool first, void* scalars);
};

std::span<const UpdateRule> update_rules();

/// A parameter, its gradient and its state. A slot that is not kept is undefined.
struct UpdateItem {
  Tensor param, grad;
  Tensor slots[formulas::kMaxSlots];
  Tensor counters[formulas::kMaxCounters];
  bool first = false;  // the slots are new
};

/// A counter or a slot as it is before the first step.
Tensor new_counter(const formulas::Counter& counter, const double* settings);
Tensor new_slot(const formulas::Slot& slot, const double* settings, const Tensor& param);

/// Room for the Scalars of any rule.
inline constexpr size_t kScalarBytes = 128;

/// What a rule makes of settings and counters. Parameters of a group that have taken as many steps
/// share it.
class StepScalars {
 public:
  StepScalars(const UpdateRule& rule, const double* settings) : rule_(rule), settings_(settings) {}
  /// The Scalars of a rule; moves the counters one step on.
  void* of(double* counters, bool first);

 private:
  const UpdateRule& rule_;
  const double* settings_;
  bool made_ = false, first_ = false;
  double before_[formulas::kMaxCounters] = {}, after_[formulas::kMaxCounters] = {};
  alignas(double) unsigned char scalars_[kScalarBytes];
};

/// RuntimeError when a gradient, or a slot, has another shape or type than its parameter.
void check_gradient(const UpdateRule& rule, const UpdateItem& item);
void check_state(const UpdateRule& rule, const UpdateItem& item);
/// One step, written in place; checked again, for other threads may have run meanwhile.
void run_update(const UpdateRule& rule, const UpdateItem& item, StepScalars& scalars);

/// An item made ready to be updated again and again, for as long as its memory stays where it is.
class ReadyUpdate {
 public:
  /// Whether an item can be: its tensors are contiguous.
  static bool possible(const UpdateItem& item);
  explicit ReadyUpdate(const UpdateRule& rule, UpdateItem item);

  /// Whether the parameter, its gradient and its state still lie where they lay.
  bool holds() const;
  /// As run_update.
  void run(StepScalars& scalars);

 private:
  const UpdateRule* rule_;
  UpdateItem item_;
  const kernels::Kernel* kernel_;
  Params params_;
  kernels::View out_[formulas::kMaxSlots + 1], in_;
  uint32_t param_moves_, grad_moves_;
};

}  // namespace bx
