// Convolutions as matrix products: over the windows of several small images (conv_gathered.h), over
// a padded image read at shifted places where windows move by one (conv_shifted.h), else over
// windows unfolded block by block, so that a block stays in the cache; group-wise ones with few
// channels directly, tap by tap.
#include <Eigen/Core>
#include <algorithm>
#include <optional>
#include <vector>

#include "kernels/conv_gathered.h"
#include "kernels/conv_shifted.h"
#include "kernels/families.h"
#include "kernels/gemm.h"
#include "kernels/unfold.h"

namespace bx::kernels {

namespace {

constexpr int64_t kBlockBytes = 1 << 18;     // of unfolded windows at a time
constexpr int64_t kWork = int64_t{1} << 18;  // multiply-adds that are worth a thread
constexpr int64_t kPieces = 8;               // tasks made of what has no natural ones
constexpr int64_t kDirectChannels = 4;       // in * out channels of a group that go tap by tap

const ConvGeometry& geometry(const Params& p) {
  return *static_cast<const ConvGeometry*>(p.object);
}

/// Windows of size 1 without gaps or padding: the input is its own unfolding.
bool is_matrix(const ConvGeometry& g) {
  bool plain = true;
  for (int d = 0; d < 3; ++d)
    plain =
        plain && g.window[d] == 1 && g.stride[d] == 1 && g.padding[d] == 0 && g.in[d] == g.out[d];
  return plain;
}
bool is_gathered(const ConvGeometry& g) { return has_small_images(g) && !is_matrix(g); }
bool is_shifted(const ConvGeometry& g) { return moves_by_one(g) && !is_matrix(g); }
bool is_direct(const ConvGeometry& g) { return g.in_channels * g.out_channels <= kDirectChannels; }

template <class T>
int64_t block_width(const ConvGeometry& g) {
  const int64_t fits = kBlockBytes / static_cast<int64_t>(sizeof(T)) /
                       std::max<int64_t>(1, g.in_channels * g.taps());
  const int64_t positions = std::max<int64_t>(1, g.positions());
  return std::min(positions, std::max<int64_t>(64, fits / 16 * 16));
}

/// Positions [begin, end) of a group of channels unfolded: [channels * taps, end - begin], in the
/// thread's scratch or where they lie.
template <class T>
Strided2d<T> unfolded(const ConvGeometry& g, const T* x, int64_t begin, int64_t end) {
  const int64_t rows = g.in_channels * g.taps(), width = end - begin;
  if (is_matrix(g)) return {x + begin, g.positions(), 1};
  T* buffer = scratch<T>(ScratchUse::Windows, rows * width);
  for (int64_t c = 0; c < g.in_channels; ++c)
    for (int64_t tap = 0; tap < g.taps(); ++tap)
      unfold_tap(g, x + c * g.inputs(), tap, begin, end, buffer + (c * g.taps() + tap) * width);
  return {buffer, width, 1};
}

/// f(input channel, output channel, tap) over a group that is computed directly.
template <class F>
void for_pairs(const ConvGeometry& g, F f) {
  for (int64_t o = 0; o < g.out_channels; ++o)
    for (int64_t c = 0; c < g.in_channels; ++c)
      for (int64_t tap = 0; tap < g.taps(); ++tap)
        f(c, o, tap, (o * g.in_channels + c) * g.taps() + tap);
}

/// out [N, G O, positions] = in1 [G O, C taps] @ windows of in0 [N, G C, inputs] (+ in2 [G O] when
/// i[0]); object = the geometry. All contiguous.
template <class T>
void conv(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  const auto* x = static_cast<const T*>(in[0].data);
  const auto* w = static_cast<const T*>(in[1].data);
  const T* bias = params.i[0] ? static_cast<const T*>(in[2].data) : nullptr;
  auto* y = static_cast<T*>(out[0].data);
  if (is_gathered(g)) return convolve_gathered(g, x, w, bias, y);
  const int64_t positions = g.positions(), depth = g.in_channels * g.taps();
  const bool direct = is_direct(g);
  const bool shifted = !direct && is_shifted(g) && positions > 0;
  const int64_t width = direct || shifted ? positions : block_width<T>(g);
  const int64_t blocks = ceil_div(positions, std::max<int64_t>(1, width));
  const int64_t work = std::max<int64_t>(1, width * depth * g.out_channels);
  parallel_for(
      g.batch * g.groups * blocks, std::max<int64_t>(1, kWork / work),
      [&](int64_t first, int64_t last) {
        const std::optional<PaddedLine> padded =
            shifted ? std::optional<PaddedLine>(g) : std::nullopt;
        for (int64_t task = first; task < last; ++task) {
          const int64_t image = task / blocks, group = image % g.groups;
          const int64_t begin = task % blocks * width, end = std::min(positions, begin + width);
          const T* source = x + image * g.in_channels * g.inputs();
          const T* weight = w + group * g.out_channels * depth;
          T* target = y + image * g.out_channels * positions;
          if (shifted) {
            convolve_shifted(g, *padded, source, weight,
                             bias ? bias + group * g.out_channels : nullptr, target);
            continue;
          }
          if (direct) {
            for (int64_t o = 0; o < g.out_channels; ++o)
              std::fill_n(target + o * positions, positions,
                          bias ? bias[group * g.out_channels + o] : T(0));
            for_pairs(g, [&](int64_t c, int64_t o, int64_t tap, int64_t at) {
              const T scale = weight[at], *from = source + c * g.inputs();
              T* row = target + o * positions;
              for_runs(
                  g, tap, 0, positions,
                  [&](int64_t p, int64_t q, int64_t count) {
                    add_scaled(row + q, 1, from + p, g.stride[2], scale, count);
                  },
                  [](int64_t, int64_t) {});
            });
            continue;
          }
          const Strided2d<T> matrix{weight, depth, 1};
          const Strided2d<T> windows = unfolded(g, source, begin, end);
          T* result = target + begin;
          for (int64_t o = 0; bias && o < g.out_channels; ++o)
            std::fill_n(result + o * positions, end - begin, bias[group * g.out_channels + o]);
          gemm(Product<T>{g.out_channels, end - begin, depth, matrix, windows,
                          bias ? Start<T>{result, positions} : Start<T>{}, result, positions});
        }
      });
}

/// conv_input where windows move by one: a convolution of the gradient with the taps turned round.
template <class T>
void conv_input_shifted(const ConvGeometry& g, const T* y, const T* w, T* x) {
  const ConvGeometry t = turned_round(g);
  const int64_t taps = g.taps(), size = g.out_channels * g.in_channels * taps;
  std::vector<T> turned(static_cast<size_t>(g.groups * size));
  for (int64_t group = 0; group < g.groups; ++group)
    for (int64_t o = 0; o < g.out_channels; ++o)
      for (int64_t c = 0; c < g.in_channels; ++c)
        for (int64_t tap = 0; tap < taps; ++tap)
          turned[static_cast<size_t>(group * size + (c * g.out_channels + o) * taps + taps - 1 -
                                     tap)] = w[group * size + (o * g.in_channels + c) * taps + tap];
  const int64_t work = std::max<int64_t>(1, t.positions() * size);
  parallel_for(g.batch * g.groups, std::max<int64_t>(1, kWork / work),
               [&](int64_t first, int64_t last) {
                 const PaddedLine padded(t);
                 for (int64_t image = first; image < last; ++image)
                   convolve_shifted<T>(t, padded, y + image * t.in_channels * t.inputs(),
                                       turned.data() + image % g.groups * size, nullptr,
                                       x + image * t.out_channels * t.positions());
               });
}

/// out [N, G C, inputs] = the transpose of `conv` in its input, of in0 [N, G O, positions];
/// in1 = weights. A task is a part of the channels of one image.
template <class T>
void conv_input(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  const auto* y = static_cast<const T*>(in[0].data);
  const auto* w = static_cast<const T*>(in[1].data);
  auto* x = static_cast<T*>(out[0].data);
  if (is_gathered(g)) return convolve_back_gathered(g, y, w, x);
  if (is_shifted(g) && !is_direct(g) && g.positions() > 0) return conv_input_shifted(g, y, w, x);
  const int64_t positions = g.positions(), depth = g.in_channels * g.taps();
  const int64_t images = g.batch * g.groups;
  const int64_t channels =
      images >= kPieces ? g.in_channels : std::max<int64_t>(1, ceil_div(g.in_channels, kPieces));
  const int64_t parts = ceil_div(g.in_channels, std::max<int64_t>(1, channels));
  const int64_t width = block_width<T>(g);
  const int64_t work = std::max<int64_t>(1, positions * channels * g.taps() * g.out_channels);
  parallel_for(
      images * parts, std::max<int64_t>(1, kWork / work), [&](int64_t first, int64_t last) {
        for (int64_t task = first; task < last; ++task) {
          const int64_t image = task / parts, group = image % g.groups;
          const int64_t c0 = task % parts * channels,
                        count = std::min(channels, g.in_channels - c0);
          const T* source = y + image * g.out_channels * positions;
          const T* weight = w + group * g.out_channels * depth;
          T* target = x + (image * g.in_channels + c0) * g.inputs();
          std::fill_n(target, count * g.inputs(), T(0));
          if (is_direct(g)) {
            for_pairs(g, [&](int64_t c, int64_t o, int64_t tap, int64_t at) {
              if (c < c0 || c >= c0 + count) return;
              const T scale = weight[at], *from = source + o * positions;
              T* row = target + (c - c0) * g.inputs();
              for_runs(
                  g, tap, 0, positions,
                  [&](int64_t p, int64_t q, int64_t n) {
                    add_scaled(row + p, g.stride[2], from + q, 1, scale, n);
                  },
                  [](int64_t, int64_t) {});
            });
            continue;
          }
          const int64_t rows = count * g.taps();
          const Strided2d<T> matrix{weight + c0 * g.taps(), 1, depth};
          for (int64_t begin = 0; begin < positions; begin += width) {
            const int64_t end = std::min(positions, begin + width), n = end - begin;
            const Strided2d<T> gradient{source + begin, positions, 1};
            if (is_matrix(g)) {
              gemm(Product<T>{
                  rows, n, g.out_channels, matrix, gradient, {}, target + begin, positions});
              continue;
            }
            T* buffer = scratch<T>(ScratchUse::Windows, rows * n);
            gemm(Product<T>{rows, n, g.out_channels, matrix, gradient, {}, buffer, n});
            for (int64_t c = 0; c < count; ++c)
              for (int64_t tap = 0; tap < g.taps(); ++tap)
                fold_tap(g, buffer + (c * g.taps() + tap) * n, tap, begin, end,
                         target + c * g.inputs());
          }
        }
      });
}

/// out [G O, C taps] = sum over images and positions of in1 [N, G O, positions] times the windows
/// of in0 [N, G C, inputs]. Images are summed in a number of pieces that the sizes decide, and the
/// pieces in order.
template <class T>
void conv_weight(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  const auto* x = static_cast<const T*>(in[0].data);
  const auto* y = static_cast<const T*>(in[1].data);
  auto* w = static_cast<T*>(out[0].data);
  if (is_gathered(g)) return weigh_gathered(g, x, y, w);
  const int64_t positions = g.positions(), depth = g.in_channels * g.taps();
  const int64_t size = g.out_channels * depth, total = g.groups * size;
  const bool direct = is_direct(g);
  const bool shifted = !direct && is_shifted(g) && positions > 0;
  const int64_t width = direct || shifted ? std::max<int64_t>(1, positions) : block_width<T>(g);
  const int64_t blocks = ceil_div(positions, width), units = g.batch * blocks;
  const bool large = units * width * size >= kWork && g.groups < kPieces;
  const int64_t per_piece = std::max<int64_t>(1, large ? ceil_div(units, kPieces) : units);
  const int64_t pieces = std::max<int64_t>(1, ceil_div(units, per_piece));
  std::vector<T> partial(static_cast<size_t>((pieces - 1) * total));
  const int64_t work = std::max<int64_t>(1, per_piece * width * size);
  parallel_for(
      pieces * g.groups, std::max<int64_t>(1, kWork / work), [&](int64_t first, int64_t last) {
        const std::optional<PaddedLine> padded =
            shifted ? std::optional<PaddedLine>(g) : std::nullopt;
        const int64_t turned_step = ceil_div(g.out_channels, kPanelCols<T>) * kPanelCols<T>;
        for (int64_t task = first; task < last; ++task) {
          const int64_t piece = task / g.groups, group = task % g.groups;
          T* sums = (piece ? partial.data() + (piece - 1) * total : w) + group * size;
          std::fill_n(sums, size, T(0));
          T* turned = shifted ? scratch<T>(ScratchUse::Product, depth * turned_step) : nullptr;
          const int64_t begin_unit = piece * per_piece;
          for (int64_t u = piece * per_piece; u < std::min(units, (piece + 1) * per_piece); ++u) {
            const int64_t image = u / blocks * g.groups + group, begin = u % blocks * width;
            const int64_t end = std::min(positions, begin + width);
            const T* source = x + image * g.in_channels * g.inputs();
            const T* gradient = y + image * g.out_channels * positions;
            if (shifted) {
              weigh_shifted(g, *padded, source, gradient, u == begin_unit, turned, turned_step);
              continue;
            }
            if (!direct) {
              const Strided2d<T> windows = unfolded(g, source, begin, end);
              gemm(Product<T>{g.out_channels,
                              depth,
                              end - begin,
                              {gradient + begin, positions, 1},
                              windows.transposed(),
                              {sums, depth},
                              sums,
                              depth});
              continue;
            }
            for_pairs(g, [&](int64_t c, int64_t o, int64_t tap, int64_t at) {
              const T *from = source + c * g.inputs(), *row = gradient + o * positions;
              T sum = 0;
              for_runs(
                  g, tap, 0, positions,
                  [&](int64_t p, int64_t q, int64_t n) {
                    sum += Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>, 0,
                                      Eigen::InnerStride<>>(from + p, n,
                                                            Eigen::InnerStride<>(g.stride[2]))
                               .cwiseProduct(
                                   Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>(row + q, n))
                               .sum();
                  },
                  [](int64_t, int64_t) {});
              sums[at] += sum;
            });
          }
          for (int64_t o = 0; turned && begin_unit < units && o < g.out_channels; ++o)
            for (int64_t r = 0; r < depth; ++r) sums[o * depth + r] = turned[r * turned_step + o];
        }
      });
  for (int64_t p = 1; p < pieces; ++p)
    for (int64_t i = 0; i < total; ++i) w[i] += partial[static_cast<size_t>((p - 1) * total + i)];
}

/// f(channel) for every channel of every image, on the pool; `work` = elements of one.
template <class F>
void for_channels(const ConvGeometry& g, F f) {
  const int64_t work = std::max<int64_t>(1, g.taps() * g.positions());
  parallel_for(g.batch * g.in_channels, std::max<int64_t>(1, kWork / work),
               [&](int64_t first, int64_t last) {
                 for (int64_t c = first; c < last; ++c) f(c);
               });
}

/// out [N, C taps, positions] = the windows of in0 [N, C, inputs]; one group.
template <class T>
void unfold(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  for_channels(g, [&](int64_t c) {
    const T* x = static_cast<const T*>(in[0].data) + c * g.inputs();
    T* y = static_cast<T*>(out[0].data) + c * g.taps() * g.positions();
    for (int64_t tap = 0; tap < g.taps(); ++tap)
      unfold_tap(g, x, tap, 0, g.positions(), y + tap * g.positions());
  });
}

/// The transpose: out [N, C, inputs] = sums of in0 [N, C taps, positions].
template <class T>
void fold(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  for_channels(g, [&](int64_t c) {
    const T* y = static_cast<const T*>(in[0].data) + c * g.taps() * g.positions();
    T* x = static_cast<T*>(out[0].data) + c * g.inputs();
    std::fill_n(x, g.inputs(), T(0));
    for (int64_t tap = 0; tap < g.taps(); ++tap)
      fold_tap(g, y + tap * g.positions(), tap, 0, g.positions(), x);
  });
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::Conv, "conv", &conv<T>);
  enter<T>(entries, Id::ConvInput, "conv_input", &conv_input<T>);
  enter<T>(entries, Id::ConvWeight, "conv_weight", &conv_weight<T>);
  enter<T>(entries, Id::Unfold, "unfold", &unfold<T>);
  enter<T>(entries, Id::Fold, "fold", &fold<T>);
}

}  // namespace

void fill_conv(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
