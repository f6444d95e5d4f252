// Reading order: Pass::run is the whole walk; collect() finds the nodes, mark() those that lead to
// the wanted inputs, and step() runs one node. Nothing here recurses: a graph of a million nodes in
// a row is a loop, and so is freeing it (core/object.cpp).
#include "autograd/engine.h"

#include <algorithm>
#include <atomic>

#include "autograd/anomaly.h"
#include "autograd/node_map.h"
#include "autograd/sparse.h"
#include "core/observer.h"
#include "ops/ops.h"

namespace bx {

namespace {

/// A node in this pass, with the gradients that have arrived for its outputs.
struct Entry {
  Ref<Node> node;
  InlineVector<Tensor, 1> grads;
  uint64_t turn = 0;  // greater ones run first
  bool wanted = true;
  /// Positions in `inputs` that are outputs of this node: (output, position).
  std::vector<std::pair<uint32_t, int>> captures;
};

/// Nobody else can see this memory, so it may be added to in place or handed on.
bool is_sole_owner(const Tensor& t) {
  return t->ref_count() == 1 && t->storage->ref_count() == 1 && !t->grad_fn && t.is_contiguous();
}

/// The first gradient is taken as it is; later ones are added, in place where that is safe.
void add_gradient(Tensor& sum, Tensor g) {
  if (!sum.defined()) {
    sum = std::move(g);
  } else if (!(whole_shape(sum) == whole_shape(g))) {
    fail_runtime("backward", "gradients of shapes ", whole_shape(sum), " and ", whole_shape(g),
                 " meet at one tensor; its shape was changed in place after it had been used: "
                 "write x = x.squeeze() instead of x.squeeze_()");
  } else if (coordinates(sum) || coordinates(g)) [[unlikely]] {
    sum = add_sparse(sum, g);
  } else if (!grad_enabled() && is_sole_owner(sum) && sum.dtype() == g.dtype()) {
    launch("backward", row_kernel(formulas::row_index<formulas::Add>, 0, sum.dtype()), sum,
           {&sum, &g});
  } else {
    sum = sum + g;
  }
}

void make_dense(Tensor& g) {
  if (g.defined() && coordinates(g)) [[unlikely]]
    g = to_dense(g);
}

/// The gradient of a sparse tensor's values, at its coordinates.
Tensor placed_as(const Tensor& t, const Tensor& g) {
  const Coordinates* at = coordinates(t);
  return at && !coordinates(g) && g.shape() == t.shape() ? sparse(g, *at) : g;
}

/// A gradient as a user gets it, who may write into it: spread out, where it is one value expanded.
Tensor spread(const Tensor& g) { return repeats_elements(g) ? clone(g) : g; }

class Pass;
thread_local Pass* current = nullptr;
std::atomic<int64_t> passes{0};

class Pass {
 public:
  Pass(const std::optional<Tensors>& inputs, const BackwardOptions& options)
      : inputs_(inputs), options_(options), outer_(current) {
    current = this;
  }
  ~Pass() { current = outer_; }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  int64_t number() const { return number_; }
  bool is_first() const { return first_; }
  bool runs(const Node& node) {
    const int place = map_.at(const_cast<Node*>(&node));
    if (place < 0) return false;
    const auto& entry = entries_[static_cast<size_t>(place)];
    return !entry || entry->wanted;
  }

  Tensors run(const Tensors& roots, const Tensors& grads) {
    GradMode mode(options_.create_graph);
    for (size_t i = 0; i < roots.size(); ++i) start(roots[i], grads[i]);
    collect();
    sort();
    for (const auto& [edge, g] : roots_)
      add_gradient(slot(*entries_[static_cast<size_t>(map_.at(edge.node.get()))], edge.nr), g);
    roots_.clear();
    if (inputs_) mark();
    for (auto& entry : entries_) {
      if (entry->wanted) step(*entry);
      entry.reset();  // frees gradients and nodes as the walk goes
    }
    return std::move(results_);
  }

 private:
  void start(const Tensor& root, const Tensor& given) {
    Edge edge = gradient_edge(root);
    if (!edge.node)
      fail_runtime("backward", "a tensor of shape ", root.shape(),
                   " does not require grad and does not have a grad_fn; set requires_grad=True on "
                   "what you want gradients of, and compute it outside no_grad()");
    Tensor g = given;
    if (!g.defined()) {
      if (root.numel() != 1)
        fail_runtime("backward",
                     "grad can be implicitly created only for scalar outputs, got "
                     "shape ",
                     root.shape(), "; reduce it (.sum()), or pass gradient=");
      if (is_complex(root.dtype()))
        fail_runtime("backward",
                     "grad can be implicitly created only for real scalar outputs but got ",
                     name_of(root.dtype()), "; reduce it to a real number, or pass gradient=");
      g = full_int(root.shape(), 1, root.dtype());
    } else if (!(whole_shape(g) == whole_shape(root))) {
      fail_runtime("backward", "a gradient of shape ", whole_shape(g), " for a tensor of shape ",
                   whole_shape(root), "; they must be equal");
    } else if (const Coordinates* at = coordinates(root)) {
      g = values_at(g, *at);
    } else {
      make_dense(g);
    }
    first_ = first_ && !edge.node->ran;
    if (is_complex(g.dtype()) && !is_complex(root.dtype()))
      fail_runtime("backward", "a gradient of ", name_of(g.dtype()), " for a tensor of ",
                   name_of(root.dtype()), "; pass a real one");
    roots_.emplace_back(std::move(edge), to(g, root.dtype()));
  }

  /// Every node that the roots lead to, each once.
  void collect() {
    std::vector<Node*> stack;
    auto visit = [&](const Ref<Node>& node, uint64_t user, int edge) {
      if (!node) return;
      const uint64_t after = 256 * user + static_cast<uint64_t>(254 - std::min(edge, 254));
      const int place = map_.insert(node.get(), static_cast<int>(entries_.size()));
      if (place < 0) {
        entries_.push_back(std::make_unique<Entry>());
        entries_.back()->node = node;
        entries_.back()->turn = as_leaf(*node) ? after : 256 * node->number() + 255;
        stack.push_back(node.get());
      } else if (as_leaf(*node)) {
        uint64_t& turn = entries_[static_cast<size_t>(place)]->turn;
        turn = std::min(turn, after);
      }
    };
    for (const auto& root : roots_) visit(root.first.node, root.first.node->number(), 0);
    while (!stack.empty()) {
      Node* node = stack.back();
      stack.pop_back();
      int place = 0;
      for (const Edge& edge : node->edges) visit(edge.node, node->number(), place++);
    }
  }

  /// Falling numbers; a leaf comes right after its last user, in the order of the edges there.
  void sort() {
    std::stable_sort(entries_.begin(), entries_.end(),
                     [](const auto& a, const auto& b) { return a->turn > b->turn; });
    for (size_t i = 0; i < entries_.size(); ++i)
      map_.move(entries_[i]->node.get(), static_cast<int>(i));
  }

  /// Leaves only the nodes that lead to an input.
  void mark() {
    for (auto& entry : entries_) entry->wanted = false;
    results_.resize(inputs_->size());
    for (size_t i = 0; i < inputs_->size(); ++i) {
      const Edge edge = gradient_edge((*inputs_)[i]);
      if (!edge.node)
        fail_runtime("grad", "input ", i, " does not require grad; call requires_grad_() on it");
      const int place = map_.at(edge.node.get());
      if (place < 0) {
        if (options_.accumulate || options_.allow_unused) continue;
        fail_runtime("grad", "input ", i, " of shape ", (*inputs_)[i].shape(),
                     " appears to not have been used in the graph; pass allow_unused=True to get "
                     "None for it");
      }
      entries_[static_cast<size_t>(place)]->captures.emplace_back(edge.nr, static_cast<int>(i));
    }
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
      Entry& entry = **it;
      entry.wanted = !entry.captures.empty() ||
                     std::any_of(entry.node->edges.begin(), entry.node->edges.end(),
                                 [&](const Edge& edge) { return leads_to_input(edge); });
    }
  }

  bool leads_to_input(const Edge& edge) {
    return edge.node && entries_[static_cast<size_t>(map_.at(edge.node.get()))]->wanted;
  }

  static Tensor& slot(Entry& entry, uint32_t nr) {
    while (entry.grads.size() <= static_cast<int>(nr)) entry.grads.push_back(Tensor());
    return entry.grads[static_cast<int>(nr)];
  }

  void step(Entry& entry) {
    Node& node = *entry.node;
    while (entry.grads.size() < static_cast<int>(node.output_count))
      entry.grads.push_back(Tensor());
    bool any = false;
    for (Tensor& g : entry.grads) any = any || g.defined();
    if (!any) return;
    auto* leaf = as_leaf(node);
    // Only a leaf may have a sparse gradient.
    if (!leaf)
      for (Tensor& g : entry.grads) make_dense(g);
    else if (coordinates(leaf->leaf)) entry.grads[0] = placed_as(leaf->leaf, entry.grads[0]);
    run_hooks(node, leaf, entry);
    for (const auto& [nr, position] : entry.captures)
      if (!leaf || !options_.accumulate) capture(entry.grads[static_cast<int>(nr)], position);
    if (leaf) return accumulate(*leaf, entry);

    const int count = node.edges.size();
    Tensor few_results[4];
    bool few_wanted[4];
    std::vector<Tensor> many;
    std::unique_ptr<bool[]> many_wanted;
    Tensor* results = few_results;
    bool* wanted = few_wanted;
    if (count > 4) {
      many.resize(static_cast<size_t>(count));
      many_wanted.reset(new bool[static_cast<size_t>(count)]);
      results = many.data();
      wanted = many_wanted.get();
    }
    bool needed = false;
    for (int i = 0; i < count; ++i) {
      const Edge& edge = node.edges[i];
      wanted[i] = edge.node && (!inputs_ || leads_to_input(edge));
      needed = needed || wanted[i];
    }
    if (!needed) return;
    try {
      node.backward({node, entry.grads.begin(), results, wanted});
    } catch (...) {
      if (anomaly.enabled) anomaly.failed(node);
      throw;
    }
    if (anomaly.enabled && anomaly.check_nan) [[unlikely]]
      check_nan(node, results, count);
    if (node.hooks)
      run_node_hooks(node.hooks->on_inputs, {results, static_cast<size_t>(count)}, entry);
    entry.grads.clear();
    if (!options_.retain_graph) {
      node.release_saved();
      if (watch.enabled) [[unlikely]]
        watch.released(node);
    }
    for (int i = 0; i < count; ++i) {
      if (!wanted[i] || !results[i].defined()) continue;
      const Edge& edge = node.edges[i];
      add_gradient(slot(*entries_[static_cast<size_t>(map_.at(edge.node.get()))], edge.nr),
                   std::move(results[i]));
    }
  }

  void run_hooks(Node& node, AccumulateGrad* leaf, Entry& entry) {
    if (leaf) {
      auto* extras = static_cast<LeafExtras*>(leaf->leaf->extras.get());
      run_list(extras->hooks, entry);
      if (node.hooks) run_node_hooks(node.hooks->on_outputs, spanned(entry), entry);
    } else if (node.hooks) {
      run_node_hooks(node.hooks->on_outputs, spanned(entry), entry);
      run_list(node.hooks->before, entry);
      for (TensorImpl* t : node.hooks->retaining)
        if (const Tensor& g = entry.grads[static_cast<int>(t->output_nr)]; g.defined())
          add_to_grad(Tensor(Ref<TensorImpl>(t)), g, false);
      for (Tensor& g : entry.grads) make_dense(g);  // a hook may have made it sparse
    }
  }

  static std::span<Tensor> spanned(Entry& entry) {
    return {entry.grads.begin(), static_cast<size_t>(entry.grads.size())};
  }

  static void run_node_hooks(const std::vector<NumberedNodeHook>& list,
                             std::span<Tensor> changeable, Entry& entry) {
    if (list.empty()) return;
    const std::vector<NumberedNodeHook> hooks = list;  // a hook may remove itself
    for (const NumberedNodeHook& hook : hooks) hook.run(changeable, spanned(entry));
  }

  static void run_list(const std::vector<NumberedHook>& list, Entry& entry) {
    const std::vector<NumberedHook> hooks = list;  // a hook may remove itself
    for (const NumberedHook& hook : hooks) {
      Tensor& g = entry.grads[static_cast<int>(hook.output)];
      if (!g.defined()) continue;
      g = spread(g);
      if (Tensor changed = hook.run(g); changed.defined()) {
        if (!(whole_shape(changed) == whole_shape(g)))
          fail_runtime("backward", "a hook turned a gradient of shape ", whole_shape(g),
                       " into shape ", whole_shape(changed), "; it must keep the shape");
        if (changed.dtype() != g.dtype())
          fail_runtime("backward", "a hook turned a gradient of type ", name_of(g.dtype()),
                       " into ", name_of(changed.dtype()), "; it must keep the type");
        g = changed;
      }
    }
  }

  /// The gradient of an input: returned, or, for a non-leaf named in backward(inputs=), kept.
  void capture(const Tensor& g, int position) {
    if (!g.defined()) return;
    const auto at = static_cast<size_t>(position);
    if (options_.accumulate) add_to_grad((*inputs_)[at], g, false);
    else results_[at] = placed_as((*inputs_)[at], spread(g));
  }

  void accumulate(AccumulateGrad& node, Entry& entry) {
    if (!options_.accumulate || !node.leaf->leaf_requires_grad) return;
    const bool watched = node.hooks && !node.hooks->on_inputs.empty();
    Tensor g = watched ? entry.grads[0] : std::move(entry.grads[0]);
    if (!watched) entry.grads.clear();
    if (g.defined()) add_to_grad(node.leaf, std::move(g), true);
    const std::vector<NumberedHook> after =
        static_cast<LeafExtras*>(node.leaf->extras.get())->after;
    for (const NumberedHook& hook : after) hook.run(node.leaf);
    if (watched) run_node_hooks(node.hooks->on_inputs, {}, entry);
  }

  /// .grad += g; the first gradient is kept as it is where nobody else holds it.
  void add_to_grad(const Tensor& t, Tensor g, bool is_leaf) {
    if (coordinates(t)) g = placed_as(t, g);
    const bool sparse = coordinates(g) || (t->grad && coordinates(*t->grad));
    if (sparse && observer)
      fail_runtime("backward",
                   "a sparse gradient in a captured step, whose shapes are fixed; pass "
                   "sparse=False");
    note_grad(*t.impl(), true);
    if (!(whole_shape(t) == whole_shape(g)) || t.dtype() != g.dtype())
      fail_runtime("backward", "a gradient of ", name_of(g.dtype()), " and shape ", whole_shape(g),
                   " for a tensor that is ", name_of(t.dtype()), " of shape ", whole_shape(t),
                   " now; it was changed in place after it had been used: compute the loss anew");
    if (!t->grad) {
      const bool take = options_.create_graph || (is_leaf && is_sole_owner(g));
      if (!take) {
        GradMode off(false);
        g = with_coordinates_of(g, clone(g));
      }
      t->grad = g.ref();
    } else if (sparse) {
      t->grad = add_sparse(Tensor(t->grad), g).ref();
    } else if (grad_enabled() || !is_leaf) {  // a retained one is summed anew, as PyTorch's is
      t->grad = (Tensor(t->grad) + g).ref();
    } else {
      const Tensor total(t->grad);
      const Tensor in[] = {total, g};
      pointwise_inplace(pointwise_op(formulas::row_index<formulas::Add>), in);
    }
  }

  const std::optional<Tensors>& inputs_;
  const BackwardOptions& options_;
  std::vector<std::pair<Edge, Tensor>> roots_;
  std::vector<std::unique_ptr<Entry>> entries_;
  NodeMap map_;
  Tensors results_;
  Pass* outer_;
  int64_t number_ = passes++;
  bool first_ = true;
};

}  // namespace

Tensors run_backward(const Tensors& roots, const Tensors& grads,
                     const std::optional<Tensors>& inputs, const BackwardOptions& options) {
  return Pass(inputs, options).run(roots, grads);
}

int64_t current_pass() { return current ? current->number() : -1; }
bool current_pass_runs(const Node& node) { return current && current->runs(node); }
bool current_pass_is_first() { return current && current->is_first(); }

}  // namespace bx
