// Means and variances, and what normalises by them: by channel of [outer, channels, inner], or row
// by row with weights along the row.
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/families.h"

namespace bx::kernels {

namespace {

template <class T>
using Run = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>;
template <class T>
using Out = Eigen::Map<Eigen::Array<T, Eigen::Dynamic, 1>>;

constexpr int64_t kGrain = 16384;  // elements
constexpr int64_t kBlock = 512;    // elements whose sum is taken in T; sums of blocks are double
constexpr int64_t kColumns = 64;   // of a task where channels are columns
constexpr int64_t kPieces = 8;

int64_t grain_of(int64_t work) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)); }

/// The sum over blocks [begin, begin + size) of f(begin, size).
template <class F>
double sum_blocks(int64_t n, F f) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += kBlock) sum += f(i, std::min(kBlock, n - i));
  return sum;
}

/// f(outer index, channel, offset of the run) for runs of `inner` elements of a channel.
struct Channels {
  int64_t outer, channels, inner;
  explicit Channels(const View& v) : outer(v.shape[0]), channels(v.shape[1]), inner(v.shape[2]) {}
  int64_t offset(int64_t o, int64_t c) const { return (o * channels + c) * inner; }
  double count() const { return static_cast<double>(outer * inner); }
};

/// out0 [channels] = means, out1 = variances (divided by the count) of in0 [outer, channels,
/// inner].
template <class T>
void moments(const View* out, const View* in, const Params&, FaultInfo*) {
  const Channels s(in[0]);
  const auto* x = static_cast<const T*>(in[0].data);
  auto *mean = static_cast<T*>(out[0].data), *variance = static_cast<T*>(out[1].data);
  if (s.inner == 1) {
    const int64_t strips = (s.channels + kColumns - 1) / kColumns;
    parallel_for(strips, grain_of(s.outer * kColumns), [&](int64_t first, int64_t last) {
      for (int64_t strip = first; strip < last; ++strip) {
        const int64_t c0 = strip * kColumns, n = std::min(kColumns, s.channels - c0);
        Eigen::Array<double, kColumns, 1> sums = Eigen::Array<double, kColumns, 1>::Zero();
        for (int64_t o = 0; o < s.outer; ++o)
          sums.head(n) += Run<T>(x + o * s.channels + c0, n).template cast<double>();
        const Eigen::Array<double, kColumns, 1> means = sums / s.count();
        sums.setZero();
        for (int64_t o = 0; o < s.outer; ++o)
          sums.head(n) +=
              (Run<T>(x + o * s.channels + c0, n).template cast<double>() - means.head(n)).square();
        Out<T>(mean + c0, n) = means.head(n).template cast<T>();
        Out<T>(variance + c0, n) = (sums.head(n) / s.count()).template cast<T>();
      }
    });
    return;
  }
  parallel_for(s.channels, grain_of(s.outer * s.inner), [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c) {
      double sum = 0, squares = 0;
      for (int64_t o = 0; o < s.outer; ++o)
        sum += sum_blocks(s.inner, [&](int64_t i, int64_t n) {
          return static_cast<double>(Run<T>(x + s.offset(o, c) + i, n).sum());
        });
      mean[c] = static_cast<T>(sum / s.count());
      for (int64_t o = 0; o < s.outer; ++o)
        squares += sum_blocks(s.inner, [&](int64_t i, int64_t n) {
          return static_cast<double>((Run<T>(x + s.offset(o, c) + i, n) - mean[c]).square().sum());
        });
      variance[c] = static_cast<T>(squares / s.count());
    }
  });
}

/// out0 [channels] = sums of in0, out1 = sums of in0 (in1 - in2[channel]); in0, in1 [outer,
/// channels, inner].
template <class T>
void dots(const View* out, const View* in, const Params&, FaultInfo*) {
  const Channels s(in[0]);
  const auto *g = static_cast<const T*>(in[0].data), *x = static_cast<const T*>(in[1].data);
  const auto* mean = static_cast<const T*>(in[2].data);
  auto *sums = static_cast<T*>(out[0].data), *products = static_cast<T*>(out[1].data);
  if (s.inner == 1) {
    const int64_t strips = (s.channels + kColumns - 1) / kColumns;
    parallel_for(strips, grain_of(s.outer * kColumns), [&](int64_t first, int64_t last) {
      using Column = Eigen::Array<double, kColumns, 1>;
      for (int64_t strip = first; strip < last; ++strip) {
        const int64_t c0 = strip * kColumns, n = std::min(kColumns, s.channels - c0);
        Column sum = Column::Zero(), product = Column::Zero();
        for (int64_t o = 0; o < s.outer; ++o) {
          const Run<T> gi(g + o * s.channels + c0, n), xi(x + o * s.channels + c0, n);
          sum.head(n) += gi.template cast<double>();
          product.head(n) += (gi * (xi - Run<T>(mean + c0, n))).template cast<double>();
        }
        Out<T>(sums + c0, n) = sum.head(n).template cast<T>();
        Out<T>(products + c0, n) = product.head(n).template cast<T>();
      }
    });
    return;
  }
  parallel_for(s.channels, grain_of(s.outer * s.inner), [&](int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c) {
      double sum = 0, product = 0;
      for (int64_t o = 0; o < s.outer; ++o) {
        const int64_t at = s.offset(o, c);
        sum += sum_blocks(s.inner, [&](int64_t i, int64_t n) {
          return static_cast<double>(Run<T>(g + at + i, n).sum());
        });
        product += sum_blocks(s.inner, [&](int64_t i, int64_t n) {
          return static_cast<double>(
              (Run<T>(g + at + i, n) * (Run<T>(x + at + i, n) - mean[c])).sum());
        });
      }
      sums[c] = static_cast<T>(sum);
      products[c] = static_cast<T>(product);
    }
  });
}

/// out [outer, channels, inner] = in0 in1[channel] + in2[channel], plus in3 in4[channel] where
/// i[0] is set.
template <class T>
void affine(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Channels s(in[0]);
  const bool two = params.i[0];
  const auto* x = static_cast<const T*>(in[0].data);
  const auto *scale = static_cast<const T*>(in[1].data), *shift = static_cast<const T*>(in[2].data);
  const auto* second = two ? static_cast<const T*>(in[3].data) : nullptr;
  const auto* factor = two ? static_cast<const T*>(in[4].data) : nullptr;
  auto* y = static_cast<T*>(out[0].data);
  if (s.inner == 1) {
    parallel_for(s.outer, grain_of(s.channels), [&](int64_t first, int64_t last) {
      const Run<T> a(scale, s.channels), b(shift, s.channels);
      for (int64_t o = first; o < last; ++o) {
        const int64_t at = o * s.channels;
        Out<T> row(y + at, s.channels);
        if (two)
          row = Run<T>(x + at, s.channels) * a + b +
                Run<T>(second + at, s.channels) * Run<T>(factor, s.channels);
        else row = Run<T>(x + at, s.channels) * a + b;
      }
    });
    return;
  }
  parallel_for(s.outer * s.channels, grain_of(s.inner), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int64_t c = r % s.channels, at = r * s.inner;
      Out<T> run(y + at, s.inner);
      if (two)
        run = Run<T>(x + at, s.inner) * scale[c] + shift[c] +
              Run<T>(second + at, s.inner) * factor[c];
      else run = Run<T>(x + at, s.inner) * scale[c] + shift[c];
    }
  });
}

/// out0 [rows, n] = (in0 - mean) rstd in1[n] + in2[n] (where i[0], i[1]), out1, out2 [rows] = mean
/// and rstd = 1 / sqrt(variance + f[0]) of each row.
template <class T>
void layer_norm(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int64_t rows = in[0].shape[0], n = in[0].shape[1];
  const auto* x = static_cast<const T*>(in[0].data);
  const auto* w = params.i[0] ? static_cast<const T*>(in[1].data) : nullptr;
  const auto* b = params.i[1] ? static_cast<const T*>(in[1 + params.i[0]].data) : nullptr;
  auto *y = static_cast<T*>(out[0].data), *means = static_cast<T*>(out[1].data);
  auto* rstds = static_cast<T*>(out[2].data);
  parallel_for(rows, grain_of(n), [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const T* row = x + r * n;
      const double count = static_cast<double>(n);
      const T mean = static_cast<T>(
          sum_blocks(n, [&](int64_t i,
                            int64_t k) { return static_cast<double>(Run<T>(row + i, k).sum()); }) /
          count);
      const double variance =
          sum_blocks(n,
                     [&](int64_t i, int64_t k) {
                       return static_cast<double>((Run<T>(row + i, k) - mean).square().sum());
                     }) /
          count;
      const T rstd = static_cast<T>(1 / std::sqrt(variance + params.f[0]));
      means[r] = mean;
      rstds[r] = rstd;
      Out<T> to(y + r * n, n);
      if (w && b) to = (Run<T>(row, n) - mean) * rstd * Run<T>(w, n) + Run<T>(b, n);
      else if (w) to = (Run<T>(row, n) - mean) * rstd * Run<T>(w, n);
      else if (b) to = (Run<T>(row, n) - mean) * rstd + Run<T>(b, n);
      else to = (Run<T>(row, n) - mean) * rstd;
    }
  });
}

/// With h = (x - mean) rstd and u = g w: out0 = rstd (u - mean(u) - h mean(u h)), out1 [n] = sum of
/// g h over the rows, out2 [n] = sum of g. in = g, x, mean, rstd, w (where i[0]). Rows are summed
/// in a number of pieces that the sizes decide.
template <class T>
void layer_norm_backward(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int64_t rows = in[0].shape[0], n = in[0].shape[1];
  const auto *g = static_cast<const T*>(in[0].data), *x = static_cast<const T*>(in[1].data);
  const auto *means = static_cast<const T*>(in[2].data), *rstds = static_cast<const T*>(in[3].data);
  const auto* w = params.i[0] ? static_cast<const T*>(in[4].data) : nullptr;
  auto* dx = static_cast<T*>(out[0].data);
  const int64_t per_piece =
      std::max<int64_t>(1, rows * n >= 2 * kGrain ? (rows + kPieces - 1) / kPieces : rows);
  const int64_t pieces = std::max<int64_t>(1, (rows + per_piece - 1) / per_piece);
  std::vector<T> sums(static_cast<size_t>(2 * pieces * n), T(0));
  parallel_for(pieces, 1, [&](int64_t first, int64_t last) {
    for (int64_t r = first * per_piece; r < std::min(rows, last * per_piece); ++r) {
      T* dw = sums.data() + r / per_piece * 2 * n;
      const T mean = means[r], rstd = rstds[r];
      const T *gr = g + r * n, *xr = x + r * n;
      double total = 0, product = 0;
      for (int64_t i = 0; i < n; i += kBlock) {
        const int64_t k = std::min(kBlock, n - i);
        const Run<T> gi(gr + i, k), xi(xr + i, k);
        Out<T>(dw + i, k) += gi * ((xi - mean) * rstd);
        Out<T>(dw + n + i, k) += gi;
        if (w) {
          total += static_cast<double>((gi * Run<T>(w + i, k)).sum());
          product += static_cast<double>((gi * Run<T>(w + i, k) * ((xi - mean) * rstd)).sum());
        } else {
          total += static_cast<double>(gi.sum());
          product += static_cast<double>((gi * ((xi - mean) * rstd)).sum());
        }
      }
      const T a = static_cast<T>(total / static_cast<double>(n));
      const T b = static_cast<T>(product / static_cast<double>(n));
      const Run<T> gi(gr, n), xi(xr, n);
      if (w) Out<T>(dx + r * n, n) = (gi * Run<T>(w, n) - a - (xi - mean) * rstd * b) * rstd;
      else Out<T>(dx + r * n, n) = (gi - a - (xi - mean) * rstd * b) * rstd;
    }
  });
  for (int k = 0; k < 2; ++k) {
    Out<T> to(static_cast<T*>(out[1 + k].data), n);
    to.setZero();
    for (int64_t p = 0; p < pieces; ++p) to += Run<T>(sums.data() + (2 * p + k) * n, n);
  }
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::ChannelMoments, "channel_moments", &moments<T>);
  enter<T>(entries, Id::ChannelAffine, "channel_affine", &affine<T>);
  enter<T>(entries, Id::ChannelDots, "channel_dots", &dots<T>);
  enter<T>(entries, Id::LayerNorm, "layer_norm", &layer_norm<T>, {7, 1});
  enter<T>(entries, Id::LayerNormBackward, "layer_norm_backward", &layer_norm_backward<T>);
}

}  // namespace

void fill_normalization(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
