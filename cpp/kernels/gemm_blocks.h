// Products by tiles: what is packed, how it is cut for caches and threads.
#pragma once

#include <atomic>

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
  Panels(Strided2d<T> b, int64_t m, int64_t n, int64_t k, TileWidth width) : Panels(b, n, width) {
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
  Panels(Strided2d<T> b, int64_t n, TileWidth width)
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
  Blocks(int64_t m, Strided2d<T> a, TileWidth width)
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
void multiply_strip(int64_t m, int64_t k, Strided2d<T> a, const Panels<T>& panels, Start<T> start,
                    T* c, int64_t c_step) {
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

/// Strips of many rows come in fours, for threads to share.
inline Cut strips_of(int64_t m) {
  if (m <= kStripRows) return Cut(m, m);
  const int64_t fours = (m + 4 * kStripRows - 1) / (4 * kStripRows);
  return Cut(m, (m + 4 * fours - 1) / (4 * fours));
}

/// How a product is cut for threads: each part packs what it reads, and waits for nobody.
struct Parts {
  static constexpr int64_t kMostShared = 64;  // strips whose columns lie in several parts

  /// About `wanted` parts, so that the least is packed twice.
  Parts(int64_t m, int64_t n, int64_t strips, int64_t panels, int64_t wanted) {
    int64_t least = INT64_MAX;
    for (int64_t c = 1; c <= std::min(wanted, strips > kMostShared ? 1 : panels); ++c) {
      const int64_t r = std::min(strips, (wanted + c - 1) / c);
      const int64_t missing = std::max<int64_t>(0, wanted - r * c);
      const int64_t cost = c * m + r * n + missing * (m + n);
      if (cost >= least) continue;
      least = cost;
      by_rows = r;
      by_cols = c;
    }
  }
  int64_t by_rows = 1, by_cols = 1;
};

/// Tells of a strip of rows when all of its columns are done, whichever thread did them.
class StripsDone {
 public:
  StripsDone(RowsDone done, const Cut& strips, int64_t parts)
      : done_(done), strips_(strips), parts_(parts) {}
  RowsDone of_part() {
    return {[](void* self, int64_t begin, int64_t end) {
              auto& all = *static_cast<StripsDone*>(self);
              if (all.parts_ == 1 || ++all.finished_[all.strips_.index(begin)] == all.parts_)
                all.done_(begin, end);
            },
            this};
  }

 private:
  RowsDone done_;
  const Cut& strips_;
  int64_t parts_;
  std::atomic<int> finished_[Parts::kMostShared] = {};
};

template <class T>
void multiply_tiles(const Product<T>& p) {
  const TileWidth tile = tile_for<T>(p.m, p.n);
  const Cut strips = strips_of(p.m);
  const int64_t tasks = p.m * p.n * p.k / kGemmTask, threads = tasks < 2 ? 1 : host.free_threads();
  if (threads == 1) return multiply_strips(p, tile, strips, 0, strips.count);
  const int64_t cols = registers_of(tile) * Lanes<T>::width, panels = (p.n + cols - 1) / cols;
  const Parts parts(p.m, p.n, strips.count, panels, std::min(tasks, 2 * threads));
  const Cut rows(strips.count, (strips.count + parts.by_rows - 1) / parts.by_rows);
  const Cut columns(panels, (panels + parts.by_cols - 1) / parts.by_cols);
  StripsDone done(p.done, strips, columns.count);
  parallel_for(rows.count * columns.count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t r = task / columns.count, j = task % columns.count;
      const int64_t at = columns.begin(j) * cols;
      const Product<T> part{p.m,
                            std::min(columns.size(j) * cols, p.n - at),
                            p.k,
                            p.a,
                            {p.b.at(0, at), p.b.row, p.b.col},
                            p.start.at(0, at),
                            p.c + at,
                            p.c_step,
                            done.of_part()};
      multiply_strips(part, tile, strips, rows.begin(r), rows.begin(r) + rows.size(r));
    }
  });
}

/// A product of few operations, in place by a grid or two: to look for a better way would take
/// longer. False where it is not one.
template <class T>
[[gnu::always_inline]] inline bool multiply_small(const Product<T>& p) {
  constexpr int64_t most = 1 << 12;
  if (p.b.col != 1 || p.m * p.n > most || p.k * p.n > most || (p.m > 1 && p.n < 4)) return false;
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
