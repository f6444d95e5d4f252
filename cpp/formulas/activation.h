// Activation functions: rows of the op table. Slopes at the kinks are PyTorch's.
#pragma once

#include "formulas/row.h"

namespace bx::formulas {

inline constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
inline constexpr double kSeluScale = 1.0507009873554804934193349852946;
inline constexpr double kSqrtHalf = 0.70710678118654752440084436210485;
inline constexpr double kInvSqrtTwoPi = 0.39894228040143267793994605993438;
inline constexpr double kSqrtTwoOverPi = 0.79788456080286535587989211986876;
inline constexpr double kGeluCubic = 0.044715;

struct Relu : Unary {
  static constexpr auto name = "relu";
  static constexpr auto doc = "y = max(input, 0);  d input = g where y > 0, else 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return select(x < 0., 0., x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return select(y <= 0., 0., g); }};
};
struct LeakyRelu : Unary {
  static constexpr auto name = "leaky_relu";
  static constexpr auto inplace_node = "LeakyReluBackward1";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr int params = 1;
  static constexpr auto signature = "input, negative_slope=0.01";
  static constexpr auto doc =
      "y = input above 0, negative_slope input below;  d input = g or negative_slope g";
  static constexpr auto f = [](auto x, double slope) { return select(x > 0., x, x * slope); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto, double slope) { return select(x > 0., g, g * slope); }};
};
struct Prelu : Binary {
  static constexpr auto name = "prelu";
  static constexpr bool one_type = true;
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto node = "PreluKernelBackward0";
  static constexpr auto face = Face::Hidden;
  static constexpr auto signature = "input, weight";
  static constexpr auto doc =
      "y = input above 0, weight input below, one weight or one per channel (dimension 1);  "
      "d input = g or weight g, d weight = g input below 0.  [He et al. 2015]";
  static constexpr auto f = [](auto x, auto w) { return select(x > 0., x, w * x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto w, auto) { return select(x > 0., g, w * g); },
                 [](auto g, auto x, auto, auto) { return select(x > 0., 0., x * g); }};
};

struct Elu : Unary {
  static constexpr auto name = "elu";
  static constexpr auto inplace_node = "EluBackward1";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr int params = 1;
  static constexpr auto signature = "input, alpha=1.0";
  static constexpr auto doc =
      "y = input above 0, alpha (e^input - 1) below;  d input = g or g alpha e^input";
  static constexpr auto f = [](auto x, double alpha) {
    return select(x <= 0., alpha * expm1(minimum(x, 0.)), x);
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double alpha) {
    return select(x <= 0., g * (alpha * exp(minimum(x, 0.))), g);
  }};
};
struct Celu : Unary {
  static constexpr auto name = "celu";
  static constexpr auto inplace_node = "CeluBackward1";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Both;
  static constexpr int params = 1;
  static constexpr auto signature = "input, alpha=1.0";
  static constexpr auto doc =
      "y = input above 0, alpha (e^(input/alpha) - 1) below;  d input = g or g e^(input/alpha)";
  static constexpr auto f = [](auto x, double alpha) {
    return select(x <= 0., alpha * expm1(minimum(x, 0.) / alpha), x);
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double alpha) {
    return select(x <= 0., g * exp(minimum(x, 0.) / alpha), g);
  }};
};
struct Selu : Unary {
  static constexpr auto name = "selu";
  static constexpr auto inplace_node = "EluBackward1";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Both;
  static constexpr auto node = "EluBackward0";
  static constexpr auto doc = "y = 1.0507 (input above 0, 1.6733 (e^input - 1) below)";
  static constexpr auto f = [](auto x) {
    return select(x <= 0., (kSeluScale * kSeluAlpha) * expm1(minimum(x, 0.)), kSeluScale * x);
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    return select(x <= 0., g * ((kSeluScale * kSeluAlpha) * exp(minimum(x, 0.))), kSeluScale * g);
  }};
};
struct Gelu : Unary {
  static constexpr auto name = "gelu_exact";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto node = "GeluBackward0";
  static constexpr auto face = Face::Nn;
  static constexpr auto doc =
      "y = input Phi(input), Phi the normal distribution;  "
      "d input = g (Phi(input) + input phi(input))  [Hendrycks & Gimpel 2016]";
  static constexpr auto f = [](auto x) { return x * 0.5 * (1. + erf(x * kSqrtHalf)); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    return g * (0.5 * (1. + erf(x * kSqrtHalf)) + x * (kInvSqrtTwoPi * exp(-0.5 * (x * x))));
  }};
};
struct GeluTanh : Unary {
  static constexpr auto name = "gelu_tanh";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto node = "GeluBackward0";
  static constexpr auto face = Face::Nn;
  static constexpr auto doc =
      "y = input (1 + tanh u) / 2 with u = sqrt(2/pi) (input + 0.044715 input^3)";
  // (1 + tanh u) / 2 = sigmoid(2 u), without cancellation where u is negative.
  static constexpr auto gate = [](auto x) {
    return sigmoid((2. * kSqrtTwoOverPi) * (x + kGeluCubic * (x * x * x)));
  };
  static constexpr auto f = [](auto x) { return x * gate(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    auto s = gate(x);
    auto slope = (2. * kSqrtTwoOverPi) * (1. + (3. * kGeluCubic) * (x * x));
    return g * (s + x * s * (1. - s) * slope);
  }};
};
struct Silu : Unary {
  static constexpr auto name = "silu";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr auto doc =
      "y = input s with s = sigmoid(input);  d input = g s (1 + input (1 - s))";
  static constexpr auto f = [](auto x) { return x * sigmoid(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    auto s = sigmoid(x);
    return g * (s * (1. + x * (1. - s)));
  }};
};
struct Mish : Unary {
  static constexpr auto name = "mish";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr auto doc =
      "y = input t with t = tanh(softplus(input));  d input = g (t + input s (1 - t^2)), "
      "s = sigmoid(input)";
  static constexpr auto f = [](auto x) { return x * tanh(log1p(exp(-abs(x))) + maximum(x, 0.)); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    auto t = tanh(log1p(exp(-abs(x))) + maximum(x, 0.));
    return g * (t + x * sigmoid(x) * (1. - t * t));
  }};
};
struct Softplus : Unary {
  static constexpr auto name = "softplus";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr int params = 2;
  static constexpr auto signature = "input, beta=1.0, threshold=20.0";
  static constexpr auto doc =
      "y = log(1 + e^(beta input)) / beta, input where beta input > threshold;  "
      "d input = g sigmoid(beta input)";
  static constexpr auto f = [](auto x, double beta, double threshold) {
    return select(x * beta > threshold, x, log1p(exp(minimum(x * beta, threshold))) / beta);
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto, double beta, double threshold) {
        return select(x * beta > threshold, g, g * sigmoid(x * beta));
      }};
};
struct LogSigmoid : Unary {
  static constexpr auto name = "logsigmoid";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto node = "LogSigmoidBackward0";
  static constexpr auto face = Face::Nn;
  static constexpr auto doc = "y = log sigmoid(input);  d input = g sigmoid(-input)";
  static constexpr auto f = [](auto x) { return minimum(x, 0.) - log1p(exp(-abs(x))); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * sigmoid(-x); }};
};
struct Hardtanh : Unary {
  static constexpr auto name = "hardtanh";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto face = Face::Nn;
  static constexpr int params = 2;
  static constexpr auto signature = "input, min_val=-1.0, max_val=1.0";
  static constexpr auto doc =
      "y = input clamped to [min_val, max_val];  d input = g inside, else 0";
  static constexpr auto f = [](auto x, double lo, double hi) {
    return minimum(maximum(x, lo), hi);
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double lo, double hi) {
    return select((x <= lo) || (x >= hi), 0., g);
  }};
};
struct Relu6 : Unary {
  static constexpr auto name = "relu6";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto node = "HardtanhBackward0";
  static constexpr auto face = Face::Nn;
  static constexpr auto doc = "y = min(max(input, 0), 6);  d input = g inside, else 0";
  static constexpr auto f = [](auto x) { return minimum(maximum(x, 0.), 6.); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return select((x <= 0.) || (x >= 6.), 0., g); }};
};
struct Hardsigmoid : Unary {
  static constexpr auto name = "hardsigmoid";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr auto doc = "y = min(max(input + 3, 0), 6) / 6;  d input = g / 6 inside, else 0";
  static constexpr auto f = [](auto x) { return minimum(maximum(x + 3., 0.), 6.) / 6.; };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return select((x > -3.) && (x < 3.), g / 6., 0.); }};
};
struct Hardswish : Unary {
  static constexpr auto name = "hardswish";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr auto doc = "y = input hardsigmoid(input);  d input = g (input / 3 + 1/2) inside";
  static constexpr auto f = [](auto x) { return x * minimum(maximum(x + 3., 0.), 6.) / 6.; };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    return select(x <= -3., 0., select(x < 3., g * (x / 3. + 0.5), g));
  }};
};
struct Softsign : Unary {
  static constexpr auto name = "softsign";
  static constexpr bool rejects_bool = true;
  static constexpr auto node = "DivBackward0";
  static constexpr auto face = Face::Nn;
  static constexpr auto doc = "y = input / (1 + |input|);  d input = g / (1 + |input|)^2";
  static constexpr auto f = [](auto x) { return x / (1. + abs(x)); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    auto d = 1. + abs(x);
    return g / (d * d);
  }};
};
struct Tanhshrink : Unary {
  static constexpr auto name = "tanhshrink";
  static constexpr bool rejects_bool = true;
  static constexpr auto node = "SubBackward0";
  static constexpr auto face = Face::Nn;
  static constexpr auto doc = "y = input - tanh(input);  d input = g tanh(input)^2";
  static constexpr auto f = [](auto x) { return x - tanh(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) {
    auto t = tanh(x);
    return g * (t * t);
  }};
};
struct Softshrink : Unary {
  static constexpr auto name = "softshrink";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Nn;
  static constexpr int params = 1;
  static constexpr auto signature = "input, lambd=0.5";
  static constexpr auto doc = "y = input shrunk towards 0 by lambd;  d input = g where y != 0";
  static constexpr auto f = [](auto x, double lambd) {
    return select(x > lambd, x - lambd, select(x < -lambd, x + lambd, x * 0.));
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double lambd) {
    return select((x >= -lambd) && (x <= lambd), 0., g);
  }};
};
struct Hardshrink : Unary {
  static constexpr auto name = "hardshrink";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto face = Face::Both;
  static constexpr int params = 1;
  static constexpr auto signature = "input, lambd=0.5";
  static constexpr auto doc = "y = input beyond lambd, else 0;  d input = g there, else 0";
  static constexpr auto f = [](auto x, double lambd) {
    return select((x >= -lambd) && (x <= lambd), 0., x);
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double lambd) {
    return select((x >= -lambd) && (x <= lambd), 0., g);
  }};
};
struct Threshold : Unary {
  static constexpr auto name = "threshold";
  static constexpr auto inplace_node = "ThresholdBackward1";
  static constexpr auto face = Face::Both;
  static constexpr int params = 2;
  static constexpr auto signature = "input, threshold, value";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto doc = "y = input above threshold, else value;  d input = g there, else 0";
  static constexpr auto f = [](auto x, double threshold, double value) {
    return select(x <= threshold, value, x);
  };
  static constexpr auto partials = std::tuple{
      [](auto g, auto x, auto, double threshold, double) { return select(x <= threshold, 0., g); }};
};

using ActivationRows =
    std::tuple<Relu, LeakyRelu, Prelu, Elu, Celu, Selu, Gelu, GeluTanh, Silu, Mish, Softplus,
               LogSigmoid, Hardtanh, Relu6, Hardsigmoid, Hardswish, Softsign, Tanhshrink,
               Softshrink, Hardshrink, Threshold>;

}  // namespace bx::formulas
