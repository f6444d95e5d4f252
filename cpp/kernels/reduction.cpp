// Reductions of a contiguous [outer, reduced, inner] input to [outer, inner].
//
// Sums are pairwise over blocks whose borders depend on the sizes alone, so that the bits do not
// depend on the number of threads, and the rounding error grows with log n (Higham 1993).
#include <algorithm>

#include "kernels/families.h"
#include "kernels/lanes_math.h"
#include "kernels/lanes_partial.h"
#include "kernels/scratch.h"

namespace bx::kernels {

namespace {

constexpr int64_t kPiece = 32768;  // elements of one thread's task

struct SumStep {
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
  template <class L>
  static L join(L a, L b) {
    return a + b;
  }
};
struct ProdStep {
  template <class T>
  static constexpr T identity() {
    return T(1);
  }
  template <class L>
  static L join(L a, L b) {
    return a * b;
  }
};
struct MaxStep {
  template <class T>
  static constexpr T identity() {
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::lowest();
  }
  template <class L>
  static L join(L a, L b) {
    return maximum(a, b);
  }
};
struct MinStep {
  template <class T>
  static constexpr T identity() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity()
                                                : std::numeric_limits<T>::max();
  }
  template <class L>
  static L join(L a, L b) {
    return minimum(a, b);
  }
};
struct AnyStep {
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
  template <class L>
  static L join(L a, L b) {
    return a | b;
  }
};
struct AllStep {
  template <class T>
  static constexpr T identity() {
    return T(1);
  }
  template <class L>
  static L join(L a, L b) {
    return a & b;
  }
};

template <class T>
using LanesOf = Lanes<T, std::is_floating_point_v<T>>;

template <class Step, class T>
T join_scalars(T a, T b) {
  return Step::join(Lanes<T, false>(a), Lanes<T, false>(b)).v;
}

/// The lanes of a register, joined by halves.
template <class Step, class L>
[[gnu::always_inline]] inline typename L::Scalar join_lanes(L v) {
  using T = typename L::Scalar;
  T lanes[L::width];
  v.store(lanes);
  if constexpr (L::is_packet && L::width > 4) {
    using Half = Lanes<T, true, typename ei::unpacket_traits<typename L::Packet>::half>;
    return join_lanes<Step>(Step::join(Half::load(lanes), Half::load(lanes + L::width / 2)));
  } else {
    for (int half = L::width / 2; half > 0; half /= 2)
      for (int k = 0; k < half; ++k) lanes[k] = join_scalars<Step>(lanes[k], lanes[k + half]);
    return lanes[0];
  }
}

/// A leaf, at most kLeaf elements, by four running registers.
template <class Step, class T>
T reduce_base(const T* x, int64_t n) {
  using L = LanesOf<T>;
  constexpr int w = L::width;
  L a[4];
  for (auto& lane : a) lane = L(Step::template identity<T>());
  int64_t i = 0;
  for (; i + 4 * w <= n; i += 4 * w)
    for (int k = 0; k < 4; ++k) a[k] = Step::join(a[k], L::load(x + i + k * w));
  for (; i + w <= n; i += w) a[0] = Step::join(a[0], L::load(x + i));
  T tail = Step::template identity<T>();
  for (; i < n; ++i) tail = join_scalars<Step>(tail, x[i]);
  a[0] = Step::join(Step::join(a[0], a[1]), Step::join(a[2], a[3]));
  return join_scalars<Step>(join_lanes<Step>(a[0]), tail);
}

/// `count` leaves from `first` on, joined by halves.
template <class Step, class T, class Leaf>
T join_leaves(int64_t first, int64_t count, Leaf leaf) {
  if (count <= 1) return leaf(first);
  const int64_t half = (count + 1) / 2;
  return join_scalars<Step>(join_leaves<Step, T>(first, half, leaf),
                            join_leaves<Step, T>(first + half, count - half, leaf));
}

template <class Step, class T>
T reduce_leaf(const T* x, int64_t n, int64_t leaf) {
  return reduce_base<Step>(x + leaf * kLeaf, std::min(kLeaf, n - leaf * kLeaf));
}

template <class Step, class T>
T reduce_pairwise(const T* x, int64_t n) {
  return join_leaves<Step, T>(0, leaf_count(n),
                              [&](int64_t k) { return reduce_leaf<Step>(x, n, k); });
}

/// out [leaves] = the leaves of in [n].
template <class Step, class T>
void leaves(void* const* out, const void* const* in, int64_t n, const double*, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0]);
  for (int64_t k = 0; k < leaf_count(n); ++k)
    static_cast<T*>(out[0])[k] = reduce_leaf<Step>(x, n, k);
}

/// out [1] = what the leaves of n elements come to.
template <class Step, class T>
void tree(void* const* out, const void* const* in, int64_t n, const double*, FaultInfo*) {
  const auto* list = static_cast<const T*>(in[0]);
  *static_cast<T*>(out[0]) =
      join_leaves<Step, T>(0, leaf_count(n), [&](int64_t k) { return list[k]; });
}

/// One long run, its leaves shared among the threads.
template <class Step, class T>
T reduce_run(const T* x, int64_t n) {
  if (n <= 4 * kPiece) return reduce_pairwise<Step>(x, n);
  T* list = scratch<T>(ScratchUse::Leaves, leaf_count(n));
  parallel_for(leaf_count(n), 4 * kPiece / kLeaf, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) list[k] = reduce_leaf<Step>(x, n, k);
  });
  return join_leaves<Step, T>(0, leaf_count(n), [&](int64_t k) { return list[k]; });
}

/// `width` columns, Registers registers of them, of `rows` rows. Chains of rows are joined apart,
/// as many as hide the time that one join takes.
template <class Step, class T, int Registers, int Chains>
void reduce_strip(const T* x, int64_t rows, int64_t stride, int64_t width, T* out) {
  using L = LanesOf<T>;
  constexpr int w = L::width;
  const L identity(Step::template identity<T>());
  L total[Registers];
  for (auto& lane : total) lane = identity;
  const auto load = [&](const T* p, int k) {
    if constexpr (w == 1) return L::load(p + k);
    else return load_padded(p + k * w, width - k * w, Step::template identity<T>());
  };
  const int64_t piece = straight_rows(stride);
  for (int64_t r0 = 0; r0 < rows; r0 += piece) {
    L sum[Chains][Registers];
    for (auto& chain : sum)
      for (auto& lane : chain) lane = identity;
    const int64_t end = std::min(rows, r0 + piece);
    int64_t r = r0;
    for (; r + Chains <= end; r += Chains)
      for (int c = 0; c < Chains; ++c)
        for (int k = 0; k < Registers; ++k)
          sum[c][k] = Step::join(sum[c][k], load(x + (r + c) * stride, k));
    for (; r < end; ++r)
      for (int k = 0; k < Registers; ++k)
        sum[0][k] = Step::join(sum[0][k], load(x + r * stride, k));
    for (int half = Chains / 2; half > 0; half /= 2)
      for (int c = 0; c < half; ++c)
        for (int k = 0; k < Registers; ++k) sum[c][k] = Step::join(sum[c][k], sum[c + half][k]);
    for (int k = 0; k < Registers; ++k) total[k] = Step::join(total[k], sum[0][k]);
  }
  for (int k = 0; k < Registers; ++k) {
    if constexpr (w == 1) total[k].store(out + k);
    else store_part(total[k], out + k * w, width - k * w);
  }
}

template <class Step, class T>
void reduce_columns(const T* x, int64_t rows, int64_t stride, int64_t begin, int64_t end, T* out) {
  constexpr int w = LanesOf<T>::width;
  int64_t c = begin;
  for (; c + 8 * w <= end; c += 8 * w)
    reduce_strip<Step, T, 8, 1>(x + c, rows, stride, 8 * w, out + c);
  for (; c + 2 * w <= end; c += 2 * w)
    reduce_strip<Step, T, 2, 4>(x + c, rows, stride, 2 * w, out + c);
  for (; c < end; c += w)
    reduce_strip<Step, T, 1, 8>(x + c, rows, stride, std::min<int64_t>(w, end - c), out + c);
}

/// out [outer, inner] = join over the middle of in [outer, reduced, inner], both contiguous.
template <class Step, class T>
void reduce(const View* out, const View* in, const Params&, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  const int64_t outer = in[0].shape[0], reduced = in[0].shape[1], inner = in[0].shape[2];
  if (inner == 1) {
    const int64_t grain = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, reduced));
    if (outer == 1) y[0] = reduce_run<Step>(x, reduced);
    else
      parallel_for(outer, grain, [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o)
          y[o] = reduce_pairwise<Step>(x + o * reduced, reduced);
      });
    return;
  }
  for (int64_t o = 0; o < outer; ++o) {
    constexpr int64_t strip = 8 * LanesOf<T>::width;
    // Whole strips per thread, so that a column is always reduced by the same code.
    const int64_t strips = (inner + strip - 1) / strip;
    parallel_for(strips, std::max<int64_t>(1, 4 * kPiece / (strip * std::max<int64_t>(1, reduced))),
                 [&](int64_t begin, int64_t end) {
                   reduce_columns<Step>(x + o * reduced * inner, reduced, inner, begin * strip,
                                        std::min(inner, end * strip), y + o * inner);
                 });
  }
}

/// out [pieces, inner] = join over straight_rows of in [1, rows, inner] each.
template <class Step, class T>
void pieces(const View* out, const View* in, const Params&, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  const int64_t rows = in[0].shape[1], inner = in[0].shape[2], piece = straight_rows(inner);
  for (int64_t r = 0; r < rows; r += piece, x += piece * inner, y += inner)
    reduce_columns<Step>(x, std::min(piece, rows - r), inner, 0, inner, y);
}

/// out [1, inner] = join over the rows of in [1, rows, inner], one after the other.
template <class Step, class T>
void stack(const View* out, const View* in, const Params&, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  const int64_t rows = in[0].shape[1], inner = in[0].shape[2];
  std::fill_n(y, inner, Step::template identity<T>());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < inner; ++c) y[c] = join_scalars<Step>(y[c], x[r * inner + c]);
}

/// out [outer, inner] int64 = place of the first extreme (NaN counts as the extreme) in
/// in [outer, reduced, inner].
template <class T, bool Largest>
void arg_extreme(const View* out, const View* in, const Params&, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<int64_t*>(out[0].data);
  const int64_t outer = in[0].shape[0], reduced = in[0].shape[1], inner = in[0].shape[2];
  auto beats = [](T a, T b) {
    if (a != a) return b == b;
    return Largest ? a > b : a < b;
  };
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t i = 0; i < inner; ++i) {
      const T* column = x + o * reduced * inner + i;
      int64_t best = 0;
      for (int64_t r = 1; r < reduced; ++r)
        if (beats(column[r * inner], column[best * inner])) best = r;
      y[o * inner + i] = best;
    }
}

constexpr Rows kOuter{1, 1};

template <class Step, class T>
void enter_reduction(Entries entries, Id id, const char* name) {
  Kernel& kernel = enter<T>(entries, id, name, &reduce<Step, T>, kOuter);
  kernel.leaves = &leaves<Step, T>;
  kernel.tree = &tree<Step, T>;
  kernel.pieces = &pieces<Step, T>;
  kernel.stack = &stack<Step, T>;
}

template <class T>
void fill_extremes(Entries entries) {
  enter_reduction<MaxStep, T>(entries, Id::Max, "max");
  enter_reduction<MinStep, T>(entries, Id::Min, "min");
  enter<T>(entries, Id::ArgMax, "argmax", &arg_extreme<T, true>, kOuter);
  enter<T>(entries, Id::ArgMin, "argmin", &arg_extreme<T, false>, kOuter);
}
template <class T>
void fill_numeric(Entries entries) {
  enter_reduction<SumStep, T>(entries, Id::Sum, "sum");
  enter_reduction<ProdStep, T>(entries, Id::Prod, "prod");
  fill_extremes<T>(entries);
}

}  // namespace

void fill_reduction(Entries entries) {
  fill_numeric<int32_t>(entries);
  fill_numeric<int64_t>(entries);
  fill_numeric<float>(entries);
  fill_numeric<double>(entries);
  fill_extremes<uint8_t>(entries);
  share_with_bool(entries, {Id::Max, Id::Min, Id::ArgMax, Id::ArgMin});
  enter_reduction<AnyStep, bool>(entries, Id::Any, "any");
  enter_reduction<AllStep, bool>(entries, Id::All, "all");
}

}  // namespace bx::kernels
