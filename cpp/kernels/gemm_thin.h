// Products too thin for tiles: a row by a matrix.
#pragma once

#include "kernels/families.h"
#include "kernels/gemm_tiles.h"

namespace bx::kernels::gemm_detail {

/// c [n] = start + x [k] B, n at most Vectors registers. Rows of B are taken in turn by Chains
/// sums, as many as hide the time that one takes.
template <class T, int Vectors, int Chains>
void row_strip(int64_t n, int64_t k, const T* x, int64_t x_step, const T* b, int64_t b_step,
               const T* start, T* c) {
  using L = Lanes<T>;
  constexpr int64_t width = L::width;
  const auto load = [n](const T* from, int64_t v) {
    if constexpr (Vectors > 1) return L::load(from + v * width);
    else return load_padded(from, n, T(0));
  };
  L sum[Chains * Vectors];
  unrolled<Chains * Vectors>(
      [&](auto s) { sum[s] = s < Vectors && start ? load(start, s) : L(T(0)); });
  int64_t p = 0;
  for (; p + Chains <= k; p += Chains)
    unrolled<Chains>([&](auto q) {
      const L s(x[(p + q) * x_step]);
      const T* row = b + (p + q) * b_step;
      unrolled<Vectors>([&](auto v) {
        sum[q * Vectors + v] = multiply_add(s, load(row, v), sum[q * Vectors + v]);
      });
    });
  for (; p < k; ++p) {
    const L s(x[p * x_step]);
    unrolled<Vectors>([&](auto v) { sum[v] = multiply_add(s, load(b + p * b_step, v), sum[v]); });
  }
  unrolled<Vectors>([&](auto v) {
    for (int half = Chains / 2; half > 0; half /= 2)
      for (int q = 0; q < half; ++q)
        sum[q * Vectors + v] = sum[q * Vectors + v] + sum[(q + half) * Vectors + v];
    if constexpr (Vectors > 1) sum[v].store(c + v * width);
    else store_part(sum[v], c, n);
  });
}

/// c [n] = start + x [k] B [k, n], B dense along its rows.
template <class T>
void multiply_row(int64_t n, int64_t k, const T* x, int64_t x_step, const T* b, int64_t b_step,
                  const T* start, T* c) {
  constexpr int64_t width = Lanes<T>::width, panel = 8 * width;
  parallel_for((n + panel - 1) / panel, std::max<int64_t>(1, kGemmTask / (panel * k)),
               [&](int64_t from, int64_t until) {
                 const int64_t end = std::min(n, until * panel);
                 int64_t j = from * panel;
                 const auto strip = [&](int64_t cols, auto multiply) {
                   multiply(cols, k, x, x_step, b + j, b_step, start ? start + j : start, c + j);
                   j += cols;
                 };
                 while (end - j >= panel) strip(panel, row_strip<T, 8, 1>);
                 if (end - j >= 4 * width) strip(4 * width, row_strip<T, 4, 2>);
                 if (end - j >= 2 * width) strip(2 * width, row_strip<T, 2, 4>);
                 while (j < end) strip(std::min(width, end - j), row_strip<T, 1, 8>);
               });
}

}  // namespace bx::kernels::gemm_detail
