// Scans: running sums, products and extremes along the middle of contiguous [outer, n, inner].
//
// Single precision is accumulated in double, as PyTorch does on the CPU. A task is a strip of
// columns, so that bits do not depend on the number of threads.
#include <algorithm>

#include "kernels/families.h"
#include "kernels/lanes_math.h"

namespace bx::kernels {

namespace {

constexpr int64_t kStrip = 64;     // columns that run side by side
constexpr int64_t kGrain = 16384;  // elements of a thread's task

/// What a running value is kept in.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, double, T>;

/// step(state, at, previous) for the elements of every column in scan order: `at` is the element's
/// place in memory, `previous` that of the one before it, or -1. i[0]: from the end.
template <class State, class Step>
void scan(const View& v, const Params& params, Step step) {
  const int64_t outer = v.shape[0], n = v.shape[1], inner = v.shape[2];
  if (outer * n * inner == 0) return;
  const int64_t strips = (inner + kStrip - 1) / kStrip;
  const int64_t first = params.i[0] ? (n - 1) * inner : 0, stride = params.i[0] ? -inner : inner;
  const int64_t work = n * std::min(inner, kStrip);
  parallel_for(outer * strips, std::max<int64_t>(1, kGrain / work), [&](int64_t b, int64_t e) {
    for (int64_t task = b; task < e; ++task) {
      const int64_t column = task % strips * kStrip, width = std::min(kStrip, inner - column);
      const int64_t base = task / strips * n * inner + column + first;
      State state[kStrip]{};
      for (int64_t k = 0; k < n; ++k)
        for (int64_t c = 0; c < width; ++c) {
          const int64_t at = base + k * stride + c;
          step(state[c], at, k ? at - stride : -1);
        }
    }
  });
}

/// y_i = y_{i-1} + x_i
template <class T>
void cumsum(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  scan<Wide<T>>(in[0], params, [=](Wide<T>& total, int64_t at, int64_t) {
    total += x[at];
    y[at] = static_cast<T>(total);
  });
}

/// y_i = y_{i-1} x_i
template <class T>
void cumprod(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  scan<Wide<T>>(in[0], params, [=](Wide<T>& product, int64_t at, int64_t previous) {
    product = previous < 0 ? static_cast<Wide<T>>(x[at]) : product * x[at];
    y[at] = static_cast<T>(product);
  });
}

/// y_i = b_i + a_j y_{i-1} with j = i, or j = i - 1 where i[1]; in0 = a, in1 = b.
template <class T>
void linear_scan(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* a = static_cast<const T*>(in[0].data);
  const auto* b = static_cast<const T*>(in[1].data);
  auto* y = static_cast<T*>(out[0].data);
  const bool of_previous = params.i[1] != 0;
  scan<Wide<T>>(in[0], params, [=](Wide<T>& value, int64_t at, int64_t previous) {
    Wide<T> next = b[at];
    if (previous >= 0) next += a[of_previous ? previous : at] * value;
    value = next;
    y[at] = static_cast<T>(next);
  });
}

/// y_i = ln(e^y_{i-1} + e^x_i)
template <class T>
void logcumsumexp(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  scan<double>(in[0], params, [=](double& total, int64_t at, int64_t previous) {
    const double next = x[at];
    if (previous < 0 || total != total) {
      total = previous < 0 ? next : total;
    } else if (next != total || std::isfinite(next)) {
      const double top = next != next ? next : std::max(next, total);
      total = top + std::log1p(std::exp(std::min(next, total) - top));
    }
    y[at] = static_cast<T>(total);
  });
}

/// out0 = the largest (smallest) so far, NaN once met; out1 [int64] = its place, the last of ties.
template <class T, bool Largest>
void cumextreme(const View* out, const View* in, const Params& params, FaultInfo*) {
  struct State {
    T best;
    int64_t index, count;
  };
  const auto* x = static_cast<const T*>(in[0].data);
  auto* values = static_cast<T*>(out[0].data);
  auto* indices = static_cast<int64_t*>(out[1].data);
  scan<State>(in[0], params, [=](State& s, int64_t at, int64_t previous) {
    const T next = x[at];
    const bool stays = previous >= 0 && next == next &&
                       (s.best != s.best || (Largest ? next < s.best : next > s.best));
    if (!stays) {
      s.best = next;
      s.index = s.count;
    }
    ++s.count;
    values[at] = s.best;
    indices[at] = s.index;
  });
}

template <class T>
void fill_extremes(Entries entries) {
  enter<T>(entries, Id::CumMax, "cummax", &cumextreme<T, true>);
  enter<T>(entries, Id::CumMin, "cummin", &cumextreme<T, false>);
}
template <class T>
void fill_sums(Entries entries) {
  enter<T>(entries, Id::CumSum, "cumsum", &cumsum<T>);
  enter<T>(entries, Id::CumProd, "cumprod", &cumprod<T>);
  fill_extremes<T>(entries);
}
template <class T>
void fill_real(Entries entries) {
  fill_sums<T>(entries);
  enter<T>(entries, Id::LinearScan, "linear_scan", &linear_scan<T>);
  enter<T>(entries, Id::LogCumSumExp, "logcumsumexp", &logcumsumexp<T>);
}

}  // namespace

void fill_scan(Entries entries) {
  fill_extremes<uint8_t>(entries);
  share_with_bool(entries, {Id::CumMax, Id::CumMin});
  fill_sums<int32_t>(entries);
  fill_sums<int64_t>(entries);
  fill_real<float>(entries);
  fill_real<double>(entries);
}

}  // namespace bx::kernels
