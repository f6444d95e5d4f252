// Activations with a mask that is drawn: dropout and its relatives.
#include <cmath>

#include "ops/ops.h"

namespace bx {

namespace {

void check_probability(const char* op, double p) {
  if (!(p >= 0 && p <= 1))
    fail_value(op, "dropout probability has to be between 0 and 1, but got ", p);
}

/// A draw per element, or per channel: dimensions 0 and 1.
Dims mask_shape(const char* op, const Tensor& t, bool per_channel) {
  if (!per_channel) return t.shape();
  if (t.dim() < 2)
    fail_runtime(op, "input has shape ", t.shape(),
                 "; expected (batch, channels, ...): a channel is kept or dropped as a whole");
  Dims shape(t.dim(), 1);
  shape[0] = t.shape()[0];
  shape[1] = t.shape()[1];
  return shape;
}

/// 1 with probability 1 - p, 0 else; a mask per element lies in memory as the input does, since the
/// draws follow the memory.
Tensor draw_mask(const char* op, const Tensor& t, double p, bool per_channel) {
  if (per_channel)
    return bernoulli_(empty(mask_shape(op, t, true), t.dtype()), 1 - p, &default_generator());
  const Dims order = memory_order(t);
  Dims shape, back(t.dim(), 0);
  for (int d = 0; d < t.dim(); ++d) {
    shape.push_back(t.shape()[static_cast<int>(order[d])]);
    back[static_cast<int>(order[d])] = d;
  }
  return permute(bernoulli_(empty(shape, t.dtype()), 1 - p, &default_generator()), back);
}

/// y = input * mask / (1 - p), the mask drawn as 1 with probability 1 - p. [Srivastava et al. 2014]
Tensor drop(const char* op, const Tensor& t, double p, bool training, bool per_channel) {
  check_probability(op, p);
  if (!training || p == 0 || t.numel() == 0) return t;
  Tensor mask;
  {
    GradMode off(false);
    if (p == 1) {
      mask = zeros(Dims{}, t.dtype());
    } else {
      mask = draw_mask(op, t, p, per_channel) / (1 - p);
    }
  }
  return t * mask;
}

/// Dropped elements become the lowest value of SELU; a line then restores mean 0 and variance 1.
/// [Klambauer et al. 2017]
Tensor alpha_drop(const char* op, const Tensor& t, double p, bool training, bool per_channel) {
  check_probability(op, p);
  if (!training || p == 0 || t.numel() == 0) return t;
  if (p == 1) return t * zeros(Dims{}, t.dtype());
  constexpr double lowest = 1.7580993408473766;
  const double a = 1. / std::sqrt((lowest * lowest * p + 1) * (1 - p));
  Tensor scale, shift;
  {
    GradMode off(false);
    const Tensor mask = draw_mask(op, t, p, per_channel);
    scale = mask * a;
    shift = (mask - 1.) * (lowest * a) + lowest * a * p;
  }
  return t * scale + shift;
}

}  // namespace

Tensor dropout(const Tensor& t, double p, bool training) {
  return drop("dropout", t, p, training, false);
}

void register_activation(Registry& r) {
  r.function("dropout", "input, p, train", dropout,
             "y = input mask / (1 - p), the mask 0 with probability p.");
  r.function(
      "feature_dropout", "input, p, train",
      [](const Tensor& t, double p, bool train) {
        return drop("feature_dropout", t, p, train, true);
      },
      "dropout of whole channels: input (batch, channels, ...).");
  r.function(
      "alpha_dropout", "input, p, train",
      [](const Tensor& t, double p, bool train) {
        return alpha_drop("alpha_dropout", t, p, train, false);
      },
      "Elements become SELU's lowest value with probability p; mean 0 and variance 1 are kept.");
  r.function(
      "feature_alpha_dropout", "input, p, train",
      [](const Tensor& t, double p, bool train) {
        return alpha_drop("feature_alpha_dropout", t, p, train, true);
      },
      "alpha_dropout of whole channels: input (batch, channels, ...).");
}

}  // namespace bx
