// The one door to the kernels: forward, backward, optimizer and random kernels all start here.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <span>

#include "core/tensor.h"
#include "core/thread_local.h"
#include "formulas/all.h"
#include "kernels/table.h"

namespace bx {

/// Part 0 of a row is its forward kernel, part 1 + i the derivative for input i.
const kernels::Kernel& row_kernel(int row, int part, DType dtype);
const kernels::Kernel& kernel(kernels::Id id, DType dtype);

using kernels::Params;
using Owner = std::shared_ptr<const void>;

/// A list of tensors without an allocation: at most kernels::kMaxOperands.
class Operands {
 public:
  Operands() = default;
  Operands(const Tensor& t) { add(t); }  // NOLINT: one tensor is a list of one
  Operands(std::initializer_list<const Tensor*> list) {
    for (const Tensor* t : list) add(*t);
  }
  void add(const Tensor& t) { items_[size_++] = t.impl(); }
  int size() const { return size_; }
  TensorImpl& operator[](int i) const { return *items_[i]; }

 private:
  int size_ = 0;
  TensorImpl* items_[kernels::kMaxOperands];
};

/// Runs a kernel. A pointwise kernel's operands have the output's shape or broadcast to it, in any
/// layout; a general kernel's operands are as its contract says. `op` names the caller in errors.
/// `owner` keeps what params.object points to: who wants to launch again later holds it.
void launch(const char* op, const kernels::Kernel& kernel, const Operands& outputs,
            const Operands& inputs, const Params& params = {}, const Owner& owner = {});

/// What the host does with the memory of tensors, launched as a kernel is, so that a recording does
/// it again: for checks of values, and for what is too rare to be a kernel. It may throw.
using HostWork = std::function<void(const kernels::View* out, const kernels::View* in)>;
void launch_host(const char* op, const Operands& outputs, const Operands& inputs, HostWork work);

/// Sees every launch of its thread before it runs.
class LaunchListener {
 public:
  virtual ~LaunchListener() = default;
  virtual void launching(const char* op, const kernels::Kernel& kernel, const Operands& outputs,
                         const Operands& inputs, const Params& params, const Owner& owner) = 0;
};
inline thread_local LaunchListener* launch_listener BX_FAST_TLS = nullptr;

/// On and off, in pairs: in between no kernel of this thread runs. Shapes are found and checked,
/// values are not, and large blocks take memory only where they are touched.
void skip_kernels(bool on);

/// Throws the error of a kernel that could not go on.
[[noreturn]] void report_fault(const char* op, const kernels::FaultInfo& fault);

/// Called around kernels that run long: the bindings release the interpreter's lock there.
struct LongKernelHooks {
  void* (*enter)() = nullptr;
  void (*leave)(void*) = nullptr;
};
void set_long_kernel_hooks(LongKernelHooks hooks);

/// Elements from which kernels run long enough to let other Python threads run.
inline constexpr int64_t kLongKernel = 1 << 16;

/// Around what runs long.
class LongKernel {
 public:
  explicit LongKernel(bool is_long);
  ~LongKernel();
  LongKernel(const LongKernel&) = delete;
  LongKernel& operator=(const LongKernel&) = delete;

 private:
  Reading reading_;  // ends after the lock is back
  void* state_;
};

}  // namespace bx
