#include "ops/pointwise.h"

#include <array>
#include <cctype>
#include <limits>

#include "kernels/pointwise_rules.h"
#include "ops/ops.h"
#include "ops/special.h"

namespace bx {

namespace {

using formulas::Domain;

/// leaky_relu -> LeakyReluBackward0.
std::string default_node_name(const char* name) {
  std::string out;
  bool upper = true;
  for (const char* c = name; *c; ++c) {
    if (*c == '_') {
      upper = true;
    } else {
      out += upper ? static_cast<char>(std::toupper(*c)) : *c;
      upper = false;
    }
  }
  return out + "Backward0";
}

/// The derivative lambda of a row on tensors.
template <class Row, int I>
Tensor formula(const Tensor& g, const Tensor* in, const Tensor& y, const double* p) {
  constexpr auto f = std::get<I>(Row::partials);
  auto call = [&](auto... params) {
    if constexpr (Row::inputs == 1) return f(g, in[0], y, params...);
    else if constexpr (Row::inputs == 2) return f(g, in[0], in[1], y, params...);
    else return f(g, in[0], in[1], in[2], y, params...);
  };
  if constexpr (Row::params == 0) return call();
  else if constexpr (Row::params == 1) return call(p[0]);
  else if constexpr (Row::params == 2) return call(p[0], p[1]);
  else return call(p[0], p[1], p[2]);
}

template <class Row, int I>
void describe_partial(PointwiseOp& op) {
  if constexpr (kernels::has_partial<Row, I>) {
    using Reads = decltype(kernels::dependence<Row, I>());
    op.partials[I] = {true, Reads::plain, Reads::mask, &formula<Row, I>};
  }
}

template <class Row, class... Rows>
constexpr bool is_one_of = (std::is_same_v<Row, Rows> || ...);
template <class Row>
constexpr bool is_kinked =
    is_one_of<Row, formulas::Abs, formulas::Relu, formulas::LeakyRelu, formulas::Threshold,
              formulas::Hardtanh, formulas::Relu6, formulas::Hardsigmoid, formulas::Hardshrink,
              formulas::Softshrink>;

/// d, with a slope of zero for x: a second derivative is asked for even where there is none.
Tensor tied(const Tensor& d, const Tensor& x) {
  if (Recorder r{&d, &x}; r && r.needs(1)) {
    const Tensor out = detached(d);
    r.done("ThresholdBackwardBackward0", out, [shape = x.shape()](const Backward& b) {
      b.give(0, b.grad());
      if (b.wants(1)) b.give(1, zeros(shape, b.grad().dtype()));
    });
    return out;
  }
  return d;
}

template <class Row>
PointwiseOp describe() {
  PointwiseOp op{formulas::row_index<Row>,
                 Row::name,
                 Row::node                              ? Row::node
                 : Row::face == formulas::Face::Special ? "Special" + default_node_name(Row::name)
                                                        : default_node_name(Row::name),
                 Row::inplace_node,
                 Row::number_nodes,
                 Row::signature,
                 Row::doc,
                 Row::inputs,
                 Row::params,
                 Row::domain,
                 Row::face,
                 Row::numbers,
                 Row::masked,
                 Row::rejects_bool,
                 Row::one_type,
                 is_kinked<Row>,
                 {}};
  describe_partial<Row, 0>(op);
  describe_partial<Row, 1>(op);
  describe_partial<Row, 2>(op);
  bool derives = false;
  for (const Partial& partial : op.partials) derives = derives || partial.exists;
  if (!derives) op.node_name = "NotImplemented";
  const bool is_public = op.face != formulas::Face::Special && op.face != formulas::Face::Hidden;
  op.recorded = op.domain != Domain::Compare && op.domain != Domain::Bits && (derives || is_public);
  return op;
}

template <class... Rows>
std::array<PointwiseOp, sizeof...(Rows)> describe_all(std::tuple<Rows...>) {
  return {describe<Rows>()...};
}

/// The tape's entry for a row: one class for all of them.
class PointwiseNode final : public Node {
 public:
  PointwiseNode(const PointwiseOp& op, const char* name, const double* params)
      : Node(name), op_(op) {
    for (int k = 0; k < op.params; ++k) params_[k] = params[k];
  }

  void backward(const Backward& call) override {
    const Tensor& g = call.grad();
    Tensor in[3], y;
    const unsigned reads = [&] {
      unsigned all = 0;
      for (int i = 0; i < op_.inputs; ++i)
        if (call.wants(i)) all |= op_.partials[i].reads;
      return all;
    }();
    for (int k = 0; k < op_.inputs; ++k)
      if (reads & (2u << k)) in[k] = call.saved(k);
    if (reads & (2u << op_.inputs)) y = call.saved(op_.inputs);
    // In a formula two numbers may meet: neither may give way to the default type.
    for (Tensor& t : in)
      if (t.defined() && t->is_wrapped_number && grad_enabled())
        t = is_narrow(g.dtype()) ? to(detached(t), g.dtype()) : detached(t);
    // kernels/rows_complex.cpp: the formulas take conjugates; the kernels take them themselves.
    if (is_complex(g.dtype()) && grad_enabled())
      for (Tensor* t : {&in[0], &in[1], &in[2], &y})
        if (t->defined()) *t = conj(*t);
    for (int i = 0; i < op_.inputs; ++i) {
      if (!call.wants(i)) continue;
      const Partial& partial = op_.partials[i];
      if (!partial.exists)
        fail(ErrorKind::NotImplemented, op_.name, "the derivative for input ", i,
             " is not implemented; detach() that input, or leave it out of the loss");
      Tensor d = partial.passes_gradient ? g
                 : grad_enabled()        ? partial.formula(g, in, y, params_)
                                         : run_kernel(i, g, in, y);
      if (op_.kinked && grad_enabled()) d = tied(d, in[i].defined() ? in[i] : y);
      call.give(i, input_shapes_ ? sum_to_size(d, input_shapes_[i]) : std::move(d));
    }
  }

  /// Where inputs were broadcast, their gradients are summed back to these shapes.
  std::unique_ptr<Dims[]> input_shapes_;

 private:
  Tensor run_kernel(int i, const Tensor& g, const Tensor* in, const Tensor& y) const {
    const unsigned reads = op_.partials[i].reads;
    Operands operands;
    if (reads & 1u) operands.add(g);
    for (int k = 0; k < op_.inputs; ++k)
      if (reads & (2u << k)) operands.add(in[k]);
    if (reads & (2u << op_.inputs)) operands.add(y);
    Tensor d = empty(g.shape(), g.dtype());
    Params params;
    for (int k = 0; k < op_.params; ++k) params.f[k] = params_[k];
    launch(op_.name, row_kernel(op_.row, 1 + i, g.dtype()), d, operands, params);
    return d;
  }

  const PointwiseOp& op_;
  double params_[kMaxRowParams] = {};
};

/// The type in which a row computes: promotion of the inputs (but for a condition).
DType compute_dtype(const PointwiseOp& op, const Tensor* in) {
  DType t = result_type(in + op.masked, op.inputs - op.masked);
  if (op.domain == Domain::Float && !is_differentiable(t)) t = default_dtype();
  // A power with the number 2, for types.
  if (t == DType::Bool && op.row == formulas::row_index<formulas::Square>) t = DType::Int64;
  return t;
}

/// What a row's domain takes, where `type` is outside of it; else null.
const char* taken_instead_of(Domain domain, DType type) {
  const bool is_bool = type == DType::Bool, floating = is_differentiable(type);
  switch (domain) {
    case Domain::Signed: return is_bool ? "a number type, e.g. with .int()" : nullptr;
    case Domain::FloatOnly: return floating ? nullptr : "a floating-point type, e.g. with .float()";
    case Domain::Bits: return floating ? "an integer or bool type" : nullptr;
    case Domain::Whole: return floating || is_bool ? "an integer type, e.g. with .long()" : nullptr;
    default: return nullptr;
  }
}

/// The inputs as the kernel wants them: of one type, the condition bool.
struct Prepared {
  Tensor in[3];
  Dims shape;
  DType dtype;
  bool broadcast = false;

  Prepared(const PointwiseOp& op, const Tensor* given) : dtype(compute_dtype(op, given)) {
    check_types(op, given, dtype);
    shape = given[0].shape();
    // The rows of arithmetic compute with the number itself beside a narrow type, as PyTorch's do.
    const bool exact = is_narrow_float(dtype) && op.numbers == formulas::Numbers::Any;
    for (int k = 0; k < op.inputs; ++k) {
      const bool condition = op.masked && k == 0;
      if (condition && given[k].dtype() != DType::Bool)
        fail_runtime(op.name, "the condition is ", name_of(given[k].dtype()),
                     "; expected a bool tensor, e.g. x > 0");
      const DType wanted = condition ? DType::Bool : dtype;
      const bool as_it_is = given[k].dtype() == wanted || (exact && given[k]->is_wrapped_number &&
                                                           given[k].dtype() == DType::Float32);
      in[k] = as_it_is ? given[k] : to(given[k], wanted);
      if (k > 0 && !(given[k].shape() == shape))
        shape = broadcast_shapes(op.name, shape, given[k].shape());
    }
    for (int k = 0; k < op.inputs; ++k) broadcast = broadcast || !(in[k].shape() == shape);
  }
};

/// Whether some derivative that will be wanted reads operand `bit`.
bool is_read(const PointwiseOp& op, const Edge* edges, unsigned bit) {
  for (int i = 0; i < op.inputs; ++i)
    if (edges[i].node && (op.partials[i].reads & bit)) return true;
  return false;
}

/// The name of the node of one application.
const char* node_name(const PointwiseOp& op, const Tensor* in, bool inplace) {
  if (inplace && op.inplace_node) return op.inplace_node;
  for (int k = 0; k < op.inputs; ++k)
    if (in[k]->is_wrapped_number && op.number_nodes[k]) return op.number_nodes[k];
  return op.node_name.c_str();
}

/// Makes the node of one application. `self` stands for in[0] where that is overwritten.
Ref<Node> make_node(const PointwiseOp& op, const Prepared& p, const Tensor& out,
                    const double* params, const Tensor* self) {
  Edge edges[3];
  for (int i = 0; i < op.inputs; ++i) edges[i] = gradient_edge(p.in[i]);
  auto node = make<PointwiseNode>(op, node_name(op, p.in, self != nullptr), params);
  if (p.broadcast) {
    node->input_shapes_ = std::make_unique<Dims[]>(static_cast<size_t>(op.inputs));
    for (int i = 0; i < op.inputs; ++i) node->input_shapes_[i] = p.in[i].shape();
  }
  // Slots up to the last one that is read; nothing at all where no derivative reads anything.
  int last = -1;
  for (int k = 0; k <= op.inputs; ++k)
    if (is_read(op, edges, 2u << k)) last = k;
  for (int k = 0; k <= last; ++k) {
    if (!is_read(op, edges, 2u << k)) node->saved.push_back(SavedTensor());
    else if (k == op.inputs) node->saved.push_back(SavedTensor(out, true));
    else node->saved.push_back(SavedTensor(k == 0 && self ? *self : p.in[k], false));
  }
  for (int i = 0; i < op.inputs; ++i) node->edges.push_back(std::move(edges[i]));
  return node;
}

/// Tells who watches; `in` are the inputs of the node.
void note_recorded(const Ref<Node>& node, const PointwiseOp& op, const Tensor* in,
                   const Tensor& out) {
  watch.recorded(*node, {in, static_cast<size_t>(op.inputs)}, {&out, 1});
}

bool wants_recording(const PointwiseOp& op, const Tensor* in) {
  if (!grad_enabled() || !op.recorded) return false;
  for (int k = 0; k < op.inputs; ++k)
    if (requires_grad(in[k])) return true;
  return false;
}

Params kernel_params(const PointwiseOp& op, const double* params) {
  Params out;
  for (int k = 0; k < op.params; ++k) out.f[k] = params[k];
  return out;
}

Operands operands_of(const PointwiseOp& op, const Tensor* in) {
  Operands list;
  for (int k = 0; k < op.inputs; ++k) list.add(in[k]);
  return list;
}

/// Two tensors that share memory without being the same elements in the same order.
bool overlaps_shifted(const Tensor& a, const Tensor& b) {
  return a->storage->root() == b->storage->root() &&
         !(a->offset == b->offset && a.shape() == b.shape() && a.strides() == b.strides());
}

}  // namespace

void check_types(const PointwiseOp& op, const Tensor* in, DType type) {
  for (int k = 0; op.rejects_bool && k < op.inputs; ++k)
    if (in[k].dtype() == DType::Bool)
      fail(op.inputs > 1 ? ErrorKind::Runtime : ErrorKind::NotImplemented, op.name,
           "not supported for bool tensors; use logical_xor, logical_not or ~, or convert with "
           ".int()");
  if (const char* wanted = taken_instead_of(op.domain, type))
    fail(ErrorKind::NotImplemented, op.name, "not implemented for ", name_of(type), "; convert to ",
         wanted);
  for (int k = 0; k < op.inputs; ++k) {
    // A 0-d tensor may stand for a number.
    const bool number = op.one_type && op.numbers == formulas::Numbers::Last &&
                        k + 1 == op.inputs && in[k].dim() == 0;
    if (number && !can_store(type, in[0].dtype()))
      fail(is_differentiable(in[0].dtype()) ? ErrorKind::Runtime : ErrorKind::NotImplemented,
           op.name, "a number of ", name_of(in[k].dtype()), " beside ", name_of(in[0].dtype()),
           ", which cannot hold it; convert one of them");
    if (op.one_type && !(number && type == in[0].dtype())) require_same_type(op.name, in[0], in[k]);
  }
}

const PointwiseOp& pointwise_op(int row) {
  static const auto* table = new auto(describe_all(formulas::AllRows{}));
  return (*table)[static_cast<size_t>(row)];
}

Tensor pointwise(const PointwiseOp& op, const Tensor* in, const double* params) {
  if (is_complex(in[0].dtype())) [[unlikely]]
    if (Tensor y = of_complex(op, in[0]); y.defined()) return y;
  const Prepared p(op, in);
  Tensor out = empty_for({p.in, static_cast<size_t>(op.inputs)}, p.shape,
                         op.domain == Domain::Compare ? DType::Bool : p.dtype);
  launch(op.name, row_kernel(op.row, 0, p.dtype), out, operands_of(op, p.in),
         kernel_params(op, params));
  if (wants_recording(op, p.in)) {
    const Ref<Node> node = make_node(op, p, out, params, nullptr);
    set_history(out, node);
    if (watch.enabled) [[unlikely]]
      note_recorded(node, op, p.in, out);
  }
  return out;
}

Tensor pointwise_inplace(const PointwiseOp& op, const Tensor* in, const double* params) {
  const Tensor& self = in[0];
  check_inplace(op.name, self);
  for (int k = 1; k < op.inputs; ++k) require_apart(op.name, self, in[k]);
  if (is_complex(self.dtype())) [[unlikely]]
    if (const Tensor y = of_complex(op, unwritten(self, wants_recording(op, in)));
        y.defined() && is_complex(y.dtype()))
      return copy_(self, y);
  Prepared p(op, in);
  if (!(p.shape == self.shape()))
    fail_runtime(op.name, "output shape ", p.shape, " does not fit into the tensor of shape ",
                 self.shape(), " that is written in place; write out of place");
  if (p.dtype != self.dtype() && op.domain != Domain::Compare)
    require_storable(op.name, p.dtype, self.dtype());
  if (p.dtype != self.dtype() || op.domain == Domain::Compare || is_integral(p.dtype)) {
    // Another type on the way, or integers, whose division may fail halfway: an op, then a copy.
    Tensor values[3] = {unwritten(self, wants_recording(op, in))};
    for (int k = 1; k < op.inputs; ++k) values[k] = in[k];
    return copy_(self, pointwise(op, values, params));
  }
  for (int k = 1; k < op.inputs; ++k)
    if (overlaps_shifted(self, p.in[k])) p.in[k] = clone(p.in[k]);
  const bool record = wants_recording(op, p.in);
  Tensor old_self;
  if (record) {
    Edge edges[3];
    for (int i = 0; i < op.inputs; ++i) edges[i] = gradient_edge(p.in[i]);
    p.in[0] = detached(self);
    p.in[0]->grad_fn = grad_fn(self);
    p.in[0]->output_nr = self->output_nr;
    // The value before the write, where a derivative reads it.
    if (is_read(op, edges, 2u)) {
      GradMode off(false);
      old_self = clone(self);
      old_self->grad_fn = p.in[0]->grad_fn;
      old_self->output_nr = self->output_nr;
    } else {
      old_self = p.in[0];
    }
  }
  launch(op.name, row_kernel(op.row, 0, p.dtype), self, operands_of(op, p.in),
         kernel_params(op, params));
  self->storage->bump_version();
  if (record) {
    const Ref<Node> node = make_node(op, p, self, params, &old_self);
    rebase_history(self, node);
    if (watch.enabled) [[unlikely]]
      note_recorded(node, op, p.in, self);
  }
  return self;
}

Tensor minimum(const Tensor& a, double bound) {
  const double range[] = {-std::numeric_limits<double>::infinity(), bound};
  return pointwise(pointwise_op(formulas::row_index<formulas::Clamp>), &a, range);
}
Tensor maximum(const Tensor& a, double bound) {
  const double range[] = {bound, std::numeric_limits<double>::infinity()};
  return pointwise(pointwise_op(formulas::row_index<formulas::Clamp>), &a, range);
}

Tensor zero(const Tensor& like) { return full(like.shape(), 0., like.dtype()); }

}  // namespace bx
