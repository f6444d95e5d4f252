// Products of lines that are dense along k: sums that run along the registers.
#pragma once

#include "kernels/families.h"
#include "kernels/gemm_blocks.h"
#include "kernels/scratch.h"

namespace bx::kernels::gemm_detail {

/// What multiplies lines: two matrices of lines dense along k; C's elements lie (x_apart, y_apart)
/// apart.
template <class T>
struct Lines {
  int64_t n, k;  // lines of y, their length
  const T* x;
  int64_t x_step;
  const T* y;
  int64_t y_step;
  Strided2d<T> start;
  T* c;
  int64_t x_apart, y_apart;
};

/// Lines of x that are taken at once, so that the sums fit the registers.
inline constexpr int kMostLines = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 5 : 3;

/// Rows lines of x by all lines of y: sums that run along the registers.
template <class T, int Rows>
void dot_lines(const Lines<T>& l) {
  using L = Lanes<T>;
  constexpr int at_once = Rows == 1 ? 8 : 4;  // sums enough to hide the time that one takes
  for (int64_t j = 0; j < l.n; j += at_once) {
    L sum[Rows * at_once];
    unrolled<Rows * at_once>([&](auto s) { sum[s] = L(T(0)); });
    const bool whole = j + at_once <= l.n;
    const T* y[at_once];
    unrolled<at_once>([&](auto q) {
      y[q] = l.y + j * l.y_step + (whole ? q.value : std::min<int64_t>(q, l.n - 1 - j)) * l.y_step;
    });
    const auto add = [&](auto load) __attribute__((always_inline)) {
      L v[at_once];
      unrolled<at_once>([&](auto q) { v[q] = load(y[q]); });
      unrolled<Rows>([&](auto i) {
        const L s = load(l.x + i * l.x_step);
        unrolled<at_once>(
            [&](auto q) { sum[i * at_once + q] = multiply_add(s, v[q], sum[i * at_once + q]); });
      });
    };
    int64_t p = 0;
    for (; p + L::width <= l.k; p += L::width)
      add([p](const T* from) __attribute__((always_inline)) { return L::load(from + p); });
    if (p < l.k)
      add([p, n = l.k - p](const T* from)
              __attribute__((always_inline)) { return load_padded(from + p, n, T(0)); });
    T* to = l.c + j * l.y_apart;
    if (whole && l.y_apart == 1 && !l.start.data) {
      unrolled<Rows * at_once / 4>([&](auto s) {
        constexpr int first = 4 * s;
        add_lanes_of_four(sum + first, to + first / at_once * l.x_apart + first % at_once);
      });
      continue;
    }
    T dot[Rows * at_once];
    unrolled<Rows * at_once / 4>([&](auto s) { add_lanes_of_four(sum + 4 * s, dot + 4 * s); });
    if (l.start.data) {
      const T* from = l.start.at(0, j);
      for (int q = 0; q < at_once && j + q < l.n; ++q)
        for (int i = 0; i < Rows; ++i)
          dot[i * at_once + q] += from[i * l.start.row + q * l.start.col];
    }
    const auto put = [&](auto q) __attribute__((always_inline)) {
      unrolled<Rows>([&](auto i) { to[i * l.x_apart] = dot[i * at_once + q]; });
      to += l.y_apart;
    };
    if (whole) {
      unrolled<at_once>(put);
    } else {
      for (int q = 0; j + q < l.n; ++q) put(q);
    }
  }
}

/// The lines [n, k] dense along k, copied where they are not.
template <class T>
Strided2d<T> lines_of(const Strided2d<T>& x, int64_t n, int64_t k, ScratchUse use) {
  if (x.col == 1) return x;
  T* lines = scratch<T>(use, n * k);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t p = 0; p < k; ++p) lines[i * k + p] = *x.at(i, p);
  return {lines, k, 1};
}

/// Few lines x against many lines y, all dense along k.
template <class T>
void multiply_lines(int64_t few, int64_t many, int64_t k, const Strided2d<T>& x,
                    const Strided2d<T>& y, const Strided2d<T>& start, T* c, int64_t x_apart,
                    int64_t y_apart) {
  static constexpr auto by_rows = []<int... R>(std::integer_sequence<int, R...>) {
    return std::array{&dot_lines<T, R + 1>...};
  }(std::make_integer_sequence<int, kMostLines>{});
  const Cut rows(few, kMostLines);
  const int64_t work = few * k;
  const int64_t grain = many * work <= kGemmTask ? many : std::max<int64_t>(1, kGemmTask / work);
  parallel_for(many, grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = 0; b < rows.count; ++b) {
      const int64_t i = rows.begin(b);
      by_rows[static_cast<size_t>(rows.size(b) - 1)](
          {end - begin, k, x.at(i, 0), x.row, y.at(begin, 0), y.row,
           Strided2d<T>{start.data ? start.at(i, begin) : nullptr, start.row, start.col},
           c + i * x_apart + begin * y_apart, x_apart, y_apart});
    }
  });
}

}  // namespace bx::kernels::gemm_detail
