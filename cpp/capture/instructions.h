// The kinds of things that a replay does.
#pragma once

#include "capture/replay.h"
#include "launch/pointwise_driver.h"

namespace bx::capture {

using kernels::FaultInfo;

inline void check(const char* op, const FaultInfo& fault) {
  if (fault.fault != kernels::Fault::None) report_fault(op, fault);
}

/// One pointwise kernel on straight memory: a call and nothing else.
class StraightKernel final : public Instruction {
 public:
  StraightKernel(const Launch& launch) : launch_(launch), n_(launch.out[0].numel()) {}
  void run() override {
    FaultInfo fault;
    launch_.kernel.pointwise(&out, in, n_, launch_.params.f, &fault);
    check(launch_.op, fault);
  }
  std::string text() const override { return str(launch_.op, " ", launch_.out[0].shape); }

  void* out = nullptr;
  void* in[4] = {};

 private:
  Launch launch_;
  int64_t n_;
};

/// Several pointwise kernels over one index space, block by block.
class FusedKernels final : public Instruction {
 public:
  void run() override {
    FaultInfo fault;
    plan->run(&fault);
    check(names.front(), fault);
  }
  std::string text() const override {
    std::string all;
    for (const char* name : names) all += (all.empty() ? "" : " + ") + std::string(name);
    return str(all, " ", plan->shape);
  }

  std::vector<PointwiseOperand> operands;
  std::vector<PointwiseStep> steps;
  std::vector<Params> params;
  std::vector<const char*> names;
  std::optional<PointwisePlan> plan;
};

/// Any other kernel.
class GeneralKernel final : public Instruction {
 public:
  explicit GeneralKernel(const Launch& launch) : launch_(launch) {
    for (const Operand& o : launch_.out) out.push_back(view(o));
    for (const Operand& o : launch_.in) in.push_back(view(o));
  }
  void run() override {
    FaultInfo fault;
    launch_.kernel.general(out.data(), in.data(), launch_.params, &fault);
    check(launch_.op, fault);
  }
  std::string text() const override {
    std::string shapes;
    for (const Operand& o : launch_.in) shapes += str(shapes.empty() ? "" : ", ", o.shape);
    return str(launch_.op, " ", shapes, " -> ", launch_.out[0].shape);
  }

  std::vector<kernels::View> out, in;

 private:
  static kernels::View view(const Operand& o) {
    return {nullptr, o.shape.data(), o.strides.data(), o.shape.size(), o.dtype};
  }
  Launch launch_;
};

/// Puts back what the host had written into a buffer that the step writes itself later.
class Restore final : public Instruction {
 public:
  explicit Restore(std::vector<char> bytes) : bytes_(std::move(bytes)) {}
  void run() override { std::copy(bytes_.begin(), bytes_.end(), static_cast<char*>(to)); }
  std::string text() const override { return str("restore ", bytes_.size(), " bytes"); }
  void* to = nullptr;

 private:
  std::vector<char> bytes_;
};

/// Sets a leaf's `.grad`.
class SetGrad final : public Instruction {
 public:
  /// `recorded`: where the gradient's buffer began while it was recorded.
  SetGrad(const GradSet& set, Ref<Storage> storage, const void* recorded)
      : set_(set), storage_(std::move(storage)) {
    const Ref<TensorImpl>& now = set_.leaf->grad;
    if (set_.grad && now && now->storage->root_address()->data() == recorded &&
        now->offset * size_of(now->dtype) == set_.grad->offset)
      grad_ = now;
  }
  void run() override {
    if (!set_.grad) {
      set_.leaf->grad = nullptr;
      return;
    }
    if (!grad_)
      grad_ = make<TensorImpl>(storage_, set_.grad->offset / size_of(set_.grad->dtype),
                               set_.grad->shape, set_.grad->strides, set_.grad->dtype);
    if (!(set_.leaf->grad == grad_)) set_.leaf->grad = grad_;
  }
  bool on_host() const override { return true; }
  std::string text() const override {
    return str("grad of ", set_.leaf.shape(), set_.grad ? "" : " = None");
  }

 private:
  GradSet set_;
  Ref<Storage> storage_;
  Ref<TensorImpl> grad_;
};

/// An optimizer's step, with its options as they are now.
class CallHost final : public Instruction {
 public:
  explicit CallHost(HostCall call) : call_(std::move(call)) {}
  void run() override { call_.run(); }
  bool on_host() const override { return true; }
  std::string text() const override { return call_.name; }

 private:
  HostCall call_;
};

}  // namespace bx::capture
