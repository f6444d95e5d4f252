// Convolutions as matrix products in which nothing is unfolded: the rows of the "unfolded" matrix
// are one line (conv_line.h) read from different places. What the line has between two rows of
// outputs is computed too, and left out on the way to the result.
#pragma once

#include "kernels/conv_line.h"
#include "kernels/gemm_pack.h"

namespace bx::kernels {

namespace shifted_detail {

constexpr int64_t kResultBytes = 1 << 17;  // of the padded result at a time
constexpr int64_t kPositions = 1 << 10;    // of gradients at a time
constexpr int64_t kMostDots = 8;           // sums in registers

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

/// sums[i] += the line, shifted, times the gradient, over k elements of whole registers.
template <class T, int Rows>
void run_dots(const int64_t* shifts, const T* line, int64_t k, const T* gradient, T* sums) {
  using L = Lanes<T>;
  const T* rows[Rows];
  for (int i = 0; i < Rows; ++i) rows[i] = line + shifts[i];
  L sum[Rows];
  unrolled<Rows>([&](auto i) { sum[i] = L(T(0)); });
  for (int64_t p = 0; p < k; p += L::width) {
    const L g = in_register(L::load(gradient + p));
    unrolled<Rows>([&](auto i) { sum[i] = multiply_add(L::load(rows[i] + p), g, sum[i]); });
  }
  unrolled<Rows>([&](auto i) { sums[i] += add_lanes(sum[i]); });
}

/// Pick<T, 1>::fn, ..., Pick<T, Most>::fn by number.
template <class T, int Most, template <class, int> class Pick>
auto by_rows(int64_t rows) {
  static constexpr auto all = []<int... R>(std::integer_sequence<int, R...>) {
    return std::array{Pick<T, R + 1>::fn...};
  }(std::make_integer_sequence<int, Most>{});
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
template <class T, int Rows>
struct Dots {
  static constexpr auto fn = &run_dots<T, Rows>;
};

}  // namespace shifted_detail

/// The outputs of `channels` output channels = weight [channels, C taps] by the windows of one
/// image, plus bias [channels].
template <class T>
void convolve_shifted(const PaddedLine& padded, const T* image, int64_t channels, const T* weight,
                      const T* bias, T* out, const OutputGrid& grid) {
  using namespace shifted_detail;
  constexpr int64_t cols = kPanelCols<T>;
  const T* line = padded.fill(image, cols);
  const auto depth = static_cast<int64_t>(padded.shifts().size());
  const int64_t fits = kResultBytes / static_cast<int64_t>(sizeof(T)) / channels;
  const int64_t most = std::max<int64_t>(1, fits / cols) * cols;
  const Cut tiles(channels, tile_rows<T>(2));
  for (int64_t begin = 0; begin < padded.positions(); begin += most) {
    const int64_t end = std::min(padded.positions(), begin + most);
    const int64_t panels = ceil_div(end - begin, cols), step = panels * cols;
    T* c = scratch<T>(ScratchUse::Product, channels * step);
    for (int64_t i = 0; i < tiles.count; ++i) {
      const int64_t r = tiles.begin(i);
      by_rows<T, tile_rows<T>(2), Forward>(tiles.size(i))(padded.shifts(), weight + r * depth,
                                                          line + begin, panels, c + r * step, step);
    }
    for (int64_t o = 0; o < channels; ++o) {
      const T add = bias ? bias[o] : T(0);
      const T* const row = c + o * step - begin;
      T* const first = out + o * grid.channel;
      // By value: what no store can change stays in registers.
      padded.for_outputs(begin, end, [=](int64_t at, int64_t z, int64_t y, int64_t x, int64_t n) {
        const T* from = row + at;
        T* to = first + grid.at(z, y, x);
        if (grid.step[2] == 1)
          for (int64_t k = 0; k < n; ++k) to[k] = from[k] + add;
        else
          for (int64_t k = 0; k < n; ++k) to[k * grid.step[2]] = from[k] + add;
      });
    }
  }
}

/// sums [C taps, channels rounded up to registers] += (or, at first, =) windows of the image by
/// the gradient at the outputs of `channels` output channels, which the grid tells.
template <class T>
void weigh_shifted(const PaddedLine& padded, const T* image, int64_t channels, const T* gradient,
                   const OutputGrid& grid, bool first, T* sums, int64_t sums_step) {
  using namespace shifted_detail;
  constexpr int64_t w = Lanes<T>::width;
  const T* line = padded.fill(image, kPanelCols<T>);
  const auto depth = static_cast<int64_t>(padded.shifts().size());
  const bool wide = channels > w;
  const int64_t cols = wide ? 2 * w : w;
  T* panel = scratch<T>(ScratchUse::Panels, kPositions * cols + w);
  const Cut tiles(depth, tile_rows<T>(wide ? 2 : 1));
  for (int64_t o = 0; o < channels; o += cols)
    for (int64_t begin = 0; begin < padded.positions(); begin += kPositions) {
      const int64_t end = std::min(padded.positions(), begin + kPositions);
      // The gradient turned, zeros between the rows of outputs.
      int64_t done = begin;
      const auto zeros_to = [&](int64_t at) {
        std::fill(panel + (done - begin) * cols, panel + (at - begin) * cols, T(0));
      };
      padded.for_outputs(begin, end, [&](int64_t at, int64_t z, int64_t y, int64_t x, int64_t n) {
        zeros_to(at);
        pack(Strided2d<T>{gradient + o * grid.channel + grid.at(z, y, x), 1, grid.channel},
             std::min(cols, channels - o), n, panel + (at - begin) * cols, cols);
        done = at + n;
      });
      zeros_to(end);
      for (int64_t i = 0; i < tiles.count; ++i) {
        const int64_t r = tiles.begin(i), h = tiles.size(i);
        T* c = sums + r * sums_step + o;
        const auto run =
            wide ? by_rows<T, tile_rows<T>(2), Wide>(h) : by_rows<T, tile_rows<T>(1), Narrow>(h);
        run(padded.shifts().data() + r, line + begin, end - begin, panel,
            first && begin == 0 ? Start<T>{} : Start<T>{c, sums_step}, c, sums_step);
      }
    }
}

/// Whether few output channels would leave most of a register empty.
template <class T>
bool weighs_by_dots(const PaddedLine& padded, int64_t channels) {
  constexpr int64_t w = Lanes<T>::width, sum = 14;  // what adding up a register costs
  return channels * (padded.positions() / w + sum) < padded.positions() * ceil_div(channels, w);
}

/// The same for few output channels: sums [channels, C taps] += ...
template <class T>
void weigh_by_dots(const PaddedLine& padded, const T* image, int64_t channels, const T* gradient,
                   const OutputGrid& grid, T* sums) {
  using namespace shifted_detail;
  const T* line = padded.fill(image, Lanes<T>::width);
  const auto depth = static_cast<int64_t>(padded.shifts().size());
  const int64_t k = ceil_div(padded.positions(), Lanes<T>::width) * Lanes<T>::width;
  T* row = scratch<T>(ScratchUse::Panels, k);
  const Cut tiles(depth, kMostDots);
  for (int64_t o = 0; o < channels; ++o) {
    std::fill_n(row, k, T(0));
    padded.for_outputs(0, padded.positions(),
                       [&](int64_t at, int64_t z, int64_t y, int64_t x, int64_t n) {
                         std::copy_n(gradient + o * grid.channel + grid.at(z, y, x), n, row + at);
                       });
    for (int64_t i = 0; i < tiles.count; ++i)
      by_rows<T, kMostDots, Dots>(tiles.size(i))(padded.shifts().data() + tiles.begin(i), line, k,
                                                 row, sums + o * depth + tiles.begin(i));
  }
}

}  // namespace bx::kernels
