// What the probe finds in a row's derivatives, for kernels and tape alike.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include "formulas/all.h"

namespace bx::kernels {

using formulas::Dep;

/// The probe's answer for the derivative of input I: bit 0 g, bit 1+i input i, then the output.
template <class Row, int I>
consteval auto dependence() {
  return []<size_t... K>(std::index_sequence<K...>) {
    constexpr auto partial = std::get<I>(Row::partials);
    auto call = [&](auto... params) {
      return decltype(partial(Dep<1, true>{}, Dep<(2u << K)>{}..., Dep<(2u << Row::inputs)>{},
                              params...)){};
    };
    if constexpr (Row::params == 0) return call();
    else if constexpr (Row::params == 1) return call(0.);
    else if constexpr (Row::params == 2) return call(0., 0.);
    else return call(0., 0., 0.);
  }(std::make_index_sequence<Row::inputs>{});
}

template <class Row, int I>
inline constexpr bool has_partial = [] {
  if constexpr (I < static_cast<int>(std::tuple_size_v<decltype(Row::partials)>))
    return !std::is_null_pointer_v<
        std::tuple_element_t<static_cast<size_t>(I), std::remove_cv_t<decltype(Row::partials)>>>;
  else return false;
}();

}  // namespace bx::kernels
