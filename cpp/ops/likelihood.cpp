// Likelihoods over classes: nll_loss and cross_entropy.
#include "ops/loss_reduction.h"
#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// -weight[target] * logp[target]; where target is ignore_index, nothing.
std::pair<Tensor, Tensor> nll_rows(const Tensor& logp, const Tensor& target,
                                   const std::optional<Tensor>& weight, int64_t ignore_index) {
  Tensor loss = empty(target.shape(), logp.dtype()), used = empty(target.shape(), logp.dtype());
  Params p;
  p.i[0] = ignore_index;
  p.i[1] = weight.has_value();
  GradMode off(false);
  const Tensor x = contiguous(logp);
  const Tensor w = weight ? contiguous(*weight) : Tensor();
  Operands inputs{&x, &target};
  if (weight) inputs.add(w);
  launch("nll_loss", kernel(Id::NllLoss, logp.dtype()), {&loss, &used}, inputs, p);
  return {loss, used};
}

/// dlogp from the gradient of each loss.
Tensor nll_backward(const Tensor& g, const Tensor& target, const Tensor& used, int64_t ignore_index,
                    const Dims& shape) {
  Tensor out = empty(shape, g.dtype());
  Params p;
  p.i[0] = ignore_index;
  launch("nll_loss", kernel(Id::NllLossBackward, g.dtype()), out, {&g, &target, &used}, p);
  if (Recorder r{&g}; r)
    r.save(target).save(used).done(
        "NllLossBackwardBackward0", out, [ignore_index](const Backward& b) {
          const Tensor t = b.saved(0);
          const Tensor safe = select(t == static_cast<double>(ignore_index), zero(t), t);
          b.give(0, -squeeze(gather(b.grad(), 1, unsqueeze(safe, 1)), Dims{1}) * b.saved(1));
        });
  return out;
}

constexpr const char* kNode2D = "NllLoss2DBackward0";

/// logp [rows, classes] or [outer, classes, inner], target the same without the classes.
Tensor nll_of_classes(const Tensor& logp, const Tensor& given_target,
                      const std::optional<Tensor>& weight, int64_t ignore_index,
                      Reduction reduction, const char* node = "NllLossBackward0") {
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
        node, out, [ignore_index, shape = logp.shape()](const Backward& b) {
          const Tensor total = b.saved(2);
          const Tensor each = total.defined() ? b.grad() / total : b.grad();
          const Tensor g = expand(contiguous(each), b.saved(0).shape());
          b.give(0, nll_backward(g, b.saved(0), b.saved(1), ignore_index, shape));
        });
  return out;
}

Tensor nll_loss(const Tensor& logp, const Tensor& labels, const std::optional<Tensor>& weight,
                const Legacy& size_average, int64_t ignore_index, const Legacy& reduce,
                const std::string& given) {
  const char* op = "nll_loss";
  const Reduction reduction = parse_reduction(op, reduction_name(size_average, reduce, given));
  if (logp.dim() == 0) fail_value(op, "input is 0-d; expected (classes), or (batch, classes, ...)");
  require_float(op, logp.dtype());
  const bool bytes = labels.dtype() == DType::UInt8 && logp.dim() < 3;
  const Tensor target = bytes ? to(labels, DType::Int64) : labels;
  require_class_indices(op, target);
  const int64_t classes = logp.size(logp.dim() == 1 ? 0 : 1);
  if (weight && grad_enabled() && requires_grad(*weight))
    fail_runtime(op, "the derivative for 'weight' (shape ", weight->shape(),
                 ") is not implemented; detach() it");
  Dims expected = logp.shape();
  expected.erase(logp.dim() == 1 ? 0 : 1);
  const bool one = logp.dim() == 1 && target.dim() == 1 && target.numel() == 1;
  if (!(target.shape() == expected) && !one) {
    const bool batches_differ =
        logp.dim() == 1 ? target.dim() == 1 : target.dim() == 0 || target.size(0) != logp.size(0);
    fail(batches_differ ? ErrorKind::Value : ErrorKind::Runtime, op, "target of shape ",
         target.shape(), " against input of shape ", logp.shape(), "; expected ", expected,
         ", one class index for each prediction");
  }
  if (weight) require_same_type(op, logp, *weight);
  if (weight && !(weight->shape() == Dims{classes}))
    fail_runtime(op, "weight has shape ", weight->shape(), "; expected one per class, ",
                 Dims{classes});
  if (logp.dim() == 1)
    return reshape(
        nll_of_classes(unsqueeze(logp, 0), reshape(target, {1}), weight, ignore_index, reduction),
        {});
  if (logp.dim() == 2) return nll_of_classes(logp, target, weight, ignore_index, reduction);
  int64_t inner = 1;
  for (int d = 2; d < logp.dim(); ++d) inner *= logp.size(d);
  const Tensor out = nll_of_classes(reshape(logp, {logp.size(0), classes, inner}),
                                    reshape(target, {logp.size(0), inner}), weight, ignore_index,
                                    reduction, kNode2D);
  return reduction == Reduction::None ? named(kNode2D, reshape(out, expected)) : out;
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
  if (reduction == Reduction::Sum) return named("NegBackward0", sum(each));
  return named("DivBackward1", sum(each) / (static_cast<double>(logp.numel()) / classes));
}

Tensor cross_entropy(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                     const Legacy& size_average, int64_t ignore_index, const Legacy& reduce,
                     const std::string& given, double smoothing) {
  const char* op = "cross_entropy";
  const Reduction reduction = parse_reduction(op, reduction_name(size_average, reduce, given));
  if (input.dim() == 0)
    fail(target.dim() ? ErrorKind::Index : ErrorKind::Runtime, op,
         "input is 0-d; expected (classes) or (batch, classes, ...)");
  if (smoothing < 0 || smoothing > 1)
    fail_runtime(op, "label_smoothing is ", smoothing, "; expected 0 to 1");
  const int axis = input.dim() == 1 ? 0 : 1;
  if (is_floating(target.dtype())) {
    if (ignore_index >= 0)
      fail_runtime(op, "ignore_index=", ignore_index, " with a target of ", name_of(target.dtype()),
                   "; only class indices as int64 can be ignored");
    if (!(target.shape() == input.shape()))
      fail(target.dim() && target.size(0) == input.size(0) ? ErrorKind::Runtime : ErrorKind::Value,
           op, "target is ", name_of(target.dtype()), " of shape ", target.shape(),
           ", input has shape ", input.shape(),
           "; pass class indices as int64 (.long()), or one probability per class");
    return soft_cross_entropy(log_softmax(input, axis, std::nullopt), target, weight, reduction,
                              axis, smoothing);
  }
  const Tensor logp = log_softmax(input, axis, std::nullopt);
  const Tensor hard = nll_loss(logp, target, weight, size_average, ignore_index, reduce, given);
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
    const Tensor t = select(counted, target, zero(target));
    const Tensor used =
        weight ? select(counted, index(*weight, {t}), 0.) : to(counted, logp.dtype());
    smooth = sum(smooth) / sum(used);
  }
  const auto classes = static_cast<double>(logp.size(axis));
  return hard * (1. - smoothing) + smooth * (smoothing / classes);
}

}  // namespace

void register_likelihood(Registry& r) {
  r.nn("nll_loss",
       "input, target, weight=None, ?size_average=None, ignore_index=-100, ?reduce=None, "
       "?reduction='mean'",
       nll_loss,
       "-weight[target] input[target], for log probabilities (batch, classes, ...) and class "
       "indices; the mean is over the weights used.");
  r.nn("cross_entropy",
       "input, target, weight=None, ?size_average=None, ignore_index=-100, ?reduce=None, "
       "?reduction='mean', label_smoothing=0.0",
       cross_entropy,
       "nll_loss of log_softmax(input) over dimension 1; target holds class indices (int64) or one "
       "probability per class.  d input = softmax(input) - onehot(target), scaled.");
}

}  // namespace bx
