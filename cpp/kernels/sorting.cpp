// Order along one axis: sort, the k best, ranks, the most frequent, lexicographic order, binary
// search. Everything compares unsigned keys that order as the numbers do, NaN above all.
#include <bit>
#include <cstring>
#include <vector>

#include "kernels/lines.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 1 << 12;  // elements
constexpr int64_t kRadixFrom = 256;  // elements from which digits beat comparisons

template <class T>
using KeyOf = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;

/// A key that orders as x does: -0 equals 0, every NaN equals every other and is the largest.
template <class T>
KeyOf<T> key_of(T x) {
  using Key = KeyOf<T>;
  if constexpr (std::is_unsigned_v<T>) {
    return x;
  } else if constexpr (std::is_floating_point_v<T>) {
    if (x != x) return ~Key{0};
    const Key bits = std::bit_cast<Key>(x + T{0});  // -0 + 0 is 0
    constexpr Key sign = Key{1} << (8 * sizeof(T) - 1);
    return bits & sign ? ~bits : bits | sign;
  } else {
    return static_cast<Key>(x) ^ Key { 1 } << (8 * sizeof(T) - 1);
  }
}
template <class T>
constexpr KeyOf<T> kNanKey = ~KeyOf<T>{0};

/// A key and where it stood.
template <class Key>
struct Item {
  Key key;
  std::conditional_t<sizeof(Key) == 4, uint32_t, int64_t> at;
};
template <class Key>
using Items = std::vector<Item<Key>>;

/// Stable, by rising key: least significant byte first, bytes that are all equal skipped.
template <class Key>
void radix_sort(Items<Key>& items, Items<Key>& spare) {
  constexpr int digits = sizeof(Key);
  const size_t n = items.size();
  spare.resize(n);
  std::vector<size_t> counts(digits * 256);
  for (const auto& item : items)
    for (size_t d = 0; d < digits; ++d) ++counts[d * 256 + (item.key >> (8 * d) & 255)];
  for (size_t d = 0; d < digits; ++d) {
    size_t* count = counts.data() + d * 256;
    if (count[items[0].key >> (8 * d) & 255] == n) continue;
    size_t total = 0;
    for (int b = 0; b < 256; ++b) {
      const size_t own = count[b];
      count[b] = total;
      total += own;
    }
    for (const auto& item : items) spare[count[item.key >> (8 * d) & 255]++] = item;
    items.swap(spare);
  }
}

template <class Key>
void stable_sort(Items<Key>& items, Items<Key>& spare) {
  if (static_cast<int64_t>(items.size()) >= kRadixFrom) return radix_sort(items, spare);
  std::sort(items.begin(), items.end(), [](const Item<Key>& a, const Item<Key>& b) {
    return a.key != b.key ? a.key < b.key : a.at < b.at;
  });
}

/// body(the line's values, their stride, the offsets of out0 and out1) for every line of `in`.
template <class T, class Body>
void for_lines(const View& in, const View& out0, const View& out1, int axis, Body body) {
  const Lines lines({&in, &out0, &out1}, out0, axis);
  const auto* x = static_cast<const T*>(in.data);
  parallel_for(lines.count(), std::max<int64_t>(1, kGrain / std::max<int64_t>(1, in.shape[axis])),
               [&](int64_t begin, int64_t end) {
                 auto scratch = body();
                 lines.run(begin, end, [&](const int64_t* offset, int64_t) {
                   scratch(x + offset[0], in.strides[axis], offset[1], offset[2]);
                 });
               });
}

/// The keys of a line, flipped where the order is to fall.
template <class T>
void read(Items<KeyOf<T>>& items, const T* x, int64_t stride, int64_t n, bool falling) {
  using Key = KeyOf<T>;
  const Key flip = falling ? ~Key{0} : Key{0};
  items.resize(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    auto& item = items[static_cast<size_t>(i)];
    item.key = key_of(x[i * stride]) ^ flip;
    item.at = static_cast<decltype(item.at)>(i);
  }
}

/// The two results of a selecting kernel, written along their axis.
template <class T>
struct Results {
  T* values;
  int64_t* indices;
  int64_t value_step, index_step;

  Results(const View* out, int axis)
      : values(static_cast<T*>(out[0].data)),
        indices(static_cast<int64_t*>(out[1].data)),
        value_step(out[0].strides[axis]),
        index_step(out[1].strides[axis]) {}

  void write(int64_t value_at, int64_t index_at, int64_t place, int64_t chosen, T value) const {
    values[value_at + place * value_step] = value;
    indices[index_at + place * index_step] = chosen;
  }
};

/// out0, out1 = the values of in0 along axis i[0] in order, and where they stood; i[1]: falling.
template <class T>
void sort(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int axis = static_cast<int>(params.i[0]);
  const Results<T> results(out, axis);
  const int64_t n = in[0].shape[axis];
  for_lines<T>(in[0], out[0], out[1], axis, [&] {
    return [&, items = Items<KeyOf<T>>(), spare = Items<KeyOf<T>>()](const T* x, int64_t stride,
                                                                     int64_t v, int64_t p) mutable {
      read(items, x, stride, n, params.i[1]);
      stable_sort(items, spare);
      for (int64_t i = 0; i < n; ++i) {
        const auto at = static_cast<int64_t>(items[static_cast<size_t>(i)].at);
        results.write(v, p, i, at, x[at * stride]);
      }
    };
  });
}

/// out0, out1 = the i[1] largest (i[2]) or smallest along axis i[0]; i[3]: in order. Ties fall as
/// the standard library's selection leaves them, which is how PyTorch's fall too.
template <class T>
void top_k(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int axis = static_cast<int>(params.i[0]);
  const Results<T> results(out, axis);
  const int64_t n = in[0].shape[axis], k = params.i[1];
  auto before = [](const auto& a, const auto& b) { return a.key < b.key; };
  for_lines<T>(in[0], out[0], out[1], axis, [&] {
    return
        [&, items = Items<KeyOf<T>>()](const T* x, int64_t stride, int64_t v, int64_t p) mutable {
          read(items, x, stride, n, params.i[2]);
          const auto first = items.begin();
          if (k * 64 <= n) {
            std::partial_sort(first, first + k, items.end(), before);
          } else {
            std::nth_element(first, first + k - 1, items.end(), before);
            if (params.i[3]) std::sort(first, first + k - 1, before);
          }
          for (int64_t i = 0; i < k; ++i) {
            const auto at = static_cast<int64_t>(items[static_cast<size_t>(i)].at);
            results.write(v, p, i, at, x[at * stride]);
          }
        };
  });
}

/// out0, out1 = one value of each line by rank, where it stood. i[0] = axis; i[1] = the rank from
/// 0, or -1 for the lower median; i[2]: for a median, NaN is left out (else the first one wins).
template <class T>
void kth_value(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int axis = static_cast<int>(params.i[0]);
  const Results<T> results(out, axis);
  const int64_t n = in[0].shape[axis];
  const bool median = params.i[1] < 0, skip_nan = params.i[2];
  for_lines<T>(in[0], out[0], out[1], axis, [&] {
    return
        [&, items = Items<KeyOf<T>>()](const T* x, int64_t stride, int64_t v, int64_t p) mutable {
          read(items, x, stride, n, false);
          int64_t rank = params.i[1];
          if (median) {
            int64_t nans = 0, first_nan = -1;
            if constexpr (std::is_floating_point_v<T>)
              for (int64_t i = n - 1; i >= 0; --i)
                if (items[static_cast<size_t>(i)].key == kNanKey<T>) {
                  ++nans;
                  first_nan = i;
                }
            if (nans && (!skip_nan || nans == n))
              return results.write(v, p, 0, first_nan, x[first_nan * stride]);
            rank = (n - nans - 1) / 2;
          }
          std::nth_element(items.begin(), items.begin() + rank, items.end(),
                           [](const auto& a, const auto& b) { return a.key < b.key; });
          const auto at = static_cast<int64_t>(items[static_cast<size_t>(rank)].at);
          results.write(v, p, 0, at, x[at * stride]);
        };
  });
}

/// out0, out1 = the most frequent value along axis i[0], the smallest of several; where it stands.
/// Of several places, the one that the library's sort puts last, as in PyTorch. No NaN equals
/// another.
template <class T>
void mode(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int axis = static_cast<int>(params.i[0]);
  const Results<T> results(out, axis);
  const int64_t n = in[0].shape[axis];
  for_lines<T>(in[0], out[0], out[1], axis, [&] {
    return
        [&, items = Items<KeyOf<T>>()](const T* x, int64_t stride, int64_t v, int64_t p) mutable {
          read(items, x, stride, n, false);
          std::sort(items.begin(), items.end(),
                    [](const auto& a, const auto& b) { return a.key < b.key; });
          int64_t best = 0, most = 0, run = 0;
          for (size_t i = 0; i < items.size(); ++i) {
            const bool goes_on = i > 0 && items[i].key == items[i - 1].key &&
                                 !(std::is_floating_point_v<T> && items[i].key == kNanKey<T>);
            run = goes_on ? run + 1 : 1;
            if (run > most) {
              most = run;
              best = static_cast<int64_t>(items[i].at);
            }
          }
          results.write(v, p, 0, best, x[best * stride]);
        };
  });
}

/// out [n] = the rows of in0 [n, m], row-major, in lexicographic order, stable.
template <class T>
void sort_rows(const View* out, const View* in, const Params&, FaultInfo*) {
  auto* order = static_cast<int64_t*>(out[0].data);
  const auto* x = static_cast<const T*>(in[0].data);
  const int64_t n = in[0].shape[0], m = in[0].shape[1];
  for (int64_t i = 0; i < n; ++i) order[i] = i;
  std::stable_sort(order, order + n, [&](int64_t a, int64_t b) {
    for (int64_t j = 0; j < m; ++j) {
      const auto p = key_of(x[a * m + j]), q = key_of(x[b * m + j]);
      if (p != q) return p < q;
    }
    return false;
  });
}

/// out [n], bool: whether row i of in0 [n, m], row-major, differs from row i - 1; row 0 does.
template <class T>
void distinct(const View* out, const View* in, const Params&, FaultInfo*) {
  auto* differs = static_cast<bool*>(out[0].data);
  const auto* x = static_cast<const T*>(in[0].data);
  const int64_t n = in[0].shape[0], m = in[0].shape[1];
  for (int64_t i = 0; i < n; ++i)
    differs[i] = i == 0 || !std::equal(x + i * m, x + (i + 1) * m, x + (i - 1) * m);
}

/// out [rows, k], int64 = where in1 [rows, k] would be inserted into the rising rows of in0
/// [rows or 1, n]: before equal values, or after them (i[0]). in2, with i[1], int64 like in0: the
/// order in which a row of in0 rises.
template <class T>
void search(const View* out, const View* in, const Params& params, FaultInfo*) {
  auto* places = static_cast<int64_t*>(out[0].data);
  const auto* bounds = static_cast<const T*>(in[0].data);
  const auto* values = static_cast<const T*>(in[1].data);
  const auto* sorter = params.i[1] ? static_cast<const int64_t*>(in[2].data) : nullptr;
  const int64_t n = in[0].shape[1], k = in[1].shape[1];
  const int64_t row_step = in[0].shape[0] == 1 ? 0 : n;
  const bool after = params.i[0];
  parallel_for(in[1].shape[0] * k, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / k * row_step;
      const T x = values[i];
      int64_t low = 0, high = n;
      while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        const T bound = bounds[row + (sorter ? sorter[row + middle] : middle)];
        // Written so that NaN goes behind everything.
        if (after ? !(bound > x) : !(bound >= x)) low = middle + 1;
        else high = middle;
      }
      places[i] = low;
    }
  });
}

}  // namespace

void fill_sorting(Entries entries) {
  for_number_types([entries](auto zero) {
    using T = decltype(zero);
    enter<T>(entries, Id::Sort, "sort", &sort<T>);
    enter<T>(entries, Id::TopK, "topk", &top_k<T>);
    enter<T>(entries, Id::KthValue, "kthvalue", &kth_value<T>);
    enter<T>(entries, Id::Mode, "mode", &mode<T>);
    enter<T>(entries, Id::SortRows, "sort_rows", &sort_rows<T>);
    enter<T>(entries, Id::Distinct, "distinct", &distinct<T>);
    enter<T>(entries, Id::Search, "search", &search<T>);
  });
  share_with_bool(entries, {Id::Sort, Id::TopK, Id::KthValue, Id::Mode, Id::SortRows, Id::Distinct,
                            Id::Search});
}

}  // namespace bx::kernels
