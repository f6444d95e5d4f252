// Fill and Copy: the only kernels that write or read any layout.
#include <algorithm>
#include <cstring>

#include "core/dims.h"
#include "kernels/copy_ahead.h"
#include "kernels/families.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 1 << 16;  // elements

/// Two operands walked together: neighbouring dimensions that both cross evenly are merged, and
/// dimensions are ordered so that the output is written as straight as possible.
struct Walk {
  int ndim = 0;
  int64_t shape[kMaxDims], out[kMaxDims], in[kMaxDims];

  Walk(const View& o, const int64_t* in_strides) {
    int order[kMaxDims];
    int n = 0;
    for (int d = 0; d < o.ndim; ++d)
      if (o.shape[d] != 1) order[n++] = d;
    std::stable_sort(order, order + n,
                     [&](int a, int b) { return std::abs(o.strides[a]) > std::abs(o.strides[b]); });
    for (int k = 0; k < n; ++k) {
      const int d = order[k];
      const int64_t so = o.strides[d], si = in_strides ? in_strides[d] : 0;
      if (ndim > 0 && out[ndim - 1] == so * o.shape[d] && in[ndim - 1] == si * o.shape[d]) {
        shape[ndim - 1] *= o.shape[d];
        out[ndim - 1] = so;
        in[ndim - 1] = si;
      } else {
        shape[ndim] = o.shape[d];
        out[ndim] = so;
        in[ndim++] = si;
      }
    }
    if (ndim == 0) {
      shape[0] = 1;
      out[0] = in[0] = 1;
      ndim = 1;
    }
  }

  /// Calls f(out offset, in offset) for every index of all but the last `inner` dimensions, on
  /// several threads where there is much.
  template <class F>
  void outer(int inner, F f) const {
    int64_t indices = 1, each = 1;
    for (int d = 0; d < ndim - inner; ++d) indices *= shape[d];
    for (int d = ndim - inner; d < ndim; ++d) each *= shape[d];
    parallel_for(indices, std::max<int64_t>(1, kGrain / each),
                 [&](int64_t begin, int64_t end) { part(ndim - inner, begin, end, f); });
  }

  /// Calls f(out offset, in offset, begin, end) for rows [begin, end) of the last dimension.
  template <class F>
  void rows(F f) const {
    const int64_t n = shape[ndim - 1];
    if (ndim > 1) return outer(1, [&](int64_t o, int64_t i) { f(o, i, int64_t{0}, n); });
    parallel_for(n, kGrain,
                 [&](int64_t begin, int64_t end) { f(int64_t{0}, int64_t{0}, begin, end); });
  }

 private:
  /// The indices [begin, end) of the first n dimensions.
  template <class F>
  void part(int n, int64_t begin, int64_t end, F f) const {
    int64_t index[kMaxDims] = {}, o = 0, i = 0;
    for (int64_t rest = begin, d = n - 1; d >= 0; --d) {
      index[d] = rest % shape[d];
      rest /= shape[d];
      o += index[d] * out[d];
      i += index[d] * in[d];
    }
    for (int64_t k = begin; k < end; ++k) {
      f(o, i);
      for (int d = n - 1; d >= 0; --d) {
        o += out[d];
        i += in[d];
        if (++index[d] < shape[d]) break;
        o -= out[d] * shape[d];
        i -= in[d] * shape[d];
        index[d] = 0;
      }
    }
  }
};

int64_t count(const View& v) {
  int64_t n = 1;
  for (int d = 0; d < v.ndim; ++d) n *= v.shape[d];
  return n;
}

/// out[...] = params.f[0] (floats), f[0] + f[1] i (complex) or params.i[0] (integers, bool). Any
/// layout.
template <class T>
void fill(const View* out, const View*, const Params& params, FaultInfo*) {
  if (count(out[0]) == 0) return;
  T value;
  if constexpr (is_complex(dtype_of<T>())) value = {params.f[0], params.f[1]};
  else if constexpr (std::is_floating_point_v<T>) value = static_cast<T>(params.f[0]);
  else value = static_cast<T>(params.i[0]);
  auto* data = static_cast<T*>(out[0].data);
  const Walk walk(out[0], nullptr);
  const int64_t step = walk.out[walk.ndim - 1];
  walk.rows([&](int64_t o, int64_t, int64_t begin, int64_t end) {
    if (step == 1) std::fill(data + o + begin, data + o + end, value);
    else
      for (int64_t k = begin; k < end; ++k) data[o + k * step] = value;
  });
}

constexpr int64_t kTile = 32;

/// A bool is read as the uint8 that it is stored as, 0 or 1: one loop for both.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

template <class To, class From>
void copy_typed(To* out, const From* in, const Walk& walk) {
  const int last = walk.ndim - 1;
  const int64_t n = walk.shape[last], so = walk.out[last], si = walk.in[last];
  auto row = [&](int64_t o, int64_t i, int64_t begin, int64_t end) {
    if (so == 1 && si == 1) {
      if constexpr (std::is_same_v<To, From>)
        copy_ahead(out + o + begin, in + i + begin,
                   (end - begin) * static_cast<int64_t>(sizeof(To)));
      else
        for (int64_t k = begin; k < end; ++k) out[o + k] = convert<To>(in[i + k]);
    } else if (so == 1 && si == 0) {
      std::fill(out + o + begin, out + o + end, convert<To>(in[i]));
    } else if (std::is_same_v<To, From> && so == 1 && si == -1) {
      for (int64_t k = begin; k < end; ++k) out[o + k] = convert<To>(in[i - k]);
    } else {
      for (int64_t k = begin; k < end; ++k) out[o + k * so] = convert<To>(in[i + k * si]);
    }
  };
  // A transposed copy goes by tiles, so that both sides stay in cache.
  if (walk.ndim >= 2 && std::abs(si) > std::abs(walk.in[last - 1]) && walk.in[last - 1] != 0) {
    const int64_t rows = walk.shape[last - 1];
    walk.outer(2, [&](int64_t o, int64_t i) {
      for (int64_t r0 = 0; r0 < rows; r0 += kTile)
        for (int64_t c0 = 0; c0 < n; c0 += kTile)
          for (int64_t r = r0; r < std::min(rows, r0 + kTile); ++r)
            row(o + r * walk.out[last - 1], i + r * walk.in[last - 1], c0, std::min(n, c0 + kTile));
    });
  } else {
    walk.rows(row);
  }
}

/// The real (0) or the imaginary (1) parts of complex elements.
struct Part {
  Part(const View& v, int which)
      : view{static_cast<char*>(v.data) + which * size_of(real_of(v.dtype)), v.shape, strides,
             v.ndim, real_of(v.dtype)} {
    for (int d = 0; d < v.ndim; ++d) strides[d] = 2 * v.strides[d];
  }
  Part(const Part&) = delete;

  int64_t strides[kMaxDims];
  View view;
};

/// out[...] = in[...] converted. Same shape, any layouts, any two types; no overlap. Of complex
/// elements that become real, the real parts.
template <class To>
void copy(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  if (count(out[0]) == 0) return;
  if (is_complex(in[0].dtype)) {
    const Part re(in[0], 0);
    return copy<To>(out, &re.view, params, fault);
  }
  const Walk walk(out[0], in[0].strides);
  visit(in[0].dtype, [&](auto zero) {
    using From = Stored<decltype(zero)>;
    using Into = std::conditional_t<std::is_same_v<decltype(zero), To>, From, To>;
    copy_typed(static_cast<Into*>(out[0].data), static_cast<const From*>(in[0].data), walk);
  });
}

/// The same to complex elements.
template <class T>
void copy_to_complex(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  if (count(out[0]) == 0) return;
  if (in[0].dtype == out[0].dtype)
    return copy_typed(static_cast<Complex<T>*>(out[0].data),
                      static_cast<const Complex<T>*>(in[0].data), Walk(out[0], in[0].strides));
  const Part re(out[0], 0), im(out[0], 1);
  copy<T>(&re.view, in, params, fault);
  if (!is_complex(in[0].dtype)) return fill<T>(&im.view, nullptr, {}, fault);
  const Part imaginary(in[0], 1);
  copy<T>(&im.view, &imaginary.view, params, fault);
}

}  // namespace

void fill_movement(Entries entries) {
  for_moved_types([entries]<class T>(T) { enter<T>(entries, Id::Fill, "fill", &fill<T>); });
  enter<bool>(entries, Id::Fill, "fill", &fill<bool>);
  for_all_types([entries]<class T>(T) { enter<T>(entries, Id::Copy, "copy", &copy<T>); });
  for_float_types(
      [entries]<class T>(T) { enter<Complex<T>>(entries, Id::Copy, "copy", &copy_to_complex<T>); });
}

}  // namespace bx::kernels
