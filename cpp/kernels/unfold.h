// Windows laid out as rows, tap by tap, and put back.
#pragma once

#include <algorithm>

#include "kernels/windows.h"

namespace bx::kernels {

/// Output positions [begin, end) as seen by one tap: run(x, position, count) for those whose input
/// elements exist, at x, x + stride[2], ...; gap(position, count) for the rest.
template <class Run, class Gap>
void for_runs(const ConvGeometry& g, int64_t tap, int64_t begin, int64_t end, Run run, Gap gap) {
  const int64_t k[3] = {tap / (g.window[1] * g.window[2]), tap / g.window[2] % g.window[1],
                        tap % g.window[2]};
  int64_t shift[3];
  for (int d = 0; d < 3; ++d) shift[d] = k[d] * g.dilation[d] - g.padding[d];
  const int64_t width = g.out[2], stride = g.stride[2];
  const int64_t low = shift[2] < 0 ? ceil_div(-shift[2], stride) : 0;
  const int64_t room = g.in[2] - shift[2];
  const int64_t high = std::min(width, room <= 0 ? 0 : ceil_div(room, stride));
  int64_t row = begin / width, column = begin % width;
  for (int64_t at = begin; at < end; ++row, column = 0) {
    const int64_t stop = std::min(width, column + end - at);
    const int64_t z = row / g.out[1] * g.stride[0] + shift[0];
    const int64_t y = row % g.out[1] * g.stride[1] + shift[1];
    const bool inside = z >= 0 && z < g.in[0] && y >= 0 && y < g.in[1];
    const int64_t first = std::clamp(inside ? low : stop, column, stop);
    const int64_t last = std::clamp(inside ? high : first, first, stop);
    if (first > column) gap(at, first - column);
    if (last > first)
      run((z * g.in[1] + y) * g.in[2] + first * stride + shift[2], at + first - column,
          last - first);
    if (stop > last) gap(at + last - column, stop - last);
    at += stop - column;
  }
}

/// One tap of one channel over positions [begin, end), packed into `out`.
template <class T>
void unfold_tap(const ConvGeometry& g, const T* x, int64_t tap, int64_t begin, int64_t end,
                T* out) {
  const int64_t stride = g.stride[2];
  for_runs(
      g, tap, begin, end,
      [&](int64_t from, int64_t at, int64_t count) {
        T* to = out + at - begin;
        if (stride == 1) std::copy_n(x + from, count, to);
        else
          for (int64_t i = 0; i < count; ++i) to[i] = x[from + i * stride];
      },
      [&](int64_t at, int64_t count) { std::fill_n(out + at - begin, count, T(0)); });
}

/// The transpose: adds packed values onto the input elements they came from.
template <class T>
void fold_tap(const ConvGeometry& g, const T* packed, int64_t tap, int64_t begin, int64_t end,
              T* x) {
  const int64_t stride = g.stride[2];
  for_runs(
      g, tap, begin, end,
      [&](int64_t to, int64_t at, int64_t count) {
        const T* from = packed + at - begin;
        for (int64_t i = 0; i < count; ++i) x[to + i * stride] += from[i];
      },
      [](int64_t, int64_t) {});
}

}  // namespace bx::kernels
