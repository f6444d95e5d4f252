// Rows on complex numbers: those that are comparisons, linear, or holomorphic. The gradient of a
// holomorphic f is g conj(f'(x)), which is the row's own derivative at conjugated operands.
#include "formulas/all.h"
#include "kernels/complex_math.h"
#include "kernels/families.h"
#include "kernels/pointwise_rules.h"

namespace bx::kernels {

namespace {

using namespace formulas;

using ComplexRows =
    std::tuple<Add, Sub, Mul, Div, Pow, PowScalar, Neg, Square, Sqrt, Rsqrt, Reciprocal, Where,
               Lerp, Addcmul, Addcdiv, Exp, Exp2, Expm1, Log, Log2, Log10, Log1p, Sin, Cos, Tan,
               Asin, Acos, Atan, Sinh, Cosh, Tanh, Asinh, Atanh, Sigmoid, Silu, Eq, Ne, LogicalAnd,
               LogicalOr, LogicalXor, LogicalNot, IsNan, IsInf, IsFinite>;

template <int P, class F, class... Args>
auto with_params(F f, const double* p, Args... args) {
  if constexpr (P == 0) return f(args...);
  else if constexpr (P == 1) return f(args..., p[0]);
  else return f(args..., p[0], p[1]);
}

/// Element i of an operand, a bool where the row's condition stands.
template <class T, bool IsMask>
auto element(const void* data, int64_t i) {
  return static_cast<const std::conditional_t<IsMask, bool, Complex<T>>*>(data)[i];
}
bool conjugated(bool condition) { return condition; }
template <class T>
Complex<T> conjugated(const Complex<T>& x) {
  return conj(x);
}

template <class Row, class T>
void complex_forward(void* const* out, const void* const* in, int64_t n, const double* p,
                     FaultInfo*) {
  using Out = std::conditional_t<Row::domain == Domain::Compare, bool, Complex<T>>;
  auto* y = static_cast<Out*>(out[0]);
  [&]<size_t... K>(std::index_sequence<K...>) {
    for (int64_t i = 0; i < n; ++i)
      y[i] =
          with_params<Row::params>(Row::f, p, element < T, Row::masked && K == 0 > (in[K], i)...);
  }(std::make_index_sequence<Row::inputs>{});
}

/// in: only the operands that the derivative mentions, in the order g, inputs, output.
template <class Row, int I, class T>
void complex_partial(void* const* out, const void* const* in, int64_t n, const double* p,
                     FaultInfo*) {
  constexpr unsigned mask = decltype(dependence<Row, I>())::mask;
  auto* d = static_cast<Complex<T>*>(out[0]);
  const auto argument = [in]<int Bit>(std::integral_constant<int, Bit>, int64_t i) {
    constexpr bool is_mask = Row::masked && Bit == 1;
    if constexpr (mask & (1u << Bit)) {
      const auto x = element<T, is_mask>(in[__builtin_popcount(mask & ((1u << Bit) - 1))], i);
      if constexpr (Bit == 0) return x;
      else return conjugated(x);
    } else {
      return std::conditional_t<is_mask, bool, Complex<T>>{};  // never read
    }
  };
  [&]<int... Bit>(std::integer_sequence<int, Bit...>) {
    for (int64_t i = 0; i < n; ++i)
      d[i] = with_params<Row::params>(std::get<I>(Row::partials), p,
                                      argument(std::integral_constant<int, Bit>{}, i)...);
  }(std::make_integer_sequence<int, Row::inputs + 2>{});
}

template <class Row, class T>
void fill_complex_row(Entries entries) {
  constexpr int t = static_cast<int>(dtype_of<Complex<T>>());
  entries[0][t] = {Row::name, &complex_forward<Row, T>, nullptr};
  auto fill = [&]<int I>(std::integral_constant<int, I>) {
    if constexpr (has_partial<Row, I>)
      entries[1 + I][t] = {Row::name, &complex_partial<Row, I, T>, nullptr};
  };
  fill(std::integral_constant<int, 0>{});
  fill(std::integral_constant<int, 1>{});
  fill(std::integral_constant<int, 2>{});
}

template <class... Rows>
void fill_complex_rows(Entries kernels, std::tuple<Rows...>) {
  (fill_complex_row<Rows, float>(kernels + row_index<Rows> * kPartsPerRow), ...);
  (fill_complex_row<Rows, double>(kernels + row_index<Rows> * kPartsPerRow), ...);
}

}  // namespace

void fill_complex(Entries entries) { fill_complex_rows(entries, ComplexRows{}); }

}  // namespace bx::kernels
