// How windows lie over an input: plain data that operations hand to their kernels.
#pragma once

#include <cstdint>

namespace bx::kernels {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// A convolution over three dimensions (missing ones have size 1), which also describes its
/// transpose and the unfolding of windows. Channels are counted per group. Output position o and
/// tap k meet input position o * stride - padding + k * dilation; outside the input stand zeros.
struct ConvGeometry {
  int64_t batch = 1, groups = 1;
  int64_t in_channels = 1, out_channels = 1;
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1};
  int64_t window[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  int64_t padding[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};

  int64_t inputs() const { return in[0] * in[1] * in[2]; }
  int64_t positions() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return window[0] * window[1] * window[2]; }
};

/// The windows of a pooling over up to three dimensions: along dimension d, window o covers
/// begin[d][o], begin[d][o] + step[d], ... below end[d][o].
struct PoolWindows {
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, step[3] = {1, 1, 1};
  const int64_t* begin[3];
  const int64_t* end[3];
};

/// A sparse matrix by rows: row o has the entries offsets[o] to offsets[o + 1].
struct Taps {
  const int64_t* offsets;
  const int64_t* columns;
  const double* weights;
};

}  // namespace bx::kernels
