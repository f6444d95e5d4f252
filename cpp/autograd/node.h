// The tape's contract. Reading order: Node (what an operation leaves behind), saved_tensor.h (what
// it keeps for the way back), Recorder and Backward (how an op writes one), then engine.h.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "autograd/saved_tensor.h"
#include "autograd/watch.h"
#include "core/inline_vector.h"
#include "core/tensor.h"

namespace bx {

/// Runs on a gradient; an undefined result leaves it as it was.
using Hook = std::function<Tensor(const Tensor&)>;
struct NumberedHook {
  int64_t id;
  uint32_t output;
  Hook run;
};

/// Runs on all gradients of a node: those of its outputs, or those of its inputs (first, to be
/// changed in place) beside those of its outputs.
using NodeHook = std::function<void(std::span<Tensor> changeable, std::span<const Tensor> outputs)>;
struct NumberedNodeHook {
  int64_t id;
  NodeHook run;
};

/// What only some nodes have: hooks on outputs and on the node itself, outputs whose gradient is
/// kept in their `.grad`, and notes.
struct NodeHooks {
  std::vector<NumberedHook> before;
  std::vector<TensorImpl*> retaining;
  std::vector<NumberedNodeHook> on_outputs, on_inputs;
  std::shared_ptr<void> metadata;
};

/// The gradients at hand while a node runs, and where its results go.
struct Backward {
  Node& node;
  const Tensor* grads;  // one per output of the node; undefined where none arrived
  Tensor* results;      // one per edge
  const bool* wanted;   // one per edge

  const Tensor& grad(int i = 0) const { return grads[i]; }
  bool wants(int i) const { return wanted[i]; }
  void give(int i, Tensor g) const { results[i] = std::move(g); }
  inline Tensor saved(int i) const;
};

/// An operation on the tape. Nodes are numbered at creation, and an operation is always created
/// after its inputs: falling numbers are an order in which gradients can be computed.
class Node : public Object {
 public:
  explicit Node(const char* name) : name_(name), number_(next_number()) {}

  /// PyTorch's name of the node, "MulBackward0".
  virtual std::string name() const { return name_; }
  void rename(const char* name) { name_ = name; }
  /// The name it was made with, which outlives the node.
  const char* label() const { return name_; }
  uint64_t number() const { return number_; }

  /// MUST give(i, g) for every wanted edge i that has a gradient, of the input's shape and dtype.
  virtual void backward(const Backward& call) = 0;

  /// Frees what was kept for the backward pass; running the node again is then an error.
  virtual void release_saved() {
    ran = true;
    if (!saved.empty()) released = true;
    saved.clear();
  }
  /// The node that runs inside this one, if any: it keeps values of its own.
  virtual const Node* inner() const { return nullptr; }

  InlineVector<Edge, 2> edges;
  InlineVector<SavedTensor, 3> saved;
  bool released = false;
  bool ran = false;  // in a backward pass that kept no graph
  uint32_t output_count = 1;
  std::unique_ptr<NodeHooks> hooks;
  void* python_object = nullptr;

 protected:
  Node(const char* name, uint64_t number) : name_(name), number_(number) {}
  void last_release() override { destroy_flat(this); }

 private:
  static uint64_t next_number();
  const char* name_;
  uint64_t number_;
};

/// RuntimeError: the node ran before, and what it kept is gone.
[[noreturn]] void fail_freed(const Node& node);

inline Tensor Backward::saved(int i) const {
  if (node.released || i >= node.saved.size()) fail_freed(node);
  return node.saved[i].unpack(node);
}

/// The end of the tape at a leaf: adds the gradient to `.grad`.
class AccumulateGrad final : public Node {
 public:
  explicit AccumulateGrad(const Tensor& leaf) : Node("AccumulateGrad", 0), leaf(leaf) {}
  ~AccumulateGrad() override;
  void backward(const Backward&) override {}  // the engine accumulates, it knows create_graph
  Tensor leaf;
};

/// The node as the end at a leaf, or null: operations are numbered from 1 on.
inline AccumulateGrad* as_leaf(Node& node) {
  return node.number() == 0 ? static_cast<AccumulateGrad*>(&node) : nullptr;
}

/// Where the elements of a sparse tensor stand that are not zero.
struct Coordinates {
  Tensor indices;  // int64 (sparse dimensions, number of values)
  Dims size;       // of the whole tensor: the sparse dimensions, then those of a value
  bool coalesced;  // in order, each place once
  bool by_rows;    // a matrix whose rows are told by where they begin (CSR): coalesced
};

/// What autograd hangs on a leaf, and on a sparse tensor.
struct LeafExtras final : AutogradExtras {
  std::unique_ptr<const Coordinates> coordinates;
  AccumulateGrad* accumulator = nullptr;  // not owned: the graph owns it
  std::vector<NumberedHook> hooks;
  std::vector<NumberedHook> after;  // run on the leaf when its gradient has been added to
};

/// Grad mode of this thread: whether operations are recorded.
bool grad_enabled();
void set_grad_enabled(bool enabled);
class GradMode {
 public:
  explicit GradMode(bool enabled) : before_(grad_enabled()) { set_grad_enabled(enabled); }
  ~GradMode() { set_grad_enabled(before_); }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

/// f() without a graph.
template <class F>
auto unrecorded(F f) {
  GradMode off(false);
  return f();
}

/// The node that made t, made anew where t is a view whose base was written in place.
Ref<Node> grad_fn(const Tensor& t);
bool view_requires_grad(const Tensor& view);
inline bool requires_grad(const Tensor& t) {
  return t.defined() &&
         (t->leaf_requires_grad || t->grad_fn || (t->view_base && view_requires_grad(t)));
}
/// Where t's gradient goes: its node, its accumulator, or nowhere.
Edge gradient_edge(const Tensor& t);

/// t, just made, whose node gets another name: PyTorch's for the operation that ends here.
inline Tensor named(const char* name, Tensor t) {
  if (t->grad_fn) static_cast<Node&>(*t->grad_fn).rename(name);
  return t;
}

/// The same for a reshaped result whose base nobody has: it is no view of anything.
inline Tensor unsafe_view(const char* name, Tensor t) {
  t->view_base = nullptr;
  return named(name, std::move(t));
}

/// Makes `node` the origin of t, as output nr.
void set_history(const Tensor& t, const Ref<Node>& node, uint32_t nr = 0);
/// The same for a tensor just written in place: where t is a view, its base is rebased.
void rebase_history(const Tensor& t, const Ref<Node>& node);

/// The gradients of a node's inputs for these of its outputs (undefined: zero), by itself: no hook
/// runs, nothing is freed and no `.grad` changes. RuntimeError for a wrong count or shape.
Tensors run_node(Node& node, const Tensors& grads);

/// RuntimeError where t was made in inference_mode and is to require a gradient outside of it.
void check_not_inference(const Tensor& t);
/// Whether several elements share one memory location, as those of expanded tensors do.
bool repeats_elements(const Tensor& t);
/// Checks that t may be written in place; `op` names the caller. Bumps nothing yet. `repeats`: with
/// a warning, also where elements share memory.
void check_inplace(const char* op, const Tensor& t, bool repeats = false);
/// RuntimeError where two tensors without gaps share a part of their memory, of which one is
/// written and the other read: what is read would hang on the order of the writes. `wholly`: also
/// where they share all of it, element by element.
void require_apart(const char* op, const Tensor& written, const Tensor& read, bool wholly = false);

/// A node made of a lambda: formula and saved values side by side in the op.
template <class F>
class LambdaNode final : public Node {
 public:
  LambdaNode(const char* name, F run) : Node(name), run_(std::move(run)) {}
  void backward(const Backward& call) override { run_(call); }

 private:
  F run_;
};

/// Records one operation. False when nothing is to be recorded:
///   if (Recorder r{&a, &b}; r) r.done("MulBackward0", out, {save(b), save(a)}, [](auto& x) {...});
class Recorder {
 public:
  Recorder(std::initializer_list<const Tensor*> inputs) {
    if (!grad_enabled()) return;
    for (const Tensor* t : inputs) active_ = active_ || requires_grad(*t);
    if (active_)
      for (const Tensor* t : inputs) add_input(*t);
  }
  explicit Recorder(const Tensors& inputs) {
    if (!grad_enabled()) return;
    for (const Tensor& t : inputs) active_ = active_ || requires_grad(t);
    if (active_)
      for (const Tensor& t : inputs) add_input(t);
  }

  explicit operator bool() const { return active_; }
  /// Whether input i's gradient will be wanted.
  bool needs(int i) const { return static_cast<bool>(edges_[i].node); }

  Recorder& save(const Tensor& t) {
    saved_.push_back(t.defined() ? SavedTensor(t, false) : SavedTensor());
    return *this;
  }
  /// Keeps t only when some input needs it; its slot exists either way.
  Recorder& save_if(bool needed, const Tensor& t) { return save(needed ? t : Tensor()); }
  /// Keeps the output itself; call after outputs are known to `done`.
  Recorder& save_output() {
    output_slot_ = saved_.size();
    saved_.push_back(SavedTensor());
    return *this;
  }

  template <class F>
  void done(const char* name, const Tensor& output, F run) {
    finish(make<LambdaNode<F>>(name, std::move(run)), Operand{&output, 1});
  }
  template <class F>
  void done(const char* name, const Tensors& outputs, F run) {
    finish(make<LambdaNode<F>>(name, std::move(run)),
           Operand{outputs.data(), static_cast<int>(outputs.size())});
  }
  /// The output was written in place.
  template <class F>
  void done_inplace(const char* name, const Tensor& output, F run) {
    finish_inplace(make<LambdaNode<F>>(name, std::move(run)), output);
  }

 private:
  struct Operand {
    const Tensor* first;
    int count;
  };
  void add_input(const Tensor& t) {
    edges_.push_back(gradient_edge(t));
    if (watch.enabled) [[unlikely]]
      note_input(t);
  }
  void note_input(const Tensor& t);
  void fill(Node& node, const Tensor& output);
  void finish(Ref<Node> node, Operand outputs);
  void finish_inplace(Ref<Node> node, const Tensor& output);

  bool active_ = false;
  int output_slot_ = -1;
  InlineVector<Edge, 4> edges_;
  InlineVector<SavedTensor, 4> saved_;
  std::unique_ptr<Tensors> inputs_;  // for who watches
};

}  // namespace bx
