// Convolutions whose windows move by one element, as matrix products in which nothing is unfolded:
// over a padded image taken as one line, a tap is a shift, so that the rows of the "unfolded"
// matrix are that one line read from different places. What the line has between two rows of
// outputs is computed too, and left out on the way to the result.
#pragma once

#include <vector>

#include "kernels/gemm_pack.h"
#include "kernels/scratch.h"
#include "kernels/windows.h"

namespace bx::kernels {

inline bool moves_by_one(const ConvGeometry& g) {
  return g.stride[0] == 1 && g.stride[1] == 1 && g.stride[2] == 1;
}

/// The transpose in the input, as a convolution of the gradient: padded so that every input element
/// meets the outputs that saw it, its taps turned round.
inline ConvGeometry turned_round(const ConvGeometry& g) {
  ConvGeometry t = g;
  std::swap(t.in_channels, t.out_channels);
  for (int d = 0; d < 3; ++d) {
    t.in[d] = g.out[d];
    t.out[d] = g.in[d];
    t.padding[d] = g.dilation[d] * (g.window[d] - 1) - g.padding[d];
  }
  return t;
}

/// The padded image of one group, its lines side by side.
class PaddedLine {
 public:
  explicit PaddedLine(const ConvGeometry& g) : g_(g) {
    for (int d = 0; d < 3; ++d) extent_[d] = g.out[d] + g.dilation[d] * (g.window[d] - 1);
    for (int64_t c = 0; c < g.in_channels; ++c)
      for (int64_t tap = 0; tap < g.taps(); ++tap) {
        const int64_t z = tap / (g.window[1] * g.window[2]), y = tap / g.window[2] % g.window[1],
                      x = tap % g.window[2];
        shifts_.push_back(c * plane() +
                          (z * g.dilation[0] * extent_[1] + y * g.dilation[1]) * width() +
                          x * g.dilation[2]);
      }
  }

  int64_t width() const { return extent_[2]; }
  int64_t plane() const { return extent_[0] * extent_[1] * extent_[2]; }
  /// Lines from the first output's to the last one's, and the positions on them.
  int64_t lines() const { return (g_.out[0] - 1) * extent_[1] + g_.out[1]; }
  int64_t positions() const { return (lines() - 1) * width() + g_.out[2]; }
  /// The number of the line among the outputs' lines, or -1 for one between two planes.
  int64_t output_line(int64_t line) const {
    return line % extent_[1] < g_.out[1] ? line / extent_[1] * g_.out[1] + line % extent_[1] : -1;
  }
  /// Where the row of each channel and tap begins.
  const std::vector<int64_t>& shifts() const { return shifts_; }

  /// The image of all channels; `slack` elements behind it may be read.
  template <class T>
  const T* fill(const T* image, int64_t slack) const {
    T* const to = scratch<T>(ScratchUse::Windows, g_.in_channels * plane() + slack);
    const int64_t left = std::clamp<int64_t>(g_.padding[2], 0, width());
    const int64_t from = std::max<int64_t>(0, -g_.padding[2]);
    const int64_t count = std::clamp<int64_t>(g_.in[2] - from, 0, width() - left);
    T* line = to;
    for (int64_t c = 0; c < g_.in_channels; ++c)
      for (int64_t z = -g_.padding[0]; z < extent_[0] - g_.padding[0]; ++z)
        for (int64_t y = -g_.padding[1]; y < extent_[1] - g_.padding[1]; ++y, line += width()) {
          if (z < 0 || z >= g_.in[0] || y < 0 || y >= g_.in[1]) {
            std::fill_n(line, width(), T(0));
            continue;
          }
          std::fill_n(line, left, T(0));
          std::copy_n(image + ((c * g_.in[0] + z) * g_.in[1] + y) * g_.in[2] + from, count,
                      line + left);
          std::fill_n(line + left + count, width() - left - count, T(0));
        }
    std::fill_n(line, slack, T(0));
    return to;
  }

 private:
  const ConvGeometry& g_;
  int64_t extent_[3];
  std::vector<int64_t> shifts_;
};

namespace shifted_detail {

constexpr int64_t kResultBytes = 1 << 17;  // of the padded result at a time

/// C [Rows, panels] = W [Rows, k] by the line's shifted rows.
template <class T, int Rows>
void run_rows(const std::vector<int64_t>& shifts, const T* weight, const T* line, int64_t panels,
              T* c, int64_t c_step) {
  const auto k = static_cast<int64_t>(shifts.size());
  const int64_t* shift = shifts.data();
  for (int64_t j = 0; j < panels; ++j) {
    const T* at = line + j * kPanelCols<T>;
    tile<Lanes<T>, Rows, 2>(
        k, [=](int64_t i, int64_t p) { return weight[i * k + p]; },
        [=](int64_t p) { return at + shift[p]; }, {}, c + j * kPanelCols<T>, c_step);
  }
}

/// C [Rows, Vectors registers] += the line's rows, each shifted, by the panel [k, Vectors
/// registers].
template <class T, int Rows, int Vectors>
void run_weights(const int64_t* shifts, const T* line, int64_t k, const T* panel, Start<T> start,
                 T* c, int64_t c_step) {
  const T* rows[Rows];
  for (int i = 0; i < Rows; ++i) rows[i] = line + shifts[i];
  tile<Lanes<T>, Rows, Vectors>(
      k, [=](auto i, int64_t p) { return rows[i][p]; },
      [=](int64_t p) { return panel + p * Vectors * Lanes<T>::width; }, start, c, c_step);
}

template <class T, int Vectors, template <class, int> class Pick>
auto by_rows(int64_t rows) {
  static constexpr auto all = []<int... R>(std::integer_sequence<int, R...>) {
    return std::array{Pick<T, R + 1>::fn...};
  }(std::make_integer_sequence<int, tile_rows<T>(Vectors)>{});
  return all[static_cast<size_t>(rows - 1)];
}
template <class T, int Rows>
struct Forward {
  static constexpr auto fn = &run_rows<T, Rows>;
};
template <class T, int Rows>
struct Narrow {
  static constexpr auto fn = &run_weights<T, Rows, 1>;
};
template <class T, int Rows>
struct Wide {
  static constexpr auto fn = &run_weights<T, Rows, 2>;
};

}  // namespace shifted_detail

/// out [O, positions] = weight [O, C taps] by the windows of one image, plus bias [O].
template <class T>
void convolve_shifted(const ConvGeometry& g, const PaddedLine& padded, const T* image,
                      const T* weight, const T* bias, T* out) {
  using namespace shifted_detail;
  constexpr int64_t cols = kPanelCols<T>;
  const T* line = padded.fill(image, cols);
  const int64_t depth = g.in_channels * g.taps(), width = padded.width();
  const int64_t most = std::max<int64_t>(
      1, kResultBytes / (g.out_channels * width * static_cast<int64_t>(sizeof(T))));
  const Cut blocks(padded.lines(), most), tiles(g.out_channels, tile_rows<T>(2));
  for (int64_t b = 0; b < blocks.count; ++b) {
    const int64_t first = blocks.begin(b), count = blocks.size(b);
    const int64_t panels = ((count - 1) * width + g.out[2] + cols - 1) / cols, step = panels * cols;
    T* c = scratch<T>(ScratchUse::Product, g.out_channels * step);
    for (int64_t i = 0; i < tiles.count; ++i) {
      const int64_t r = tiles.begin(i);
      by_rows<T, 2, Forward>(tiles.size(i))(padded.shifts(), weight + r * depth,
                                            line + first * width, panels, c + r * step, step);
    }
    for (int64_t o = 0; o < g.out_channels; ++o)
      for (int64_t l = 0; l < count; ++l) {
        const int64_t at = padded.output_line(first + l);
        if (at < 0) continue;
        const T *from = c + o * step + l * width, add = bias ? bias[o] : T(0);
        T* to = out + o * g.positions() + at * g.out[2];
        for (int64_t x = 0; x < g.out[2]; ++x) to[x] = from[x] + add;
      }
  }
}

/// sums [C taps, O rounded up to registers] += (or, at first, =) windows of the image by the
/// gradient [O, positions].
template <class T>
void weigh_shifted(const ConvGeometry& g, const PaddedLine& padded, const T* image,
                   const T* gradient, bool first, T* sums, int64_t sums_step) {
  using namespace shifted_detail;
  constexpr int64_t w = Lanes<T>::width;
  const T* line = padded.fill(image, kPanelCols<T>);
  const int64_t depth = g.in_channels * g.taps(), k = padded.positions(), width = padded.width();
  const bool wide = g.out_channels > w;
  const int64_t cols = wide ? 2 * w : w;
  T* panel = scratch<T>(ScratchUse::Panels, k * cols + w);
  for (int64_t o = 0; o < g.out_channels; o += cols) {
    // The gradient turned, zeros between the rows of outputs.
    for (int64_t l = 0; l < padded.lines(); ++l) {
      const int64_t at = padded.output_line(l);
      T* to = panel + l * width * cols;
      if (at >= 0)
        pack(Strided2d<T>{gradient + o * g.positions() + at * g.out[2], 1, g.positions()},
             std::min(cols, g.out_channels - o), g.out[2], to, cols);
      const int64_t done = at < 0 ? 0 : g.out[2];
      if (l + 1 < padded.lines()) std::fill_n(to + done * cols, (width - done) * cols, T(0));
    }
    const Cut tiles(depth, tile_rows<T>(wide ? 2 : 1));
    for (int64_t i = 0; i < tiles.count; ++i) {
      const int64_t r = tiles.begin(i), h = tiles.size(i);
      T* c = sums + r * sums_step + o;
      const auto run = wide ? by_rows<T, 2, Wide>(h) : by_rows<T, 1, Narrow>(h);
      run(padded.shifts().data() + r, line, k, panel, first ? Start<T>{} : Start<T>{c, sums_step},
          c, sums_step);
    }
  }
}

}  // namespace bx::kernels
