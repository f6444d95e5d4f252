// Every row, in one list. A row's place in it is its number in the kernel table.
#pragma once

#include "formulas/activation.h"
#include "formulas/arithmetic.h"
#include "formulas/bessel.h"
#include "formulas/compare.h"
#include "formulas/loss.h"
#include "formulas/range.h"
#include "formulas/special.h"
#include "formulas/transcendental.h"

namespace bx::formulas {

using AllRows =
    decltype(std::tuple_cat(ArithmeticRows{}, TranscendentalRows{}, ActivationRows{}, CompareRows{},
                            RangeRows{}, SpecialRows{}, BesselRows{}, LossRows{}));
inline constexpr int kRowCount = std::tuple_size_v<AllRows>;

template <class R, class Rows>
struct IndexIn;
template <class R, class... Rest>
struct IndexIn<R, std::tuple<R, Rest...>> {
  static constexpr int value = 0;
};
template <class R, class First, class... Rest>
struct IndexIn<R, std::tuple<First, Rest...>> {
  static constexpr int value = 1 + IndexIn<R, std::tuple<Rest...>>::value;
};

/// The number of a row.
template <class R>
inline constexpr int row_index = IndexIn<R, AllRows>::value;

}  // namespace bx::formulas
