// The images of a convolution as one padded line, over which a tap is a shift. Where windows move
// by more than one element, the image is dealt out to as many smaller ones, in each of which they
// move by one.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "kernels/scratch.h"
#include "kernels/windows.h"

namespace bx::kernels {

/// Windows along one dimension: `out` of them, `step` apart, over `in` elements behind `before`
/// zeros (or, if it is negative, without the first ones). Taps count from where a window begins.
struct LineWindows {
  int64_t in = 1, out = 1, step = 1, before = 0;
  std::vector<int64_t> taps{0};
};

/// The padded images of `channels` channels, their lines side by side.
class PaddedLine {
 public:
  using Dims = std::array<LineWindows, 3>;

  PaddedLine(int64_t channels, Dims dims) : channels_(channels), dims_(std::move(dims)) {
    std::vector<int64_t> places[3];
    int64_t inner = 1;
    for (int d = 2; d >= 0; --d) {
      const LineWindows& w = dims_[d];
      extent_[d] = w.out + *std::max_element(w.taps.begin(), w.taps.end()) / w.step;
      for (const int64_t tap : w.taps) places[d].push_back(tap / w.step * inner);
      inner *= extent_[d];
    }
    for (int d = 2; d >= 0; --d) {
      const LineWindows& w = dims_[d];
      for (size_t k = 0; k < w.taps.size(); ++k) {
        const Phase phase(w, w.taps[k] % w.step, extent_[d]);
        auto& known = phases_[d];
        const auto at = std::find(known.begin(), known.end(), phase);
        places[d][k] += (at - known.begin()) * inner;
        if (at == known.end()) known.push_back(phase);
      }
      inner *= static_cast<int64_t>(phases_[d].size());
    }
    plane_ = inner;
    for (int64_t c = 0; c < channels; ++c)
      for (const int64_t z : places[0])
        for (const int64_t y : places[1])
          for (const int64_t x : places[2]) shifts_.push_back(c * plane_ + z + y + x);
  }

  int64_t width() const { return extent_[2]; }
  /// From the first output to the last one, on the line.
  int64_t positions() const {
    return ((dims_[0].out - 1) * extent_[1] + dims_[1].out - 1) * width() + dims_[2].out;
  }
  /// Where the row of each channel and tap begins.
  const std::vector<int64_t>& shifts() const { return shifts_; }

  /// f(position, z, y, x, count) for the runs of outputs on positions [begin, end).
  template <class F>
  void for_outputs(int64_t begin, int64_t end, F f) const {
    const int64_t line = begin / width();
    int64_t z = line / extent_[1], y = line % extent_[1];
    for (int64_t row = line * width(); row < end; row += width()) {
      const int64_t from = std::max(begin, row), count = std::min(end, row + dims_[2].out) - from;
      if (y < dims_[1].out && count > 0) f(from, z, y, from - row, count);
      if (++y == extent_[1]) {
        y = 0;
        ++z;
      }
    }
  }

  /// The image of all channels; `slack` elements behind it may be read.
  template <class T>
  const T* fill(const T* image, int64_t slack) const {
    const int64_t row = dims_[2].in, plane = dims_[1].in * row, width = extent_[2];
    T* const all = scratch<T>(ScratchUse::Windows, channels_ * plane_ + slack);
    T* to = all;
    for (int64_t c = 0; c < channels_; ++c, image += dims_[0].in * plane)
      for (const Phase& pz : phases_[0])
        for (const Phase& py : phases_[1])
          for (const Phase& px : phases_[2])
            for (int64_t z = 0; z < extent_[0]; ++z)
              for (int64_t y = 0; y < extent_[1]; ++y, to += width) {
                if (!pz.has(z) || !py.has(y)) {
                  std::fill_n(to, width, T(0));
                  continue;
                }
                std::fill_n(to, px.low, T(0));
                copy_apart(image + pz.at(z) * plane + py.at(y) * row + px.at(px.low), px.step,
                           px.high - px.low, to + px.low);
                std::fill(to + px.high, to + width, T(0));
              }
    std::fill_n(to, slack, T(0));
    return all;
  }

 private:
  /// The elements first, first + step, ... of a dimension, of which [low, high) are there.
  struct Phase {
    Phase(const LineWindows& w, int64_t remainder, int64_t extent)
        : first(remainder - w.before),
          step(w.step),
          low(std::clamp<int64_t>(first < 0 ? ceil_div(-first, step) : 0, 0, extent)),
          high(std::clamp<int64_t>(first < w.in ? ceil_div(w.in - first, step) : 0, low, extent)) {}
    bool has(int64_t k) const { return k >= low && k < high; }
    int64_t at(int64_t k) const { return first + k * step; }
    bool operator==(const Phase&) const = default;

    int64_t first, step, low, high;
  };

  template <class T>
  static void copy_apart(const T* from, int64_t step, int64_t n, T* to) {
    if (step == 1) std::copy_n(from, n, to);
    else if (step == 2)
      for (int64_t k = 0; k < n; ++k) to[k] = from[2 * k];
    else
      for (int64_t k = 0; k < n; ++k) to[k] = from[k * step];
  }

  int64_t channels_;
  Dims dims_;
  std::vector<Phase> phases_[3];
  int64_t extent_[3];  // of one phase
  int64_t plane_;
  std::vector<int64_t> shifts_;
};

/// Where outputs lie: the first one, and how far apart those of neighbouring channels are, and of
/// neighbouring windows.
struct OutputGrid {
  int64_t first, channel, step[3];

  int64_t at(int64_t z, int64_t y, int64_t x) const {
    return first + z * step[0] + y * step[1] + x * step[2];
  }
};

/// Where the outputs of an image lie.
inline OutputGrid outputs_of(const ConvGeometry& g) {
  return {0, g.positions(), {g.out[1] * g.out[2], g.out[2], 1}};
}

/// The images of a group, as the windows see them.
inline PaddedLine line_of(const ConvGeometry& g) {
  PaddedLine::Dims dims;
  for (int d = 0; d < 3; ++d) {
    dims[d] = {g.in[d], g.out[d], g.stride[d], g.padding[d], {}};
    for (int64_t k = 0; k < g.window[d]; ++k) dims[d].taps.push_back(k * g.dilation[d]);
  }
  return {g.in_channels, std::move(dims)};
}

/// The input elements of one remainder by the strides: their gradients are a convolution of the
/// outputs' with the taps that meet them.
class Remainder {
 public:
  /// The remainders that a tap meets, along dimension d.
  static std::vector<int64_t> along(const ConvGeometry& g, int d) {
    std::vector<int64_t> all;
    for (int64_t k = 0; k < g.window[d]; ++k) {
      const int64_t r = k * g.dilation[d] % g.stride[d];
      if (std::find(all.begin(), all.end(), r) == all.end()) all.push_back(r);
    }
    return all;
  }

  Remainder(const ConvGeometry& g, const std::array<int64_t, 3>& remainder)
      : grid_{0, g.inputs(), {g.in[1] * g.in[2], g.in[2], 1}} {
    for (int d = 0; d < 3; ++d) {
      // Elements stride q + r - padding meet the outputs q - j by the taps at stride j + r.
      const int64_t stride = g.stride[d], start = remainder[d] - g.padding[d];
      const int64_t q = ceil_div(std::max<int64_t>(0, -start), stride);
      LineWindows& w = dims_[d];
      w = {g.out[d], ceil_div(std::max<int64_t>(0, g.in[d] - start), stride) - q, 1, 0, {}};
      std::vector<int64_t> back, places;
      for (int64_t k = 0; k < g.window[d]; ++k)
        if (k * g.dilation[d] % stride == remainder[d]) {
          back.push_back(k * g.dilation[d] / stride);
          places.push_back(k);
        }
      for (const int64_t j : back) w.taps.push_back(back.back() - j);
      w.before = back.back() - q;
      std::vector<int64_t> all;
      for (const int64_t place : places_)
        for (const int64_t k : places) all.push_back(place * g.window[d] + k);
      places_ = std::move(all);
      grid_.first += (stride * q + start) * grid_.step[d];
      grid_.step[d] *= stride;
    }
  }

  bool is_empty() const {
    return std::any_of(dims_.begin(), dims_.end(), [](const auto& w) { return w.out <= 0; });
  }
  const OutputGrid& grid() const { return grid_; }
  PaddedLine line(const ConvGeometry& g) const { return {g.out_channels, dims_}; }
  /// The weights of these taps by input channel: [G C, O taps].
  template <class T>
  std::vector<T> weights(const ConvGeometry& g, const T* w) const {
    std::vector<T> turned;
    turned.reserve(static_cast<size_t>(g.groups * g.in_channels * g.out_channels) * places_.size());
    for (int64_t group = 0; group < g.groups; ++group)
      for (int64_t c = 0; c < g.in_channels; ++c)
        for (int64_t o = 0; o < g.out_channels; ++o)
          for (const int64_t place : places_)
            turned.push_back(
                w[((group * g.out_channels + o) * g.in_channels + c) * g.taps() + place]);
    return turned;
  }

 private:
  PaddedLine::Dims dims_;
  std::vector<int64_t> places_{0};
  OutputGrid grid_;
};

}  // namespace bx::kernels
