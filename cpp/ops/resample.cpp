// Interpolation: nearest, linear, cubic and by averages, one dimension after the other.
#include "ops/resample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bx {

using kernels::Id;

bool TapTable::is_identity() const {
  if (outputs() != inputs_ || static_cast<int64_t>(columns_.size()) != inputs_) return false;
  for (size_t k = 0; k < columns_.size(); ++k)
    if (columns_[k] != static_cast<int64_t>(k) || offsets_[k] != columns_[k] || weights_[k] != 1)
      return false;
  return true;
}

TapTable TapTable::transposed() const {
  TapTable t(outputs());
  t.offsets_.assign(static_cast<size_t>(inputs_) + 1, 0);
  for (int64_t c : columns_) ++t.offsets_[static_cast<size_t>(c) + 1];
  std::partial_sum(t.offsets_.begin(), t.offsets_.end(), t.offsets_.begin());
  t.columns_.resize(columns_.size());
  t.weights_.resize(columns_.size());
  std::vector<int64_t> next(t.offsets_.begin(), t.offsets_.end() - 1);
  for (size_t row = 0; row + 1 < offsets_.size(); ++row)
    for (int64_t k = offsets_[row]; k < offsets_[row + 1]; ++k) {
      const auto from = static_cast<size_t>(k);
      const auto to = static_cast<size_t>(next[static_cast<size_t>(columns_[from])]++);
      t.columns_[to] = static_cast<int64_t>(row);
      t.weights_[to] = weights_[from];
    }
  return t;
}

TapTable even_windows(int64_t inputs, int64_t outputs) {
  require_room({outputs}, DType::Float64);
  TapTable table(inputs);
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t begin = even_begin(o, inputs, outputs), end = even_end(o, inputs, outputs);
    table.add_window(begin, end, 1. / static_cast<double>(end - begin));
  }
  return table;
}

namespace {

Tensor along(const char* op, const Tensor& x, int axis, const TapTable& table) {
  Dims shape = x.shape(), flat{1, x.size(axis), 1};
  for (int d = 0; d < x.dim(); ++d)
    if (d != axis) flat[d < axis ? 0 : 2] *= shape[d];
  shape[axis] = table.outputs();
  const Tensor source = contiguous(x);
  const Tensor in = alias(source, flat, contiguous_strides(flat), source->offset);
  const Tensor result = empty(shape, x.dtype());
  flat[1] = table.outputs();
  const Tensor out = alias(result, flat, contiguous_strides(flat), result->offset);
  struct Owned {
    TapTable table;
    kernels::Taps taps;
  };
  const auto own = std::make_shared<Owned>(Owned{table, {}});
  own->taps = own->table.taps();
  Params params;
  params.object = &own->taps;
  launch(op, kernel(Id::Resample, x.dtype()), out, in, params, own);
  return result;
}

/// Dimensions that shrink the most come first: the later ones have less to do.
std::vector<int> order_of(const Resampling& how) {
  std::vector<int> order(how.tables.size());
  std::iota(order.begin(), order.end(), 0);
  auto growth = [&](int d) {
    const TapTable& t = how.tables[static_cast<size_t>(d)];
    return static_cast<double>(t.outputs()) / static_cast<double>(t.inputs());
  };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return growth(a) < growth(b); });
  return order;
}

}  // namespace

Tensor resample(const char* op, const char* node, const Tensor& x,
                std::shared_ptr<const Resampling> how) {
  Tensor out;
  {
    GradMode off(false);
    out = x;
    for (int d : order_of(*how)) {
      const TapTable& table = how->tables[static_cast<size_t>(d)];
      if (!table.is_identity()) out = along(op, out, how->axis + d, table);
    }
    if (out.same_as(x)) out = clone(x);
  }
  if (Recorder r{&x}; r)
    r.done(node, out, [op, node, how](const Backward& b) {
      auto back = std::make_shared<Resampling>();
      back->axis = how->axis;
      for (const TapTable& t : how->tables) back->tables.push_back(t.transposed());
      b.give(0, resample(op, node, b.grad(), back));
    });
  return out;
}

namespace {

enum class Mode { Nearest, NearestExact, Linear, Cubic, Area };

/// Cubic convolution [Keys 1981], at distance t.
double cubic(double t, double a) {
  t = std::abs(t);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/// How many inputs an output is wide.
template <class T>
T step_of(int64_t in, int64_t out, double given_scale, bool align) {
  if (align) return out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
  return given_scale > 0 ? static_cast<T>(1. / given_scale)
                         : static_cast<T>(in) / static_cast<T>(out);
}

/// Weights of one dimension whose kernel is as wide as an output where that spans several inputs.
template <class T>
TapTable antialiased_table(Mode mode, int64_t in, int64_t out, double given_scale, bool align) {
  TapTable table(in);
  const T step = step_of<T>(in, out, given_scale, align), width = std::max(step, T(1));
  const T reach = (mode == Mode::Cubic ? 2 : 1) * width;
  for (int64_t o = 0; o < out; ++o) {
    const T center = step * (static_cast<T>(o) + T(0.5));
    const auto begin = std::max<int64_t>(static_cast<int64_t>(center - reach + T(0.5)), 0);
    const auto end = std::min<int64_t>(static_cast<int64_t>(center + reach + T(0.5)), in);
    std::vector<double> weights;
    for (int64_t c = begin; c < end; ++c) {
      const double t = (static_cast<T>(c) - center + T(0.5)) / width;
      weights.push_back(mode == Mode::Cubic ? cubic(t, -0.5) : std::max(1 - std::abs(t), 0.));
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.);
    for (int64_t c = begin; c < end; ++c)
      table.add(c, weights[static_cast<size_t>(c - begin)] / total);
    table.end_row();
  }
  return table;
}

/// Weights of one dimension. T: the type whose rounding decides where a nearest neighbour lies.
template <class T>
TapTable table_of(Mode mode, int64_t in, int64_t out, double given_scale, bool align) {
  if (mode == Mode::Area) return even_windows(in, out);
  TapTable table(in);
  const bool nearest = mode == Mode::Nearest || mode == Mode::NearestExact;
  auto clamped = [&](int64_t i) { return std::clamp<int64_t>(i, 0, in - 1); };
  const T scale = step_of<T>(in, out, given_scale, align && !nearest);
  for (int64_t o = 0; o < out; ++o) {
    const T at = static_cast<T>(o);
    if (nearest) {
      const T x = mode == Mode::Nearest ? at * scale : (at + T(0.5)) * scale;
      table.add(clamped(static_cast<int64_t>(std::floor(static_cast<float>(x)))), 1);
      table.end_row();
      continue;
    }
    T x = align ? scale * at : scale * (at + T(0.5)) - T(0.5);
    if (mode == Mode::Linear) {
      x = std::max(x, T(0));
      const int64_t low = clamped(static_cast<int64_t>(x)), high = clamped(low + 1);
      const double t = std::min<double>(x - static_cast<T>(low), 1);
      if (high == low || t == 0) table.add(low, 1);
      else {
        table.add(low, 1 - t);
        table.add(high, t);
      }
    } else {
      const auto low = static_cast<int64_t>(std::floor(x));
      const double t = x - static_cast<T>(low);
      for (int k = -1; k <= 2; ++k)
        table.add(clamped(low + k), cubic(t - static_cast<double>(k), -0.75));
    }
    table.end_row();
  }
  return table;
}

struct ModeRow {
  const char* name;
  Mode mode;
  int dims;  // 0: any
  const char* nodes[3];
};
constexpr ModeRow kModes[] = {
    {"nearest",
     Mode::Nearest,
     0,
     {"UpsampleNearest1DBackward0", "UpsampleNearest2DBackward0", "UpsampleNearest3DBackward0"}},
    {"nearest-exact",
     Mode::NearestExact,
     0,
     {"UpsampleNearestExact1DBackward0", "UpsampleNearestExact2DBackward0",
      "UpsampleNearestExact3DBackward0"}},
    {"area",
     Mode::Area,
     0,
     {"SqueezeBackward1", "AdaptiveAvgPool2DBackward0", "AdaptiveAvgPool3DBackward0"}},
    {"linear", Mode::Linear, 1, {"UpsampleLinear1DBackward0", "", ""}},
    {"bilinear", Mode::Linear, 2, {"", "UpsampleBilinear2DBackward0", ""}},
    {"bicubic", Mode::Cubic, 2, {"", "UpsampleBicubic2DBackward0", ""}},
    {"trilinear", Mode::Linear, 3, {"", "", "UpsampleTrilinear3DBackward0"}},
};

Tensor resize(const Tensor& x, const Dims& size, const std::string& mode, bool align_corners,
              double scale0, double scale1, double scale2, bool antialias) {
  Dims made = x.shape();
  for (int d = 0; d < std::min(size.size(), x.dim() - 2); ++d) made[d + 2] = size[d];
  require_room(made, x.dtype());
  const char* op = "interpolate";
  const int dims = x.dim() - 2;
  if (dims < 1 || dims > 3)
    fail(ErrorKind::NotImplemented, op, "the input has shape ", x.shape(),
         "; expected 3 to 5 dimensions, (N, C, ...)");
  if (size.size() != dims)
    fail_value(op, "size=", size, " for an input of shape ", x.shape(), "; pass ", dims,
               " numbers, one per spatial dimension");
  const bool bytes = x.dtype() == DType::UInt8 && mode != "area";
  if (!bytes) require_float(op, x.dtype());
  const ModeRow* row = nullptr;
  for (const ModeRow& m : kModes)
    if (mode == m.name) row = &m;
  if (!row)
    fail(ErrorKind::NotImplemented, op, "mode='", mode,
         "'; expected nearest, nearest-exact, linear, bilinear, bicubic, trilinear or area");
  if (row->dims && row->dims != dims)
    fail(ErrorKind::NotImplemented, op, "mode='", mode, "' takes ", row->dims + 2,
         " dimensions, the input has shape ", x.shape(), "; take another mode");
  if (bytes && row->dims % 2)
    fail(ErrorKind::NotImplemented, op, "mode='", mode,
         "' not implemented for uint8; convert it with .float()");
  if (antialias && row->dims != 2)
    fail_value(op, "antialias=True with mode='", mode, "'; it takes bilinear or bicubic");
  const double scales[] = {scale0, scale1, scale2};
  if (bytes) {  // one dimension after the other, rounded in between, as in PyTorch
    Tensor y = x;
    for (int d = dims - 1; d >= 0; --d) {
      Dims step;
      for (int k = 0; k < dims; ++k) step.push_back(k == d ? size[k] : y.size(2 + k));
      const auto scale = [&](int k) { return k == d ? scales[k] : 0.; };
      const Tensor z = resize(to(y, DType::Float32), step, mode, align_corners, scale(0), scale(1),
                              scale(2), antialias);
      y = to(minimum(maximum(z + 0.5, 0.), 255.), DType::UInt8);
    }
    return y;
  }
  auto how = std::make_shared<Resampling>();
  how->axis = 2;
  for (int d = 0; d < dims; ++d) {
    if (x.size(2 + d) < 1 || size[d] < 1)
      fail_runtime(op, "the input has shape ", x.shape(), ", the output the size ", size,
                   "; both must be positive");
    const bool is_float = wide_of(x.dtype()) == DType::Float32;
    const auto table = antialias ? is_float ? &antialiased_table<float> : &antialiased_table<double>
                       : is_float ? &table_of<float>
                                  : &table_of<double>;
    how->tables.push_back(table(row->mode, x.size(2 + d), size[d], scales[d], align_corners));
  }
  if (!antialias) return resample(op, row->nodes[dims - 1], x, how);
  return resample(
      op,
      row->mode == Mode::Cubic ? "UpsampleBicubic2DAaBackward0" : "UpsampleBilinear2DAaBackward0",
      x, how);
}

}  // namespace

void register_resample(Registry& r) {
  r.nn("resize",
       "input, size, mode, align_corners=False, scale0=0.0, scale1=0.0, scale2=0.0, "
       "antialias=False",
       resize,
       "The spatial dimensions of input (N, C, ...) interpolated to `size`; scales where known "
       "(0: from the sizes). With antialias the kernel grows with what it shrinks.");
}

}  // namespace bx
