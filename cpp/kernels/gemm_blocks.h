// Products by tiles: what is packed, how it is cut for caches.
#pragma once

#include "kernels/families.h"
#include "kernels/gemm_pack.h"
#include "kernels/scratch.h"

namespace bx::kernels {

/// C [m, n] = start + A [m, k] B [k, n]. A and B are dense along their rows or their columns; C is
/// dense along its rows, which lie c_step apart. What `start` may be, Start says.
template <class T>
struct Product {
  int64_t m, n, k;
  Strided2d<T> a, b;
  Start<T> start;
  T* c;
  int64_t c_step;
  RowsDone done = {};
};

namespace gemm_detail {

constexpr int64_t kChunkBytes = 1280;       // of k: a panel of B stays in the innermost cache
constexpr int64_t kStripRows = 120;         // of A: a chunk of it stays in the second
constexpr int64_t kMostCols = 2048;         // of B packed at once
constexpr int64_t kNearElements = 1 << 16;  // of B, which all blocks of A find in the second cache

/// A chunk of B, a panel of columns at a time, in place or packed. The last panel may be narrower.
template <class T>
class Panels {
 public:
  /// m rows of A will read them; panels are as wide as a tile, whole registers.
  Panels(const Strided2d<T>& b, int64_t m, int64_t n, int64_t k, TileWidth width)
      : Panels(b, n, width) {
    // Rows far apart share few lines of the cache; a few uses do not pay for a copy.
    const bool near = k * b.row * static_cast<int64_t>(sizeof(T)) <= (1 << 15);
    if (b.col == 1 && (near || m <= 7 * tile_rows<T>(registers_of(width)))) return;
    T* to = scratch<T>(ScratchUse::Panels, count() * cols() * k + Lanes<T>::width);
    for (int64_t j = 0; j < count(); ++j)
      pack(Strided2d<T>{b.at(0, j * cols()), b.row, b.col}, std::min(cols(), n - j * cols()), k,
           to + j * cols() * k, cols());
    data = to;
    step = cols();
    apart = cols() * k;
  }
  /// All of B in place.
  Panels(const Strided2d<T>& b, int64_t n, TileWidth width)
      : width(width),
        full(n >> std::countr_zero(static_cast<uint64_t>(cols()))),
        rest(n - full * cols()),
        data(b.data),
        step(b.row),
        apart(cols()) {}
  int64_t cols() const { return registers_of(width) * Lanes<T>::width; }
  int64_t count() const { return full + (rest != 0); }

  TileWidth width;
  int64_t full, rest;  // whole panels, columns of the last one
  const T* data;
  int64_t step, apart;  // of rows, of panels
};

/// Blocks of rows against columns that are no whole panel, by tiles as wide as there are.
template <class T>
void multiply_columns(Grid<T>& g, int64_t height, int64_t cols, bool across) {
  g.panels = 1;
  while (true) {
    const auto [width, taken] = widest_tile<T>(height, cols);
    g.part = taken;
    grid_of<T>(height, width, across)(g);
    cols -= taken;
    if (cols == 0) return;
    g.b += taken;
    g.c += taken;
    g.start = g.start.at(0, taken);
  }
}

/// Rows of A as the tiles read them: rows or, where they are neighbours in memory, columns `step`
/// apart; of packed blocks each has its own step.
template <class T>
struct Blocks {
  Blocks(int64_t m, const Strided2d<T>& a, TileWidth width)
      : heights(m, tile_rows<T>(registers_of(width), a.row == 1)),
        data(a.data),
        row(a.row),
        col(a.col) {}
  Cut heights;
  const T* data;
  int64_t row, col;
  int64_t packed_depth = 0;  // of packed blocks: their k

  bool across() const { return packed_depth || row == 1; }
  /// The blocks of one height: the taller ones, or the others.
  int64_t first(bool tall) const { return tall ? 0 : heights.extra * (heights.low + 1); }
  int64_t count(bool tall) const { return tall ? heights.extra : heights.count - heights.extra; }
  int64_t height(bool tall) const { return heights.low + tall; }
  /// The part of a grid that reads A.
  [[gnu::always_inline]] void enter(Grid<T>& g, bool tall) const {
    const int64_t r = first(tall), h = height(tall);
    g.blocks = count(tall);
    g.a = packed_depth ? data + r * packed_depth : data + r * row;
    g.a_step = packed_depth ? h : row == 1 ? col : row;
    g.a_apart = packed_depth ? h * packed_depth : h * row;
  }
};

/// Blocks of A over one chunk of k against the panels.
template <class T>
[[gnu::always_inline]] inline void multiply_blocks(const Blocks<T>& blocks, int64_t k,
                                                   const Panels<T>& panels, Start<T> start, T* c,
                                                   int64_t c_step) {
  for (const bool tall : {true, false}) {
    if (blocks.count(tall) == 0) continue;
    const int64_t r = blocks.first(tall), height = blocks.height(tall);
    Grid<T> g;
    g.k = k;
    blocks.enter(g, tall);
    g.c_step = c_step;
    g.by_panels = k * panels.count() * panels.cols() > kNearElements;
    g.b = panels.data;
    g.b_step = panels.step;
    g.start = start.at(r, 0);
    g.c = c + r * c_step;
    if (panels.full > 0) {
      g.panels = panels.full;
      g.b_apart = panels.apart;
      grid_of<T>(height, panels.width, blocks.across())(g);
    }
    if (panels.rest > 0) {
      const int64_t at = panels.full * panels.cols();
      g.b += panels.full * panels.apart;
      g.start = g.start.at(0, at);
      g.c += at;
      multiply_columns(g, height, panels.rest, blocks.across());
    }
  }
}

/// Rows of A over one chunk of k against the panels.
template <class T>
void multiply_strip(int64_t m, int64_t k, const Strided2d<T>& a, const Panels<T>& panels,
                    Start<T> start, T* c, int64_t c_step) {
  constexpr int64_t width = Lanes<T>::width, item = sizeof(T);
  Blocks<T> blocks(m, a, panels.width);
  const int64_t distance = (blocks.across() ? a.col : a.row) * item;
  if (panels.count() >= 4 && k > 32 && blocks.heights.count > 1 &&
      (blocks.across() ? distance >= 2048 : distance % 4096 == 0)) {
    T* to = scratch<T>(ScratchUse::Strip, m * k + width);
    for (int64_t i = 0; i < blocks.heights.count; ++i) {
      const int64_t r = blocks.heights.begin(i), h = blocks.heights.size(i);
      pack(Strided2d<T>{a.at(r, 0), a.col, a.row}, h, k, to + r * k, h);
    }
    blocks.data = to;
    blocks.packed_depth = k;
  }
  multiply_blocks(blocks, k, panels, start, c, c_step);
}

/// The tiles of a product: wide where there are few rows, tall where there are few columns.
template <class T>
TileWidth tile_for(int64_t m, int64_t n) {
  constexpr int64_t width = Lanes<T>::width;
  for (const TileWidth w : {TileWidth::Eight, TileWidth::Four, TileWidth::Two})
    if ((w == TileWidth::Two || m <= tile_rows<T>(registers_of(w))) && n >= registers_of(w) * width)
      return w;
  return TileWidth::One;
}

/// Some of the strips of rows by all columns, the work of one thread. Tells of each strip.
template <class T>
void multiply_strips(const Product<T>& p, TileWidth tile, const Cut& strips, int64_t begin,
                     int64_t end) {
  const Cut chunks(p.k, kChunkBytes / static_cast<int64_t>(sizeof(T)));
  for (int64_t j = 0; j < p.n; j += kMostCols)
    for (int64_t i = 0; i < chunks.count; ++i) {
      const int64_t width = std::min(kMostCols, p.n - j);
      const int64_t first = chunks.begin(i), depth = chunks.size(i);
      const Panels<T> panels({p.b.at(first, j), p.b.row, p.b.col},
                             strips.begin(end) - strips.begin(begin), width, depth, tile);
      const Start<T> start = i == 0 ? p.start.at(0, j) : Start<T>{p.c + j, p.c_step};
      for (int64_t s = begin; s < end; ++s) {
        const int64_t r = strips.begin(s), rows = strips.size(s);
        multiply_strip(rows, depth, {p.a.at(r, first), p.a.row, p.a.col}, panels, start.at(r, 0),
                       p.c + r * p.c_step + j, p.c_step);
        if (j + width == p.n && i + 1 == chunks.count) p.done(r, r + rows);
      }
    }
}

/// A column by a row: nothing is added up, and the stores follow one another.
template <class T>
void multiply_outer(const Product<T>& p) {
  using L = Lanes<T>;
  const L zero(T(0));
  for (int64_t j = 0; j < p.n; j += 2 * L::width) {
    const int64_t count = p.n - j, second = count - L::width;
    const L x = load_padded(p.b.data + j, count, zero);
    const L y = second > 0 ? load_padded(p.b.data + j + L::width, second, zero) : zero;
    const auto rows = [=, a = p.a.data, step = p.a.row, m = p.m, c_step = p.c_step](
                          T* c, auto store) __attribute__((always_inline)) {
      for (int64_t i = 0; i < m; ++i, c += c_step) {
        const L s(a[i * step]);
        store(c, multiply_add(s, x, zero), multiply_add(s, y, zero));
      }
    };
    if (second >= L::width) {
      rows(p.c + j, [](T* c, L first, L next) {
        first.store(c);
        next.store(c + L::width);
      });
    } else {
      rows(p.c + j, [=](T* c, L first, L next) {
        store_part(first, c, count);
        if (second > 0) store_part(next, c + L::width, second);
      });
    }
  }
}

/// A product of few operations, in place by a grid or two: to look for a better way would take
/// longer. False where it is not one.
template <class T>
[[gnu::always_inline]] inline bool multiply_small(const Product<T>& p) {
  constexpr int64_t most = 1 << 12;
  if (p.b.col != 1 || p.m * p.n > most || p.k * p.n > most || (p.m > 1 && p.n < 4)) return false;
  // Few columns of rows that are neighbours: better turned, if the sums are long.
  if (p.m > tile_rows<T>(1) && p.a.row == 1 && 4 * p.n <= Lanes<T>::width && p.k > 12) return false;
  if (Lanes<T>::is_packet && p.k == 1 && p.m > 1 && !p.start.data) {
    multiply_outer(p);
    return true;
  }
  if (p.m <= tile_rows<T>(1)) {
    Grid<T> g;
    g.k = p.k;
    g.blocks = 1;
    g.a = p.a.data;
    g.a_step = p.a.row == 1 ? p.a.col : p.a.row;
    g.b = p.b.data;
    g.b_step = p.b.row;
    g.start = p.start;
    g.c = p.c;
    g.c_step = p.c_step;
    g.by_panels = false;
    multiply_columns(g, p.m, p.n, p.a.row == 1);
    return true;
  }
  const Panels<T> panels(p.b, p.n, tile_for<T>(p.m, p.n));
  const Blocks<T> blocks(p.m, p.a, panels.width);
  multiply_blocks(blocks, p.k, panels, p.start, p.c, p.c_step);
  return true;
}

}  // namespace gemm_detail

}  // namespace bx::kernels
