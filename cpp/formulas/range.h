// Signs, ranges, tests and whole numbers: rows of the op table.
#pragma once

#include "formulas/compare.h"
#include "formulas/special.h"

namespace bx::formulas {

struct Sgn : Unary {
  static constexpr auto name = "sgn";
  static constexpr auto doc = "y = -1, 0 or 1;  d input = 0";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x) { return sign(x); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};
struct Angle : Unary {
  static constexpr auto name = "angle";
  static constexpr auto doc = "y = pi for negative input, else 0, radians;  d input = 0";
  static constexpr auto f = [](auto x) { return select(x < 0., kPi, select(x != x, x, 0.)); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return zero(g); }};
};
struct Deg2Rad : Unary {
  static constexpr auto name = "deg2rad";
  static constexpr auto node = "Deg2RadBackward0";
  static constexpr auto doc = "y = input pi / 180;  d input = g pi / 180";
  static constexpr auto f = [](auto x) { return x * (kPi / 180.); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return g * (kPi / 180.); }};
};
struct Rad2Deg : Unary {
  static constexpr auto name = "rad2deg";
  static constexpr auto node = "Rad2DegBackward0";
  static constexpr auto doc = "y = input 180 / pi;  d input = g 180 / pi";
  static constexpr auto f = [](auto x) { return x * (180. / kPi); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto) { return g * (180. / kPi); }};
};
struct NanToNum : Unary {
  static constexpr auto name = "nan_to_num";
  static constexpr auto face = Face::Hidden;
  static constexpr int params = 3;
  static constexpr auto doc =
      "y = input with NaN, inf and -inf replaced, by 0 and the largest numbers unless told "
      "otherwise;  d input = g where nothing was replaced, else 0";
  static constexpr auto f = [](auto x, double nan, double posinf, double neginf) {
    constexpr double inf = std::numeric_limits<double>::infinity();
    return select(x != x, nan, select(x == inf, posinf, select(x == -inf, neginf, x)));
  };
  static constexpr auto partials = std::tuple{
      [](auto g, auto x, auto, double, double, double) { return select(x - x == 0., g, 0.); }};
};
struct FrexpMantissa : Unary {
  static constexpr auto name = "frexp_mantissa";
  static constexpr auto face = Face::Hidden;
  static constexpr auto doc = "m of input = m 2^e with 1/2 <= |m| < 1";
  static constexpr auto f = [](auto x) { return frexp_mantissa(x); };
};
struct FrexpExponent : Unary {
  static constexpr auto name = "frexp_exponent";
  static constexpr auto face = Face::Hidden;
  static constexpr auto doc = "e of input = m 2^e with 1/2 <= |m| < 1";
  static constexpr auto f = [](auto x) { return frexp_exponent(x); };
};

struct Copysign : Binary {
  static constexpr auto name = "copysign";
  static constexpr auto numbers = Numbers::Last;
  static constexpr const char* number_nodes[] = {nullptr, "CopysignBackward1", nullptr};
  static constexpr auto doc =
      "y = |input| with the sign of other, zeros' too;  d input = g y / input, 0 at 0";
  static constexpr auto f = [](auto a, auto b) { return copysign(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto, auto y) { return g * select(a == 0., 0., y / a); },
                 [](auto g, auto, auto, auto) { return zero(g); }};
};
struct Nextafter : Binary {
  static constexpr auto name = "nextafter";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto doc =
      "y = the number next to input towards other;  d input = g, 0 where equal";
  static constexpr auto f = [](auto a, auto b) { return nextafter(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return select(a == b, 0., g); },
                 [](auto g, auto, auto, auto) { return zero(g); }};
};
struct Hypot : Binary {
  static constexpr auto name = "hypot";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto doc =
      "y = sqrt(input^2 + other^2) without overflow;  d input = g input / y, d other = g other / y";
  static constexpr auto f = [](auto a, auto b) { return hypot(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto, auto y) { return g * (a / y); },
                 [](auto g, auto, auto b, auto y) { return g * (b / y); }};
};
struct Logaddexp : Binary {
  static constexpr auto name = "logaddexp";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto doc =
      "y = ln(e^input + e^other) without overflow;  d input = g e^(input - y), "
      "d other = g e^(other - y)";
  static constexpr auto f = [](auto a, auto b) {
    auto top = maximum(a, b);
    return select(a == b, top + kLn2, top + log1p(exp(-abs(a - b))));
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return g / (1. + exp(b - a)); },
                 [](auto g, auto a, auto b, auto) { return g / (1. + exp(a - b)); }};
};
struct Logaddexp2 : Binary {
  static constexpr auto name = "logaddexp2";
  static constexpr auto domain = Domain::FloatOnly;
  static constexpr auto node = "Logaddexp2Backward0";
  static constexpr auto doc =
      "y = log2(2^input + 2^other) without overflow;  d input = g 2^(input - y), "
      "d other = g 2^(other - y)";
  static constexpr auto f = [](auto a, auto b) {
    auto top = maximum(a, b);
    return select(a == b, top + 1., top + log1p(exp2(-abs(a - b))) / kLn2);
  };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return g / (1. + exp((b - a) * kLn2)); },
                 [](auto g, auto a, auto b, auto) { return g / (1. + exp((a - b) * kLn2)); }};
};
struct Fmax : Binary {
  static constexpr auto name = "fmax";
  static constexpr auto doc =
      "y = the larger of input and other, the number where one is NaN;  g goes there, to input "
      "where they are equal";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return select((a >= b) || (b != b), a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return select((a >= b) || (b != b), g, 0.); },
                 [](auto g, auto a, auto b, auto) { return select((a >= b) || (b != b), 0., g); }};
};
struct Fmin : Binary {
  static constexpr auto name = "fmin";
  static constexpr auto doc =
      "y = the smaller of input and other, the number where one is NaN;  g goes there, to input "
      "where they are equal";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return select((a <= b) || (b != b), a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return select((a <= b) || (b != b), g, 0.); },
                 [](auto g, auto a, auto b, auto) { return select((a <= b) || (b != b), 0., g); }};
};
struct Heaviside : Binary {
  static constexpr auto name = "heaviside";
  static constexpr bool one_type = true;
  static constexpr auto signature = "input, values";
  static constexpr auto doc = "y = 0 below 0, values at 0, 1 above;  not differentiable";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x, auto v) {
    return select(x == 0., v, select(x > 0., 1., zero(x)));
  };
};

/// Bounds that are tensors. Where both bounds cross, the upper one counts.
struct ClampMin : Binary {
  static constexpr auto name = "clamp_min";
  static constexpr auto face = Face::Hidden;
  static constexpr auto node = "ClampMinBackward1";
  static constexpr auto signature = "input, min";
  static constexpr auto doc = "y = max(input, min), NaN stays;  g goes to input where >= min";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return maximum(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return select(a >= b, g, 0.); },
                 [](auto g, auto a, auto b, auto) { return select(a < b, g, 0.); }};
};
struct ClampMax : Binary {
  static constexpr auto name = "clamp_max";
  static constexpr auto face = Face::Hidden;
  static constexpr auto node = "ClampMaxBackward1";
  static constexpr auto signature = "input, max";
  static constexpr auto doc = "y = min(input, max), NaN stays;  g goes to input where <= max";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto a, auto b) { return minimum(a, b); };
  static constexpr auto partials =
      std::tuple{[](auto g, auto a, auto b, auto) { return select(a <= b, g, 0.); },
                 [](auto g, auto a, auto b, auto) { return select(a > b, g, 0.); }};
};
struct ClampTensor : Ternary {
  static constexpr auto name = "clamp";
  static constexpr auto face = Face::Hidden;
  static constexpr auto signature = "input, min, max";
  static constexpr auto doc = "y = min(max(input, min), max), NaN stays";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x, auto lo, auto hi) { return minimum(maximum(x, lo), hi); };
  static constexpr auto partials = std::tuple{
      [](auto g, auto x, auto lo, auto hi, auto) { return select((x >= lo) && (x <= hi), g, 0.); },
      [](auto g, auto x, auto lo, auto hi, auto) { return select((x < lo) && (lo < hi), g, 0.); },
      [](auto g, auto x, auto lo, auto hi, auto) { return select((x > hi) || (hi < lo), g, 0.); }};
};

struct Addcmul : Ternary {
  static constexpr auto name = "addcmul";
  static constexpr int params = 1;
  static constexpr auto signature = "input, tensor1, tensor2, *, value=1";
  static constexpr auto doc =
      "y = input + value tensor1 tensor2;  d input = g, d tensor1 = g value tensor2, "
      "d tensor2 = g value tensor1";
  static constexpr auto domain = Domain::Number;
  static constexpr auto f = [](auto x, auto a, auto b, double value) { return x + value * a * b; };
  static constexpr auto partials =
      std::tuple{[](auto g, auto, auto, auto, auto, double) { return g; },
                 [](auto g, auto, auto, auto b, auto, double value) { return g * (b * value); },
                 [](auto g, auto, auto a, auto, auto, double value) { return g * (a * value); }};
};
struct Addcdiv : Ternary {
  static constexpr auto name = "addcdiv";
  static constexpr int params = 1;
  static constexpr auto signature = "input, tensor1, tensor2, *, value=1";
  static constexpr auto doc =
      "y = input + value tensor1 / tensor2;  d input = g, d tensor1 = g value / tensor2, "
      "d tensor2 = -g value tensor1 / tensor2^2";
  static constexpr auto f = [](auto x, auto a, auto b, double value) { return x + value * a / b; };
  static constexpr auto partials = std::tuple{
      [](auto g, auto, auto, auto, auto, double) { return g; },
      [](auto g, auto, auto, auto b, auto, double value) { return g * (value / b); },
      [](auto g, auto, auto a, auto b, auto, double value) { return -g * (value * a) / (b * b); }};
};

/// Quotients rounded to whole numbers, constant but for their jumps.
struct DivFloor : Binary {
  static constexpr auto name = "div_floor";
  static constexpr auto face = Face::Hidden;
  static constexpr auto node = "DivBackward2";
  static constexpr auto doc = "y = floor(input / other);  d = 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return floor_divide(a, b); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto, auto) { return zero(g); },
                                              [](auto g, auto, auto, auto) { return zero(g); }};
};
struct DivTrunc : Binary {
  static constexpr auto name = "div_trunc";
  static constexpr auto face = Face::Hidden;
  static constexpr auto node = "DivBackward2";
  static constexpr auto doc = "y = trunc(input / other);  d = 0";
  static constexpr auto domain = Domain::Signed;
  static constexpr auto f = [](auto a, auto b) { return trunc_divide(a, b); };
  static constexpr auto partials = std::tuple{[](auto g, auto, auto, auto) { return zero(g); },
                                              [](auto g, auto, auto, auto) { return zero(g); }};
};

struct Signbit : CompareUnary {
  static constexpr auto name = "signbit";
  static constexpr auto doc = "True where the sign is minus, also of -0.0";
  static constexpr auto f = [](auto x) { return sign_bit(x); };
};
struct IsPosInf : CompareUnary {
  static constexpr auto name = "isposinf";
  static constexpr auto doc = "True where input is plus infinity";
  static constexpr auto f = [](auto x) { return is_infinite(x) && (x > 0.); };
};
struct IsNegInf : CompareUnary {
  static constexpr auto name = "isneginf";
  static constexpr auto doc = "True where input is minus infinity";
  static constexpr auto f = [](auto x) { return is_infinite(x) && (x < 0.); };
};
struct IsReal : CompareUnary {
  static constexpr auto name = "isreal";
  static constexpr auto doc = "True everywhere: these numbers have no imaginary part";
  static constexpr auto f = [](auto x) { return (x == x) || (x != x); };
};
struct IsClose : CompareBinary {
  static constexpr auto name = "isclose";
  static constexpr auto face = Face::Hidden;
  static constexpr int params = 3;
  static constexpr auto doc =
      "True where |input - other| <= atol + rtol |other|, and for equal infinities; for two NaNs "
      "where equal_nan";
  static constexpr auto f = [](auto a, auto b, double rtol, double atol, double equal_nan) {
    return is_close(a, b, rtol, atol, equal_nan != 0);
  };
};

struct Gcd : BitsBinary {
  static constexpr auto name = "gcd";
  static constexpr auto numbers = Numbers::None;
  static constexpr auto domain = Domain::Whole;
  static constexpr auto doc = "y = the greatest common divisor of input and other, gcd(0, 0) = 0";
  static constexpr auto f = [](auto a, auto b) { return gcd(a, b); };
};
struct Lcm : BitsBinary {
  static constexpr auto name = "lcm";
  static constexpr auto numbers = Numbers::None;
  static constexpr auto domain = Domain::Whole;
  static constexpr auto doc = "y = the least common multiple of input and other, 0 beside 0";
  static constexpr auto f = [](auto a, auto b) { return lcm(a, b); };
};
struct LeftShift : BitsBinary {
  static constexpr auto name = "bitwise_left_shift";
  static constexpr auto domain = Domain::Whole;
  static constexpr auto doc = "y = input 2^other, 0 where other is not a place of the type";
  static constexpr auto f = [](auto a, auto b) { return left_shift(a, b); };
};
struct RightShift : BitsBinary {
  static constexpr auto name = "bitwise_right_shift";
  static constexpr auto domain = Domain::Whole;
  static constexpr auto doc = "y = floor(input / 2^other)";
  static constexpr auto f = [](auto a, auto b) { return right_shift(a, b); };
};

using RangeRows =
    std::tuple<Sgn, Angle, Deg2Rad, Rad2Deg, NanToNum, FrexpMantissa, FrexpExponent, Copysign,
               Nextafter, Hypot, Logaddexp, Logaddexp2, Fmax, Fmin, Heaviside, ClampMin, ClampMax,
               ClampTensor, Addcmul, Addcdiv, DivFloor, DivTrunc, Signbit, IsPosInf, IsNegInf,
               IsReal, IsClose, Gcd, Lcm, LeftShift, RightShift>;

}  // namespace bx::formulas
