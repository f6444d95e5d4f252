#include "autograd/views.h"

#include "ops/ops.h"

namespace bx {

namespace {

/// Where `view` lies in its base, as a walk over the base's row-major elements.
Part part_of(const Tensor& view, const Tensor& base) {
  if (!base.is_contiguous())
    fail(ErrorKind::NotImplemented, "autograd",
         "an in-place write through a view of a tensor of shape ", base.shape(), " and strides ",
         base.strides(), " that is not row-major; clone() the base first");
  return {view.shape(), view.strides(), view->offset - base->offset};
}

/// The base after a write through a view: the part comes from the write, the rest from before.
class CopySlices final : public Node {
 public:
  CopySlices(const Tensor& base, const Tensor& view, Ref<Node> write)
      : Node("CopySlices"), part_(part_of(view, base)), write_(std::move(write)) {
    edges.push_back(gradient_edge(base));
    for (int i = 1; i < write_->edges.size(); ++i) edges.push_back(write_->edges[i]);
  }

  void backward(const Backward& call) override {
    const Tensor& g = call.grad();
    const int count = edges.size();
    std::vector<Tensor> results(static_cast<size_t>(count));
    std::unique_ptr<bool[]> wanted(new bool[static_cast<size_t>(count)]);
    for (int i = 0; i < count; ++i) wanted[i] = call.wants(i);
    const Tensor part_gradient = extract("ExtractBackward0", g, part_);
    write_->backward({*write_, &part_gradient, results.data(), wanted.get()});
    if (call.wants(0))
      call.give(0,
                replace_part(g, results[0].defined() ? results[0] : zeros(part_.shape, g.dtype()),
                             part_));
    for (int i = 1; i < count; ++i)
      if (results[static_cast<size_t>(i)].defined()) call.give(i, results[static_cast<size_t>(i)]);
  }

  void release_saved() override {
    Node::release_saved();
    write_->release_saved();
  }

 private:
  Part part_;
  Ref<Node> write_;
};

}  // namespace

void track_view(const Tensor& view, const Tensor& base) {
  if (!grad_enabled()) return;
  view->view_base = base->view_base ? base->view_base : base.ref();
  view->view_version = view->storage->version();
}

void refresh_view(const Tensor& view) {
  const Tensor base(view->view_base);
  view->view_version = view->storage->version();
  view->grad_fn = nullptr;
  if (!(view->storage->root() == base->storage->root()) || !requires_grad(base)) return;
  const Part part = part_of(view, base);
  GradMode on(true);
  Recorder r{&base};
  r.done("AsStridedBackward0", view, [part, shape = base.shape()](const Backward& b) {
    b.give(0, embed(b.grad(), shape, part));
  });
}

void rebase_view(const Tensor& view, const Ref<Node>& node) {
  const Tensor base(view->view_base);
  set_history(base, make<CopySlices>(base, view, node));
  refresh_view(view);
}

}  // namespace bx
