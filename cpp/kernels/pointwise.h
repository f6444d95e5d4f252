// Turns rows of the op table into kernels over contiguous elements.
#pragma once

#include <algorithm>
#include <tuple>
#include <utility>

#include "formulas/all.h"
#include "kernels/families.h"
#include "kernels/lanes_math.h"
#include "kernels/lanes_partial.h"
#include "kernels/pointwise_rules.h"

namespace bx::kernels {

using formulas::Domain;

/// A row's scalars: a copy that no store can change, so that they stay in registers.
template <int P>
struct RowParams {
  explicit RowParams(const double* from) {
    for (int k = 0; k < P; ++k) values[k] = from[k];
  }
  double operator[](int k) const { return values[k]; }
  double values[P > 0 ? P : 1];
};

/// Calls f(args..., params...) with a row's scalars appended.
template <int P, class F, class... Args>
inline auto with_params(F f, const RowParams<P>& p, Args... args) {
  if constexpr (P == 0) return f(args...);
  else if constexpr (P == 1) return f(args..., p[0]);
  else if constexpr (P == 2) return f(args..., p[0], p[1]);
  else return f(args..., p[0], p[1], p[2]);
}

/// n of an operand's lanes from element i on, of T or of a mask where the row's condition stands;
/// the rest of the register is 1 or false.
template <class T, bool V, bool IsMask>
inline auto load_operand(const void* base, int64_t i, int64_t n) {
  constexpr int width = Lanes<T, V>::width;
  if constexpr (IsMask) {
    const auto* p = static_cast<const bool*>(base) + i;
    if (n >= width) return Mask<T, V>::load(p);
    bool first[width] = {};
    std::copy_n(p, n, first);
    return Mask<T, V>::load(first);
  } else if constexpr (width > 1) {
    return load_padded(static_cast<const T*>(base) + i, n, T(1));
  } else {
    return Lanes<T, V>::load(static_cast<const T*>(base) + i);
  }
}

/// Runs f over n elements. Operand k is a mask where k == MaskAt. The tail is padded, so that it
/// goes through the same instructions as the rest.
template <class Out, class T, bool V, int N, int MaskAt, class F>
inline void for_lanes(Out* out, const void* const* in, int64_t n, F f) {
  constexpr int width = Lanes<T, V>::width;
  const void* base[N];
  for (int k = 0; k < N; ++k) base[k] = in[k];
  auto apply = [&]<size_t... K>(std::index_sequence<K...>, int64_t i, int64_t count) {
    return f(load_operand<T, V, static_cast<int>(K) == MaskAt>(base[K], i, count)...);
  };
  constexpr auto operands = std::make_index_sequence<N>{};
  int64_t i = 0;
  for (; i + width <= n; i += width) {
    const auto y = apply(operands, i, width);
    if constexpr (requires { y.store(out); }) y.store(out + i);
    else out[i] = y.v;
  }
  if constexpr (width > 1) {
    if (i < n) store_part(apply(operands, i, n - i), out + i, n - i);
  }
}

template <class Row, class T>
void forward(void* const* out, const void* const* in, int64_t n, const double* p,
             FaultInfo* fault) {
  constexpr bool bool_out = Row::domain == Domain::Compare;
  using Out = std::conditional_t<bool_out, bool, T>;
  for_lanes<Out, T, !bool_out && std::is_floating_point_v<T>, Row::inputs, Row::masked ? 0 : -1>(
      static_cast<Out*>(out[0]), in, n,
      [p = RowParams<Row::params>(p)](auto... x) { return with_params(Row::f, p, x...); });
  if constexpr (std::is_integral_v<T>) {
    if (divided_by_zero) {
      divided_by_zero = false;
      fault->fault = Fault::DivideByZero;
    }
  }
}

/// in: only the operands that the derivative mentions, in the order g, inputs, output.
template <class Row, int I, class T>
void partial(void* const* out, const void* const* in, int64_t n, const double* p, FaultInfo*) {
  constexpr unsigned mask = decltype(dependence<Row, I>())::mask;
  constexpr int used = __builtin_popcount(mask);
  constexpr int condition = Row::masked && (mask & 2u) ? __builtin_popcount(mask & 1u) : -1;
  for_lanes<T, T, true, used, condition>(
      static_cast<T*>(out[0]), in, n, [p = RowParams<Row::params>(p)](auto... read) {
        const auto given = std::tuple{read...};
        auto argument = [&]<int Bit>(std::integral_constant<int, Bit>) {
          if constexpr (mask & (1u << Bit))
            return std::get<__builtin_popcount(mask & ((1u << Bit) - 1))>(given);
          else return Lanes<T>{};  // never read
        };
        return [&]<int... Bit>(std::integer_sequence<int, Bit...>) {
          return with_params(std::get<I>(Row::partials), p,
                             argument(std::integral_constant<int, Bit>{})...);
        }(std::make_integer_sequence<int, Row::inputs + 2>{});
      });
}

/// Whether a row computes on T.
template <class Row, class T>
inline constexpr bool computes_on = [] {
  constexpr bool is_bool = std::is_same_v<T, bool>;
  switch (Row::domain) {
    case Domain::Float:
    case Domain::FloatOnly: return std::is_floating_point_v<T>;
    case Domain::Signed: return !is_bool;
    case Domain::Bits: return std::is_integral_v<T>;
    case Domain::Whole: return std::is_integral_v<T> && !is_bool;
    default: return true;
  }
}();

template <class Row, class T>
constexpr void fill_row(Kernel (*entries)[kDTypeCount]) {
  if constexpr (computes_on<Row, T>) {
    constexpr int t = static_cast<int>(dtype_of<T>());
    entries[0][t] = {Row::name, &forward<Row, T>, nullptr};
    if constexpr (std::is_floating_point_v<T>) {
      auto fill = [&]<int I>(std::integral_constant<int, I>) {
        if constexpr (has_partial<Row, I>)
          entries[1 + I][t] = {Row::name, &partial<Row, I, T>, nullptr};
      };
      fill(std::integral_constant<int, 0>{});
      fill(std::integral_constant<int, 1>{});
      fill(std::integral_constant<int, 2>{});
    }
  }
}

/// Enters every kernel of a family of rows into the table.
template <class... Rows>
void fill_rows(Kernel (*kernels)[kDTypeCount], std::tuple<Rows...>) {
  auto fill = [&]<class Row>(Row) {
    auto* entries = kernels + formulas::row_index<Row> * kPartsPerRow;
    fill_row<Row, uint8_t>(entries);
    if constexpr (Row::domain == Domain::Compare) share_with_bool(entries[0]);
    else fill_row<Row, bool>(entries);
    fill_row<Row, int32_t>(entries);
    fill_row<Row, int64_t>(entries);
    fill_row<Row, float>(entries);
    fill_row<Row, double>(entries);
  };
  (fill(Rows{}), ...);
}

}  // namespace bx::kernels
