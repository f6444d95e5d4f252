// Comparisons, tests and bit logic: rows without derivatives.
#pragma once

#include "formulas/row.h"

namespace bx::formulas {

struct CompareBinary : Binary {
  static constexpr auto domain = Domain::Compare;
  static constexpr auto numbers = Numbers::Last;
};
struct CompareUnary : Unary {
  static constexpr auto domain = Domain::Compare;
};
struct BitsBinary : Binary {
  static constexpr auto domain = Domain::Bits;
  static constexpr auto numbers = Numbers::One;
};

struct Eq : CompareBinary {
  static constexpr auto name = "eq";
  static constexpr auto doc = "True where input == other; NaN equals nothing";
  static constexpr auto f = [](auto a, auto b) { return a == b; };
};
struct Ne : CompareBinary {
  static constexpr auto name = "ne";
  static constexpr auto doc = "True where input != other; also for NaN";
  static constexpr auto f = [](auto a, auto b) { return a != b; };
};
struct Lt : CompareBinary {
  static constexpr auto name = "lt";
  static constexpr auto doc = "True where input < other";
  static constexpr auto f = [](auto a, auto b) { return a < b; };
};
struct Le : CompareBinary {
  static constexpr auto name = "le";
  static constexpr auto doc = "True where input <= other";
  static constexpr auto f = [](auto a, auto b) { return a <= b; };
};
struct Gt : CompareBinary {
  static constexpr auto name = "gt";
  static constexpr auto doc = "True where input > other";
  static constexpr auto f = [](auto a, auto b) { return a > b; };
};
struct Ge : CompareBinary {
  static constexpr auto name = "ge";
  static constexpr auto doc = "True where input >= other";
  static constexpr auto f = [](auto a, auto b) { return a >= b; };
};
struct LogicalAnd : CompareBinary {
  static constexpr auto name = "logical_and";
  static constexpr auto numbers = Numbers::None;
  static constexpr auto doc = "True where both are not zero";
  static constexpr auto f = [](auto a, auto b) { return (a != 0.) && (b != 0.); };
};
struct LogicalOr : CompareBinary {
  static constexpr auto name = "logical_or";
  static constexpr auto numbers = Numbers::None;
  static constexpr auto doc = "True where one or both are not zero";
  static constexpr auto f = [](auto a, auto b) { return (a != 0.) || (b != 0.); };
};
struct LogicalXor : CompareBinary {
  static constexpr auto name = "logical_xor";
  static constexpr auto numbers = Numbers::None;
  static constexpr auto doc = "True where exactly one is not zero";
  static constexpr auto f = [](auto a, auto b) { return (a != 0.) != (b != 0.); };
};
struct LogicalNot : CompareUnary {
  static constexpr auto name = "logical_not";
  static constexpr auto doc = "True where input is zero";
  static constexpr auto f = [](auto x) { return x == 0.; };
};
struct IsNan : CompareUnary {
  static constexpr auto name = "isnan";
  static constexpr auto doc = "True where input is NaN";
  static constexpr auto f = [](auto x) { return x != x; };
};
struct IsInf : CompareUnary {
  static constexpr auto name = "isinf";
  static constexpr auto doc = "True where input is plus or minus infinity";
  static constexpr auto f = [](auto x) { return is_infinite(x); };
};
struct IsFinite : CompareUnary {
  static constexpr auto name = "isfinite";
  static constexpr auto doc = "True where input is neither infinite nor NaN";
  static constexpr auto f = [](auto x) { return (x == x) && (is_infinite(x) == (x != x)); };
};
struct BitwiseAnd : BitsBinary {
  static constexpr auto name = "bitwise_and";
  static constexpr auto doc = "y = input & other";
  static constexpr auto f = [](auto a, auto b) { return a & b; };
};
struct BitwiseOr : BitsBinary {
  static constexpr auto name = "bitwise_or";
  static constexpr auto doc = "y = input | other";
  static constexpr auto f = [](auto a, auto b) { return a | b; };
};
struct BitwiseXor : BitsBinary {
  static constexpr auto name = "bitwise_xor";
  static constexpr auto doc = "y = input ^ other";
  static constexpr auto f = [](auto a, auto b) { return a ^ b; };
};
struct BitwiseNot : Unary {
  static constexpr auto name = "bitwise_not";
  static constexpr auto domain = Domain::Bits;
  static constexpr auto doc = "y = ~input";
  static constexpr auto f = [](auto x) { return ~x; };
};

using CompareRows =
    std::tuple<Eq, Ne, Lt, Le, Gt, Ge, LogicalAnd, LogicalOr, LogicalXor, LogicalNot, IsNan, IsInf,
               IsFinite, BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot>;

}  // namespace bx::formulas
