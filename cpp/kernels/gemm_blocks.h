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
  /// `blocks` of rows of A will read them; panels are as wide as a tile, whole registers.
  Panels(Strided2d<T> b, int64_t n, int64_t k, int64_t blocks, TileWidth width)
      : Panels(b, n, width) {
    // Rows far apart share few lines of the cache; a few uses do not pay for a copy.
    const bool near = k * b.row * static_cast<int64_t>(sizeof(T)) <= (1 << 15);
    if (b.col == 1 && (blocks < 8 || near)) return;
    T* to = scratch<T>(ScratchUse::Panels, count() * cols() * k + Lanes<T>::width);
    parallel_for(count(), std::max<int64_t>(1, kGemmTask / (8 * cols() * k)),
                 [&](int64_t from, int64_t until) {
                   for (int64_t j = from; j < until; ++j)
                     pack(Strided2d<T>{b.at(0, j * cols()), b.row, b.col},
                          std::min(cols(), n - j * cols()), k, to + j * cols() * k, cols());
                 });
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

/// Blocks of rows against the last panel, of `rest` columns.
template <class T>
void multiply_rest(Grid<T> g, int64_t height, int64_t rest, bool across) {
  g.panels = 1;
  while (rest > 0) {
    const auto [tile_width, cols] = widest_tile<T>(height, rest);
    g.part = cols;
    grid_of<T>(height, tile_width, across)(g);
    g.b += cols;
    g.c += cols;
    g.start = g.start.at(0, cols);
    rest -= cols;
  }
}

/// Rows of A as the tiles read them: rows or, where they are neighbours in memory, columns `step`
/// apart; of packed blocks each has its own step.
template <class T>
struct Blocks {
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

/// Blocks of A over one chunk of k against some of the panels.
template <class T>
[[gnu::always_inline]] inline void multiply_blocks(const Blocks<T>& blocks, int64_t k,
                                                   const Panels<T>& panels, Start<T> start, T* c,
                                                   int64_t c_step, int64_t begin, int64_t end) {
  for (const bool tall : {true, false}) {
    if (blocks.count(tall) == 0) continue;
    const int64_t r = blocks.first(tall), height = blocks.height(tall);
    Grid<T> g;
    g.k = k;
    blocks.enter(g, tall);
    g.c_step = c_step;
    g.by_panels = k * (end - begin) * panels.cols() > kNearElements;
    if (begin < panels.full) {
      const int64_t at = begin * panels.cols();
      g.panels = std::min(end, panels.full) - begin;
      g.b = panels.data + begin * panels.apart;
      g.b_step = panels.step;
      g.b_apart = panels.apart;
      g.start = start.at(r, at);
      g.c = c + r * c_step + at;
      grid_of<T>(height, panels.width, blocks.across())(g);
    }
    if (end > panels.full) {
      const int64_t at = panels.full * panels.cols();
      g.b = panels.data + panels.full * panels.apart;
      g.b_step = panels.step;
      g.start = start.at(r, at);
      g.c = c + r * c_step + at;
      multiply_rest(g, height, panels.rest, blocks.across());
    }
  }
}

/// Rows of A over one chunk of k against some of the panels.
template <class T>
void multiply_strip(int64_t m, int64_t k, Strided2d<T> a, const Panels<T>& panels, Start<T> start,
                    T* c, int64_t c_step, int64_t begin, int64_t end) {
  constexpr int64_t width = Lanes<T>::width, item = sizeof(T);
  Blocks<T> blocks{Cut(m, tile_rows<T>(registers_of(panels.width))), a.data, a.row, a.col};
  const int64_t distance = (blocks.across() ? a.col : a.row) * item;
  if (end - begin >= 4 && k > 32 && blocks.heights.count > 1 &&
      (blocks.across() ? distance >= 2048 : distance % 4096 == 0)) {
    T* to = scratch<T>(ScratchUse::Strip, m * k + width);
    for (int64_t i = 0; i < blocks.heights.count; ++i) {
      const int64_t r = blocks.heights.begin(i), h = blocks.heights.size(i);
      pack(Strided2d<T>{a.at(r, 0), a.col, a.row}, h, k, to + r * k, h);
    }
    blocks.data = to;
    blocks.packed_depth = k;
  }
  multiply_blocks(blocks, k, panels, start, c, c_step, begin, end);
}

/// Tells of a strip of rows when all of its parts are done, whichever thread did them.
class StripsDone {
 public:
  static inline constexpr int64_t kMostCut = 8;  // strips that are cut into parts

  StripsDone(RowsDone done, int64_t parts) : done_(done), parts_(parts) {}
  void part(int64_t strip, int64_t begin, int64_t rows) {
    if (parts_ == 1 || ++finished_[strip] == parts_) done_(begin, begin + rows);
  }

 private:
  RowsDone done_;
  int64_t parts_;
  std::atomic<int64_t> finished_[kMostCut] = {};
};

/// The tiles of a product: wide where there are few rows, tall where there are few columns.
template <class T>
TileWidth tile_for(int64_t m, int64_t n) {
  constexpr int64_t width = Lanes<T>::width;
  if (n < 2 * width) return TileWidth::One;
  for (const TileWidth w : {TileWidth::Eight, TileWidth::Four})
    if (m <= tile_rows<T>(registers_of(w)) && n > 2 * width) return w;
  return TileWidth::Two;
}

/// All of A against one chunk of B's rows and columns. Large ones go to the threads in strips of
/// rows, and of columns where the rows make too few.
template <class T>
void multiply_chunk(int64_t m, int64_t k, Strided2d<T> a, const Panels<T>& panels, Start<T> start,
                    T* c, int64_t c_step, RowsDone done) {
  const int64_t n = panels.full * panels.cols() + panels.rest;
  const bool threaded = m * n * k >= 2 * kGemmTask;
  if (m <= kStripRows && !threaded) {
    multiply_strip(m, k, a, panels, start, c, c_step, 0, panels.count());
    return done(0, m);
  }
  const Cut strips(m, kStripRows);
  const int64_t most = m <= tile_rows<T>(registers_of(panels.width)) ? StripsDone::kMostCut : 2;
  const int64_t parts =
      threaded && strips.count < StripsDone::kMostCut ? std::min(panels.count(), most) : 1;
  const Cut groups(panels.count(), (panels.count() + parts - 1) / parts);
  const int64_t tasks = strips.count * groups.count;
  StripsDone told(done, groups.count);
  parallel_for(tasks, threaded ? 1 : tasks, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t i = task / groups.count, g = task % groups.count, r = strips.begin(i);
      multiply_strip(strips.size(i), k, {a.at(r, 0), a.row, a.col}, panels, start.at(r, 0),
                     c + r * c_step, c_step, groups.begin(g), groups.begin(g) + groups.size(g));
      told.part(i, r, strips.size(i));
    }
  });
}

/// The rows are told to `done` with the last columns and the last chunk of k.
template <class T>
void multiply_tiles(const Product<T>& p) {
  const TileWidth tile = tile_for<T>(p.m, p.n);
  const int64_t tall = tile_rows<T>(registers_of(tile));
  const Cut chunks(p.k, kChunkBytes / static_cast<int64_t>(sizeof(T)));
  for (int64_t j = 0; j < p.n; j += kMostCols) {
    const int64_t width = std::min(kMostCols, p.n - j);
    for (int64_t i = 0; i < chunks.count; ++i) {
      const int64_t first = chunks.begin(i), depth = chunks.size(i);
      const Panels<T> panels({p.b.at(first, j), p.b.row, p.b.col}, width, depth,
                             (p.m + tall - 1) / tall, tile);
      const bool is_last = j + width == p.n && i + 1 == chunks.count;
      multiply_chunk(p.m, depth, {p.a.at(0, first), p.a.row, p.a.col}, panels,
                     i == 0 ? p.start.at(0, j) : Start<T>{p.c + j, p.c_step}, p.c + j, p.c_step,
                     is_last ? p.done : RowsDone{});
    }
  }
}

/// A product of few operations, in place by a grid or two: to look for a better way would take
/// longer. False where it is not one.
template <class T>
[[gnu::always_inline]] inline bool multiply_small(const Product<T>& p) {
  constexpr int64_t most = 1 << 12;
  if (p.b.col != 1 || p.m * p.n > most || p.k * p.n > most || (p.m > 1 && p.n < 4)) return false;
  const Panels<T> panels(p.b, p.n, tile_for<T>(p.m, p.n));
  const Blocks<T> blocks{Cut(p.m, tile_rows<T>(registers_of(panels.width))), p.a.data, p.a.row,
                         p.a.col};
  multiply_blocks(blocks, p.k, panels, p.start, p.c, p.c_step, 0, panels.count());
  return true;
}

}  // namespace gemm_detail

}  // namespace bx::kernels
