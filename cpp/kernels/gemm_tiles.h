// C = A B by tiles that live in registers, on operands read in place or from packed copies.
//
// An element of C is the sum of its products in the order of k, cut into the same chunks whatever
// the tile, the strip or the thread: its bits depend on the sizes of the product alone. The layers
// are those of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "kernels/lanes_partial.h"

namespace bx::kernels {

/// Pieces of nearly one size.
struct Cut {
  Cut(int64_t n, int64_t most) {
    low = n;
    if (n <= most) return;  // divisions cost more than a small product
    count = (n + most - 1) / most;
    low = n / count;
    extra = n % count;
  }
  int64_t begin(int64_t i) const { return i * low + std::min(i, extra); }
  int64_t size(int64_t i) const { return low + (i < extra); }
  int64_t count = 1, low = 0, extra = 0;
};

inline constexpr int64_t kGemmTask = int64_t{1} << 21;  // multiply-adds worth a thread

/// A matrix by its first element and the distances of its rows and of its columns.
template <class T>
struct Strided2d {
  const T* data;
  int64_t row, col;

  Strided2d transposed() const { return {data, col, row}; }
  const T* at(int64_t i, int64_t j) const { return data + i * row + j * col; }
};

/// Rows of the largest tile that is `vectors` registers wide: it has sums enough to hide the time
/// that one takes, and leaves registers for its operands.
template <class T>
constexpr int tile_rows(int vectors) {
  if (!Lanes<T>::is_packet) return 4;
  if (vectors == 4) return 3;
  return vectors == 1 || EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 12 : 6;
}

/// Columns of the usual panel.
template <class T>
inline constexpr int64_t kPanelCols = 2 * Lanes<T>::width;

template <class T>
[[gnu::always_inline]] inline Lanes<T> multiply_add(Lanes<T> a, Lanes<T> b, Lanes<T> c) {
  if constexpr (Lanes<T>::is_packet) return Lanes<T>(ei::pmadd(a.v, b.v, c.v));
  else return a * b + c;
}

/// What C starts from: nothing, a row for all of its rows (step 0), or a matrix.
template <class T>
struct Start {
  const T* data = nullptr;
  int64_t step = 0;

  Start at(int64_t i, int64_t j) const { return {data ? data + i * step + j : nullptr, step}; }
};

/// body(0), ..., body(N - 1) written out: indices known this early keep an array in registers.
template <int N, class Body>
[[gnu::always_inline]] inline void unrolled(Body body) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (body(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

/// C [Rows, Vectors registers] = start + A B over k: a(i, p) is A's element, b(p) where B's row p
/// is.
template <class T, int Rows, int Vectors, class A, class B>
[[gnu::always_inline]] inline void tile(int64_t k, A a, B b, Start<T> start, T* c, int64_t c_step) {
  using L = Lanes<T>;
  L sum[Rows * Vectors];
  if (start.data) {
    unrolled<Rows * Vectors>([&](auto s) {
      sum[s] = L::load(start.data + s / Vectors * start.step + s % Vectors * L::width);
    });
  } else {
    unrolled<Rows * Vectors>([&](auto s) { sum[s] = L(T(0)); });
  }
  for (int64_t p = 0; p < k; ++p) {
    L x[Vectors];
    const T* row = b(p);
    unrolled<Vectors>([&](auto v) { x[v] = L::load(row + v * L::width); });
    unrolled<Rows>([&](auto i) {
      const L s(a(i, p));
      unrolled<Vectors>(
          [&](auto v) { sum[i * Vectors + v] = multiply_add(s, x[v], sum[i * Vectors + v]); });
    });
  }
  unrolled<Rows * Vectors>(
      [&](auto s) { sum[s].store(c + s / Vectors * c_step + s % Vectors * L::width); });
}

/// Tiles of one size side by side: `blocks` of rows, `panels` of columns.
template <class T>
struct Grid {
  int64_t k, blocks, panels;
  const T* a;
  int64_t a_step, a_apart;  // of its rows, or, where they are neighbours, columns; of blocks
  const T* b;
  int64_t b_step, b_apart;  // of rows, of panels
  Start<T> start;
  T* c;
  int64_t c_step;
  bool by_panels;  // all blocks of a panel before the next panel
};

template <class T, int Rows, int Vectors, bool Across>
void run_grid(const Grid<T>& g) {
  const auto one = [&](int64_t i, int64_t j) {
    const int64_t row = i * Rows, col = j * Vectors * Lanes<T>::width;
    const T *a = g.a + i * g.a_apart, *b = g.b + j * g.b_apart;
    const int64_t a_step = g.a_step, b_step = g.b_step;
    tile<T, Rows, Vectors>(
        g.k, [=](int64_t r, int64_t p) { return Across ? a[p * a_step + r] : a[r * a_step + p]; },
        [=](int64_t p) { return b + p * b_step; }, g.start.at(row, col), g.c + row * g.c_step + col,
        g.c_step);
  };
  const int64_t outer = g.by_panels ? g.panels : g.blocks,
                inner = g.by_panels ? g.blocks : g.panels;
  for (int64_t x = 0; x < outer; ++x)
    for (int64_t y = 0; y < inner; ++y) one(g.by_panels ? y : x, g.by_panels ? x : y);
}

template <class T>
using GridFn = void (*)(const Grid<T>&);

/// The grids of tiles of 1, 2, ... rows.
template <class T, int Vectors, bool Across>
GridFn<T> grid_of(int64_t rows) {
  static constexpr auto all = []<int... R>(std::integer_sequence<int, R...>) {
    return std::array<GridFn<T>, sizeof...(R)>{&run_grid<T, R + 1, Vectors, Across>...};
  }(std::make_integer_sequence<int, tile_rows<T>(Vectors)>{});
  return all[static_cast<size_t>(rows - 1)];
}
template <class T>
GridFn<T> grid_of(int64_t rows, int vectors, bool across) {
  if (vectors == 4) return across ? grid_of<T, 4, true>(rows) : grid_of<T, 4, false>(rows);
  if (vectors == 2) return across ? grid_of<T, 2, true>(rows) : grid_of<T, 2, false>(rows);
  return across ? grid_of<T, 1, true>(rows) : grid_of<T, 1, false>(rows);
}

/// to[p * step + j] = from[j * stride + p] for `count` (at most a register's) columns j, zeros in
/// the rest of the register; room for one register behind the last.
template <class T>
void pack_lines(const T* from, int64_t stride, int64_t count, int64_t k, T* to, int64_t step) {
  using L = Lanes<T>;
  constexpr int w = L::width;
  int64_t p = 0;
  if constexpr (L::is_packet) {
    for (; p + w <= k; p += w) {
      ei::PacketBlock<typename L::Packet, w> block;
      for (int j = 0; j < w; ++j)
        block.packet[j] = (j < count ? L::load(from + j * stride + p) : L(T(0))).v;
      ei::ptranspose(block);
      for (int q = 0; q < w; ++q) L(block.packet[q]).store(to + (p + q) * step);
    }
  }
  for (; p < k; ++p) {
    T lanes[w] = {};
    for (int64_t j = 0; j < count; ++j) lanes[j] = from[j * stride + p];
    L::load(lanes).store(to + p * step);
  }
}

/// `count` neighbouring columns of k rows, packed to [k, step], zeros in the rest; room for one
/// register behind the last.
template <class T>
void pack_rows(const T* from, int64_t stride, int64_t count, int64_t k, T* to, int64_t step) {
  using L = Lanes<T>;
  const int64_t whole = count / L::width * L::width;
  for (int64_t p = 0; p < k; ++p) {
    const T* x = from + p * stride;
    T* y = to + p * step;
    for (int64_t j = 0; j < whole; j += L::width) L::load(x + j).store(y + j);
    // What is written past the end of a packed row is written again with the next.
    if (whole < count) load_padded(x + whole, count - whole, T(0)).store(y + whole);
    for (int64_t j = whole + L::width; j < step; j += L::width) L(T(0)).store(y + j);
  }
}

/// `count` columns of m over k rows, packed to [k, step].
template <class T>
void pack(Strided2d<T> m, int64_t count, int64_t k, T* to, int64_t step) {
  if (m.col == 1) return pack_rows(m.data, m.row, count, k, to, step);
  for (int64_t j = 0; j < step; j += Lanes<T>::width)
    pack_lines(m.data + j * m.col, m.col, std::clamp<int64_t>(count - j, 0, Lanes<T>::width), k,
               to + j, step);
}

}  // namespace bx::kernels
