// What a row of the op table is made of, and the compile-time probe that reads a derivative.
//
// A row is a struct: a name, the formula in words, a forward lambda `f` and one derivative lambda
// per input. The lambdas are generic and speak a small vocabulary (+ - * /, exp, log, select, ...)
// that four argument types understand:
//   Lanes<T>  (kernels/lanes.h)  the vectorised loop that runs,
//   Complex<T>  (kernels/complex_math.h)  the same for complex numbers, in rows that have them,
//   Tensor    (ops/pointwise.h)  recorded ops, for derivatives of derivatives,
//   Dep<mask> (below)            nothing at all but which arguments the result depends on.
// The probe tells what must be saved for the backward pass: what a derivative does not mention is
// not kept.
#pragma once

#include <tuple>

namespace bx::formulas {

/// Which element types a row takes and gives.
enum class Domain {
  Number,     // every type, result of the same type
  Signed,     // as Number, but not bool
  Float,      // integers and bools are turned into the default float type first
  FloatOnly,  // integers and bools are rejected
  Compare,    // every type, result bool
  Bits,       // integers and bools
  Whole,      // integers
};

/// Where Python finds a row: torch.f, Tensor.f and Tensor.f_; or nn.functional.f (with inplace=);
/// or both; or torch.special.f alone; or nowhere, where a family registers it by hand.
enum class Face { Tensor, Nn, Both, Special, Hidden };

/// Where a Python number may stand for a tensor: nowhere; for the last input; for either of two;
/// for all of them.
enum class Numbers { None, Last, One, Any };

/// Defaults of a row; each row overrides what differs.
struct Row {
  static constexpr int params = 0;  // trailing scalars, passed as double
  static constexpr Domain domain = Domain::Float;
  static constexpr Face face = Face::Tensor;
  static constexpr Numbers numbers = Numbers::None;
  static constexpr bool masked = false;         // the first input is a bool condition
  static constexpr bool rejects_bool = false;   // also beside an operand of another type
  static constexpr bool one_type = false;       // tensors of different types are rejected
  static constexpr const char* node = nullptr;  // grad_fn's name where it is not CamelCase(name)
  static constexpr const char* inplace_node = nullptr;  // the same where it is written in place
  // grad_fn's name where input k is a Python number, if PyTorch has another for that.
  static constexpr const char* number_nodes[3] = {};
  static constexpr auto partials = std::tuple<>{};
};
struct Unary : Row {
  static constexpr int inputs = 1;
  static constexpr const char* signature = "input";
};
struct Binary : Row {
  static constexpr int inputs = 2;
  static constexpr const char* signature = "input, other";
};
struct Ternary : Row {
  static constexpr int inputs = 3;
};

/// The probe: which arguments a derivative reads. Bit 0 is the incoming gradient g, bit 1+i is
/// input i, the bit after the inputs is the output y. `Plain` marks g passed on untouched.
template <unsigned Mask, bool Plain = false>
struct Dep {
  static constexpr unsigned mask = Mask;
  static constexpr bool plain = Plain;
};

template <class T>
inline constexpr unsigned dep_mask = 0;
template <unsigned M, bool P>
inline constexpr unsigned dep_mask<Dep<M, P>> = M;

template <class... A>
concept AnyDep = ((dep_mask<A> != 0) || ...);

template <class... A>
using Join = Dep<(dep_mask<A> | ...)>;

// clang-format off: macro calls without semicolons
#define BX_PROBE(op)                       \
  template <class A, class B>              \
    requires AnyDep<A, B>                  \
  constexpr Join<A, B> operator op(A, B) { \
    return {};                             \
  }
BX_PROBE(+) BX_PROBE(-) BX_PROBE(*) BX_PROBE(/) BX_PROBE(<) BX_PROBE(<=) BX_PROBE(>)
BX_PROBE(>=) BX_PROBE(==) BX_PROBE(!=) BX_PROBE(&&) BX_PROBE(||)
#undef BX_PROBE

#define BX_PROBE_FUNCTION(function)     \
  template <class... A>                 \
    requires AnyDep<A...>               \
  constexpr Join<A...> function(A...) { \
    return {};                          \
  }
BX_PROBE_FUNCTION(abs) BX_PROBE_FUNCTION(sign) BX_PROBE_FUNCTION(sqrt) BX_PROBE_FUNCTION(rsqrt) BX_PROBE_FUNCTION(exp) BX_PROBE_FUNCTION(expm1)
BX_PROBE_FUNCTION(log) BX_PROBE_FUNCTION(log1p) BX_PROBE_FUNCTION(sin) BX_PROBE_FUNCTION(cos) BX_PROBE_FUNCTION(tan) BX_PROBE_FUNCTION(tanh)
BX_PROBE_FUNCTION(sinh) BX_PROBE_FUNCTION(cosh) BX_PROBE_FUNCTION(sigmoid) BX_PROBE_FUNCTION(erf) BX_PROBE_FUNCTION(pow) BX_PROBE_FUNCTION(floor)
BX_PROBE_FUNCTION(trunc) BX_PROBE_FUNCTION(minimum) BX_PROBE_FUNCTION(maximum) BX_PROBE_FUNCTION(select) BX_PROBE_FUNCTION(zero) BX_PROBE_FUNCTION(real)
    // clang-format on

    template <class A>
  requires AnyDep<A>
constexpr Join<A> operator-(A) {
  return {};
}

template <class A, class B>
  requires AnyDep<A, B>
constexpr Join<A, B> choose(bool, A, B) {
  return {};
}

}  // namespace bx::formulas
