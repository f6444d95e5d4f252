// Losses of margins, distances and counts, made of other operations.
#include <cmath>
#include <numbers>

#include "ops/loss_reduction.h"
#include "ops/reduction.h"
#include "ops/scatter.h"

namespace bx {

namespace {

/// max(0, t), whose derivative at 0 is 1.
Tensor hinge(const Tensor& t) { return named("ClampMinBackward0", select(t < 0., 0., t)); }

Tensor finish(const char* op, const Tensor& each, const Legacy& size_average, const Legacy& reduce,
              const std::string& given) {
  return reduce_loss(each, parse_reduction(op, reduction_name(size_average, reduce, given)));
}

Tensor along(const Tensor& t, int64_t axis) { return sum(t, Dims{axis}, false, std::nullopt); }

Tensor margin_ranking(const Tensor& a, const Tensor& b, const Tensor& target, double margin,
                      const Legacy& size_average, const Legacy& reduce, const std::string& given) {
  if (a.dim() != b.dim() || a.dim() != target.dim())
    fail_runtime("margin_ranking_loss", "All input tensors should have same dimension but got ",
                 a.shape(), ", ", b.shape(), " and ", target.shape(), "; reshape them");
  return finish("margin_ranking_loss", hinge(-target * (a - b) + margin), size_average, reduce,
                given);
}

Tensor hinge_embedding(const Tensor& input, const Tensor& target, double margin,
                       const Legacy& size_average, const Legacy& reduce, const std::string& given) {
  const char* op = "hinge_embedding_loss";
  if (reduction_name(size_average, reduce, given) == "mean") require_float(op, input.dtype());
  const bool whole = !is_differentiable(input.dtype());
  const double bound = whole ? std::trunc(margin) : margin;
  const Tensor loss =
      select(target != 1., hinge(bound - input), 0.) + select(target != -1., input, 0.);
  const Tensor each = whole ? to(loss, input.dtype()) : loss;
  return finish(op, each, size_average, reduce, given);
}

Tensor cosine_embedding(const Tensor& a, const Tensor& b, const Tensor& target, double margin,
                        const Legacy& size_average, const Legacy& reduce,
                        const std::string& given) {
  const char* op = "cosine_embedding_loss";
  if (target.dim() > 1 || a.dim() != target.dim() + 1 || b.dim() != target.dim() + 1)
    fail_runtime(op, "inputs of shapes ", a.shape(), " and ", b.shape(),
                 " against a target of shape ", target.shape(),
                 "; expected (batch, features) and (batch,), or (features,) and ()");
  constexpr double tiny = 1e-12;
  const int64_t axis = target.dim();
  const Tensor size = (along(a * a, axis) + tiny) * (along(b * b, axis) + tiny);
  const Tensor cosine = along(a * b, axis) / sqrt(size);
  const Tensor each =
      select(target == 1., 1. - cosine, 0.) + select(target == -1., hinge(cosine - margin), 0.);
  return finish(op, each, size_average, reduce, given);
}

Tensor distance(const Tensor& a, const Tensor& b, double p, double eps) {
  return norm("triplet_margin_loss", a - b + eps, p, Dims{-1}, false);
}

Tensor triplet_margin(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                      double margin, double p, double eps, bool swap, const Legacy& size_average,
                      const Legacy& reduce, const std::string& given) {
  const char* op = "triplet_margin_loss";
  if (anchor.dim() != positive.dim() || anchor.dim() != negative.dim())
    fail_runtime(op,
                 "The anchor, positive, and negative tensors are expected to have the same number "
                 "of dimensions, but got shapes ",
                 anchor.shape(), ", ", positive.shape(), " and ", negative.shape(),
                 "; reshape them");
  if (margin <= 0) fail_value(op, "margin is ", margin, "; it must be above 0");
  const Tensor near = distance(anchor, positive, p, eps);
  Tensor far = distance(anchor, negative, p, eps);
  if (swap) far = minimum(far, distance(positive, negative, p, eps));
  return finish(op, hinge(near - far + margin), size_average, reduce, given);
}

Tensor poisson_nll(const Tensor& input, const Tensor& target, bool log_input, bool full,
                   const Legacy& size_average, double eps, const Legacy& reduce,
                   const std::string& given) {
  Tensor each = log_input ? exp(input) - target * input : input - target * log(input + eps);
  if (full) {
    const Tensor stirling =
        target * log(target) - target + 0.5 * log(2. * std::numbers::pi * target);
    each = each + select(target <= 1., 0., stirling);
  }
  return finish("poisson_nll_loss", each, size_average, reduce, given);
}

Tensor gaussian_nll(const Tensor& input, Operand target, Operand given_var, bool full, double eps,
                    const std::string& reduction_name) {
  const char* op = "gaussian_nll_loss";
  Tensor var = given_var.tensor;
  if (var->is_wrapped_number && !is_floating(var.dtype()))
    fail_type(op, "var is an int; pass a float, or a tensor");
  if (!is_floating(var.dtype()))
    fail(is_differentiable(var.dtype()) ? ErrorKind::NotImplemented : ErrorKind::Runtime, op,
         "var is ", name_of(var.dtype()),
         ", which cannot hold its bound, eps; convert it with .float()");
  if (var->is_wrapped_number) var = expand(to(var, input.dtype()), input.shape());
  {
    GradMode off(false);
    require_every(op, (var < 0.) == 0., ErrorKind::Value,
                  "var has negative entry/entries; take its square");
  }
  if (!(var.shape() == input.shape())) {
    Dims head = input.shape(), last = input.shape();
    if (head.size()) {
      head.resize(head.size() - 1);
      last[last.size() - 1] = 1;
    }
    int64_t differing = 0;
    for (int d = 0; var.dim() == input.dim() && d < var.dim(); ++d)
      if (var.shape()[d] != input.shape()[d]) differing += var.shape()[d];
    if (var.shape() == head && input.dim()) var = unsqueeze(var, -1);
    else if (differing != 1)
      fail_value(op, "var is of incorrect size: ", var.shape(), " for input of shape ",
                 input.shape(), "; expected that, or ", last, ", or ", head);
  }
  // The bound moves the value, not the gradient.
  Tensor shift;
  {
    GradMode off(false);
    shift = maximum(var, eps) - var;
  }
  const Tensor v = var + shift, d = input - target.tensor;
  Tensor each = 0.5 * (log(v) + d * d / v);
  if (full) each = each + 0.5 * std::log(2 * std::numbers::pi);
  return reduce_loss(each, parse_reduction(op, reduction_name));
}

/// input as [rows, classes], with the shape of one loss per row.
std::pair<Tensor, Dims> as_rows(const char* op, const Tensor& input) {
  require_wide_float(op, input.dtype());
  if (input.dim() > 2 || (input.dim() == 2 && input.size(1) == 0) ||
      (input.dim() < 2 && input.numel() == 0))
    fail_runtime(op, "input has shape ", input.shape(),
                 "; expected (batch, classes) or (classes,)");
  if (input.dim() == 2) return {input, {input.size(0)}};
  return {reshape(input, {1, -1}), {}};
}

/// sum_j max(0, margin - x_y + x_j)^p w_y / classes over j != y. [Crammer and Singer 2001]
Tensor multi_margin(const Tensor& input, const Tensor& target, const Scalar& p_given,
                    const Scalar& margin, const std::optional<Tensor>& weight,
                    const Legacy& size_average, const Legacy& reduce, const std::string& given) {
  const char* op = "multi_margin_loss";
  parse_reduction(op, reduction_name(size_average, reduce, given));
  const double p = p_given.as_double();
  if (p != 1 && p != 2) fail_value(op, "p is ", p, "; only p == 1 and p == 2 are supported");
  const auto [x, shape] = as_rows(op, input);
  if (target.numel() != x.size(0) || target.dim() > 1)
    fail_runtime(op, "target of shape ", target.shape(), " against input of shape ", input.shape(),
                 "; expected one class index for each row");
  if (weight && !(weight->shape() == Dims{x.size(1)}))
    fail(weight->dim() == 1 ? ErrorKind::Runtime : ErrorKind::Value, op, "weight has shape ",
         weight->shape(), "; expected one per class, ", Dims{x.size(1)});
  if (weight) require_same_type(op, input, *weight);
  if (weight) require_constant(op, "weight", *weight);
  require_class_indices(op, target);
  const Tensor y = checked_index({.op = op, .range_error = ErrorKind::OutOfBounds},
                                 reshape(target, {-1}), x.size(1));
  const Tensor row = arange_int(0, x.size(0), 1);
  const Tensor own = index(x, {row, y});
  Tensor each = hinge(x - unsqueeze(own, 1) + margin.as_double());
  if (p == 2) each = each * each;
  if (weight) each = each * unsqueeze(index(*weight, {y}), 1);
  const Tensor others = unsqueeze(y, 1) != arange_int(0, x.size(1), 1);
  each = along(select(others, each, 0.), 1) / static_cast<double>(x.size(1));
  return named("MultiMarginLossBackward0",
               finish(op, reshape(each, shape), size_average, reduce, given));
}

/// sum over targets y and other classes j of max(0, 1 - x_y + x_j) / classes; a row's targets end
/// at its first -1.
Tensor multilabel_margin(const Tensor& input, const Tensor& target, const Legacy& size_average,
                         const Legacy& reduce, const std::string& given) {
  const char* op = "multilabel_margin_loss";
  parse_reduction(op, reduction_name(size_average, reduce, given));
  const auto [x, shape] = as_rows(op, input);
  if (!(target.shape() == input.shape()) &&
      (target.dim() > 1 || input.dim() > 1 || target.numel() != 1))
    fail_runtime(op, "inconsistent target size: ", target.shape(), " for input of shape ",
                 input.shape(), "; they must be equal");
  const int64_t rows = x.size(0), classes = x.size(1);
  if (is_complex(target.dtype()))
    fail(ErrorKind::NotImplemented, op, "target is ", name_of(target.dtype()), "; use .long()");
  require_class_indices(op, target);
  const Tensor list = contiguous(reshape(target, {rows, classes}));
  const auto* label = list.data<int64_t>();
  // Every (row, target) pair, as the loss adds them up, and the classes that are no target.
  Tensor others = full_int({rows, classes}, 1, DType::Bool);
  std::vector<int64_t> found;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < classes && label[r * classes + k] != -1; ++k) {
      const int64_t y = label[r * classes + k];
      if (y < 0 || y >= classes)
        fail_runtime(op, "target ", y, " is out of range; expected -1 to ", classes - 1);
      others.data<bool>()[r * classes + y] = false;
      found.push_back(r * classes + y);
    }
  const auto pairs = static_cast<int64_t>(found.size());
  Tensor row = empty({pairs}, DType::Int64), own = empty({pairs}, DType::Int64);
  for (int64_t i = 0; i < pairs; ++i) {
    row.data<int64_t>()[i] = found[static_cast<size_t>(i)] / classes;
    own.data<int64_t>()[i] = found[static_cast<size_t>(i)] % classes;
  }
  const Tensor gap = hinge(1. - unsqueeze(index(x, {row, own}), 1) + index(x, {row}));
  const Tensor terms = along(select(index(others, {row}), gap, 0.), 1);
  const Tensor each =
      index_put_(zeros({rows}, x.dtype()), {row}, terms, true) / static_cast<double>(classes);
  return named("MultilabelMarginLossBackward0",
               finish(op, reshape(each, shape), size_average, reduce, given));
}

Tensor multilabel_soft_margin(const Tensor& input, Operand given_target,
                              const std::optional<Operand>& weight, const Legacy& size_average,
                              const Legacy& reduce, const std::string& given) {
  const auto& log_sigmoid = pointwise_op(formulas::row_index<formulas::LogSigmoid>);
  const Tensor negative = -input, target = given_target.tensor;
  Tensor each = -(target * pointwise(log_sigmoid, &input) +
                  (1. - target) * pointwise(log_sigmoid, &negative));
  if (weight) each = each * weight->tensor;
  if (input.dim() == 0)
    fail_index("multilabel_soft_margin_loss", "a 0-d input has no classes; pass one dimension");
  const int classes = input.dim() - 1;  // the target may have dimensions before these
  each = along(each, classes) / static_cast<double>(input.size(classes));
  return finish("multilabel_soft_margin_loss", each, size_average, reduce, given);
}

}  // namespace

void register_margin(Registry& r) {
  r.nn("margin_ranking_loss",
       "input1, input2, target, margin=0.0, ?size_average=None, ?reduce=None, ?reduction='mean'",
       margin_ranking, "max(0, -target (input1 - input2) + margin), target 1 or -1.");
  r.nn("hinge_embedding_loss",
       "input, target, margin=1.0, ?size_average=None, ?reduce=None, ?reduction='mean'",
       hinge_embedding, "input where target is 1, max(0, margin - input) where it is -1.");
  r.nn("cosine_embedding_loss",
       "input1, input2, target, margin=0.0, ?size_average=None, ?reduce=None, ?reduction='mean'",
       cosine_embedding,
       "1 - cos(input1, input2) where target is 1, max(0, cos(input1, input2) - margin) where it "
       "is -1.");
  r.nn("triplet_margin_loss",
       "anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, ?size_average=None, "
       "?reduce=None, ?reduction='mean'",
       triplet_margin,
       "max(0, d(anchor, positive) - d(anchor, negative) + margin), d the p-norm of the difference "
       "plus eps.");
  r.nn("poisson_nll_loss",
       "input, target, log_input=True, full=False, ?size_average=None, eps=1e-08, ?reduce=None, "
       "reduction='mean'",
       poisson_nll, "e^input - target input, or input - target log(input + eps).");
  r.nn("gaussian_nll_loss", "input, target, var, ?full=False, ?eps=1e-06, reduction='mean'",
       gaussian_nll, "(log v + (input - target)^2 / v) / 2 with v = max(var, eps).");
  r.nn("multi_margin_loss",
       "input, target, ?p=1, margin=1.0, weight=None, ?size_average=None, ?reduce=None, "
       "?reduction='mean'",
       multi_margin,
       "sum_j max(0, margin - input[target] + input[j])^p / classes over the other classes j.");
  r.nn("multilabel_margin_loss",
       "input, target, ?size_average=None, ?reduce=None, ?reduction='mean'", multilabel_margin,
       "sum of max(0, 1 - input[y] + input[j]) / classes over the targets y and other classes j.");
  r.nn("multilabel_soft_margin_loss",
       "input, target, weight=None, ?size_average=None, ?reduce=None, reduction='mean'",
       multilabel_soft_margin,
       "Mean over classes of the binary cross entropy of sigmoid(input) and target.");
}

}  // namespace bx
