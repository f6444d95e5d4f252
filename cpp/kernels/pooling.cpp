// Maximum pooling with the places of the maxima, and gathering and scattering by such places.
#include <algorithm>
#include <limits>

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

/// A run of windows [begin, end) along the last dimension that are all of `taps` elements, one
/// `stride` after the other.
struct EvenRun {
  explicit EvenRun(const PoolWindows& w) {
    const auto taps_of = [&](int64_t k) {
      return (w.end[2][k] - w.begin[2][k] + w.step[2] - 1) / w.step[2];
    };
    const int64_t middle = w.out[2] / 2;
    begin = end = middle;
    if (w.out[2] == 0) return;
    taps = taps_of(middle);
    stride = middle + 1 < w.out[2] ? w.begin[2][middle + 1] - w.begin[2][middle] : 1;
    for (end = middle + 1;
         end < w.out[2] && taps_of(end) == taps && w.begin[2][end] - w.begin[2][end - 1] == stride;)
      ++end;
    for (; begin > 0 && taps_of(begin - 1) == taps &&
           w.begin[2][begin] - w.begin[2][begin - 1] == stride;)
      --begin;
  }
  int64_t begin = 0, end = 0, taps = 0, stride = 1;
};

/// best = max(best, x[k stride]), where = its place, for n windows side by side. The stride is
/// known to the compiler where it is a usual one.
template <class T, int Stride>
void raise(const T* x, int64_t stride, int64_t n, int32_t place, T* best, int32_t* where) {
  if constexpr (Stride > 0) stride = Stride;
  for (int64_t k = 0; k < n; ++k) {
    const T v = x[k * stride];
    const bool better = (v > best[k]) | (v != v);
    best[k] = better ? v : best[k];
    where[k] = better ? place + static_cast<int32_t>(k * stride) : where[k];
  }
}

/// out0 [planes, out] = maxima of the windows over in0 [planes, in], out1 = their places in the
/// plane, the first of equal ones; NaN counts as the largest. object = the windows.
template <class T>
void max_pool(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto& w = *static_cast<const PoolWindows*>(params.object);
  const int64_t size = w.in[0] * w.in[1] * w.in[2], made = w.out[0] * w.out[1] * w.out[2];
  constexpr int64_t block = 256;
  // Places count in 32 bits in between, as many as there are of T.
  const EvenRun run(w);
  const bool even = size < std::numeric_limits<int32_t>::max();
  for_planes(in[0].shape[0], size + made, [&](int64_t plane) {
    const T* x = static_cast<const T*>(in[0].data) + plane * size;
    T* y = static_cast<T*>(out[0].data) + plane * made;
    int64_t* places = static_cast<int64_t*>(out[1].data) + plane * made;
    for (int64_t i = 0; i < w.out[0]; ++i)
      for (int64_t j = 0; j < w.out[1]; ++j, y += w.out[2], places += w.out[2]) {
        const auto one = [&](int64_t k) {
          T best = -std::numeric_limits<T>::infinity();
          int64_t place = (w.begin[0][i] * w.in[1] + w.begin[1][j]) * w.in[2] + w.begin[2][k];
          for (int64_t a = w.begin[0][i]; a < w.end[0][i]; a += w.step[0])
            for (int64_t b = w.begin[1][j]; b < w.end[1][j]; b += w.step[1]) {
              const int64_t row = (a * w.in[1] + b) * w.in[2];
              for (int64_t c = w.begin[2][k]; c < w.end[2][k]; c += w.step[2]) {
                const T v = x[row + c];
                const bool better = v > best || v != v;
                best = better ? v : best;
                place = better ? row + c : place;
              }
            }
          y[k] = best;
          places[k] = place;
        };
        const int64_t first = even ? run.begin : w.out[2], last = even ? run.end : w.out[2];
        for (int64_t k = 0; k < first; ++k) one(k);
        for (int64_t k = last; k < w.out[2]; ++k) one(k);
        for (int64_t k0 = first; k0 < last; k0 += block) {
          const int64_t n = std::min(block, last - k0);
          T best[block];
          int32_t where[block];
          const int64_t head = (w.begin[0][i] * w.in[1] + w.begin[1][j]) * w.in[2] + w.begin[2][k0];
          for (int64_t k = 0; k < n; ++k) {
            best[k] = -std::numeric_limits<T>::infinity();
            where[k] = static_cast<int32_t>(head + k * run.stride);
          }
          for (int64_t a = w.begin[0][i]; a < w.end[0][i]; a += w.step[0])
            for (int64_t b = w.begin[1][j]; b < w.end[1][j]; b += w.step[1])
              for (int64_t t = 0; t < run.taps; ++t) {
                const int64_t at = (a * w.in[1] + b) * w.in[2] + w.begin[2][k0] + t * w.step[2];
                const auto place = static_cast<int32_t>(at);
                if (run.stride == 1) raise<T, 1>(x + at, 1, n, place, best, where);
                else if (run.stride == 2) raise<T, 2>(x + at, 2, n, place, best, where);
                else raise<T, 0>(x + at, run.stride, n, place, best, where);
              }
          for (int64_t k = 0; k < n; ++k) {
            y[k0 + k] = best[k];
            places[k0 + k] = where[k];
          }
        }
      }
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
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
