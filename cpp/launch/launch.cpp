#include "launch/launch.h"

#include <string_view>

#include "core/inline_vector.h"
#include "core/memory.h"
#include "launch/isa.h"
#include "launch/narrow.h"
#include "launch/pointwise_driver.h"

namespace bx {

using kernels::FaultInfo;
using kernels::Kernel;
using kernels::View;

const Kernel& row_kernel(int row, int part, DType dtype) {
  return kernel_table().kernels[row * kernels::kPartsPerRow + part][static_cast<int>(dtype)];
}

const Kernel& kernel(kernels::Id id, DType dtype) {
  return kernel_table().kernels[formulas::kRowCount * kernels::kPartsPerRow + static_cast<int>(id)]
                               [static_cast<int>(dtype)];
}

namespace {

LongKernelHooks long_hooks;

/// Hears of kernels that do not run.
class Silence final : public LaunchListener {
  void launching(const char*, const Kernel&, const Operands&, const Operands&, const Params&,
                 const Owner&) override {}
} silence;
thread_local int silent = 0;

/// The memory of operands, which is theirs until a long kernel is through: other Python threads run
/// meanwhile, and may give the tensors other memory.
class Memory {
 public:
  Memory(const Operands& outputs, const Operands& inputs) {
    for (const Operands* tensors : {&outputs, &inputs})
      for (int k = 0; k < tensors->size(); ++k) held_.push_back((*tensors)[k].storage->root());
  }

 private:
  InlineVector<Ref<Storage>, kernels::kMaxOperands> held_;
};

/// Every operand straight, of one size, or a single element against a single element.
bool all_straight(const TensorImpl& out, const Operands& inputs) {
  if (!is_contiguous(out.shape, out.strides)) return false;
  for (int k = 0; k < inputs.size(); ++k)
    if (!(inputs[k].shape == out.shape) || !is_contiguous(inputs[k].shape, inputs[k].strides))
      return false;
  return true;
}

void launch_pointwise(const char* op, const Kernel& kernel, const Operands& outputs,
                      const Operands& inputs, const Params& params, FaultInfo* fault) {
  const TensorImpl& out = outputs[0];
  const int64_t n = out.shape.product();
  if (n == 0) return;
  const int count = inputs.size();
  if (n < kLongKernel && all_straight(out, inputs)) {
    void* to[1] = {out.raw()};
    const void* from[kernels::kMaxOperands];
    for (int k = 0; k < count; ++k) from[k] = inputs[k].raw();
    return kernel.pointwise(to, from, n, params.f, fault);
  }
  if (count > 4) fail_runtime(op, "a pointwise kernel has at most 4 inputs, got ", count);
  PointwiseOperand operands[5];
  PointwiseStep step{kernel.pointwise, params.f, 0, count, {1, 2, 3, 4}};
  operands[0] = {static_cast<char*>(out.raw()), size_of(out.dtype), false, true, out.strides};
  for (int k = 0; k < count; ++k)
    operands[k + 1] = {static_cast<char*>(inputs[k].raw()), size_of(inputs[k].dtype), true, false,
                       broadcast_strides(inputs[k].shape, inputs[k].strides, out.shape)};
  Dims shape = out.shape;
  if (!is_contiguous(out.shape, out.strides)) {  // the walk follows the memory of the result
    const Dims order = memory_order(out.strides);
    shape = reordered(shape, order);
    for (int k = 0; k <= count; ++k) operands[k].strides = reordered(operands[k].strides, order);
  }
  const PointwisePlan plan(shape, std::span(operands, static_cast<size_t>(count) + 1),
                           std::span(&step, 1));
  if (n < kLongKernel) return plan.run(fault);
  const Memory held(outputs, inputs);
  LongKernel region(true);
  plan.run(fault);
}

View view_of(const TensorImpl& t) {
  return {t.raw(), t.shape.data(), t.strides.data(), t.shape.size(), t.dtype};
}

/// Other Python threads run meanwhile, and may give the tensors other shapes.
void launch_long(const Kernel& kernel, const Operands& outputs, const Operands& inputs,
                 const Params& params, FaultInfo* fault) {
  struct Kept {
    explicit Kept(const Operands& tensors) {
      for (int k = 0; k < tensors.size(); ++k) {
        shapes[k] = tensors[k].shape;
        strides[k] = tensors[k].strides;
        views[k] = view_of(tensors[k]);
        views[k].shape = shapes[k].data();
        views[k].strides = strides[k].data();
      }
    }
    View views[kernels::kMaxOperands];
    Dims shapes[kernels::kMaxOperands], strides[kernels::kMaxOperands];
  };
  const Kept out(outputs), in(inputs);
  const Memory held(outputs, inputs);
  LongKernel region(true);
  kernel.general(out.views, in.views, params, fault);
}

}  // namespace

void set_long_kernel_hooks(LongKernelHooks hooks) { long_hooks = hooks; }

LongKernel::LongKernel(bool is_long)
    : reading_(is_long), state_(is_long && long_hooks.enter ? long_hooks.enter() : nullptr) {}
LongKernel::~LongKernel() {
  if (state_) long_hooks.leave(state_);
}

void skip_kernels(bool on) {
  if (on && launch_listener && launch_listener != &silence)
    fail_runtime("meta", "a step with meta tensors cannot be recorded; make them on the cpu");
  silent += on ? 1 : -1;
  launch_listener = silent ? &silence : nullptr;
  memory::pretends = silent > 0;
}

void report_fault(const char* op, const FaultInfo& fault) {
  if (fault.fault == kernels::Fault::DivideByZero)
    fail_runtime(op, "ZeroDivisionError: integer division by zero; use float tensors or a mask");
  const bool wraps = std::string_view(op).starts_with("index");  // x[-1], unlike a class of -1
  fail(ErrorKind::OutOfRange, op, "index ", fault.index,
       " is out of range for a dimension of size ", fault.size, "; expected ",
       wraps ? -fault.size : 0, " to ", fault.size - 1);
}

void launch(const char* op, const Kernel& kernel, const Operands& outputs, const Operands& inputs,
            const Params& params, const Owner& owner) {
  if (!kernel.pointwise && !kernel.general) [[unlikely]] {
    const DType dtype = inputs.size() ? inputs[inputs.size() - 1].dtype : outputs[0].dtype;
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(dtype),
         is_complex(dtype) ? "; take .real, .imag or .abs()" : "; convert it, e.g. with .float()");
  }
  if ((!kernel.pointwise || kernel.widened) && !kernel.takes_narrow && any_narrow(outputs, inputs))
      [[unlikely]]
    return launch_widened(op, kernel, outputs, inputs, params, owner);
  if (launch_listener) {
    if (silent) return;
    launch_listener->launching(op, kernel, outputs, inputs, params, owner);
  }
  FaultInfo fault;
  int64_t work = 0;
  for (int k = 0; k < outputs.size(); ++k) {
    outputs[k].storage->own();
    work += outputs[k].shape.product();
  }
  if (kernel.pointwise) {
    launch_pointwise(op, kernel, outputs, inputs, params, &fault);
  } else {
    for (int k = 0; k < inputs.size(); ++k) work += inputs[k].shape.product();
    if (work < kLongKernel) {
      View out[kernels::kMaxOperands], in[kernels::kMaxOperands];
      for (int k = 0; k < outputs.size(); ++k) out[k] = view_of(outputs[k]);
      for (int k = 0; k < inputs.size(); ++k) in[k] = view_of(inputs[k]);
      kernel.general(out, in, params, &fault);
    } else {
      launch_long(kernel, outputs, inputs, params, &fault);
    }
  }
  if (fault.fault != kernels::Fault::None) report_fault(op, fault);
}

void launch_host(const char* op, const Operands& outputs, const Operands& inputs, HostWork work) {
  const auto run = [](const View* out, const View* in, const Params& params, FaultInfo*) {
    (*static_cast<const HostWork*>(params.object))(out, in);
  };
  const auto owned = std::make_shared<HostWork>(std::move(work));
  Params params;
  params.object = owned.get();
  launch(op, Kernel{op, nullptr, run}, outputs, inputs, params, owned);
}

}  // namespace bx
