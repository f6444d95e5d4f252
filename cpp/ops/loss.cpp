// Losses: a row of formulas/loss.h reduced, and the likelihoods over classes.
#include "ops/loss_reduction.h"
#include "ops/ops.h"
#include "ops/reduction.h"

namespace bx {

namespace {

/// A loss row and its reduction as one node, so that the loss prints under its own name.
class LossNode final : public Node {
 public:
  LossNode(const PointwiseOp& op, const double* params, Dims shape, double scale)
      : Node(op.node_name.c_str()), op_(op), shape_(shape), scale_(scale) {
    for (int k = 0; k < op.params; ++k) params_[k] = params[k];
  }

  void backward(const Backward& call) override {
    const Tensor in[] = {call.saved(0), call.saved(1)};
    const Tensor g = expand(scale_ == 1 ? call.grad() : call.grad() * scale_, shape_);
    for (int i = 0; i < 2; ++i) {
      if (!call.wants(i)) continue;
      Tensor d;
      if (grad_enabled()) {
        d = op_.partials[i].formula(g, in, Tensor(), params_);
      } else {
        Operands operands;
        if (op_.partials[i].reads & 1u) operands.add(g);
        for (int k = 0; k < 2; ++k)
          if (op_.partials[i].reads & (2u << k)) operands.add(in[k]);
        d = empty(shape_, g.dtype());
        Params p;
        for (int k = 0; k < op_.params; ++k) p.f[k] = params_[k];
        launch(op_.name, row_kernel(op_.row, 1 + i, g.dtype()), d, operands, p);
      }
      call.give(i, sum_to_size(d, in[i].shape()));
    }
  }

 private:
  const PointwiseOp& op_;
  Dims shape_;
  double scale_;
  double params_[2] = {};
};

/// A loss that PyTorch writes into a tensor like the input: what does not fit there is an error.
void require_like_input(const char* op, const Tensor& input, const Tensor& other, DType dtype) {
  if (!can_store(dtype, input.dtype()))
    fail_runtime(op, "the loss is ", name_of(dtype), ", the input ", name_of(input.dtype()),
                 ", which cannot hold it; convert the input with .float()");
  if (!(broadcast_shapes(op, input.shape(), other.shape()) == input.shape()))
    fail_runtime(op, "shape ", other.shape(), " does not broadcast to that of the input, ",
                 input.shape(), "; reshape one of them");
}

Tensor row_loss(const PointwiseOp& op, const Tensor& input, const Tensor& target,
                const double* params, const std::string& reduction_name) {
  const Reduction reduction = parse_reduction(op.name, reduction_name);
  const Tensor given[] = {input, target};
  if (is_complex(promote(input.dtype(), target.dtype())) &&
      op.row == formulas::row_index<formulas::L1Loss>)
    return reduce_loss(abs(input - target), reduction);
  // PyTorch broadcasts the two of most losses first: then a 0-d target counts as any other.
  const bool like_input = op.row == formulas::row_index<formulas::SoftMarginLoss> ||
                          op.row == formulas::row_index<formulas::HuberLoss>;
  DType dtype = like_input ? result_type(given, 2) : promote(input.dtype(), target.dtype());
  check_types(op, given, dtype);
  require_float(op.name, dtype);
  if (op.row == formulas::row_index<formulas::SoftMarginLoss>)
    require_like_input(op.name, input, target, dtype);
  if (op.row == formulas::row_index<formulas::HuberLoss>)
    require_like_input(op.name, input, input, dtype);
  if (like_input) dtype = input.dtype();
  const Tensor in[] = {to(input, dtype), to(target, dtype)};
  // In PyTorch |input - target| has a node of its own, and its mean another.
  if (reduction == Reduction::None || op.row == formulas::row_index<formulas::L1Loss>)
    return reduce_loss(pointwise(op, in, params), reduction);
  Tensor each, out;
  {
    GradMode off(false);
    each = pointwise(op, in, params);
    out = reduce_loss(each, reduction);
  }
  if (!grad_enabled() || !(requires_grad(in[0]) || requires_grad(in[1]))) return out;
  const double scale = reduction == Reduction::Sum ? 1. : 1. / static_cast<double>(each.numel());
  auto node = make<LossNode>(op, params, each.shape(), scale);
  for (const Tensor& t : in) {
    node->edges.push_back(gradient_edge(t));
    node->saved.push_back(SavedTensor(t, false));
  }
  set_history(out, node);
  if (watch.enabled) [[unlikely]]
    watch.recorded(*node, {in, 2}, {&out, 1});
  return out;
}

void register_row_loss(Registry& r, int row, const char* param) {
  const PointwiseOp& op = pointwise_op(row);
  Overload o;
  const bool legacy = row != formulas::row_index<formulas::HuberLoss>;
  for (ArgType type : {ArgType::Tensor, ArgType::Tensor}) o.arguments.emplace_back(type);
  for (int k = 0; legacy && k < 2; ++k) o.arguments.emplace_back(ArgType::Bool, true);
  o.arguments.emplace_back(ArgType::String);
  if (op.params) o.arguments.emplace_back(ArgType::Float);
  o.call = [&op, legacy, param](Value* v) -> Value {
    const int at = legacy ? 4 : 2;
    const double p = op.params ? std::get<double>(v[at + 1]) : 0.;
    if (op.params && !(legacy ? p >= 0 : p > 0))
      fail_runtime(op.name, param, " is the default, ", p, " was given; pass a positive number");
    std::string reduction = std::get<std::string>(v[at]);
    if (legacy)
      reduction = reduction_name(detail::ArgOf<Legacy>::get(v[2]), detail::ArgOf<Legacy>::get(v[3]),
                                 reduction);
    // Without a quadratic part it is the absolute error.
    const bool absolute = op.row == formulas::row_index<formulas::SmoothL1Loss> && p == 0;
    if (op.row == formulas::row_index<formulas::SoftMarginLoss>)
      require_constant(op.name, "target", std::get<Tensor>(v[1]));
    const PointwiseOp& row = absolute ? pointwise_op(formulas::row_index<formulas::L1Loss>) : op;
    return row_loss(row, std::get<Tensor>(v[0]), std::get<Tensor>(v[1]), &p, reduction);
  };
  const std::string signature =
      str("input, target, ", legacy ? "?size_average=None, ?reduce=None, " : "",
          "?reduction='mean'", op.params ? ", " : "", param);
  r.add_overload(Place::Nn, op.name, signature.c_str(), std::move(o), op.doc);
}

void require_shape(const char* op, const Tensor& input, const Tensor& target) {
  if (!(input.shape() == target.shape()))
    fail_value(op, "target of shape ", target.shape(), " against input of shape ", input.shape(),
               "; they must be equal; reshape or unsqueeze one");
}

/// A weight for each of the losses, which keep their shape.
void require_weight(const char* op, const Tensor& weight, const Tensor& input) {
  require_constant(op, "weight", weight);
  if (!(broadcast_shapes(op, weight.shape(), input.shape()) == input.shape()))
    fail_runtime(op, "a weight of shape ", weight.shape(), " for an input of ", input.shape(),
                 "; it must expand to that");
  if (is_complex(weight.dtype()))
    fail_runtime(op, "a weight of ", name_of(weight.dtype()), "; expected real numbers");
}

Tensor weighted_bce(const PointwiseOp& op, const Tensor& input, const Tensor& target,
                    const std::optional<Tensor>& weight, const std::string& reduction) {
  require_shape(op.name, input, target);
  if (weight) require_weight(op.name, *weight, input);
  if (!weight) return row_loss(op, input, target, nullptr, reduction);
  const Tensor each = row_loss(op, input, target, nullptr, "none") * *weight;
  return reduce_loss(each, parse_reduction(op.name, reduction));
}

/// Outside of [0, 1] the logarithm is NaN, or bounded at -100: it would pass for a loss.
void check_probabilities(const char* name, const Tensor& t) {
  if (t.numel() == 0 || !is_floating(t.dtype())) return;
  GradMode off(false);
  const char* op = "binary_cross_entropy";
  const Tensor least = extreme(op, "", kernels::Id::Min, t, std::nullopt, false);
  const Tensor most = extreme(op, "", kernels::Id::Max, t, std::nullopt, false);
  const Unobserved check;
  const double low = item_double(least), high = item_double(most);
  if (!(low >= 0 && high <= 1))
    fail_runtime(op, name, " has elements from ", low, " to ", high,
                 "; expected probabilities of 0 to 1; binary_cross_entropy_with_logits() takes "
                 "logits as input");
}

Tensor bce(const Tensor& input, const Tensor& target, std::optional<Tensor> weight,
           const Legacy& size_average, const Legacy& reduce, const std::string& reduction) {
  if (input.shape() == target.shape()) {
    check_probabilities("input", input);
    check_probabilities("target", target);
    if (weight) require_like_input("binary_cross_entropy", input, *weight, input.dtype());
  }
  if (weight && is_floating(weight->dtype())) weight = to(*weight, input.dtype());
  return weighted_bce(pointwise_op(formulas::row_index<formulas::BinaryCrossEntropy>), input,
                      target, weight, reduction_name(size_average, reduce, reduction));
}

/// Of the target's type, as PyTorch's, which writes it into 1 - target.
Tensor bce_with_logits(const Tensor& logits, const Tensor& target, std::optional<Tensor> weight,
                       const Legacy& size_average, const Legacy& reduce, const std::string& given,
                       std::optional<Tensor> pos_weight) {
  const std::string reduction = reduction_name(size_average, reduce, given);
  const auto& op = pointwise_op(formulas::row_index<formulas::BinaryCrossEntropyWithLogits>);
  require_shape(op.name, logits, target);
  require_float(op.name, logits.dtype());
  if (!is_floating(target.dtype()))
    fail_runtime(op.name, "target is ", name_of(target.dtype()),
                 "; expected probabilities of 0 to 1 as floats; use .float()");
  const Tensor input = to(logits, target.dtype());
  for (std::optional<Tensor>* t : {&weight, &pos_weight})
    if (*t && is_floating((*t)->dtype())) *t = to(**t, target.dtype());
  if (!pos_weight) return weighted_bce(op, input, target, weight, reduction);
  require_weight(op.name, *pos_weight, input);
  if (weight) require_weight(op.name, *weight, input);
  const Tensor log_weight = (*pos_weight - 1.) * target + 1.;
  const Tensor softplus = log1p(exp(-abs(input))) + maximum(-input, 0.);
  Tensor each = (1. - target) * input + log_weight * softplus;
  if (weight) each = each * *weight;
  return named(op.node_name.c_str(), reduce_loss(each, parse_reduction(op.name, reduction)));
}

/// target (log target - input), 0 where target is 0.
Tensor kl_div(const Tensor& input, const Tensor& target, const Legacy& size_average,
              const Legacy& reduce, const std::string& given, bool log_target) {
  const std::string reduction = reduction_name(size_average, reduce, given);
  for (const Tensor* t : {&input, &target})
    if (!is_floating(t->dtype()))
      fail_runtime("kl_div", "input is ", name_of(input.dtype()), ", target ",
                   name_of(target.dtype()), "; expected log probabilities as floats");
  const Tensor each = log_target ? exp(target) * (target - input)
                                 : apply<formulas::Xlogy>(target, target) - target * input;
  if (reduction == "mean")
    warn("kl_div", "reduction='mean' divides by all elements; pass 'batchmean' for the divergence");
  if (reduction != "batchmean") return reduce_loss(each, parse_reduction("kl_div", reduction));
  return input.dim() ? sum(each) / static_cast<double>(input.size(0)) : sum(each);
}

}  // namespace

void register_loss(Registry& r) {
  using namespace formulas;
  register_row_loss(r, row_index<MseLoss>, "");
  register_row_loss(r, row_index<L1Loss>, "");
  register_row_loss(r, row_index<SmoothL1Loss>, "beta=1.0");
  register_row_loss(r, row_index<HuberLoss>, "delta=1.0");
  register_row_loss(r, row_index<SoftMarginLoss>, "");
  r.nn("binary_cross_entropy",
       "input, target, weight=None, ?size_average=None, ?reduce=None, ?reduction='mean'", bce,
       pointwise_op(row_index<BinaryCrossEntropy>).doc);
  r.nn("binary_cross_entropy_with_logits",
       "input, target, weight=None, ?size_average=None, ?reduce=None, ?reduction='mean', "
       "pos_weight=None",
       bce_with_logits, pointwise_op(row_index<BinaryCrossEntropyWithLogits>).doc);
  r.nn("kl_div",
       "input, target, ?size_average=None, ?reduce=None, ?reduction='mean', log_target=False",
       kl_div, "target (log target - input), for log probabilities as input.");
}

}  // namespace bx
