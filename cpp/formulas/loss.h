// Losses, element by element; ops/loss.cpp reduces them. Only `input` has a derivative kernel
// where PyTorch differentiates only that; the others differentiate both.
#pragma once

#include "formulas/row.h"

namespace bx::formulas {

struct LossRow : Binary {
  static constexpr auto face = Face::Nn;
  static constexpr auto signature = "input, target";
};

struct MseLoss : LossRow {
  static constexpr auto name = "mse_loss";
  static constexpr auto doc = "(input - target)^2;  d input = 2 g (input - target)";
  static constexpr auto f = [](auto x, auto t) {
    auto d = x - t;
    return d * d;
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto t, auto) { return 2. * (x - t) * g; },
                 [](auto g, auto x, auto t, auto) { return 2. * (t - x) * g; }};
};
struct L1Loss : LossRow {
  static constexpr auto name = "l1_loss";
  static constexpr bool rejects_bool = true;
  static constexpr auto node = "AbsBackward0";
  static constexpr auto doc = "|input - target|;  d input = g sign(input - target), 0 at 0";
  static constexpr auto f = [](auto x, auto t) { return abs(x - t); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto t, auto) { return g * sign(x - t); },
                 [](auto g, auto x, auto t, auto) { return g * sign(t - x); }};
};
struct SmoothL1Loss : LossRow {
  static constexpr auto name = "smooth_l1_loss";
  static constexpr auto node = "SmoothL1LossBackward0";
  static constexpr int params = 1;
  static constexpr auto doc =
      "d^2 / (2 beta) where |d| < beta, else |d| - beta/2, with d = input - target";
  static constexpr auto f = [](auto x, auto t, double beta) {
    auto d = abs(x - t);
    return select(d < beta, 0.5 * d * d / beta, d - 0.5 * beta);
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto t, auto, double beta) {
                   auto d = x - t;
                   return g * select(abs(d) >= beta, sign(d), d / (beta > 0 ? beta : 1.));
                 },
                 [](auto g, auto x, auto t, auto, double beta) {
                   auto d = t - x;
                   return g * select(abs(d) >= beta, sign(d), d / (beta > 0 ? beta : 1.));
                 }};
};
struct HuberLoss : LossRow {
  static constexpr auto name = "huber_loss";
  static constexpr int params = 1;
  static constexpr auto doc =
      "d^2 / 2 where |d| <= delta, else delta (|d| - delta/2), with d = input - target";
  static constexpr auto f = [](auto x, auto t, double delta) {
    auto d = abs(x - t);
    return select(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta));
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto t, auto, double delta) {
                                                return g * minimum(maximum(x - t, -delta), delta);
                                              },
                                              [](auto g, auto x, auto t, auto, double delta) {
                                                return g * minimum(maximum(t - x, -delta), delta);
                                              }};
};
/// PyTorch bounds both logarithms at -100, so that a sure and wrong answer costs 100, not infinity.
struct BinaryCrossEntropy : LossRow {
  static constexpr auto name = "binary_cross_entropy";
  static constexpr bool one_type = true;
  static constexpr auto doc =
      "-(target log input + (1 - target) log(1 - input)), logs at least -100";
  static constexpr auto f = [](auto x, auto t) {
    return (t - 1.) * maximum(log1p(-x), -100.) - t * maximum(log(x), -100.);
  };
  static constexpr auto partials = std::tuple{
      [](auto g, auto x, auto t, auto) { return g * (x - t) / maximum((1. - x) * x, 1e-12); },
      [](auto g, auto x, auto, auto) {
        return g * (maximum(log1p(-x), -100.) - maximum(log(x), -100.));
      }};
};
struct BinaryCrossEntropyWithLogits : LossRow {
  static constexpr auto name = "binary_cross_entropy_with_logits";
  static constexpr auto doc =
      "(1 - target) input + log(1 + e^-input);  d input = g (sigmoid(input) - target)";
  static constexpr auto f = [](auto x, auto t) {
    return (1. - t) * x + (log1p(exp(-abs(x))) + maximum(-x, 0.));
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto t, auto) { return g * (sigmoid(x) - t); },
                 [](auto g, auto x, auto, auto) { return -g * x; }};
};
struct SoftMarginLoss : LossRow {
  static constexpr auto name = "soft_margin_loss";
  static constexpr auto doc = "log(1 + e^(-target input))";
  static constexpr auto f = [](auto x, auto t) {
    auto z = -t * x;
    return log1p(exp(-abs(z))) + maximum(z, 0.);
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto t, auto) { return -g * t * sigmoid(-t * x); },
                 [](auto g, auto x, auto t, auto) { return -g * x * sigmoid(-t * x); }};
};

using LossRows = std::tuple<MseLoss, L1Loss, SmoothL1Loss, HuberLoss, BinaryCrossEntropy,
                            BinaryCrossEntropyWithLogits, SoftMarginLoss>;

}  // namespace bx::formulas
