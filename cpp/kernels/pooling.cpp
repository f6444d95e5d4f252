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

/// out0 [planes, out] = maxima of the windows over in0 [planes, in], out1 = their places in the
/// plane, the first of equal ones; NaN counts as the largest. object = the windows.
template <class T>
void max_pool(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto& w = *static_cast<const PoolWindows*>(params.object);
  const int64_t size = w.in[0] * w.in[1] * w.in[2], made = w.out[0] * w.out[1] * w.out[2];
  for_planes(in[0].shape[0], size + made, [&](int64_t plane) {
    const T* x = static_cast<const T*>(in[0].data) + plane * size;
    T* y = static_cast<T*>(out[0].data) + plane * made;
    int64_t* places = static_cast<int64_t*>(out[1].data) + plane * made;
    for (int64_t i = 0; i < w.out[0]; ++i)
      for (int64_t j = 0; j < w.out[1]; ++j)
        for (int64_t k = 0; k < w.out[2]; ++k) {
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
          *y++ = best;
          *places++ = place;
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
