#include "autograd/views.h"

#include "autograd/sparse.h"
#include "ops/ops.h"

namespace bx {

namespace {

/// Turns distances in the memory of a base into distances between its elements.
class Steps {
 public:
  Steps(const Tensor& base, const Dims& order, const Dims& shape)
      : base_(base), order_(order), dense_(contiguous_strides(shape)), reach_(order.size(), 0) {}

  /// How far `distance` leads, by whole steps along the dimensions; it will be gone `times` times.
  int64_t elements(int64_t distance, int64_t times) {
    int64_t elements = 0;
    for (int k = 0; k < order_.size() && distance > 0; ++k) {
      const int d = static_cast<int>(order_[k]);
      if (base_.shape()[d] < 2 || base_.strides()[d] == 0) continue;
      const int64_t steps = distance / base_.strides()[d];
      elements += steps * dense_[k];
      reach_[k] += steps * times;
      distance -= steps * base_.strides()[d];
    }
    if (distance != 0) reject();
    last_ += elements * times;
    return elements;
  }

  /// All went inside the base; past the end of a row only where the next one follows.
  void check() const {
    bool inside = last_ < base_.numel(), in_rows = true, dense = true;
    for (int k = 0; k < order_.size(); ++k) {
      const int d = static_cast<int>(order_[k]);
      in_rows = in_rows && reach_[k] < base_.shape()[d];
      dense = dense && (base_.shape()[d] < 2 || base_.strides()[d] == dense_[k]);
    }
    if (!inside || !(dense || in_rows)) reject();
  }

 private:
  [[noreturn]] void reject() const {
    fail(ErrorKind::NotImplemented, "autograd",
         "no gradient for a view that leaves the elements of its base, of shape ", base_.shape(),
         " and strides ", base_.strides(), "; clone() the base first");
  }
  const Tensor& base_;
  const Dims& order_;
  Dims dense_, reach_;
  int64_t last_ = 0;
};

Tensor ordered(const Tensor& t, const Dims& order) { return permute(t, order); }
Tensor restored(const Tensor& t, const Dims& order) {
  Dims back(order.size(), 0);
  for (int k = 0; k < order.size(); ++k) back[static_cast<int>(order[k])] = k;
  return permute(t, back);
}

/// The base after a write through a view: the part comes from the write, the rest from before.
class CopySlices final : public Node {
 public:
  CopySlices(const Tensor& base, const Tensor& view, Ref<Node> write)
      : Node("CopySlices"), where_(memory_part(view, base)), write_(std::move(write)) {
    edges.push_back(gradient_edge(base));
    for (int i = 1; i < write_->edges.size(); ++i) edges.push_back(write_->edges[i]);
  }

  void backward(const Backward& call) override {
    const Tensor& g = call.grad();
    const int count = edges.size();
    std::vector<Tensor> results(static_cast<size_t>(count));
    std::unique_ptr<bool[]> wanted(new bool[static_cast<size_t>(count)]);
    for (int i = 0; i < count; ++i) wanted[i] = call.wants(i);
    const Part& part = where_.part;
    const bool from_pairs = where_.by_parts && is_complex(g.dtype());
    const bool to_pairs = where_.by_parts && !from_pairs;
    const Tensor whole = ordered(from_pairs ? view_as_real(g) : g, where_.order);
    Tensor part_gradient = extract("ExtractBackward0", whole, part);
    if (to_pairs) part_gradient = joined(part_gradient);
    write_->backward({*write_, &part_gradient, results.data(), wanted.get()});
    if (call.wants(0)) {
      const Tensor before = !results[0].defined() ? zeros(part.shape, whole.dtype())
                            : to_pairs            ? view_as_real(results[0])
                                                  : results[0];
      const Tensor base = restored(replace_part(whole, before, part), where_.order);
      call.give(0, from_pairs ? joined(base) : base);
    }
    for (int i = 1; i < count; ++i)
      if (results[static_cast<size_t>(i)].defined()) call.give(i, results[static_cast<size_t>(i)]);
  }

  void release_saved() override {
    Node::release_saved();
    write_->release_saved();
  }
  const Node* inner() const override { return write_.get(); }

 private:
  MemoryPart where_;
  Ref<Node> write_;
};

}  // namespace

MemoryPart memory_part(const Tensor& view, const Tensor& base) {
  MemoryPart where;
  if (view.dtype() != base.dtype()) {
    GradMode off(false);
    where = memory_part(in_reals(view), in_reals(base));
    where.by_parts = true;
    return where;
  }
  where.order = memory_order(base);
  for (int64_t d : where.order) where.shape.push_back(base.shape()[static_cast<int>(d)]);
  where.part.shape = view.shape();
  where.part.strides = Dims(view.dim(), 0);
  if (view.numel() == 0) return where;
  Steps steps(base, where.order, where.shape);
  where.part.offset = steps.elements(view->offset - base->offset, 1);
  for (int d = 0; d < view.dim(); ++d)
    if (const int64_t times = view.shape()[d] - 1; times > 0)
      where.part.strides[d] = steps.elements(view.strides()[d], times);
  steps.check();
  return where;
}

void fail_written_outside(const char* op, const Tensor& view) {
  fail_runtime(op, "a view of shape ", view.shape(),
               " that was made under no_grad() is written in place outside of it; do both under "
               "no_grad(), or neither");
}

Tensor embed_in_memory(const Tensor& t, const MemoryPart& where) {
  if (!where.by_parts) return restored(embed(t, where.shape, where.part), where.order);
  const Tensor base = restored(embed(in_reals(t), where.shape, where.part), where.order);
  return is_complex(t.dtype()) ? base : joined(base);
}

void track_view(const Tensor& view, const Tensor& base) {
  if (!grad_enabled()) return;
  // A leaf that requires grad is the base of its views even where it is a view itself: a write
  // through one of them would make it a result.
  const bool of_root = base->view_base && !base->leaf_requires_grad;
  view->view_base = of_root ? base->view_base : base.ref();
  view->unrecorded_view = of_root && base->unrecorded_view;
  view->view_version = view->storage->version();
}

void note_unrecorded_view(const Tensor& made, const Tensor& base) {
  if (made.same_as(base) || made->view_base ||
      made->storage->root_address() != base->storage->root_address() ||
      base->storage->is_inference() || !is_differentiable(made.dtype()) || coordinates(base))
    return;
  made->unrecorded_view = true;
  made->view_base = base->view_base ? base->view_base : base.ref();
  made->view_version = made->storage->version();
}

void refresh_view(const Tensor& view) {
  const Tensor base(view->view_base);
  if (view->unrecorded_view && requires_grad(base))
    fail_runtime("autograd", "a view of shape ", view.shape(),
                 " was made under no_grad(), and its memory was written since: it has no place in "
                 "a graph; make the view anew, or detach() it");
  view->view_version = view->storage->version();
  view->grad_fn = nullptr;
  if (!(view->storage->root() == base->storage->root()) || !requires_grad(base)) return;
  const MemoryPart where = memory_part(view, base);
  GradMode on(true);
  Recorder r{&base};
  r.done("AsStridedBackward0", view,
         [where](const Backward& b) { b.give(0, embed_in_memory(b.grad(), where)); });
}

void rebase_view(const Tensor& view, const Ref<Node>& node) {
  if (view->unrecorded_view) fail_written_outside("autograd", view);
  const Tensor base(view->view_base);
  const auto rebased = make<CopySlices>(base, view, node);
  set_history(base, rebased);
  if (watch.enabled) [[unlikely]]
    watch.recorded(*rebased, {}, {&base, 1});
  refresh_view(view);
}

}  // namespace bx
