// C = A B by tiles that live in registers, on operands read in place or from packed copies.
//
// An element of C is the sum of its products in the order of k, cut into the same chunks whatever
// the tile, the strip or the thread: its bits depend on the sizes of the product alone. The layers
// are those of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "kernels/lanes_partial.h"

namespace bx::kernels {

/// Pieces of nearly one size.
struct Cut {
  Cut(int64_t n, int64_t most) {
    low = n;
    if (n <= most) return;
    if (n <= 2 * most) {  // divisions cost as much as a small product
      count = 2;
      low = n >> 1;
      extra = n & 1;
      return;
    }
    count = (n + most - 1) / most;
    low = n / count;
    extra = n % count;
  }
  int64_t begin(int64_t i) const { return i * low + std::min(i, extra); }
  int64_t size(int64_t i) const { return low + (i < extra); }
  /// The piece that begins there.
  int64_t index(int64_t begin) const {
    const int64_t longer = extra * (low + 1);
    return begin < longer ? begin / (low + 1) : extra + (begin - longer) / low;
  }
  int64_t count = 1, low = 0, extra = 0;
};

inline constexpr int64_t kGemmTask = int64_t{3} << 18;  // multiply-adds worth a thread

/// A matrix by its first element and the distances of its rows and of its columns.
template <class T>
struct Strided2d {
  const T* data;
  int64_t row, col;

  Strided2d transposed() const { return {data, col, row}; }
  const T* at(int64_t i, int64_t j) const { return data + i * row + j * col; }
};

/// Rows of the largest tile that is `vectors` registers wide: it has sums enough to hide the time
/// that one takes, and leaves registers for its operands: for an address of each row, if A is not
/// read across. Of integers, which go one by one, there are few tiles.
template <class T>
constexpr int tile_rows(int vectors, bool across = false) {
  if (vectors == 8) return 1;
  if (!Lanes<T>::is_packet) return vectors == 4 ? 1 : 4;  // what two leave over is as high
  if (vectors == 4) return 3;
  constexpr bool many = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;
  return vectors == 1 ? (many && across ? 16 : 12) : (many ? 12 : 6);
}

/// Columns of the usual panel.
template <class T>
inline constexpr int64_t kPanelCols = 2 * Lanes<T>::width;

template <class T, bool V, class P>
[[gnu::always_inline]] inline Lanes<T, V, P> multiply_add(Lanes<T, V, P> a, Lanes<T, V, P> b,
                                                          Lanes<T, V, P> c) {
  if constexpr (Lanes<T, V, P>::is_packet) return Lanes<T, V, P>(ei::pmadd(a.v, b.v, c.v));
  else return a * b + c;
}

/// The compiler would load it anew for each of its uses. A number that is no vector stays one: GCC
/// 12 makes vectors of neighbouring rows of A, and reads a row behind the last.
template <class L>
[[gnu::always_inline]] inline L in_register(L x) {
  if constexpr (!L::is_packet) asm("" : "+r"(x.v));
#if defined(__x86_64__)
  else asm("" : "+v"(x.v));
#endif
  return x;
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

/// The registers of a tile's row are whole,
struct Whole {
  template <class L>
  static L load(const typename L::Scalar* p) {
    return L::load(p);
  }
  template <class L>
  static void store(L v, typename L::Scalar* p) {
    v.store(p);
  }
};
/// or there are only the first few elements of one.
struct First {
  int64_t n;
  template <class L>
  L load(const typename L::Scalar* p) const {
    if constexpr (L::is_packet) return L(load_first(p, n, L(typename L::Scalar(0)).v));
    else return L::load(p);
  }
  template <class L>
  void store(L v, typename L::Scalar* p) const {
    if constexpr (L::is_packet) store_first(p, n, v.v);
    else v.store(p);
  }
  /// Of k rows `step` apart, how many can be read by whole registers: beyond the part lie the rows
  /// below. (Partial loads take several times as long.)
  template <class L>
  int64_t whole_rows(int64_t k, int64_t step) const {
    for (int64_t beyond = L::width - n; beyond > 0 && k > 0; beyond -= step) --k;
    return k;
  }
};

/// C [Rows, Vectors registers] = start + A B over k: a(i, p) is A's element, b(p) where B's row p
/// is; of the rows from `whole` on, only what there is may be read. A tile of few sums takes
/// several rows of B at once, so that none waits for the one before.
template <class L, int Rows, int Vectors, class A, class B, class Reach = Whole>
[[gnu::always_inline]] inline void tile(int64_t k, A a, B b, Start<typename L::Scalar> start,
                                        typename L::Scalar* c, int64_t c_step, Reach reach = {},
                                        int64_t whole = INT64_MAX) {
  using T = typename L::Scalar;
  constexpr int sums = Rows * Vectors;
  constexpr int chains = std::max(1, 8 / static_cast<int>(std::bit_ceil(unsigned{sums})));
  L sum[chains * sums];
  unrolled<chains * sums>([&](auto s) { sum[s] = L(T(0)); });
  if (start.data)
    unrolled<sums>([&](auto s) {
      sum[s] =
          reach.template load<L>(start.data + s / Vectors * start.step + s % Vectors * L::width);
    });
  const auto add = [&](auto chain, int64_t p, auto from) __attribute__((always_inline)) {
    L x[Vectors];
    const T* row = b(p);
    unrolled<Vectors>([&](auto v) {
      const L loaded = from.template load<L>(row + v * L::width);
      x[v] = Rows > 1 ? in_register(loaded) : loaded;
    });
    unrolled<Rows>([&](auto i) {
      const L s = L::is_packet ? L(a(i, p)) : in_register(L(a(i, p)));
      unrolled<Vectors>([&](auto v) {
        constexpr int at = chain * sums + i * Vectors + v;
        sum[at] = multiply_add(s, x[v], sum[at]);
      });
    });
  };
  constexpr std::integral_constant<int, 0> first;
  whole = std::min(whole, k);
  int64_t p = 0;
  if constexpr (chains > 1)
    for (; p + chains <= whole; p += chains)
      unrolled<chains>([&](auto chain) { add(chain, p + chain, Whole{}); });
  for (; p < whole; ++p) add(first, p, Whole{});
  if constexpr (!std::is_same_v<Reach, Whole>)
    for (; p < k; ++p) add(first, p, reach);
  unrolled<std::bit_width(unsigned{chains}) - 1>([&](auto level) {
    constexpr int half = chains >> (level + 1);
    unrolled<half * sums>([&](auto s) { sum[s] = sum[s] + sum[half * sums + s]; });
  });
  unrolled<sums>(
      [&](auto s) { reach.store(sum[s], c + s / Vectors * c_step + s % Vectors * L::width); });
}

/// How wide a tile is: in registers, or a part of one.
enum class TileWidth : uint8_t { Eight, Four, Two, One, Part, HalfPart };

constexpr int registers_of(TileWidth w) {
  return w < TileWidth::One ? 8 >> static_cast<int>(w) : 1;
}

/// The narrowest that this instruction set has.
template <class T>
inline constexpr TileWidth narrowest =
    std::is_same_v<HalfLanes<T>, Lanes<T>> ? TileWidth::Part : TileWidth::HalfPart;

/// The widest tile for a number of columns, and how many of them it takes.
template <class T>
std::pair<TileWidth, int64_t> widest_tile(int64_t rows, int64_t cols) {
  constexpr int64_t width = Lanes<T>::width;
  for (const TileWidth w : {TileWidth::Eight, TileWidth::Four, TileWidth::Two})
    if (rows <= tile_rows<T>(registers_of(w)) && cols >= registers_of(w) * width)
      return {w, registers_of(w) * width};
  if (cols >= width) return {TileWidth::One, width};
  return {cols <= HalfLanes<T>::width ? narrowest<T> : TileWidth::Part, cols};
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
  int64_t part;    // columns of a part of a register
  bool by_panels;  // all blocks of a panel before the next panel
};

template <class T, int Rows, TileWidth Width, bool Across>
void run_grid(const Grid<T>& g) {
  using L = std::conditional_t<Width == TileWidth::HalfPart, HalfLanes<T>, Lanes<T>>;
  constexpr int vectors = registers_of(Width);
  int64_t whole = g.k;
  if constexpr (Width >= TileWidth::Part) whole = First{g.part}.whole_rows<L>(g.k, g.b_step);
  const auto one = [&](int64_t i, int64_t j) __attribute__((always_inline)) {
    const int64_t row = i * Rows, col = j * vectors * L::width;
    const T *a = g.a + i * g.a_apart, *b = g.b + j * g.b_apart;
    const int64_t a_step = g.a_step, b_step = g.b_step;
    const auto multiply = [&](auto reach) __attribute__((always_inline)) {
      tile<L, Rows, vectors>(
          g.k, [=](int64_t r, int64_t p) { return Across ? a[p * a_step + r] : a[r * a_step + p]; },
          [=](int64_t p) { return b + p * b_step; }, g.start.at(row, col),
          g.c + row * g.c_step + col, g.c_step, reach, whole);
    };
    if constexpr (Width >= TileWidth::Part) multiply(First{g.part});
    else multiply(Whole{});
  };
  const int64_t outer = g.by_panels ? g.panels : g.blocks,
                inner = g.by_panels ? g.blocks : g.panels;
  for (int64_t x = 0; x < outer; ++x)
    for (int64_t y = 0; y < inner; ++y) one(g.by_panels ? y : x, g.by_panels ? x : y);
}

template <class T>
using GridFn = void (*)(const Grid<T>&);

/// The grids of tiles of 1, 2, ... rows.
template <class T, TileWidth Width, bool Across>
GridFn<T> grid_of(int64_t rows) {
  static constexpr auto all = []<int... R>(std::integer_sequence<int, R...>) {
    return std::array<GridFn<T>, sizeof...(R)>{&run_grid<T, R + 1, Width, Across>...};
  }(std::make_integer_sequence<int, tile_rows<T>(registers_of(Width), Across)>{});
  return all[static_cast<size_t>(rows - 1)];
}
template <class T>
GridFn<T> grid_of(int64_t rows, TileWidth width, bool across) {
  const auto pick = [&](auto w) {
    return across ? grid_of<T, w.value, true>(rows) : grid_of<T, w.value, false>(rows);
  };
  switch (width) {
    case TileWidth::Eight: return pick(std::integral_constant<TileWidth, TileWidth::Eight>{});
    case TileWidth::Four: return pick(std::integral_constant<TileWidth, TileWidth::Four>{});
    case TileWidth::Two: return pick(std::integral_constant<TileWidth, TileWidth::Two>{});
    case TileWidth::One: return pick(std::integral_constant<TileWidth, TileWidth::One>{});
    case TileWidth::Part: return pick(std::integral_constant<TileWidth, TileWidth::Part>{});
    case TileWidth::HalfPart: return pick(std::integral_constant<TileWidth, narrowest<T>>{});
  }
  __builtin_unreachable();
}

}  // namespace bx::kernels
