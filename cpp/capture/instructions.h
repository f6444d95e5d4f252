// The kinds of things that a replay does.
#pragma once

#include "capture/replay.h"
#include "capture/rows.h"
#include "launch/pointwise_driver.h"

namespace bx::capture {

using kernels::FaultInfo;

inline constexpr auto kLine = static_cast<int64_t>(memory::kAlignment);

inline void check(const char* op, const FaultInfo& fault) {
  if (fault.fault != kernels::Fault::None) report_fault(op, fault);
}

/// One pointwise kernel on straight memory: a call and nothing else.
class StraightKernel final : public Instruction {
 public:
  explicit StraightKernel(std::unique_ptr<Launch> launch)
      : launch_(std::move(launch)), n_(launch_->out[0].numel()) {}
  void run() override {
    FaultInfo fault;
    launch_->kernel.pointwise(&out, in, n_, launch_->params.f, &fault);
    check(launch_->op, fault);
  }
  std::string text() const override { return str(launch_->op, " ", launch_->out[0].shape()); }
  const Launch& launch() const { return *launch_; }

  void* out = nullptr;
  void* in[4] = {};

 private:
  std::unique_ptr<Launch> launch_;
  int64_t n_;
};

/// Several pointwise kernels over one index space, block by block.
class FusedKernels final : public Stage {
 public:
  void run() override {
    FaultInfo fault;
    plan->run(&fault);
    check(op(), fault);
    for (Tree& t : trees) {
      const void* list[1] = {t.leaves.get()};
      t.join(&t.out, list, plan->total, nullptr, &fault);
    }
  }
  void cut(int64_t rows) override { row_width_ = plan->total / rows; }
  void run_rows(int64_t begin, int64_t end, char* local, FaultInfo* fault) const override {
    plan->run_range(begin * row_width_, end * row_width_, fault, local);
  }
  const char* op() const override { return launches.front()->op; }
  std::string text() const override {
    std::string all;
    for (const auto& launch : launches) all += (all.empty() ? "" : " + ") + std::string(launch->op);
    return str(all, " ", shape);
  }

  /// What a reduction at the end makes of its leaves.
  struct Tree {
    kernels::PointwiseFn join;
    std::unique_ptr<char[]> leaves;
    void* out = nullptr;
  };

  Dims shape;
  std::vector<PointwiseOperand> operands;
  std::vector<PointwiseStep> steps;
  std::vector<Tree> trees;
  std::vector<std::unique_ptr<Launch>> launches;
  std::optional<PointwisePlan> plan;

 private:
  int64_t row_width_ = 0;  // elements
};

/// Any other kernel.
class GeneralKernel final : public Stage {
 public:
  explicit GeneralKernel(std::unique_ptr<Launch> launch) : launch_(std::move(launch)) {
    out.reserve(launch_->out.size());
    in.reserve(launch_->in.size());
    for (const Operand& o : launch_->out) out.push_back(view(o));
    for (const Operand& o : launch_->in) in.push_back(view(o));
  }
  void run() override {
    FaultInfo fault;
    launch_->kernel.general(out.data(), in.data(), launch_->params, &fault);
    check(launch_->op, fault);
  }
  void cut(int64_t rows) override {
    out_cuts_ = cuts(launch_->out, launch_->kernel.rows.out, rows);
    in_cuts_ = cuts(launch_->in, launch_->kernel.rows.in, rows);
  }
  void run_rows(int64_t begin, int64_t end, char* local, FaultInfo* fault) const override {
    const RowViews to(out, out_local, out_cuts_, begin, end, local);
    const RowViews from(in, in_local, in_cuts_, begin, end, local);
    launch_->kernel.general(to.views, from.views, launch_->params, fault);
  }
  /// All of it, while `done` hears of rows.
  void lead(kernels::RowsDone done, FaultInfo* fault) const {
    launch_->kernel.leading(out.data(), in.data(), launch_->params, fault, done);
  }
  const Launch& launch() const { return *launch_; }
  const char* op() const override { return launch_->op; }
  std::string text() const override {
    std::string shapes;
    for (const Operand& o : launch_->in) shapes += str(shapes.empty() ? "" : ", ", o.shape());
    return str(launch_->op, " ", shapes, launch_->out.empty() ? "" : " -> ",
               launch_->out.empty() ? "" : str(launch_->out[0].shape()));
  }

  std::vector<kernels::View> out, in;
  std::vector<int64_t> out_local, in_local;  // offsets in the memory of a walk; -1: elsewhere

 private:
  /// How an operand is cut into rows.
  struct RowCut {
    int64_t step;     // bytes from row to row
    bool is_leading;  // along dimension 0; else in equal pieces, whose shape the kernel ignores
  };
  static std::vector<RowCut> cuts(const std::vector<Operand>& all, unsigned mask, int64_t rows) {
    std::vector<RowCut> result;
    for (size_t k = 0; k < all.size(); ++k) {
      const Operand& o = all[k];
      const bool walked = mask >> k & 1;
      result.push_back(
          {walked ? row_step(o, rows) : 0, walked && o.shape().size() > 0 && o.shape()[0] == rows});
    }
    return result;
  }
  struct RowViews {
    RowViews(const std::vector<kernels::View>& whole, const std::vector<int64_t>& offsets,
             const std::vector<RowCut>& cuts, int64_t begin, int64_t end, char* local) {
      for (size_t k = 0; k < whole.size(); ++k) {
        kernels::View& v = views[k];
        v = whole[k];
        const int64_t at = begin * cuts[k].step;
        v.data =
            offsets[k] >= 0 ? local + offsets[k] + at % kLine : static_cast<char*>(v.data) + at;
        if (!cuts[k].is_leading) continue;
        std::copy_n(v.shape, v.ndim, shapes[k]);
        shapes[k][0] = end - begin;
        v.shape = shapes[k];
      }
    }
    kernels::View views[kernels::kMaxOperands];
    int64_t shapes[kernels::kMaxOperands][kMaxDims];
  };

  static kernels::View view(const Operand& o) {
    return {nullptr, o.shape().data(), o.strides().data(), o.shape().size(), o.dtype};
  }
  std::unique_ptr<Launch> launch_;
  std::vector<RowCut> out_cuts_, in_cuts_;
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
                               set_.grad->shape(), set_.grad->strides(), set_.grad->dtype);
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
