// A sparse matrix along one dimension: averages over windows, and interpolation.
#include <algorithm>

#include "kernels/families.h"
#include "kernels/scratch.h"
#include "kernels/windows.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements

/// out [outer, m, inner] = A [m, n] in0 [outer, n, inner]; object = A as Taps.
template <class T>
void resample(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Taps& a = *static_cast<const Taps*>(params.object);
  const int64_t m = out[0].shape[1], n = in[0].shape[1], inner = in[0].shape[2];
  const int64_t outer = in[0].shape[0];
  const int64_t entries = a.offsets[m];
  T* const weights = scratch<T>(ScratchUse::Product, entries);
  for (int64_t k = 0; k < entries; ++k) weights[k] = static_cast<T>(a.weights[k]);
  if (inner == 1) {
    // Windows without overlap have rows of one length.
    const int64_t each = m > 0 ? a.offsets[1] : 0;
    bool even = true;
    for (int64_t o = 0; o < m; ++o) even = even && a.offsets[o + 1] - a.offsets[o] == each;
    parallel_for(outer, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, m)),
                 [&](int64_t first, int64_t last) {
                   for (int64_t row = first; row < last; ++row) {
                     const T* x = static_cast<const T*>(in[0].data) + row * n;
                     T* y = static_cast<T*>(out[0].data) + row * m;
                     if (even && each == 1) {
                       for (int64_t o = 0; o < m; ++o) y[o] = weights[o] * x[a.columns[o]];
                       continue;
                     }
                     for (int64_t o = 0, k = 0; o < m; ++o) {
                       T sum = 0;
                       for (const int64_t end = even ? k + each : a.offsets[o + 1]; k < end; ++k)
                         sum += weights[k] * x[a.columns[k]];
                       y[o] = sum;
                     }
                   }
                 });
    return;
  }
  parallel_for(outer * m, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, inner)),
               [&](int64_t first, int64_t last) {
                 for (int64_t row = first; row < last; ++row) {
                   const int64_t o = row % m;
                   const T* x = static_cast<const T*>(in[0].data) + row / m * n * inner;
                   T* y = static_cast<T*>(out[0].data) + row * inner;
                   std::fill_n(y, inner, T(0));
                   for (int64_t k = a.offsets[o]; k < a.offsets[o + 1]; ++k) {
                     const T weight = weights[k], *from = x + a.columns[k] * inner;
                     for (int64_t i = 0; i < inner; ++i) y[i] += weight * from[i];
                   }
                 }
               });
}

}  // namespace

void fill_resample(Entries entries) {
  enter<float>(entries, Id::Resample, "resample", &resample<float>);
  enter<double>(entries, Id::Resample, "resample", &resample<double>);
}

}  // namespace bx::kernels
