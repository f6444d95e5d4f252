// Softmax and its logarithm over contiguous [rows, classes] or [outer, classes, inner], and the
// negative log likelihood, row by row.
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

/// Columns side by side, those that a strip of registers holds, of one [classes, inner].
template <class T>
struct Strip {
  static constexpr int kRegisters = 4;
  using L = Lanes<T>;

  int64_t at, inner, cols;  // of the first element; the columns there are, at least 1

  int registers() const {
    return static_cast<int>(std::min<int64_t>(kRegisters, (cols + L::width - 1) / L::width));
  }
  L load(const T* p, int64_t row, int r) const {
    return load_padded(p + at + row * inner + r * L::width, cols - r * L::width, T(0));
  }
  void store(L v, T* p, int64_t row, int r) const {
    store_part(v, p + at + row * inner + r * L::width, cols - r * L::width);
  }
};

/// f(strip) for all columns of [outer, classes, inner], shared among the threads.
template <class T, class F>
void for_strips(const View& v, F f) {
  constexpr int64_t width = Strip<T>::kRegisters * Lanes<T>::width;
  const int64_t outer = v.shape[0], classes = v.shape[1], inner = v.shape[2];
  const int64_t strips = (inner + width - 1) / width;
  parallel_for(outer * strips, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, classes * width)),
               [=](int64_t begin, int64_t end) {
                 for (int64_t k = begin; k < end; ++k) {
                   const int64_t j = k % strips * width;
                   f(Strip<T>{k / strips * classes * inner + j, inner, inner - j});
                 }
               });
}

template <class T, bool Log>
void softmax_of_columns(const View* out, const View* in) {
  using L = Lanes<T>;
  constexpr int most = Strip<T>::kRegisters;
  const int64_t n = in[0].shape[1];
  const auto* x = static_cast<const T*>(in[0].data);
  auto* y = static_cast<T*>(out[0].data);
  for_strips<T>(in[0], [=](const Strip<T>& s) {
    const int count = s.registers();
    L top[most], sum[most];
    for (int r = 0; r < count; ++r) {
      top[r] = s.load(x, 0, r);
      sum[r] = L(T(0));
    }
    for (int64_t i = 1; i < n; ++i)
      for (int r = 0; r < count; ++r) top[r].v = ei::pmax(top[r].v, s.load(x, i, r).v);
    for (int64_t i = 0; i < n; ++i)
      for (int r = 0; r < count; ++r) {
        const L e = exp(s.load(x, i, r) - top[r]);
        sum[r] = sum[r] + e;
        if constexpr (!Log) s.store(e, y, i, r);
      }
    for (int r = 0; r < count; ++r) sum[r] = Log ? log(sum[r]) : 1. / sum[r];
    for (int64_t i = 0; i < n; ++i)
      for (int r = 0; r < count; ++r) {
        if constexpr (Log) s.store((s.load(x, i, r) - top[r]) - sum[r], y, i, r);
        else s.store(s.load(y, i, r) * sum[r], y, i, r);
      }
  });
}

template <class T, bool Log>
void softmax_backward_of_columns(const View* out, const View* in) {
  using L = Lanes<T>;
  const int64_t n = in[0].shape[1];
  const auto* g = static_cast<const T*>(in[0].data);
  const auto* y = static_cast<const T*>(in[1].data);
  auto* dx = static_cast<T*>(out[0].data);
  for_strips<T>(in[0], [=](const Strip<T>& s) {
    const int count = s.registers();
    L sum[Strip<T>::kRegisters];
    for (int r = 0; r < count; ++r) sum[r] = L(T(0));
    for (int64_t i = 0; i < n; ++i)
      for (int r = 0; r < count; ++r) {
        if constexpr (Log) sum[r] = sum[r] + s.load(g, i, r);
        else sum[r] = sum[r] + s.load(g, i, r) * s.load(y, i, r);
      }
    for (int64_t i = 0; i < n; ++i)
      for (int r = 0; r < count; ++r) {
        const L gi = s.load(g, i, r), yi = s.load(y, i, r);
        if constexpr (Log) s.store(gi - exp(yi) * sum[r], dx, i, r);
        else s.store(yi * (gi - sum[r]), dx, i, r);
      }
  });
}

/// out = softmax or log softmax of in along dimension 1; both [rows, classes] or [outer, classes,
/// inner]. The rows of a block take every stage together: short rows do not wait for one another's
/// sums and logarithms.
template <class T, bool Log>
void softmax(const View* out, const View* in, const Params&, FaultInfo*) {
  using L = Lanes<T>;
  if (in[0].ndim == 3) return softmax_of_columns<T, Log>(out, in);
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
  if (in[0].ndim == 3) return softmax_backward_of_columns<T, Log>(out, in);
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

/// The sizes of [rows, classes] or [outer, classes, inner].
struct Classes {
  explicit Classes(const View& v)
      : outer(v.shape[0]), count(v.shape[1]), inner(v.ndim == 3 ? v.shape[2] : 1) {}
  int64_t outer, count, inner;
  int64_t place(int64_t o, int64_t t, int64_t i) const { return (o * count + t) * inner + i; }
};

/// out0 = -weight[target] * in0 at the target, 0 where target == i[0] (ignore_index); out1 = the
/// weight used; in0 [rows, classes] or [outer, classes, inner]; in1 = targets int64, in2 = weights
/// when i[1]. Outputs and targets are as in0 without its classes.
template <class T>
void nll_loss(const View* out, const View* in, const Params& params, FaultInfo* fault) {
  const auto* logp = static_cast<const T*>(in[0].data);
  const auto* target = static_cast<const int64_t*>(in[1].data);
  const auto* weight = params.i[1] ? static_cast<const T*>(in[2].data) : nullptr;
  auto* loss = static_cast<T*>(out[0].data);
  auto* used = static_cast<T*>(out[1].data);
  const Classes classes(in[0]);
  for (int64_t o = 0; o < classes.outer; ++o)
    for (int64_t i = 0; i < classes.inner; ++i) {
      const int64_t r = o * classes.inner + i, t = target[r];
      loss[r] = used[r] = T(0);
      if (t == params.i[0]) continue;
      if (t < 0 || t >= classes.count) {
        *fault = {Fault::IndexOutOfRange, t, classes.count};
        return;
      }
      used[r] = weight ? weight[t] : T(1);
      loss[r] = -logp[classes.place(o, t, i)] * used[r];
    }
}

/// out0 = -g * weight[target] at the target, 0 elsewhere; in0 = g, in1 = targets, in2 = the weights
/// used; shapes as in nll_loss, g dense or one number for all.
template <class T>
void nll_loss_backward(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* g = static_cast<const T*>(in[0].data);
  const auto* target = static_cast<const int64_t*>(in[1].data);
  const auto* used = static_cast<const T*>(in[2].data);
  auto* dx = static_cast<T*>(out[0].data);
  const Classes classes(out[0]);
  const int64_t size = classes.count * classes.inner;
  const int64_t step = in[0].strides[in[0].ndim - 1] != 0, ignored = params.i[0];
  parallel_for(classes.outer, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, size)),
               [=](int64_t begin, int64_t end) {
                 std::fill_n(dx + begin * size, (end - begin) * size, T(0));
                 for (int64_t o = begin; o < end; ++o)
                   for (int64_t i = 0; i < classes.inner; ++i) {
                     const int64_t r = o * classes.inner + i;
                     if (target[r] != ignored)
                       dx[classes.place(o, target[r], i)] = -g[r * step] * used[r];
                   }
               });
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
