// Convolutions of small images: the windows of several side by side make one product, which reads
// the weights once for all of them.
#pragma once

#include <vector>

#include "kernels/gemm.h"
#include "kernels/unfold.h"

namespace bx::kernels {

/// Few positions to an image, and weights that are worth reading seldom.
inline bool has_small_images(const ConvGeometry& g) {
  return g.batch > 1 && g.positions() > 0 && g.positions() <= 64 &&
         g.in_channels * g.taps() * g.out_channels >= (1 << 14);
}

/// The images of a batch in blocks, the positions of a block's images being columns.
class ImageBlocks {
 public:
  explicit ImageBlocks(const ConvGeometry& g)
      : g_(g), places_(static_cast<size_t>(g.taps() * g.positions()), -1) {
    for (int64_t tap = 0; tap < g.taps(); ++tap)
      for_runs(
          g, tap, 0, g.positions(),
          [&](int64_t from, int64_t at, int64_t n) {
            for (int64_t i = 0; i < n; ++i)
              places_[static_cast<size_t>(tap * g.positions() + at + i)] = from + i * g.stride[2];
          },
          [](int64_t, int64_t) {});
  }

  int64_t count() const { return ceil_div(g_.batch, kColumns / g_.positions()); }
  int64_t begin(int64_t block) const { return block * (kColumns / g_.positions()); }
  int64_t images(int64_t block) const {
    return std::min(g_.batch, begin(block + 1)) - begin(block);
  }
  int64_t columns(int64_t block) const { return images(block) * g_.positions(); }

  /// The windows of a group: [channels taps, columns].
  template <class T>
  T* unfold(const T* x, int64_t group, int64_t block) const {
    const int64_t width = columns(block);
    T* to = scratch<T>(ScratchUse::Windows, g_.in_channels * g_.taps() * width);
    for_lines(block, group, [&](const int64_t* places, int64_t row, int64_t column, int64_t at) {
      T* line = to + row * width + column;
      for (int64_t p = 0; p < g_.positions(); ++p)
        line[p] = places[p] < 0 ? T(0) : x[at + places[p]];
    });
    return to;
  }
  /// The transpose: x, which it overwrites, sums up what was made of its elements.
  template <class T>
  void fold(const T* from, T* x, int64_t group, int64_t block) const {
    const int64_t width = columns(block), size = g_.in_channels * g_.inputs();
    for (int64_t b = 0; b < images(block); ++b)
      std::fill_n(x + ((begin(block) + b) * g_.groups + group) * size, size, T(0));
    for_lines(block, group, [&](const int64_t* places, int64_t row, int64_t column, int64_t at) {
      const T* line = from + row * width + column;
      for (int64_t p = 0; p < g_.positions(); ++p)
        if (places[p] >= 0) x[at + places[p]] += line[p];
    });
  }

  /// f(the first element of an output's positions, their row and column) of a group.
  template <class F>
  void for_outputs(int64_t group, int64_t block, F f) const {
    for (int64_t b = 0; b < images(block); ++b)
      for (int64_t o = 0; o < g_.out_channels; ++o)
        f((((begin(block) + b) * g_.groups + group) * g_.out_channels + o) * g_.positions(), o,
          b * g_.positions());
  }
  /// The gradients of a group: [out channels, columns].
  template <class T>
  T* gather(const T* y, int64_t group, int64_t block) const {
    const int64_t width = columns(block);
    T* to = scratch<T>(ScratchUse::Images, g_.out_channels * width);
    for_outputs(group, block, [&](int64_t at, int64_t o, int64_t column) {
      std::copy_n(y + at, g_.positions(), to + o * width + column);
    });
    return to;
  }

 private:
  static constexpr int64_t kColumns = 256;

  /// f(where the elements of a tap lie, row, column, where the channel begins).
  template <class F>
  void for_lines(int64_t block, int64_t group, F f) const {
    for (int64_t b = 0; b < images(block); ++b) {
      const int64_t image = (begin(block) + b) * g_.groups + group;
      for (int64_t c = 0; c < g_.in_channels; ++c)
        for (int64_t tap = 0; tap < g_.taps(); ++tap)
          f(places_.data() + tap * g_.positions(), c * g_.taps() + tap, b * g_.positions(),
            (image * g_.in_channels + c) * g_.inputs());
    }
  }

  const ConvGeometry& g_;
  std::vector<int64_t> places_;  // by tap and position: in its channel; -1: in the padding
};

/// f(group, block) for all of them, on the threads; a single one leaves them to its product.
template <class F>
void for_blocks(const ConvGeometry& g, const ImageBlocks& blocks, F f) {
  parallel_for(g.groups * blocks.count(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) f(task / blocks.count(), task % blocks.count());
  });
}

/// y [N, G O, positions] = w [G O, C taps] @ windows of x [N, G C, inputs] (+ bias [G O]).
template <class T>
void convolve_gathered(const ConvGeometry& g, const T* x, const T* w, const T* bias, T* y) {
  const ImageBlocks blocks(g);
  const int64_t depth = g.in_channels * g.taps();
  for_blocks(g, blocks, [&](int64_t group, int64_t block) {
    const int64_t width = blocks.columns(block);
    const T* windows = blocks.unfold(x, group, block);
    T* out = scratch<T>(ScratchUse::Images, g.out_channels * width);
    gemm(Product<T>{g.out_channels,
                    width,
                    depth,
                    {w + group * g.out_channels * depth, depth, 1},
                    {windows, width, 1},
                    {},
                    out,
                    width});
    blocks.for_outputs(group, block, [&](int64_t at, int64_t o, int64_t column) {
      const T add = bias ? bias[group * g.out_channels + o] : T(0);
      const T* from = out + o * width + column;
      for (int64_t p = 0; p < g.positions(); ++p) y[at + p] = from[p] + add;
    });
  });
}

/// The gradient of x from that of y.
template <class T>
void convolve_back_gathered(const ConvGeometry& g, const T* y, const T* w, T* x) {
  const ImageBlocks blocks(g);
  const int64_t depth = g.in_channels * g.taps();
  for_blocks(g, blocks, [&](int64_t group, int64_t block) {
    const int64_t width = blocks.columns(block);
    const T* gradients = blocks.gather(y, group, block);
    T* windows = scratch<T>(ScratchUse::Windows, depth * width);
    gemm(Product<T>{depth,
                    width,
                    g.out_channels,
                    {w + group * g.out_channels * depth, 1, depth},
                    {gradients, width, 1},
                    {},
                    windows,
                    width});
    blocks.fold(windows, x, group, block);
  });
}

/// The gradient of w, block after block: their sums meet in the same memory.
template <class T>
void weigh_gathered(const ConvGeometry& g, const T* x, const T* y, T* w) {
  const ImageBlocks blocks(g);
  const int64_t depth = g.in_channels * g.taps();
  parallel_for(g.groups, 1, [&](int64_t first, int64_t last) {
    for (int64_t group = first; group < last; ++group)
      for (int64_t block = 0; block < blocks.count(); ++block) {
        const int64_t width = blocks.columns(block);
        T* sums = w + group * g.out_channels * depth;
        const T* gradients = blocks.gather(y, group, block);
        const Strided2d<T> windows{blocks.unfold(x, group, block), width, 1};
        gemm(Product<T>{g.out_channels,
                        depth,
                        width,
                        {gradients, width, 1},
                        windows.transposed(),
                        block ? Start<T>{sums, depth} : Start<T>{},
                        sums,
                        depth});
      }
  });
}

}  // namespace bx::kernels
