// The matrix product: which way it is taken, what is packed, how it is cut for caches and threads.
#pragma once

#include <atomic>
#include <bit>

#include "kernels/families.h"
#include "kernels/gemm_lines.h"
#include "kernels/gemm_thin.h"
#include "kernels/scratch.h"

namespace bx::kernels {

namespace gemm_detail {

constexpr int64_t kChunkBytes = 1280;  // of k: a panel of B stays in the innermost cache
constexpr int64_t kStripRows = 120;    // of A: a chunk of it stays in the second
constexpr int64_t kMostCols = 2048;    // of B packed at once

/// A chunk of B, a panel of columns at a time, in place or packed. The last panel may be narrower.
template <class T>
class Panels {
 public:
  /// `blocks` of rows of A will read them; panels are `vectors` registers wide.
  Panels(Strided2d<T> b, int64_t n, int64_t k, int64_t blocks, int vectors)
      : vectors(vectors),
        full(n >> std::countr_zero(static_cast<uint64_t>(cols()))),
        rest(n - full * cols()) {
    // Rows far apart share few lines of the cache; a few uses do not pay for a copy.
    const bool near = k * b.row * static_cast<int64_t>(sizeof(T)) <= (1 << 15);
    const bool in_place = b.col == 1 && (blocks < 8 || near);
    // There are tiles of one, two and four registers: others would read beyond the last column.
    const bool whole_rest = rest == Lanes<T>::width || rest == 2 * Lanes<T>::width;
    data = last = b.data;
    step = last_step = b.row;
    apart = cols();
    last += full * cols();
    const int64_t first = in_place ? full : 0, end = full + (rest && !(in_place && whole_rest));
    if (first == end) return;
    T* to = scratch<T>(ScratchUse::Panels, (end - first) * cols() * k + Lanes<T>::width);
    parallel_for(end - first, std::max<int64_t>(1, kGemmTask / (8 * cols() * k)),
                 [&](int64_t from, int64_t until) {
                   for (int64_t j = from; j < until; ++j) {
                     const int64_t at = (first + j) * cols();
                     pack(Strided2d<T>{b.at(0, at), b.row, b.col}, std::min(cols(), n - at), k,
                          to + j * cols() * k, cols());
                   }
                 });
    if (!in_place) {
      data = to;
      step = cols();
      apart = cols() * k;
    }
    if (rest) {
      last = to + (end - 1 - first) * cols() * k;
      last_step = cols();
    }
  }
  int64_t cols() const { return vectors * Lanes<T>::width; }

  int vectors;
  int64_t full, rest;  // whole panels, columns of the last one
  const T *data, *last;
  int64_t step, apart, last_step;
};

template <class T>
void copy_lanes(const T* from, int64_t n, T* to) {
  for (int64_t j = 0; j < n; j += Lanes<T>::width)
    store_part(load_padded(from + j, n - j, T(0)), to + j, n - j);
}

/// Blocks of rows against the last panel, of `rest` columns. Tiles wider than what is left of C go
/// by way of a buffer.
template <class T>
void multiply_rest(Grid<T> g, int64_t height, int64_t rest, bool across) {
  constexpr int64_t width = Lanes<T>::width;
  const int vectors = rest <= width ? 1 : rest <= 2 * width ? 2 : 4;
  const auto run = grid_of<T>(height, vectors, across);
  g.panels = 1;
  if (rest == vectors * width) return run(g);
  alignas(64) T part[12 * 4 * width];
  Grid<T> one = g;
  one.blocks = 1;
  one.c = part;
  one.c_step = vectors * width;
  for (int64_t i = 0; i < g.blocks; ++i, one.a += g.a_apart) {
    const Start<T> from = g.start.at(i * height, 0);
    for (int64_t q = 0; from.data && q < height; ++q)
      copy_lanes(from.data + q * from.step, rest, part + q * one.c_step);
    one.start = from.data ? Start<T>{part, one.c_step} : Start<T>{};
    run(one);
    for (int64_t q = 0; q < height; ++q)
      copy_lanes(part + q * one.c_step, rest, g.c + (i * height + q) * g.c_step);
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

/// Rows of A over one chunk of k against the panels [begin, end).
template <class T>
void multiply_strip(int64_t m, int64_t k, Strided2d<T> a, const Panels<T>& panels, int64_t begin,
                    int64_t end, Start<T> start, T* c, int64_t c_step) {
  constexpr int64_t width = Lanes<T>::width, item = sizeof(T);
  Blocks<T> blocks{Cut(m, tile_rows<T>(panels.vectors)), a.data, a.row, a.col};
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
  for (const bool tall : {true, false}) {
    if (blocks.count(tall) == 0) continue;
    const int64_t r = blocks.first(tall), height = blocks.height(tall);
    Grid<T> g;
    g.k = k;
    blocks.enter(g, tall);
    g.c_step = c_step;
    g.by_panels = k * (end - begin) * panels.cols() * item > (1 << 18);
    if (begin < panels.full) {
      const int64_t at = begin * panels.cols();
      g.panels = std::min(end, panels.full) - begin;
      g.b = panels.data + begin * panels.apart;
      g.b_step = panels.step;
      g.b_apart = panels.apart;
      g.start = start.at(r, at);
      g.c = c + r * c_step + at;
      grid_of<T>(height, panels.vectors, blocks.across())(g);
    }
    if (end > panels.full) {
      const int64_t at = panels.full * panels.cols();
      g.b = panels.last;
      g.b_step = panels.last_step;
      g.start = start.at(r, at);
      g.c = c + r * c_step + at;
      multiply_rest(g, height, panels.rest, blocks.across());
    }
  }
}

/// A product of one row or one column; false where another way is needed.
template <class T>
bool multiply_thin(int64_t m, int64_t n, int64_t k, Strided2d<T> a, Strided2d<T> b, Start<T> start,
                   T* c, int64_t c_step) {
  if (m == 1 && b.col == 1) {
    multiply_row(n, k, a.data, a.col, b.data, b.row, start.data, c);
  } else if (n == 1 && a.row == 1 && c_step == 1 && (!start.data || start.step == 1)) {
    multiply_row(m, k, b.data, b.row, a.data, a.col, start.data, c);
  } else {
    return false;
  }
  return true;
}

/// A product that is one small grid on operands in place: nothing of the above would be used.
template <class T>
bool multiply_small(int64_t m, int64_t n, int64_t k, Strided2d<T> a, Strided2d<T> b, Start<T> start,
                    T* c, int64_t c_step) {
  constexpr int64_t width = Lanes<T>::width;
  const int vectors = n == width ? 1 : 2;
  if (b.col != 1 || n % (vectors * width) || m * n > (1 << 12) || k * n > (1 << 12) ||
      m <= tile_rows<T>(4))
    return false;
  const Blocks<T> blocks{Cut(m, tile_rows<T>(vectors)), a.data, a.row, a.col};
  Grid<T> g;
  g.k = k;
  g.panels = n / (vectors * width);
  g.b = b.data;
  g.b_step = b.row;
  g.b_apart = vectors * width;
  g.c_step = c_step;
  g.by_panels = false;
  for (const bool tall : {true, false}) {
    if (blocks.count(tall) == 0) continue;
    blocks.enter(g, tall);
    g.start = start.at(blocks.first(tall), 0);
    g.c = c + blocks.first(tall) * c_step;
    grid_of<T>(blocks.height(tall), vectors, blocks.across())(g);
  }
  return true;
}

/// Tells of a strip of rows when all of its parts are done, whichever thread did them.
class StripsDone {
 public:
  static constexpr int64_t kMostCut = 8;  // strips that are cut into parts

  StripsDone(RowsDone done, int64_t parts) : done_(done), parts_(parts) {}
  void part(int64_t strip, int64_t begin, int64_t rows) {
    if (parts_ == 1 || ++finished_[strip] == parts_) done_(begin, begin + rows);
  }

 private:
  RowsDone done_;
  int64_t parts_;
  std::atomic<int64_t> finished_[kMostCut] = {};
};

/// The rows are told to `done` with the last columns and the last chunk of k.
template <class T>
void multiply_tiles(int64_t m, int64_t n, int64_t k, Strided2d<T> a, Strided2d<T> b, Start<T> start,
                    T* c, int64_t c_step, RowsDone done) {
  constexpr int64_t register_width = Lanes<T>::width;
  const int vectors = n <= register_width                              ? 1
                      : m <= tile_rows<T>(4) && n > 2 * register_width ? 4
                                                                       : 2;
  const Cut chunks(k, kChunkBytes / static_cast<int64_t>(sizeof(T)));
  for (int64_t j0 = 0; j0 < n; j0 += kMostCols) {
    const int64_t width = std::min(kMostCols, n - j0);
    for (int64_t p = 0; p < chunks.count; ++p) {
      const int64_t first = chunks.begin(p), depth = chunks.size(p);
      const Panels<T> panels({b.at(first, j0), b.row, b.col}, width, depth,
                             (m + tile_rows<T>(vectors) - 1) / tile_rows<T>(vectors), vectors);
      const Start<T> from = p == 0 ? start.at(0, j0) : Start<T>{c + j0, c_step};
      const int64_t panel_count = panels.full + (panels.rest != 0);
      const bool is_last = j0 + width == n && p + 1 == chunks.count;
      if (m <= kStripRows && m * width * depth < 2 * kGemmTask) {
        multiply_strip(m, depth, {a.at(0, first), a.row, a.col}, panels, 0, panel_count, from,
                       c + j0, c_step);
        if (is_last) done(0, m);
        continue;
      }
      // Strips of rows, and of columns where the rows make too few tasks.
      const bool threaded = m * width * depth >= 2 * kGemmTask;
      const Cut strips(m, kStripRows);
      const int64_t parts =
          threaded && strips.count < StripsDone::kMostCut ? std::min<int64_t>(panel_count, 2) : 1;
      const Cut groups(panel_count, (panel_count + parts - 1) / parts);
      const int64_t tasks = strips.count * groups.count;
      StripsDone told(is_last ? done : RowsDone{}, groups.count);
      parallel_for(tasks, threaded ? 1 : tasks, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) {
          const int64_t i = task / groups.count, g = task % groups.count, r = strips.begin(i);
          multiply_strip(strips.size(i), depth, {a.at(r, first), a.row, a.col}, panels,
                         groups.begin(g), groups.begin(g) + groups.size(g), from.at(r, 0),
                         c + r * c_step + j0, c_step);
          told.part(i, r, strips.size(i));
        }
      });
    }
  }
}

/// C [k, count] = start + the transpose of from [count, k], `count` at most a register's elements.
template <class T>
void turn(const T* from, int64_t stride, int64_t count, int64_t k, Start<T> start, T* c,
          int64_t c_step) {
  using L = Lanes<T>;
  constexpr int w = L::width;
  alignas(64) T block[w * w + w];
  for (int64_t p = 0; p < k; p += w) {
    const int64_t rows = std::min<int64_t>(w, k - p);
    pack_lines(from + p, stride, count, rows, block, w);
    for (int64_t q = 0; q < rows; ++q) {
      L row = L::load(block + q * w);
      if (start.data) row = load_padded(start.at(p + q, 0).data, count, T(0)) + row;
      store_part(row, c + (p + q) * c_step, count);
    }
  }
}

/// What an element costs that is packed, turned, or summed up across a register, in multiply-adds.
constexpr int64_t kMove = 8;

template <class T>
int64_t whole_registers(int64_t n) {
  constexpr int64_t width = Lanes<T>::width;
  return (n + width - 1) / width * width;
}

/// What a product by tiles costs, and what one by sums along the registers does.
template <class T>
int64_t tile_cost(int64_t m, int64_t n, int64_t k, Strided2d<T> b) {
  return m * whole_registers<T>(n) * k + (b.col == 1 ? 0 : kMove * n * k);
}
template <class T>
int64_t dot_cost(int64_t m, int64_t n, int64_t k) {
  return (m * n * whole_registers<T>(k) * 5 >> 2) + 3 * kMove * m * n;
}

}  // namespace gemm_detail

/// C [m, n] = start + A [m, k] B [k, n]. A and B are dense along their rows or their columns; C is
/// dense along its rows, which lie c_step apart. What `start` may be, Start says.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, Strided2d<T> a, Strided2d<T> b, Start<T> start, T* c,
          int64_t c_step, RowsDone done = {}) {
  using namespace gemm_detail;
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) c[i * c_step + j] = start.data ? *start.at(i, j).data : T(0);
    return done(0, m);
  }
  if (multiply_thin(m, n, k, a, b, start, c, c_step) ||
      multiply_small(m, n, k, a, b, start, c, c_step))
    return done(0, m);
  const Strided2d<T> from{start.data, start.step, 1};
  const Strided2d<T> at = a.transposed(), bt = b.transposed();
  const int64_t plain = tile_cost(m, n, k, b), turned = tile_cost(n, m, k, at) + kMove * m * n;
  const int64_t packed = (a.col == 1 ? 0 : m * k) + (b.row == 1 ? 0 : n * k);
  if (dot_cost<T>(m, n, k) + kMove * packed < std::min(plain, turned)) {
    const Strided2d<T> rows = lines_of(a, m, k, ScratchUse::Strip);
    const Strided2d<T> cols = lines_of(bt, n, k, ScratchUse::Panels);
    if (m <= n) multiply_lines(m, n, k, rows, cols, from, c, c_step, int64_t{1});
    else multiply_lines(n, m, k, cols, rows, from.transposed(), c, int64_t{1}, c_step);
    return done(0, m);
  }
  if (plain <= turned) return multiply_tiles(m, n, k, a, b, start, c, c_step, done);
  // C^T = B^T A^T, turned on the way to C.
  T* product = scratch<T>(ScratchUse::Product, n * m);
  multiply_tiles(n, m, k, bt, at, Start<T>{}, product, m, {});
  for (int64_t j = 0; j < n; j += Lanes<T>::width) {
    const int64_t count = std::min<int64_t>(Lanes<T>::width, n - j);
    turn(product + j * m, m, count, m, start.at(0, j), c + j, c_step);
  }
  done(0, m);
}

}  // namespace bx::kernels
