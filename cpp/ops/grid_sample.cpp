// Sampling images at points of a grid, and grids of affine maps. Made of recorded operations, so
// that every derivative exists.
#include <algorithm>

#include "ops/ops.h"

namespace bx {

namespace {

/// x within [low, high]; a NaN is at low.
Tensor bounded(const Tensor& x, double low, double high) {
  const Tensor above = select(x > low, x, low);
  return select(above < high, above, high);
}

/// x folded back into [low, high] at its borders, as often as needed.
Tensor reflected(const Tensor& x, double low, double high) {
  const double span = high - low;
  if (span == 0) return x * 0.;
  const Tensor away = abs(x - low), flips = floor(away / span), rest = away - flips * span;
  const Tensor odd = flips - floor(flips * 0.5) * 2.;
  return select(odd > 0., span - rest, rest) + low;
}

enum class Padding { Zeros, Border, Reflection };

/// One dimension of the sampled image.
struct Side {
  double size;
  bool align;
  Padding padding;

  /// Coordinates -1..1 as places of elements 0..size - 1.
  Tensor place(const Tensor& x) const {
    return align ? (x + 1.) * ((size - 1) / 2) : ((x + 1.) * size - 1.) * 0.5;
  }
  /// Places outside the image brought inside, where the padding is not zeros.
  Tensor inside(const Tensor& x) const {
    if (padding == Padding::Zeros) return x;
    if (padding == Padding::Border) return bounded(x, 0, size - 1);
    const Tensor r = align ? reflected(x, 0, size - 1) : reflected(x, -0.5, size - 0.5);
    return bounded(r, 0, size - 1);
  }
  Tensor holds(const Tensor& x) const { return (x >= 0.) && (x <= size - 1); }
};

/// A neighbour along one dimension: where, how much, and whether it exists.
struct Tap {
  Tensor place, weight, exists;
};

/// Round half to even, without derivative.
Tensor nearest(const Tensor& x) {
  const Tensor low = floor(x), rest = x - low;
  const Tensor odd = low - floor(low * 0.5) * 2.;
  return select(rest > 0.5, low + 1., select(rest < 0.5, low, low + odd));
}

/// Cubic convolution with a = -0.75 [Keys 1981].
Tensor cubic_near(const Tensor& t) { return ((1.25 * t - 2.25) * t) * t + 1.; }
Tensor cubic_far(const Tensor& t) { return ((-0.75 * t + 3.75) * t - 6.) * t + 3.; }

std::vector<Tap> taps_of(const Side& side, const Tensor& x, const std::string& mode) {
  auto tap = [&](const Tensor& place, const Tensor& weight) {
    const Tensor at = detached(place), exists = side.holds(at);
    return Tap{select(exists, at, 0.), weight, exists};
  };
  const Tensor place = side.place(x);
  if (mode == "bicubic") {
    const Tensor low = detached(floor(place)), t = place - low;
    return {tap(side.inside(low - 1.), cubic_far(t + 1.)), tap(side.inside(low), cubic_near(t)),
            tap(side.inside(low + 1.), cubic_near(1. - t)),
            tap(side.inside(low + 2.), cubic_far(2. - t))};
  }
  const Tensor at = side.inside(place);
  if (mode == "nearest") {
    // A weight of 1, so that the gradient of a grid is 0 and not missing.
    const Tensor one = requires_grad(x) ? select(x > INFINITY, x, 1.) : Tensor();
    return {tap(nearest(detached(at)), one)};
  }
  const Tensor low = detached(floor(at)), t = at - low;
  return {tap(low, 1. - t), tap(low + 1., t)};
}

/// The sum over the taps of every dimension from `d` on, of rows of the image [N size, C].
Tensor sum_taps(const Tensor& image, const std::vector<std::vector<Tap>>& taps, size_t d,
                const std::vector<int64_t>& strides, const Tensor& row, const Tensor& weight,
                const Tensor& exists) {
  if (d == taps.size()) {
    const Tensor values = index(image, {to(row, DType::Int64)});
    const Tensor seen = select(unsqueeze(exists, 1), values, 0.);
    return weight.defined() ? seen * unsqueeze(weight, 1) : seen;
  }
  Tensor total;
  for (const Tap& tap : taps[d]) {
    const Tensor w = !tap.weight.defined() ? weight
                     : weight.defined()    ? weight * tap.weight
                                           : tap.weight;
    const Tensor part =
        sum_taps(image, taps, d + 1, strides, row + tap.place * static_cast<double>(strides[d]), w,
                 exists.defined() ? exists && tap.exists : tap.exists);
    total = total.defined() ? total + part : part;
  }
  return total;
}

void warn_of_default(const char* op, std::optional<bool> align_corners) {
  if (!align_corners) warn(op, "align_corners was left out, False is taken; pass it");
}

Tensor grid_sample(const Tensor& input, const Tensor& grid, const std::string& mode,
                   const std::string& padding_mode, std::optional<bool> align_corners) {
  const char* op = "grid_sample";
  warn_of_default(op, align_corners);
  if (mode != "bilinear" && mode != "nearest" && mode != "bicubic")
    fail_value(op, "mode='", mode, "'; expected 'bilinear', 'nearest' or 'bicubic'");
  Padding padding = Padding::Zeros;
  if (padding_mode == "border") padding = Padding::Border;
  else if (padding_mode == "reflection") padding = Padding::Reflection;
  else if (padding_mode != "zeros")
    fail_value(op, "padding_mode='", padding_mode, "'; expected 'zeros', 'border' or 'reflection'");
  if (input.dim() == 0 || grid.dim() == 0)
    fail_index(op, "the input has shape ", input.shape(), ", the grid ", grid.shape(),
               "; a batch comes first");
  const int dims = input.dim() - 2;
  if ((dims != 2 && dims != 3) || grid.dim() != input.dim() || grid.size(-1) != dims ||
      grid.size(0) != input.size(0))
    fail_runtime(op, "the input has shape ", input.shape(), ", the grid ", grid.shape(),
                 "; expected (N, C, H, W) and (N, H', W', 2), or the same with D and 3");
  if (mode == "bicubic" && dims != 2)
    fail_runtime(op, "mode='bicubic' with an input of shape ", input.shape(),
                 "; it takes four dimensions");
  require_float(op, input.dtype());
  if (input.dtype() != grid.dtype())
    fail_runtime(op, "the input is ", name_of(input.dtype()), ", the grid ", name_of(grid.dtype()),
                 "; they must be of one type");
  for (int d = 2; d < input.dim(); ++d)
    if (input.size(d) == 0)
      fail_runtime(op, "the input has shape ", input.shape(), "; an image needs elements");
  const int64_t batch = input.size(0), channels = input.size(1);
  Dims shape = grid.shape();
  shape[grid.dim() - 1] = channels;
  const int64_t points = batch ? grid.numel() / dims / batch : 0;
  std::vector<std::vector<Tap>> taps;
  std::vector<int64_t> strides;
  int64_t size = 1;
  for (int d = 0; d < dims; ++d) {
    const Side side{static_cast<double>(input.size(2 + d)), align_corners.value_or(false), padding};
    // The grid's last dimension begins with the image's last.
    const Tensor x = reshape(select_axis(grid, -1, dims - 1 - d), {batch * points});
    taps.push_back(taps_of(side, x, mode));
    strides.push_back(1);
    for (int e = d + 1; e < dims; ++e) strides.back() *= input.size(2 + e);
    size *= input.size(2 + d);
  }
  Tensor first = empty({batch, points}, DType::Float64);
  for (int64_t i = 0; i < first.numel(); ++i)
    first.data<double>()[i] = static_cast<double>(i / std::max<int64_t>(1, points) * size);
  const Tensor image = reshape(movedim(input, {1}, {-1}), {batch * size, channels});
  const Tensor sampled =
      sum_taps(image, taps, 0, strides, reshape(first, {batch * points}), {}, {});
  return named(dims == 2 ? "GridSampler2DBackward0" : "GridSampler3DBackward0",
               contiguous(movedim(reshape(sampled, shape), {-1}, {1})));
}

/// Coordinates of `count` elements over -1..1: of their centres, or from border to border.
std::vector<double> coordinates(int64_t count, bool align) {
  std::vector<double> x(static_cast<size_t>(count));
  const auto n = static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<double>(i);
    x[static_cast<size_t>(i)] = count == 1 ? 0.
                                : align    ? 2 * at / (n - 1) - 1
                                           : (2 * at + 1) / n - 1;
  }
  return x;
}

Tensor affine_grid(const Tensor& theta, const Dims& size, std::optional<bool> align_corners) {
  const char* op = "affine_grid";
  warn_of_default(op, align_corners);
  const int dims = size.size() - 2;
  if (!is_floating(theta.dtype()))
    fail_value(op, "theta is ", name_of(theta.dtype()), "; expected a floating-point type");
  if (dims != 2 && dims != 3)
    fail(ErrorKind::NotImplemented, op, "size=", size, "; expected 4 or 5 numbers, (N, C, ...)");
  if (!(theta.shape() == Dims{size[0], dims, dims + 1}))
    fail_value(op, "theta has shape ", theta.shape(), "; expected ", Dims{size[0], dims, dims + 1});
  for (int64_t n : size)
    if (n < 1) fail_value(op, "size=", size, "; all numbers must be positive");
  const int64_t points = size.product() / (size[0] * size[1]);
  Tensor base = empty({points, dims + 1}, DType::Float64);
  auto* b = base.data<double>();
  int64_t repeat = points;
  for (int d = 0; d < dims; ++d) {
    const std::vector<double> x = coordinates(size[2 + d], align_corners.value_or(false));
    repeat /= size[2 + d];
    for (int64_t p = 0; p < points; ++p)
      b[p * (dims + 1) + dims - 1 - d] = x[static_cast<size_t>(p / repeat % size[2 + d])];
  }
  for (int64_t p = 0; p < points; ++p) b[p * (dims + 1) + dims] = 1;
  Dims shape{size[0]};
  for (int d = 0; d < dims; ++d) shape.push_back(size[2 + d]);
  shape.push_back(dims);
  return named("AffineGridGeneratorBackward0",
               reshape(matmul(to(base, theta.dtype()), mT(theta)), shape));
}

}  // namespace

void register_grid_sample(Registry& r) {
  r.nn(
      "grid_sample", "input, grid, ?mode='bilinear', ?padding_mode='zeros', align_corners=None",
      grid_sample,
      "input (N, C, H, W) at the points of grid (N, H', W', 2), whose (x, y) run from -1 to 1 over "
      "the image; the same in three dimensions.");
  r.nn("affine_grid", "theta, size, align_corners=None", affine_grid,
       "The points theta (x, y, 1)^T of every element of an image of `size`, for grid_sample.");
}

}  // namespace bx
