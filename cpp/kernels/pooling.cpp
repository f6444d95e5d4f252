// Maximum pooling with the places of the maxima, and gathering and scattering by such places.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "kernels/families.h"
#include "kernels/windows.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements

/// f(plane) for every plane; `work` = elements of one.
template <class F>
void for_planes(int64_t planes, int64_t work, F f) {
  parallel_for(planes, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)),
               [&](int64_t first, int64_t last) {
                 for (int64_t p = first; p < last; ++p) f(p);
               });
}

/// Where the windows over some neighbouring dimensions have their taps. A window with fewer taps
/// than others names its last one again, which no maximum minds; one of none, in the padding
/// altogether, a place that is there.
template <class Index>
struct TapTable {
  int64_t windows = 1, taps = 1;
  std::vector<Index> places{0};   // [taps, windows]
  std::vector<char> has_taps{1};  // [windows]
  // The windows [begin, end) lie `stride` apart in every tap.
  int64_t begin = 0, end = 0, stride = 0;

  const Index* of(int64_t tap) const { return places.data() + tap * windows; }

  /// Puts dimension d, whose neighbours are `inner` elements apart, before the others.
  void add(const PoolWindows& w, int d, int64_t inner) {
    const int64_t count = w.out[d], most = most_taps(w, d);
    std::vector<Index> all(static_cast<size_t>(most * taps * count * windows));
    std::vector<char> any(static_cast<size_t>(count * windows));
    for (int64_t window = 0; window < count * windows; ++window) {
      const int64_t o = window / windows, begin = std::min(w.begin[d][o], w.in[d] - 1);
      const int64_t last = std::max<int64_t>(0, w.end[d][o] - 1 - begin) / w.step[d];
      any[static_cast<size_t>(window)] =
          w.begin[d][o] < w.end[d][o] && has_taps[static_cast<size_t>(window % windows)];
      for (int64_t tap = 0; tap < most * taps; ++tap)
        all[static_cast<size_t>(tap * count * windows + window)] =
            static_cast<Index>((begin + std::min(tap / taps, last) * w.step[d]) * inner) +
            of(tap % taps)[window % windows];
    }
    places = std::move(all);
    has_taps = std::move(any);
    windows *= count;
    taps *= most;
  }

  static int64_t most_taps(const PoolWindows& w, int d) {
    int64_t most = 1;
    for (int64_t o = 0; o < w.out[d]; ++o)
      most = std::max(most, (w.end[d][o] - w.begin[d][o] + w.step[d] - 1) / w.step[d]);
    return most;
  }

  /// Looks for the even run around the middle.
  void find_run() {
    const auto apart = [&](int64_t k) {  // window k from the one before, or 0
      const int64_t d = of(0)[k] - of(0)[k - 1];
      for (int64_t t = 1; t < taps; ++t)
        if (of(t)[k] - of(t)[k - 1] != d) return int64_t{0};
      return d;
    };
    begin = end = windows / 2;
    if (windows < 2) return;
    stride = apart(std::max<int64_t>(1, begin));
    if (stride == 0) return;
    while (begin > 0 && apart(begin) == stride) --begin;
    while (end < windows && (end == begin || apart(end) == stride)) ++end;
  }
};

/// N elements of T side by side: what a loop over them would not be sure to become.
template <class T, int64_t N>
struct Group {
  using V [[gnu::vector_size(N * sizeof(T))]] = T;
};

/// to = x[0], x[Stride], ...
template <int64_t Stride, class T, class V>
void load_apart(const T* x, V& to) {
  constexpr int64_t n = 64 / sizeof(T);
#if __has_builtin(__builtin_shufflevector)  // not in GCC 11
  if constexpr (Stride == 2) {
    V low, high;
    std::memcpy(&low, x, sizeof low);
    std::memcpy(&high, x + n - 1, sizeof high);  // not one further: there the input may end
    return [&]<size_t... K>(std::index_sequence<K...>) {
      to = __builtin_shufflevector(low, high, (K < n / 2 ? 2 * K : 2 * K + 1)...);
    }(std::make_index_sequence<n>());
  }
#endif
  for (int64_t k = 0; k < n; ++k) to[k] = x[k * Stride];
}

/// A plane's windows: those of the last dimensions side by side, one of the first at a time.
template <class T>
class MaxPooling {
 public:
  // As many as there are of T in a register.
  using Index = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

  explicit MaxPooling(const PoolWindows& w) {
    int64_t inner = 1;
    int d = 2;
    do {
      inner_.add(w, d, inner);
      inner *= w.in[d--];
    } while (d >= 0 && inner_.windows < kSide &&
             inner_.windows * inner_.taps * w.out[d] * TapTable<Index>::most_taps(w, d) <= kTable);
    for (; d >= 0; --d) {
      outer_.add(w, d, inner);
      inner *= w.in[d];
    }
    inner_.find_run();
    const auto all = [](const auto& has) {
      return std::find(has.begin(), has.end(), 0) == has.end();
    };
    all_have_taps_ = all(inner_.has_taps) && all(outer_.has_taps);
  }

  void run(const T* x, T* y, int64_t* places) const {
    for (int64_t o = 0; o < outer_.windows; ++o, y += inner_.windows, places += inner_.windows) {
      groups(o, 0, inner_.begin, x, y, places);
      if (inner_.stride == 1) groups<1>(o, inner_.begin, inner_.end, x, y, places);
      else if (inner_.stride == 2) groups<2>(o, inner_.begin, inner_.end, x, y, places);
      else groups(o, inner_.begin, inner_.end, x, y, places);
      groups(o, inner_.end, inner_.windows, x, y, places);
      if (!all_have_taps_)
        for (int64_t k = 0; k < inner_.windows; ++k)
          if (!outer_.has_taps[static_cast<size_t>(o)] || !inner_.has_taps[static_cast<size_t>(k)])
            y[k] = kLeast;
    }
  }

 private:
  static constexpr int64_t kSide = 32, kTable = 4096, kGroup = 64 / sizeof(T);
  static constexpr T kLeast = std::numeric_limits<T>::has_infinity
                                  ? -std::numeric_limits<T>::infinity()
                                  : std::numeric_limits<T>::lowest();

  /// Windows [begin, end) of the inner ones, which lie Stride apart, or anyhow.
  template <int64_t Stride = 0>
  void groups(int64_t o, int64_t begin, int64_t end, const T* x, T* y, int64_t* places) const {
    if (end - begin >= kGroup)
      for (int64_t at = begin; at < end; at += kGroup)
        group<Stride>(o, std::min(at, end - kGroup), x, y, places);
    else
      for (int64_t at = begin; at < end; ++at) one(o, at, x, y, places);
  }

  template <int64_t Stride>
  void group(int64_t o, int64_t at, const T* x, T* y, int64_t* places) const {
    using V = typename Group<T, kGroup>::V;
    using I = typename Group<Index, kGroup>::V;
    V best = V{} + kLeast;
    I where;
    std::memcpy(&where, inner_.of(0) + at, sizeof where);
    where += outer_.of(0)[o];
    for (int64_t u = 0; u < outer_.taps; ++u)
      for (int64_t t = 0; t < inner_.taps; ++t) {
        const Index from = outer_.of(u)[o];
        const Index* const apart = inner_.of(t) + at;
        I place;
        std::memcpy(&place, apart, sizeof place);
        place += from;
        V value;
        if constexpr (Stride > 0) load_apart<Stride>(x + from + *apart, value);
        else
          for (int64_t k = 0; k < kGroup; ++k) value[k] = x[from + apart[k]];
        const I better = (value > best) | (value != value);
        best = better ? value : best;
        where = better ? place : where;
      }
    std::memcpy(y + at, &best, sizeof best);
    const auto wide = __builtin_convertvector(where, typename Group<int64_t, kGroup>::V);
    std::memcpy(places + at, &wide, sizeof wide);
  }

  void one(int64_t o, int64_t at, const T* x, T* y, int64_t* places) const {
    T best = kLeast;
    int64_t where = outer_.of(0)[o] + inner_.of(0)[at];
    for (int64_t u = 0; u < outer_.taps; ++u)
      for (int64_t t = 0; t < inner_.taps; ++t) {
        const int64_t place = outer_.of(u)[o] + inner_.of(t)[at];
        const T value = x[place];
        const bool better = value > best || value != value;
        best = better ? value : best;
        where = better ? place : where;
      }
    y[at] = best;
    places[at] = where;
  }

  TapTable<Index> outer_, inner_;
  bool all_have_taps_;
};

/// out0 [planes, out] = maxima of the windows over in0 [planes, in], out1 = their places in the
/// plane, the first of equal ones; NaN counts as the largest. object = the windows.
template <class T>
void max_pool(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto& w = *static_cast<const PoolWindows*>(params.object);
  const int64_t size = w.in[0] * w.in[1] * w.in[2], made = w.out[0] * w.out[1] * w.out[2];
  const MaxPooling<T> pooling(w);
  for_planes(in[0].shape[0], size + made, [&](int64_t plane) {
    pooling.run(static_cast<const T*>(in[0].data) + plane * size,
                static_cast<T*>(out[0].data) + plane * made,
                static_cast<int64_t*>(out[1].data) + plane * made);
  });
}

/// out [planes, m] = in0 [planes, n] at the places in1 [planes, m].
template <class T>
void plane_gather(const View* out, const View* in, const Params&, FaultInfo*) {
  const int64_t n = in[0].shape[1], m = in[1].shape[1];
  for_planes(in[0].shape[0], m, [&](int64_t plane) {
    const T* x = static_cast<const T*>(in[0].data) + plane * n;
    const int64_t* places = static_cast<const int64_t*>(in[1].data) + plane * m;
    T* y = static_cast<T*>(out[0].data) + plane * m;
    for (int64_t i = 0; i < m; ++i) y[i] = x[places[i]];
  });
}

/// out [planes, n] = zeros with in0 [planes, m] added on, or put, at the places in1 [planes, m].
template <class T, bool Add>
void plane_scatter(const View* out, const View* in, const Params&,
                   [[maybe_unused]] FaultInfo* fault) {
  const int64_t n = out[0].shape[1], m = in[1].shape[1];
  const auto* all = static_cast<const int64_t*>(in[1].data);
  if constexpr (!Add)  // places to put at come from outside
    for (int64_t i = 0; i < in[1].shape[0] * m; ++i)
      if (all[i] < 0 || all[i] >= n) {
        *fault = {Fault::IndexOutOfRange, all[i], n};
        return;
      }
  for_planes(out[0].shape[0], n + m, [&](int64_t plane) {
    const T* x = static_cast<const T*>(in[0].data) + plane * m;
    const int64_t* places = all + plane * m;
    T* y = static_cast<T*>(out[0].data) + plane * n;
    std::fill_n(y, n, T(0));
    for (int64_t i = 0; i < m; ++i) {
      if constexpr (Add) y[places[i]] += x[i];
      else y[places[i]] = x[i];
    }
  });
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::MaxPool, "max_pool", &max_pool<T>);
  enter<T>(entries, Id::PlaneGather, "plane_gather", &plane_gather<T>);
  enter<T>(entries, Id::PlaneAdd, "plane_add", &plane_scatter<T, true>);
  enter<T>(entries, Id::PlanePut, "plane_put", &plane_scatter<T, false>);
}

}  // namespace

void fill_pooling(Entries entries) {
  enter<int64_t>(entries, Id::MaxPool, "max_pool", &max_pool<int64_t>);
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
