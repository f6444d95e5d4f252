// Convolutions as matrix products: over the windows of several small images (conv_gathered.h), else
// over a padded image read at shifted places (conv_shifted.h).
#include <algorithm>
#include <vector>

#include "kernels/conv_gathered.h"
#include "kernels/conv_shifted.h"
#include "kernels/families.h"
#include "kernels/gemm.h"
#include "kernels/unfold.h"

namespace bx::kernels {

namespace {

constexpr int64_t kWork = int64_t{1} << 18;  // multiply-adds that are worth a thread
constexpr int64_t kPieces = 8;               // tasks made of what has no natural ones

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

/// f(image, first channel, channels) on the threads, an image being one of a group; few images are
/// cut into channels. `work` is that of a channel.
template <class F>
void for_images(const ConvGeometry& g, int64_t channels, int64_t work, F f) {
  const int64_t images = g.batch * g.groups;
  const int64_t cuts = images >= kPieces ? 1 : ceil_div(kPieces, std::max<int64_t>(1, images));
  const Cut parts(channels, std::max<int64_t>(1, ceil_div(channels, cuts)));
  work = std::max<int64_t>(1, work * parts.size(0));
  parallel_for(images * parts.count, std::max<int64_t>(1, kWork / work),
               [&](int64_t first, int64_t last) {
                 for (int64_t task = first; task < last; ++task) {
                   const int64_t part = task % parts.count;
                   f(task / parts.count, parts.begin(part), parts.size(part));
                 }
               });
}

/// A convolution that is a product of the weights and each image.
template <class T>
void convolve_matrix(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  const int64_t n = g.positions(), depth = g.in_channels;
  for_images(g, g.out_channels, n * depth, [&](int64_t image, int64_t o, int64_t count) {
    const int64_t channel = image % g.groups * g.out_channels + o;
    T* result = y + (image * g.out_channels + o) * n;
    for (int64_t k = 0; bias && k < count; ++k) std::fill_n(result + k * n, n, bias[channel + k]);
    gemm(Product<T>{count,
                    n,
                    depth,
                    {w + channel * depth, depth, 1},
                    {x + image * depth * n, n, 1},
                    bias ? Start<T>{result, n} : Start<T>{},
                    result,
                    n});
  });
}

/// One over padded lines.
template <class T>
void convolve_lines(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  const PaddedLine padded = line_of(g);
  const OutputGrid grid = outputs_of(g);
  const int64_t positions = g.positions(), depth = g.in_channels * g.taps();
  for_images(g, g.out_channels, positions * depth, [&](int64_t image, int64_t o, int64_t count) {
    const int64_t channel = image % g.groups * g.out_channels + o;
    convolve_shifted(padded, x + image * g.in_channels * g.inputs(), count, w + channel * depth,
                     bias ? bias + channel : nullptr, y + (image * g.out_channels + o) * positions,
                     grid);
  });
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
  if (g.positions() == 0) return;
  if (is_gathered(g)) convolve_gathered(g, x, w, bias, y);
  else if (is_matrix(g)) convolve_matrix(g, x, w, bias, y);
  else convolve_lines(g, x, w, bias, y);
}

/// conv_input by remainders.
template <class T>
void convolve_back_lines(const ConvGeometry& g, const T* y, const T* w, T* x) {
  const std::vector<int64_t> along[] = {Remainder::along(g, 0), Remainder::along(g, 1),
                                        Remainder::along(g, 2)};
  bool all_met = true;
  for (int d = 0; d < 3; ++d)
    all_met = all_met && static_cast<int64_t>(along[d].size()) == g.stride[d];
  if (!all_met) std::fill_n(x, g.batch * g.groups * g.in_channels * g.inputs(), T(0));
  for (const int64_t rz : along[0])
    for (const int64_t ry : along[1])
      for (const int64_t rx : along[2]) {
        const Remainder part(g, {rz, ry, rx});
        if (part.is_empty()) continue;
        const PaddedLine padded = part.line(g);
        const std::vector<T> weights = part.weights(g, w);
        const auto depth = static_cast<int64_t>(padded.shifts().size());
        for_images(g, g.in_channels, padded.positions() * depth,
                   [&](int64_t image, int64_t c, int64_t count) {
                     convolve_shifted<T>(
                         padded, y + image * g.out_channels * g.positions(), count,
                         weights.data() + (image % g.groups * g.in_channels + c) * depth, nullptr,
                         x + (image * g.in_channels + c) * g.inputs(), part.grid());
                   });
      }
}

/// The same where `conv` is a product of matrices.
template <class T>
void convolve_back_matrix(const ConvGeometry& g, const T* y, const T* w, T* x) {
  const int64_t n = g.positions(), depth = g.in_channels;
  for_images(g, depth, n * g.out_channels, [&](int64_t image, int64_t c, int64_t count) {
    gemm(Product<T>{count,
                    n,
                    g.out_channels,
                    {w + image % g.groups * g.out_channels * depth + c, 1, depth},
                    {y + image * g.out_channels * n, n, 1},
                    {},
                    x + (image * depth + c) * n,
                    n});
  });
}

/// out [N, G C, inputs] = the transpose of `conv` in its input, of in0 [N, G O, positions];
/// in1 = weights.
template <class T>
void conv_input(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  const auto* y = static_cast<const T*>(in[0].data);
  const auto* w = static_cast<const T*>(in[1].data);
  auto* x = static_cast<T*>(out[0].data);
  if (g.positions() == 0) std::fill_n(x, g.batch * g.groups * g.in_channels * g.inputs(), T(0));
  else if (is_gathered(g)) convolve_back_gathered(g, y, w, x);
  else if (is_matrix(g)) convolve_back_matrix(g, y, w, x);
  else convolve_back_lines(g, y, w, x);
}

/// w [G, size] = sums over the images: add(image, group, count, sums) adds `count` of them, from
/// one on, to a group's. They are added in a number of pieces that the sizes decide, and these in
/// order.
template <class T, class Add>
void sum_images(const ConvGeometry& g, T* w, Add add) {
  const int64_t size = g.out_channels * g.in_channels * g.taps(), total = g.groups * size;
  const bool large = g.batch * g.positions() * size >= kWork && g.groups < kPieces;
  const Cut pieces(g.batch, large ? ceil_div(g.batch, kPieces) : g.batch);
  const int64_t work = std::max<int64_t>(1, pieces.size(0) * g.positions() * size);
  std::vector<T> partial(static_cast<size_t>((pieces.count - 1) * total));
  parallel_for(pieces.count * g.groups, std::max<int64_t>(1, kWork / work),
               [&](int64_t first, int64_t last) {
                 for (int64_t task = first; task < last; ++task) {
                   const int64_t piece = task / g.groups, group = task % g.groups;
                   T* sums = (piece ? partial.data() + (piece - 1) * total : w) + group * size;
                   std::fill_n(sums, size, T(0));
                   add(pieces.begin(piece), group, pieces.size(piece), sums);
                 }
               });
  for (int64_t p = 1; p < pieces.count; ++p)
    for (int64_t i = 0; i < total; ++i) w[i] += partial[static_cast<size_t>((p - 1) * total + i)];
}

/// conv_weight where `conv` is a product of matrices.
template <class T>
void weigh_matrix(const ConvGeometry& g, const T* x, const T* y, T* w) {
  const int64_t n = g.positions(), depth = g.in_channels;
  sum_images(g, w, [&](int64_t first, int64_t group, int64_t count, T* sums) {
    for (int64_t k = first; k < first + count; ++k) {
      const int64_t image = k * g.groups + group;
      gemm(Product<T>{g.out_channels,
                      depth,
                      n,
                      {y + image * g.out_channels * n, n, 1},
                      {x + image * depth * n, 1, n},
                      {sums, depth},
                      sums,
                      depth});
    }
  });
}

/// The same over padded lines.
template <class T>
void weigh_lines(const ConvGeometry& g, const T* x, const T* y, T* w) {
  const PaddedLine padded = line_of(g);
  const OutputGrid grid = outputs_of(g);
  const int64_t depth = g.in_channels * g.taps();
  const int64_t step = ceil_div(g.out_channels, kPanelCols<T>) * kPanelCols<T>;
  const bool dots = weighs_by_dots<T>(padded, g.out_channels);
  sum_images(g, w, [&](int64_t first, int64_t group, int64_t count, T* sums) {
    T* turned = dots ? nullptr : scratch<T>(ScratchUse::Product, depth * step);
    for (int64_t k = first; k < first + count; ++k) {
      const int64_t image = k * g.groups + group;
      const T* source = x + image * g.in_channels * g.inputs();
      const T* gradient = y + image * g.out_channels * g.positions();
      if (dots) weigh_by_dots(padded, source, g.out_channels, gradient, grid, sums);
      else weigh_shifted(padded, source, g.out_channels, gradient, grid, k == first, turned, step);
    }
    for (int64_t o = 0; turned && o < g.out_channels; ++o)
      for (int64_t r = 0; r < depth; ++r) sums[o * depth + r] = turned[r * step + o];
  });
}

/// out [G O, C taps] = sum over images and positions of in1 [N, G O, positions] times the windows
/// of in0 [N, G C, inputs].
template <class T>
void conv_weight(const View* out, const View* in, const Params& params, FaultInfo*) {
  const ConvGeometry& g = geometry(params);
  const auto* x = static_cast<const T*>(in[0].data);
  const auto* y = static_cast<const T*>(in[1].data);
  auto* w = static_cast<T*>(out[0].data);
  if (g.positions() == 0 || g.batch == 0)
    std::fill_n(w, g.groups * g.out_channels * g.in_channels * g.taps(), T(0));
  else if (is_gathered(g)) weigh_gathered(g, x, y, w);
  else if (is_matrix(g)) weigh_matrix(g, x, y, w);
  else weigh_lines(g, x, y, w);
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
