// Losses: a row of formulas/loss.h reduced, and the likelihoods over classes.
#include <cmath>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

enum class Reduction { None, Mean, Sum };

Reduction parse_reduction(const char* op, const std::string& name) {
  if (name == "mean") return Reduction::Mean;
  if (name == "sum") return Reduction::Sum;
  if (name == "none") return Reduction::None;
  fail_value(op, "'", name, "' is not a valid value for reduction; expected 'mean', 'sum' or 'none'");
}

Tensor reduce_loss(const Tensor& loss, Reduction reduction) {
  if (reduction == Reduction::None) return loss;
  return reduction == Reduction::Sum ? sum(loss) : mean(loss, std::nullopt, false, std::nullopt);
}

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

Tensor row_loss(const PointwiseOp& op, const Tensor& input, const Tensor& target,
                const double* params, const std::string& reduction_name) {
  const Reduction reduction = parse_reduction(op.name, reduction_name);
  const Tensor given[] = {input, target};
  DType dtype = result_type(given, 2);
  if (!is_floating(dtype))
    fail_runtime(op.name, "input is ", name_of(input.dtype()), " and target ",
                 name_of(target.dtype()), "; a loss needs a floating-point type; use .float()");
  const Tensor in[] = {to(input, dtype), to(target, dtype)};
  if (reduction == Reduction::None) return pointwise(op, in, params);
  Tensor each, out;
  {
    GradMode off(false);
    each = pointwise(op, in, params);
    out = reduce_loss(each, reduction);
  }
  if (!grad_enabled() || !(requires_grad(in[0]) || requires_grad(in[1]))) return out;
  const double scale =
      reduction == Reduction::Sum ? 1. : 1. / static_cast<double>(each.numel());
  auto node = make<LossNode>(op, params, each.shape(), scale);
  for (const Tensor& t : in) {
    node->edges.push_back(gradient_edge(t));
    node->saved.push_back(SavedTensor(t, false));
  }
  set_history(out, node);
  return out;
}

void register_row_loss(Registry& r, int row, const char* param) {
  const PointwiseOp& op = pointwise_op(row);
  Overload o;
  for (ArgType type : {ArgType::Tensor, ArgType::Tensor, ArgType::String})
    o.arguments.emplace_back(type);
  if (op.params) o.arguments.emplace_back(ArgType::Float);
  o.call = [&op](Value* v) -> Value {
    const double p = op.params ? std::get<double>(v[3]) : 0.;
    return row_loss(op, std::get<Tensor>(v[0]), std::get<Tensor>(v[1]), &p,
                    std::get<std::string>(v[2]));
  };
  const std::string signature =
      std::string("input, target, reduction='mean'") + (op.params ? std::string(", ") + param : "");
  r.add_overload(Place::Nn, op.name, signature.c_str(), std::move(o), op.doc);
}

/// -weight[target] * logp[target] per row; rows whose target is ignore_index count for nothing.
std::pair<Tensor, Tensor> nll_rows(const Tensor& logp, const Tensor& target,
                                   const std::optional<Tensor>& weight, int64_t ignore_index) {
  Tensor loss = empty({logp.size(0)}, logp.dtype()), used = empty({logp.size(0)}, logp.dtype());
  Params p;
  p.i[0] = ignore_index;
  p.i[1] = weight.has_value();
  GradMode off(false);
  const Tensor x = contiguous(logp), t = contiguous(target);
  const Tensor w = weight ? contiguous(*weight) : Tensor();
  Operands inputs{&x, &t};
  if (weight) inputs.add(w);
  launch("nll_loss", kernel(Id::NllLoss, logp.dtype()), {&loss, &used}, inputs, p);
  return {loss, used};
}

/// dlogp from the gradient of each row's loss.
Tensor nll_backward(const Tensor& g, const Tensor& target, const Tensor& used, int64_t ignore_index,
                    const Dims& shape) {
  Tensor out = empty(shape, g.dtype());
  Params p;
  p.i[0] = ignore_index;
  launch("nll_loss", kernel(Id::NllLossBackward, g.dtype()), out, {&g, &target, &used}, p);
  if (Recorder r{&g}; r)
    r.save(target).save(used).done("NllLossBackwardBackward0", out,
                                   [ignore_index](const Backward& b) {
      const Tensor t = b.saved(0), rows = arange_int(0, t.numel(), 1);
      const Tensor safe = select(t == static_cast<double>(ignore_index), zero(t), t);
      b.give(0, -index(b.grad(), {rows, safe}) * b.saved(1));
    });
  return out;
}

/// logp [rows, classes], target [rows].
Tensor nll_matrix(const Tensor& logp, const Tensor& given_target, const std::optional<Tensor>& weight,
                  int64_t ignore_index, Reduction reduction) {
  const Tensor target = contiguous(given_target);
  const auto [loss, used] = nll_rows(logp, target, weight, ignore_index);
  Tensor total, out = loss;
  {
    GradMode off(false);
    if (reduction != Reduction::None) out = sum(loss);
    if (reduction == Reduction::Mean) {
      total = sum(used);
      out = out / total;
    }
  }
  if (Recorder r{&logp}; r)
    r.save(target).save(used).save(total).done(
        "NllLossBackward0", out, [ignore_index, shape = logp.shape()](const Backward& b) {
          const Tensor total = b.saved(2);
          const Tensor g = expand(total.defined() ? b.grad() / total : b.grad(), {shape[0]});
          b.give(0, nll_backward(g, b.saved(0), b.saved(1), ignore_index, shape));
        });
  return out;
}

Tensor nll_loss(const Tensor& logp, const Tensor& target, const std::optional<Tensor>& weight,
                int64_t ignore_index, const std::string& reduction_name) {
  const char* op = "nll_loss";
  const Reduction reduction = parse_reduction(op, reduction_name);
  if (logp.dim() == 0) fail_runtime(op, "input is 0-d; expected (classes), or (batch, classes, ...)");
  if (!is_floating(logp.dtype()))
    fail_runtime(op, "input is ", name_of(logp.dtype()), "; expected log probabilities as floats");
  if (!is_integral(target.dtype()))
    fail_runtime(op, "target is ", name_of(target.dtype()),
                 "; expected class indices of type int64; use .long()");
  const int64_t classes = logp.size(logp.dim() == 1 ? 0 : 1);
  if (weight && !(weight->shape() == Dims{classes}))
    fail_runtime(op, "weight has shape ", weight->shape(), "; expected one per class, ",
                 Dims{classes});
  Dims expected = logp.shape();
  expected.erase(logp.dim() == 1 ? 0 : 1);
  if (!(target.shape() == expected))
    fail(logp.dim() <= 2 && target.dim() == expected.size() ? ErrorKind::Value : ErrorKind::Runtime,
         op, "target of shape ", target.shape(), " against input of shape ", logp.shape(),
         "; expected ", expected, ", one class index for each prediction");
  const Tensor t = to(target, DType::Int64);
  if (logp.dim() == 1)
    return reshape(nll_matrix(unsqueeze(logp, 0), reshape(t, {1}), weight, ignore_index, reduction),
                   {});
  if (logp.dim() == 2) return nll_matrix(logp, t, weight, ignore_index, reduction);
  const Tensor rows = reshape(movedim(logp, {1}, {-1}), {-1, classes});
  const Tensor out = nll_matrix(rows, reshape(t, {-1}), weight, ignore_index, reduction);
  return reduction == Reduction::None ? reshape(out, expected) : out;
}

/// With probabilities as targets, or smoothed ones: -sum_c w_c t_c logp_c, averaged over the batch.
Tensor soft_cross_entropy(const Tensor& logp, const Tensor& target,
                          const std::optional<Tensor>& weight, Reduction reduction, int axis,
                          double smoothing) {
  const auto classes = static_cast<double>(logp.size(axis));
  Tensor t = target;
  if (smoothing > 0) t = t * (1. - smoothing) + smoothing / classes;
  Tensor terms = logp * t;
  if (weight) {
    Dims shape(logp.dim(), 1);
    shape[axis] = logp.size(axis);
    terms = terms * reshape(*weight, shape);
  }
  const Tensor each = -sum(terms, Dims{axis}, false, std::nullopt);
  if (reduction == Reduction::None) return each;
  if (reduction == Reduction::Sum) return sum(each);
  return sum(each) / (static_cast<double>(logp.numel()) / classes);
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                     int64_t ignore_index, const std::string& reduction_name, double smoothing) {
  const char* op = "cross_entropy";
  const Reduction reduction = parse_reduction(op, reduction_name);
  if (input.dim() == 0) fail_runtime(op, "input is 0-d; expected (classes) or (batch, classes, ...)");
  if (smoothing < 0 || smoothing > 1)
    fail_runtime(op, "label_smoothing is ", smoothing, "; expected 0 to 1");
  const int axis = input.dim() == 1 ? 0 : 1;
  if (is_floating(target.dtype())) {
    if (!(target.shape() == input.shape()))
      fail_runtime(op, "target is ", name_of(target.dtype()), " of shape ", target.shape(),
                   ", input has shape ", input.shape(),
                   "; pass class indices as int64 (.long()), or one probability per class");
    return soft_cross_entropy(log_softmax(input, axis, std::nullopt), target, weight, reduction,
                              axis, smoothing);
  }
  const Tensor logp = log_softmax(input, axis, std::nullopt);
  const Tensor hard = nll_loss(logp, target, weight, ignore_index, reduction_name);
  if (smoothing == 0) return hard;
  // The smooth part: the mean over classes, rows weighted as in the hard part.
  Tensor terms = -logp;
  if (weight) {
    Dims shape(logp.dim(), 1);
    shape[axis] = logp.size(axis);
    terms = terms * reshape(*weight, shape);
  }
  const Tensor counted = target != static_cast<double>(ignore_index);
  Tensor smooth = select(counted, sum(terms, Dims{axis}, false, std::nullopt), 0.);
  if (reduction == Reduction::Sum) smooth = sum(smooth);
  if (reduction == Reduction::Mean) {
    const Tensor t = select(counted, to(target, DType::Int64), zero(to(target, DType::Int64)));
    const Tensor used = weight ? select(counted, index(*weight, {t}), 0.) : to(counted, logp.dtype());
    smooth = sum(smooth) / sum(used);
  }
  const auto classes = static_cast<double>(logp.size(axis));
  return hard * (1. - smoothing) + smooth * (smoothing / classes);
}

Tensor weighted_bce(const PointwiseOp& op, const Tensor& input, const Tensor& target,
                    const std::optional<Tensor>& weight, const std::string& reduction) {
  if (!(input.shape() == target.shape()))
    fail_value(op.name, "target of shape ", target.shape(), " against input of shape ",
               input.shape(), "; they must be equal; reshape or unsqueeze one");
  if (!weight) return row_loss(op, input, target, nullptr, reduction);
  const Tensor each = row_loss(op, input, target, nullptr, "none") * *weight;
  return reduce_loss(each, parse_reduction(op.name, reduction));
}

Tensor bce(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
           const std::string& reduction) {
  return weighted_bce(pointwise_op(formulas::row_index<formulas::BinaryCrossEntropy>), input, target,
                      weight, reduction);
}

Tensor bce_with_logits(const Tensor& input, const Tensor& target,
                       const std::optional<Tensor>& weight, const std::string& reduction,
                       const std::optional<Tensor>& pos_weight) {
  const auto& op = pointwise_op(formulas::row_index<formulas::BinaryCrossEntropyWithLogits>);
  if (!pos_weight) return weighted_bce(op, input, target, weight, reduction);
  if (!(input.shape() == target.shape()))
    fail_value(op.name, "target of shape ", target.shape(), " against input of shape ",
               input.shape(), "; they must be equal; reshape or unsqueeze one");
  const Tensor log_weight = (*pos_weight - 1.) * target + 1.;
  const Tensor softplus = log1p(exp(-abs(input))) + maximum(-input, 0.);
  Tensor each = (1. - target) * input + log_weight * softplus;
  if (weight) each = each * *weight;
  return reduce_loss(each, parse_reduction(op.name, reduction));
}

/// target (log target - input), 0 where target is 0.
Tensor kl_div(const Tensor& input, const Tensor& target, const std::string& reduction,
              bool log_target) {
  const Tensor each = log_target
                          ? exp(target) * (target - input)
                          : select(target == 0., 0., target * (log(select(target == 0., 1., target)) -
                                                               input)) ;
  if (reduction != "batchmean")
    return reduce_loss(each, parse_reduction("kl_div", reduction));
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
  r.nn("binary_cross_entropy", "input, target, weight=None, reduction='mean'", bce,
       pointwise_op(row_index<BinaryCrossEntropy>).doc);
  r.nn("binary_cross_entropy_with_logits",
       "input, target, weight=None, reduction='mean', pos_weight=None", bce_with_logits,
       pointwise_op(row_index<BinaryCrossEntropyWithLogits>).doc);
  r.nn("nll_loss", "input, target, weight=None, ignore_index=-100, reduction='mean'", nll_loss,
       "-weight[target] input[target], for log probabilities (batch, classes, ...) and class "
       "indices; the mean is over the weights used.");
  r.nn("cross_entropy",
       "input, target, weight=None, ignore_index=-100, reduction='mean', label_smoothing=0.0",
       cross_entropy,
       "nll_loss of log_softmax(input) over dimension 1; target holds class indices (int64) or one "
       "probability per class.  d input = softmax(input) - onehot(target), scaled.");
  r.nn("kl_div", "input, target, reduction='mean', log_target=False", kl_div,
       "target (log target - input), for log probabilities as input.");
}

}  // namespace bx
