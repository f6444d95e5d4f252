// Products of lines that are dense along k: sums that run along the registers.
#pragma once

#include "kernels/families.h"
#include "kernels/gemm_tiles.h"
#include "kernels/scratch.h"

namespace bx::kernels::gemm_detail {

/// Lines x [Rows, k] by lines y [n, k]: sums that run along the registers. C's elements lie
/// (x_apart, y_apart) apart, and so do those of `start`.
template <class T, int Rows>
void dot_lines(int64_t n, int64_t k, const T* x, int64_t x_step, const T* y, int64_t y_step,
               Strided2d<T> start, T* c, int64_t x_apart, int64_t y_apart) {
  using L = Lanes<T>;
  constexpr int at_once = 4;
  for (int64_t j = 0; j < n; j += at_once) {
    L sum[Rows][at_once];
    for (auto& row : sum)
      for (auto& lanes : row) lanes = L(T(0));
    const T* line[at_once];
    for (int q = 0; q < at_once; ++q) line[q] = y + std::min(j + q, n - 1) * y_step;
    auto add = [&](auto load) {
      L v[at_once];
      for (int q = 0; q < at_once; ++q) v[q] = load(line[q]);
      for (int i = 0; i < Rows; ++i) {
        const L s = load(x + i * x_step);
        for (int q = 0; q < at_once; ++q) sum[i][q] = multiply_add(s, v[q], sum[i][q]);
      }
    };
    int64_t p = 0;
    for (; p + L::width <= k; p += L::width) add([p](const T* from) { return L::load(from + p); });
    if (p < k) add([p, k](const T* from) { return load_padded(from + p, k - p, T(0)); });
    for (int q = 0; q < at_once && j + q < n; ++q)
      for (int i = 0; i < Rows; ++i) {
        const T dot = add_lanes(sum[i][q]);
        c[i * x_apart + (j + q) * y_apart] = start.data ? *start.at(i, j + q) + dot : dot;
      }
  }
}

/// The lines [n, k] dense along k, copied where they are not.
template <class T>
Strided2d<T> lines_of(Strided2d<T> x, int64_t n, int64_t k, ScratchUse use) {
  if (x.col == 1) return x;
  T* lines = scratch<T>(use, n * k);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t p = 0; p < k; ++p) lines[i * k + p] = *x.at(i, p);
  return {lines, k, 1};
}

/// Few lines x against many lines y, all dense along k.
template <class T>
void multiply_lines(int64_t few, int64_t many, int64_t k, Strided2d<T> x, Strided2d<T> y,
                    Strided2d<T> start, T* c, int64_t x_apart, int64_t y_apart) {
  parallel_for(many, std::max<int64_t>(1, kGemmTask / (few * k)), [&](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < few; i += 3) {
      const auto run = [&](auto dots) {
        dots(end - begin, k, x.at(i, 0), x.row, y.at(begin, 0), y.row,
             Strided2d<T>{start.data ? start.at(i, begin) : nullptr, start.row, start.col},
             c + i * x_apart + begin * y_apart, x_apart, y_apart);
      };
      if (few - i == 1) run(dot_lines<T, 1>);
      else if (few - i == 2) run(dot_lines<T, 2>);
      else run(dot_lines<T, 3>);
    }
  });
}

}  // namespace bx::kernels::gemm_detail
