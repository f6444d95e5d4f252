// Exponentials, logarithms, angles, rounding: rows of the op table.
#pragma once

#include "formulas/row.h"

namespace bx::formulas {

inline constexpr double kLn2 = 0.693147180559945309417232121458;
inline constexpr double kLn10 = 2.30258509299404568401799145468;
inline constexpr double kTwoOverSqrtPi = 1.12837916709551257389615890312;

struct Exp : Unary {
  static constexpr auto name = "exp";
  static constexpr auto doc = "y = e^input;  d input = g y";
  static constexpr auto f = [](auto x) { return exp(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto y) { return g * y; }};
};
struct Exp2 : Unary {
  static constexpr auto name = "exp2";
  static constexpr auto doc = "y = 2^input;  d input = g y ln 2";
  static constexpr auto f = [](auto x) { return exp2(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto y) { return g * y * kLn2; }};
};
struct Expm1 : Unary {
  static constexpr auto name = "expm1";
  static constexpr auto doc = "y = e^input - 1, exact near 0;  d input = g (y + 1)";
  static constexpr auto f = [](auto x) { return expm1(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto y) { return g * (y + 1.); }};
};
struct Log : Unary {
  static constexpr auto name = "log";
  static constexpr auto doc = "y = ln input, -inf at 0, NaN below;  d input = g / input";
  static constexpr auto f = [](auto x) { return log(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g / x; }};
};
struct Log2 : Unary {
  static constexpr auto name = "log2";
  static constexpr auto doc = "y = log of input to base 2;  d input = g / (input ln 2)";
  static constexpr auto f = [](auto x) { return log2(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g / (x * kLn2); }};
};
struct Log10 : Unary {
  static constexpr auto name = "log10";
  static constexpr auto doc = "y = log of input to base 10;  d input = g / (input ln 10)";
  static constexpr auto f = [](auto x) { return log10(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g / (x * kLn10); }};
};
struct Log1p : Unary {
  static constexpr auto name = "log1p";
  static constexpr auto node = "Log1PBackward0";
  static constexpr auto doc = "y = ln(1 + input), exact near 0;  d input = g / (1 + input)";
  static constexpr auto f = [](auto x) { return log1p(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g / (x + 1.); }};
};
struct Sin : Unary {
  static constexpr auto name = "sin";
  static constexpr auto doc = "y = sin input, radians;  d input = g cos input";
  static constexpr auto f = [](auto x) { return sin(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * cos(x); }};
};
struct Cos : Unary {
  static constexpr auto name = "cos";
  static constexpr auto doc = "y = cos input, radians;  d input = -g sin input";
  static constexpr auto f = [](auto x) { return cos(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return -g * sin(x); }};
};
struct Tan : Unary {
  static constexpr auto name = "tan";
  static constexpr auto doc = "y = tan input, radians;  d input = g (1 + y^2)";
  static constexpr auto f = [](auto x) { return tan(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return g * (1. + y * y); }};
};
struct Asin : Unary {
  static constexpr auto name = "asin";
  static constexpr auto doc = "y = arcsin input, radians;  d input = g / sqrt(1 - input^2)";
  static constexpr auto f = [](auto x) { return asin(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * rsqrt(1. - x * x); }};
};
struct Acos : Unary {
  static constexpr auto name = "acos";
  static constexpr auto doc = "y = arccos input, radians;  d input = -g / sqrt(1 - input^2)";
  static constexpr auto f = [](auto x) { return acos(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return -g * rsqrt(1. - x * x); }};
};
struct Atan : Unary {
  static constexpr auto name = "atan";
  static constexpr auto doc = "y = arctan input, radians;  d input = g / (1 + input^2)";
  static constexpr auto f = [](auto x) { return atan(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g / (x * x + 1.); }};
};
struct Sinh : Unary {
  static constexpr auto name = "sinh";
  static constexpr auto doc = "y = sinh input;  d input = g cosh input";
  static constexpr auto f = [](auto x) { return sinh(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * cosh(x); }};
};
struct Cosh : Unary {
  static constexpr auto name = "cosh";
  static constexpr auto doc = "y = cosh input;  d input = g sinh input";
  static constexpr auto f = [](auto x) { return cosh(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto x, auto) { return g * sinh(x); }};
};
struct Tanh : Unary {
  static constexpr auto name = "tanh";
  static constexpr auto doc = "y = tanh input;  d input = g (1 - y^2)";
  static constexpr auto f = [](auto x) { return tanh(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return g * (1. - y * y); }};
};
struct Asinh : Unary {
  static constexpr auto name = "asinh";
  static constexpr auto doc = "y = arsinh input;  d input = g / sqrt(input^2 + 1)";
  static constexpr auto f = [](auto x) { return asinh(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * rsqrt(x * x + 1.); }};
};
struct Acosh : Unary {
  static constexpr auto name = "acosh";
  static constexpr auto doc = "y = arcosh input, NaN below 1;  d input = g / sqrt(input^2 - 1)";
  static constexpr auto f = [](auto x) { return acosh(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * rsqrt(x * x - 1.); }};
};
struct Atanh : Unary {
  static constexpr auto name = "atanh";
  static constexpr auto doc = "y = artanh input, NaN beyond 1;  d input = g / (1 - input^2)";
  static constexpr auto f = [](auto x) { return atanh(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g / (1. - x * x); }};
};
struct Sigmoid : Unary {
  static constexpr auto name = "sigmoid";
  static constexpr auto doc = "y = 1 / (1 + e^-input);  d input = g y (1 - y)";
  static constexpr auto f = [](auto x) { return sigmoid(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto y) { return g * ((1. - y) * y); }};
};
struct Erf : Unary {
  static constexpr auto name = "erf";
  static constexpr auto doc =
      "y = erf input, 2/sqrt(pi) times the integral of e^(-t^2) from 0;  "
      "d input = g 2/sqrt(pi) e^(-input^2)";
  static constexpr auto f = [](auto x) { return erf(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return g * (kTwoOverSqrtPi * exp(-(x * x))); }};
};
struct Erfc : Unary {
  static constexpr auto name = "erfc";
  static constexpr auto doc = "y = 1 - erf input;  d input = -g 2/sqrt(pi) e^(-input^2)";
  static constexpr auto f = [](auto x) { return erfc(x); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto x, auto) { return -g * (kTwoOverSqrtPi * exp(-(x * x))); }};
};
struct Floor : Unary {
  static constexpr auto name = "floor";
  static constexpr auto doc = "y = the largest integer not above input;  d input = 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return floor(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};
struct Ceil : Unary {
  static constexpr auto name = "ceil";
  static constexpr auto doc = "y = the smallest integer not below input;  d input = 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return ceil(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};
struct Round : Unary {
  static constexpr auto name = "round";
  static constexpr auto doc = "y = the nearest integer, halves to even;  d input = 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return round(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};
struct Trunc : Unary {
  static constexpr auto name = "trunc";
  static constexpr auto doc = "y = input without its fraction;  d input = 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto x) { return trunc(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};
struct Frac : Unary {
  static constexpr auto name = "frac";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto doc = "y = input - trunc(input);  d input = g";
  static constexpr auto f = [](auto x) { return x - trunc(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return g; }};
};

using TranscendentalRows = std::tuple<Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sin, Cos, Tan,
                                      Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Acosh, Atanh,
                                      Sigmoid, Erf, Erfc, Floor, Ceil, Round, Trunc, Frac>;

}  // namespace bx::formulas
