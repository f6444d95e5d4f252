// Arithmetic: rows of the op table. See row.h for the vocabulary.
#pragma once

#include "formulas/row.h"

namespace bx::formulas {

struct Add : Binary {
  static constexpr auto name = "add";
  static constexpr auto numbers = Numbers::Any;
  static constexpr auto doc = "y = input + alpha * other;  d input = g, d other = alpha g";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return a + b; };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto, auto) { return g; },
                                              [](auto g, auto, auto, auto) { return g; }};
};

struct Sub : Binary {
  static constexpr auto name = "sub";
  static constexpr auto numbers = Numbers::Any;
  static constexpr auto doc = "y = input - alpha * other;  d input = g, d other = -alpha g";
  static constexpr const char* number_nodes[] = {"RsubBackward1", nullptr, nullptr};
  static constexpr bool rejects_bool = true;
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return a - b; };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto, auto) { return g; },
                                              [](auto g, auto, auto, auto) { return -g; }};
};

struct Mul : Binary {
  static constexpr auto name = "mul";
  static constexpr auto numbers = Numbers::Any;
  static constexpr auto doc = "y = input * other;  d input = g other, d other = g input";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return a * b; };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto b, auto) { return g * b; },
                                              [](auto g, auto a, auto, auto) { return g * a; }};
};

struct Div : Binary {
  static constexpr auto name = "div";
  static constexpr auto numbers = Numbers::Any;
  static constexpr auto doc =
      "y = input / other, a float also for integers;  d input = g / other, "
      "d other = -g input / other^2";
  static constexpr auto f = [](auto a, auto b) { return a / b; };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto b, auto) { return g / b; },
                 [](auto g, auto a, auto b, auto) { return -g * ((a / b) / b); }};
};

struct FloorDivide : Binary {
  static constexpr auto name = "floor_divide";
  static constexpr auto numbers = Numbers::Any;
  static constexpr auto doc = "y = floor(input / other), as Python's //;  not differentiable";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return floor_divide(a, b); };
};

struct Remainder : Binary {
  static constexpr auto name = "remainder";
  static constexpr auto numbers = Numbers::One;
  static constexpr auto node = "RemainderBackward1";
  static constexpr const char* number_nodes[] = {nullptr, "RemainderBackward0", nullptr};
  static constexpr auto doc =
      "y = input - other floor(input / other), as Python's %: the sign of other;  d input = g, "
      "d other = -g floor(input / other)";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return remainder(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto, auto) { return g; },
                 [](auto g, auto a, auto b, auto) { return -g * floor(a / b); }};
};

struct Fmod : Binary {
  static constexpr auto name = "fmod";
  static constexpr auto numbers = Numbers::Last;
  static constexpr auto node = "FmodBackward1";
  static constexpr const char* number_nodes[] = {nullptr, "FmodBackward0", nullptr};
  static constexpr auto doc =
      "y = input - other trunc(input / other), as C's fmod: the sign of input;  d input = g, "
      "d other = -g trunc(input / other)";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return fmod(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto, auto) { return g; },
                 [](auto g, auto a, auto b, auto) { return -g * trunc(a / b); }};
};

struct Maximum : Binary {
  static constexpr auto name = "maximum";
  static constexpr auto doc =
      "y = the larger of input and other, NaN if either is;  g goes to the larger, half to each "
      "where they are equal";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return maximum(a, b); };
  static constexpr auto partials = std::tuple{
      [](auto g, auto a, auto b, auto) { return select(a == b, g * 0.5, select(a < b, 0., g)); },
      [](auto g, auto a, auto b, auto) { return select(a == b, g * 0.5, select(a > b, 0., g)); }};
};

struct Minimum : Binary {
  static constexpr auto name = "minimum";
  static constexpr auto doc =
      "y = the smaller of input and other, NaN if either is;  g goes to the smaller, half to each "
      "where they are equal";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return minimum(a, b); };
  static constexpr auto partials = std::tuple{
      [](auto g, auto a, auto b, auto) { return select(a == b, g * 0.5, select(a > b, 0., g)); },
      [](auto g, auto a, auto b, auto) { return select(a == b, g * 0.5, select(a < b, 0., g)); }};
};

struct Atan2 : Binary {
  static constexpr auto name = "atan2";
  static constexpr auto doc =
      "y = the angle of the point (other, input), radians;  d input = g other / r^2, "
      "d other = -g input / r^2 with r^2 = input^2 + other^2";
  static constexpr auto f = [](auto a, auto b) { return atan2(a, b); };
  static constexpr auto partials = std::tuple{[](auto g, auto a, auto b, auto) {
                                                auto r2 = a * a + b * b;
                                                return g * select(r2 == 0., 0., b / r2);
                                              },
                                              [](auto g, auto a, auto b, auto) {
                                                auto r2 = a * a + b * b;
                                                return g * select(r2 == 0., 0., -a / r2);
                                              }};
};

/// 0 where the base is 0, as the limit of the slope says and PyTorch returns.
struct Pow : Binary {
  static constexpr auto name = "pow";
  static constexpr auto node = "PowBackward1";
  static constexpr const char* number_nodes[] = {"PowBackward2", nullptr, nullptr};
  static constexpr auto signature = "input, exponent";
  static constexpr auto doc =
      "y = input ** exponent;  d input = g exponent input^(exponent - 1), "
      "d exponent = g y log(input)";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return pow(a, b); };
  static constexpr auto partials = std::tuple{
      [](auto g, auto a, auto b, auto) { return select(b == 0., 0., g * (b * pow(a, b - 1.))); },
      [](auto g, auto a, auto b, auto y) {
        return g * select((a == 0.) && (real(b) >= 0.), 0., y * log(a));
      }};
};

struct PowScalar : Unary {
  static constexpr auto name = "pow_scalar";
  static constexpr auto node = "PowBackward0";
  static constexpr auto signature = "input, exponent";
  static constexpr auto doc = "y = input ** exponent;  d input = g exponent input^(exponent - 1)";
  static constexpr int params = 1;
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x, double p) { return pow(x, p); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double p) {
    return choose(p == 0., zero(g), g * (p * pow(x, p - 1.)));
  }};
};

struct Neg : Unary {
  static constexpr auto name = "neg";
  static constexpr auto doc = "y = -input;  d input = -g";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return -x; };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return -g; }};
};

struct Abs : Unary {
  static constexpr auto name = "abs";
  static constexpr auto doc = "y = |input|;  d input = g sign(input), 0 at 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return abs(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * sign(x); }};
};

struct Sign : Unary {
  static constexpr auto name = "sign";
  static constexpr auto doc = "y = -1, 0 or 1;  d input = 0";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x) { return sign(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};

struct Square : Unary {
  static constexpr auto name = "square";
  static constexpr auto node = "PowBackward0";
  static constexpr auto doc = "y = input^2;  d input = 2 g input";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x) { return x * x; };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * (2. * x); }};
};

struct Sqrt : Unary {
  static constexpr auto name = "sqrt";
  static constexpr auto doc = "y = sqrt(input), NaN below 0;  d input = g / (2 y)";
  static constexpr auto f = [](auto x) { return sqrt(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto y) { return g / (2. * y); }};
};

struct Rsqrt : Unary {
  static constexpr auto name = "rsqrt";
  static constexpr auto doc = "y = 1 / sqrt(input);  d input = -g y^3 / 2";
  static constexpr auto f = [](auto x) { return rsqrt(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return -0.5 * g * (y * y * y); }};
};

struct Reciprocal : Unary {
  static constexpr auto name = "reciprocal";
  static constexpr auto doc = "y = 1 / input;  d input = -g y^2";
  static constexpr auto f = [](auto x) { return 1. / x; };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto y) { return -g * (y * y); }};
};

struct Clamp : Unary {
  static constexpr auto name = "clamp_scalar";
  static constexpr auto node = "ClampBackward1";
  static constexpr int params = 2;
  static constexpr auto domain = Domain::Number;
  static constexpr auto signature = "input, min, max";
  static constexpr auto doc =
      "y = min(max(input, lo), hi), NaN stays;  d input = g in [lo, hi], else 0";
  static constexpr auto f = [](auto x, double lo, double hi) {
    return minimum(maximum(x, lo), hi);
  };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto, double lo, double hi) {
    return select((x >= lo) && (x <= hi), g, 0.);
  }};
};

struct Where : Ternary {
  static constexpr auto name = "where";
  static constexpr auto signature = "condition, input, other";
  static constexpr auto doc =
      "y = input where condition holds, else other;  g goes where y came from";
  static constexpr auto domain = Domain::Number;
  static constexpr bool masked = true;
  static constexpr auto f = [](auto c, auto a, auto b) { return select(c, a, b); };
  static constexpr auto partials =
      std::tuple{nullptr, [](auto g, auto c, auto, auto, auto) { return select(c, g, 0.); },
                 [](auto g, auto c, auto, auto, auto) { return select(c, 0., g); }};
};

struct Lerp : Ternary {
  static constexpr auto name = "lerp";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr bool one_type = true;
  static constexpr auto numbers = Numbers::Last;
  static constexpr auto node = "LerpBackward1";
  static constexpr const char* number_nodes[] = {nullptr, nullptr, "LerpBackward0"};
  static constexpr auto signature = "input, end, weight";
  static constexpr auto doc =
      "y = input + weight (end - input);  d input = g (1 - weight), d end = g weight, "
      "d weight = g (end - input)";
  static constexpr auto f = [](auto a, auto b, auto w) { return a + w * (b - a); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto, auto w, auto) { return g * (1. - w); },
                 [](auto g, auto, auto, auto w, auto) { return g * w; },
                 [](auto g, auto a, auto b, auto, auto) { return g * (b - a); }};
};

using ArithmeticRows =
    std::tuple<Add, Sub, Mul, Div, FloorDivide, Remainder, Fmod, Maximum, Minimum, Atan2, Pow,
               PowScalar, Neg, Abs, Sign, Square, Sqrt, Rsqrt, Reciprocal, Clamp, Where, Lerp>;

}  // namespace bx::formulas
