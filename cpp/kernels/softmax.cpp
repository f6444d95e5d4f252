// Softmax, its logarithm and the negative log likelihood, row by row of contiguous [rows, classes].
#include <algorithm>

#include "kernels/families.h"
#include "kernels/lanes_math.h"
#include "kernels/lanes_partial.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements

/// f(begin of row) for every row, rows shared among the threads.
template <class F>
void for_rows(const View& v, F f) {
  const int64_t rows = v.shape[0], classes = v.shape[1];
  parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, classes)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r) f(r * classes);
               });
}

/// The largest element; of a row with a NaN any, since its sum is NaN.
template <class T>
T row_max(const T* x, int64_t n) {
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  Lanes<T> best(lowest);
  for (int64_t i = 0; i < n; i += Lanes<T>::width)
    best.v = ei::pmax(best.v, load_padded(x + i, n - i, lowest).v);
  return ei::predux_max(best.v);
}

/// out = softmax or log softmax of in along the last dimension; both [rows, classes]. The rows of a
/// block take every stage together: short rows do not wait for one another's sums and logarithms.
template <class T, bool Log>
void softmax(const View* out, const View* in, const Params&, FaultInfo*) {
  using L = Lanes<T>;
  constexpr T lowest = -std::numeric_limits<T>::infinity();
  const int64_t rows = in[0].shape[0], n = in[0].shape[1];
  parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n)),
               [&](int64_t begin, int64_t end) {
                 constexpr int64_t block = 32;
                 T top[block], total[block] = {};
                 for (int64_t r0 = begin; r0 < end; r0 += block) {
                   const int64_t count = std::min(block, end - r0);
                   const T* x = static_cast<const T*>(in[0].data) + r0 * n;
                   T* y = static_cast<T*>(out[0].data) + r0 * n;
                   for (int64_t r = 0; r < count; ++r) top[r] = row_max(x + r * n, n);
                   for (int64_t r = 0; r < count; ++r) {
                     const L shift(top[r]);
                     L sum(T(0));
                     for (int64_t i = 0; i < n; i += L::width) {
                       const L e = exp(load_padded(x + r * n + i, n - i, lowest) - shift);
                       sum = sum + e;
                       if constexpr (!Log) store_part(e, y + r * n + i, n - i);
                     }
                     total[r] = add_lanes(sum);
                   }
                   for (int64_t r = 0; r < count; r += L::width) {
                     const L sum = L::load(total + r);
                     (Log ? log(sum) : 1. / sum).store(total + r);
                   }
                   for (int64_t r = 0; r < count; ++r) {
                     const L shift(top[r]), scale(total[r]);
                     for (int64_t i = 0; i < n; i += L::width) {
                       if constexpr (Log)
                         store_part((load_padded(x + r * n + i, n - i, T(0)) - shift) - scale,
                                    y + r * n + i, n - i);
                       else
                         store_part(load_padded(y + r * n + i, n - i, T(0)) * scale, y + r * n + i,
                                    n - i);
                     }
                   }
                 }
               });
}

/// Softmax: dx = y (g - sum(g y)).  Log softmax: dx = g - e^y sum(g).  in0 = g, in1 = y.
template <class T, bool Log>
void softmax_backward(const View* out, const View* in, const Params&, FaultInfo*) {
  using L = Lanes<T>;
  const int64_t n = in[0].shape[1];
  for_rows(in[0], [&](int64_t at) {
    const T* g = static_cast<const T*>(in[0].data) + at;
    const T* y = static_cast<const T*>(in[1].data) + at;
    T* dx = static_cast<T*>(out[0].data) + at;
    L sum(T(0));
    for (int64_t i = 0; i < n; i += L::width) {
      const L gi = load_padded(g + i, n - i, T(0));
      if constexpr (Log) sum = sum + gi;
      else sum = sum + gi * load_padded(y + i, n - i, T(0));
    }
    const L total(add_lanes(sum));
    for (int64_t i = 0; i < n; i += L::width) {
      const L gi = load_padded(g + i, n - i, T(0)), yi = load_padded(y + i, n - i, T(0));
      if constexpr (Log) store_part(gi - exp(yi) * total, dx + i, n - i);
      else store_part(yi * (gi - total), dx + i, n - i);
    }
  });
}

/// out0 [rows] = -weight[target] * in0[row, target], 0 where target == i[0] (ignore_index);
/// out1 [rows] = the weight used. in1 = targets int64, in2 = weights when i[1].
template <class T>
void nll_loss(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  const auto* logp = static_cast<const T*>(in[0].data);
  const auto* target = static_cast<const int64_t*>(in[1].data);
  const auto* weight = params.i[1] ? static_cast<const T*>(in[2].data) : nullptr;
  auto* loss = static_cast<T*>(out[0].data);
  auto* used = static_cast<T*>(out[1].data);
  const int64_t rows = in[0].shape[0], classes = in[0].shape[1];
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t t = target[r];
    loss[r] = used[r] = T(0);
    if (t == params.i[0]) continue;
    if (t < 0 || t >= classes) {
      *fault = {Fault::IndexOutOfRange, t, classes};
      return;
    }
    used[r] = weight ? weight[t] : T(1);
    loss[r] = -logp[r * classes + t] * used[r];
  }
}

/// out0 [rows, classes] = -g[row] * weight[target] at the target, 0 elsewhere; in0 = g [rows],
/// in1 = targets, in2 = the weights used [rows].
template <class T>
void nll_loss_backward(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* g = static_cast<const T*>(in[0].data);
  const auto* target = static_cast<const int64_t*>(in[1].data);
  const auto* used = static_cast<const T*>(in[2].data);
  auto* dx = static_cast<T*>(out[0].data);
  const int64_t rows = out[0].shape[0], classes = out[0].shape[1];
  const int64_t step = in[0].strides[0];
  std::fill_n(dx, rows * classes, T(0));
  for (int64_t r = 0; r < rows; ++r)
    if (target[r] != params.i[0]) dx[r * classes + target[r]] = -g[r * step] * used[r];
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::Softmax, "softmax", &softmax<T, false>, {1, 1});
  enter<T>(entries, Id::LogSoftmax, "log_softmax", &softmax<T, true>, {1, 1});
  enter<T>(entries, Id::SoftmaxBackward, "softmax_backward", &softmax_backward<T, false>, {1, 3});
  enter<T>(entries, Id::LogSoftmaxBackward, "log_softmax_backward", &softmax_backward<T, true>,
           {1, 3});
  enter<T>(entries, Id::NllLoss, "nll_loss", &nll_loss<T>, {3, 3});
  enter<T>(entries, Id::NllLossBackward, "nll_loss_backward", &nll_loss_backward<T>, {1, 7});
}

}  // namespace

void fill_softmax(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
