#include "autograd/node.h"

#include <algorithm>
#include <atomic>
#include <string_view>

#include "autograd/anomaly.h"
#include "autograd/engine.h"
#include "autograd/views.h"
#include "core/thread_local.h"

namespace bx {

namespace {
thread_local bool grad_mode BX_FAST_TLS = true;
std::atomic<uint64_t> last_number{0};

LeafExtras* leaf_extras(TensorImpl& t) { return static_cast<LeafExtras*>(t.extras.get()); }
}  // namespace

uint64_t Node::next_number() { return last_number.fetch_add(1, std::memory_order_relaxed) + 1; }

bool grad_enabled() { return grad_mode; }
void set_grad_enabled(bool enabled) { grad_mode = enabled && !inference; }

TensorImpl::~TensorImpl() {
  if (!retains_grad || !grad_fn) return;
  auto& node = static_cast<Node&>(*grad_fn);
  if (node.hooks) std::erase(node.hooks->retaining, this);
}

AccumulateGrad::~AccumulateGrad() { leaf_extras(*leaf.impl())->accumulator = nullptr; }

Ref<Node> grad_fn(const Tensor& t) {
  if (t->view_base && t->view_version != t->storage->version()) refresh_view(t);
  return Ref<Node>(static_cast<Node*>(t->grad_fn.get()));
}

bool view_requires_grad(const Tensor& view) {
  return view->unrecorded_view ? requires_grad(Tensor(view->view_base))
                               : static_cast<bool>(grad_fn(view));
}

Edge gradient_edge(const Tensor& t) {
  if (!t.defined()) return {};
  if (Ref<Node> node = grad_fn(t)) return {std::move(node), t->output_nr};
  if (!t->leaf_requires_grad) return {};
  if (!t->extras) t->extras = std::make_unique<LeafExtras>();
  LeafExtras& extras = *leaf_extras(*t.impl());
  if (extras.accumulator) return {Ref<Node>(extras.accumulator), 0};
  auto accumulator = make<AccumulateGrad>(t);
  extras.accumulator = accumulator.get();
  return {std::move(accumulator), 0};
}

void set_history(const Tensor& t, const Ref<Node>& node, uint32_t nr) {
  t->grad_fn = node;
  t->output_nr = nr;
  t->leaf_requires_grad = false;
  t->view_version = t->storage->version();
  if (anomaly.enabled) anomaly.recorded(*node);
}

void rebase_history(const Tensor& t, const Ref<Node>& node) {
  if (t->view_base) rebase_view(t, node);
  else set_history(t, node);
}

void fail_freed(const Node& node) {
  const bool shared = current_pass_is_first();
  fail_runtime(
      "backward", "the values that ", node.name(), " kept were freed by an earlier backward",
      shared ? ", that of another loss which shares this part of the graph; detach() what is "
               "carried over from step to step (h = h.detach(), total += loss.item()), or "
               "call the earlier one with retain_graph=True"
             : "; call the earlier one with retain_graph=True, or compute the loss again",
      story_for_error(node));
}

Tensors run_node(Node& node, const Tensors& grads) {
  if (grads.size() != node.output_count)
    fail_runtime("backward", node.name(), " has ", node.output_count, " outputs, but ",
                 grads.size(), " gradients are given; give one, or None, for each");
  GradMode off(false);
  const auto count = static_cast<size_t>(node.edges.size());
  Tensors results(count);
  std::unique_ptr<bool[]> wanted(new bool[count]);
  for (size_t i = 0; i < count; ++i)
    wanted[i] = static_cast<bool>(node.edges[static_cast<int>(i)].node);
  node.backward({node, grads.data(), results.data(), wanted.get()});
  return results;
}

void check_not_inference(const Tensor& t) {
  if (t->storage->is_inference() && !inference)
    fail_runtime("requires_grad", "a tensor of shape ", t.shape(),
                 " that was made in inference_mode() is to require a gradient; clone() it first");
}

namespace {

/// PyTorch writes through none of several views that one call makes, nor through views of them.
void require_single_view(const char* op, const Tensor& t) {
  const Ref<Node> base = grad_fn(Tensor(t->view_base)), last = grad_fn(t);
  for (const Node* node = last.get(); node && node != base.get();
       node = node->edges.size() ? node->edges[0].node.get() : nullptr) {
    const std::string_view name = node->label();
    if (name == "SplitBackward0" || name == "SplitWithSizesBackward0" || name == "UnbindBackward0")
      fail_runtime(op, "a view of shape ", t.shape(), ", one of several that ", name,
                   " belongs to, is written in place; write x[k] or a slice of x instead");
  }
}

}  // namespace

bool repeats_elements(const Tensor& t) {
  for (int d = 0; d < t.dim(); ++d)
    if (t.strides()[d] == 0 && t.shape()[d] > 1 && t.numel() > 0) return true;
  return false;
}

void check_inplace(const char* op, const Tensor& t, bool repeats) {
  if (watch.enabled) [[unlikely]]
    watch.writes(op, t);
  if (t->storage->is_inference() && !inference) [[unlikely]]
    fail_runtime(op, "a tensor of shape ", t.shape(),
                 " that was made in inference_mode() is written in place outside of it; clone() it "
                 "first, or use no_grad()");
  if (grad_enabled() && requires_grad(t)) {
    if (t->unrecorded_view) fail_written_outside(op, t);
    if (t->leaf_requires_grad && !t->grad_fn)
      fail_runtime(op, "a leaf tensor", name_for_error(t), " that requires grad (shape ", t.shape(),
                   ") is written in place; do it under no_grad(), or on .data");
    if (t->view_base && t->view_base->leaf_requires_grad)
      fail_runtime(op, "a view of a leaf tensor", name_for_error(Tensor(t->view_base)),
                   " that requires grad (shape ", t->view_base->shape,
                   ") is written in place; do it under no_grad(), or on .data");
    if (t->view_base) require_single_view(op, t);
    if (const Ref<Node> last = grad_fn(t);
        last && std::string_view(last->label()) == "BackwardHookFunctionBackward")
      fail_runtime(op, "a tensor of shape ", t.shape(),
                   " that a full backward hook watches is written in place; drop inplace=True");
  }
  if (!repeats_elements(t)) return;
  const std::string text = str("an expanded tensor of shape ", t.shape(),
                               " is written in place, but several elements share one memory "
                               "location; clone() it first");
  if (!repeats) fail_runtime(op, text);
  warn(op, text);
}

namespace {

/// Row-major or not, the same elements in the same order: sizes of 1 lie anywhere.
bool lie_alike(const Tensor& a, const Tensor& b) {
  int i = 0, j = 0;
  for (;; ++i, ++j) {
    while (i < a.dim() && a.shape()[i] == 1) ++i;
    while (j < b.dim() && b.shape()[j] == 1) ++j;
    if (i == a.dim() || j == b.dim()) return i == a.dim() && j == b.dim();
    if (a.shape()[i] != b.shape()[j] || a.strides()[i] != b.strides()[j]) return false;
  }
}

}  // namespace

void require_apart(const char* op, const Tensor& written, const Tensor& read, bool wholly) {
  if (written->storage != read->storage || !is_dense(written) || !is_dense(read)) return;
  const int64_t a = size_of(written.dtype()), b = size_of(read.dtype());
  const bool same = a == b && written->offset == read->offset && lie_alike(written, read);
  if (same && !wholly) return;
  if (a * written->offset < b * (read->offset + read.numel()) &&
      b * read->offset < a * (written->offset + written.numel()))
    fail_runtime(op, "the tensor written, of shape ", written.shape(),
                 ", and one that is read, of ", read.shape(),
                 ", share a part of their memory; clone() the latter");
}

void Recorder::note_input(const Tensor& t) {
  if (!inputs_) inputs_ = std::make_unique<Tensors>();
  inputs_->push_back(t);
}

void Recorder::fill(Node& node, const Tensor& output) {
  for (Edge& edge : edges_) node.edges.push_back(std::move(edge));
  for (int i = 0; i < saved_.size(); ++i)
    node.saved.push_back(i == output_slot_ ? SavedTensor(output, true) : std::move(saved_[i]));
}

void Recorder::finish(Ref<Node> node, Operand outputs) {
  for (int i = 0; i < outputs.count; ++i)
    if (is_differentiable(outputs.first[i].dtype()))
      set_history(outputs.first[i], node, static_cast<uint32_t>(i));
  fill(*node, outputs.first[0]);
  node->output_count = static_cast<uint32_t>(outputs.count);
  if (inputs_) [[unlikely]]
    watch.recorded(*node, *inputs_, {outputs.first, static_cast<size_t>(outputs.count)});
}

void Recorder::finish_inplace(Ref<Node> node, const Tensor& output) {
  fill(*node, output);
  rebase_history(output, node);
  if (inputs_) [[unlikely]]
    watch.recorded(*node, *inputs_, {&output, 1});
}

}  // namespace bx
