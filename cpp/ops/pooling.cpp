// Pooling. Maxima keep their places, which their derivative scatters to; averages are sparse
// matrices along each dimension.
#include <algorithm>

#include "ops/resample.h"
#include "ops/scatter.h"
#include "ops/windows.h"

namespace bx {

using kernels::Id;
using kernels::PoolWindows;

namespace {

// Gathering and scattering within planes ------------------------------------------------------

Tensor planes_of(const Tensor& t, int dims) {
  int64_t inner = 1;
  for (int d = 0; d < dims; ++d) inner *= t.size(-1 - d);
  int64_t outer = 1;
  for (int d = 0; d < t.dim() - dims; ++d) outer *= t.size(d);
  const Dims flat{outer, inner};
  const Tensor dense = contiguous(t);
  return alias(dense, flat, contiguous_strides(flat), dense->offset);
}

Tensor plane_scatter(const char* op, const Tensor& x, const Tensor& places, const Dims& shape,
                     int dims, bool add);

/// x [..., in...] at the places [..., out...].
Tensor plane_gather(const char* op, const Tensor& x, const Tensor& places, int dims) {
  Tensor out = empty(places.shape(), x.dtype());
  {
    GradMode off(false);
    const Tensor source = planes_of(x, dims), at = planes_of(places, dims);
    launch(op, kernel(Id::PlaneGather, x.dtype()), planes_of(out, dims), {&source, &at});
  }
  if (Recorder r{&x}; r)
    r.save(places).done("GatherBackward0", out, [op, dims, shape = x.shape()](const Backward& b) {
      b.give(0, plane_scatter(op, b.grad(), b.saved(0), shape, dims, true));
    });
  return out;
}

/// Zeros of `shape` with x added on, or put, at the places.
Tensor plane_scatter(const char* op, const Tensor& x, const Tensor& places, const Dims& shape,
                     int dims, bool add) {
  Tensor out = empty(shape, x.dtype());
  {
    GradMode off(false);
    const Tensor source = planes_of(x, dims), at = planes_of(places, dims);
    launch(op, kernel(add ? Id::PlaneAdd : Id::PlanePut, x.dtype()), planes_of(out, dims),
           {&source, &at});
  }
  static constexpr const char* nodes[] = {"MaxUnpool2DBackward0", "MaxUnpool2DBackward0",
                                          "MaxUnpool3DBackward0"};
  if (Recorder r{&x}; r)
    r.save(places).done(nodes[dims - 1], out, [op, dims](const Backward& b) {
      b.give(0, plane_gather(op, b.grad(), b.saved(0), dims));
    });
  return out;
}

// Windows -------------------------------------------------------------------------------------

/// Begin and end of every window along one dimension.
struct Extent {
  std::vector<int64_t> begin, end;
};

/// Numbers of a pooling, one per dimension.
struct PoolLayout {
  Dims kernel, stride, padding, dilation;
};

PoolLayout pool_sizes(const char* op, int dims, const Dims& kernel_size, const OptDims& stride,
                      const Dims& padding, const Dims& dilation) {
  PoolLayout l;
  l.kernel = per_dimension(op, "kernel_size", kernel_size, dims);
  l.stride = stride && !stride->empty() ? per_dimension(op, "stride", *stride, dims) : l.kernel;
  l.padding = per_dimension(op, "padding", padding, dims);
  l.dilation = per_dimension(op, "dilation", dilation, dims);
  return l;
}

void check_windows(const char* op, const PoolLayout& l) {
  for (int d = 0; d < l.kernel.size(); ++d) {
    if (l.kernel[d] < 1 || l.stride[d] < 1 || l.dilation[d] < 1)
      fail_runtime(op, "kernel_size=", l.kernel, ", stride=", l.stride, ", dilation=", l.dilation,
                   "; all must be positive");
    if (l.padding[d] < 0 || 2 * l.padding[d] > l.dilation[d] * (l.kernel[d] - 1) + 1)
      fail_runtime(op, "padding=", l.padding, " against kernel_size=", l.kernel,
                   "; it must be at most half of it, and not negative");
  }
}

PoolLayout pool_layout(const char* op, int dims, const Dims& kernel_size, const OptDims& stride,
                       const Dims& padding, const Dims& dilation) {
  const PoolLayout l = pool_sizes(op, dims, kernel_size, stride, padding, dilation);
  check_windows(op, l);
  return l;
}

int64_t window_count(const char* op, int64_t in, const PoolLayout& l, int d, bool ceil_mode) {
  const int64_t stride = l.stride[d], reach = l.dilation[d] * (l.kernel[d] - 1) + 1;
  const int64_t room = in + 2 * l.padding[d] - reach + (ceil_mode ? stride - 1 : 0);
  int64_t count = room < 0 ? 0 : room / stride + 1;
  // The last window must begin inside the input or the padding before it.
  if (ceil_mode && (count - 1) * stride >= in + l.padding[d]) --count;
  if (count < 1)
    fail_runtime(op, "windows of ", reach, " elements do not fit an input of ", in, " padded by ",
                 l.padding[d], "; take a smaller kernel_size");
  return count;
}

/// RuntimeError for other numbers of dimensions, and where windows lie over nothing; PyTorch minds
/// channels too, but for adaptive pooling.
void check_pooled(const char* op, const Tensor& x, int dims, int channels = 1) {
  if (x.dim() != dims + 1 && x.dim() != dims + 2)
    fail_runtime(op, "the input has shape ", x.shape(), "; expected ", dims + 1, " or ", dims + 2,
                 " dimensions");
  for (int d = x.dim() - dims - channels; d < x.dim(); ++d)
    if (x.size(d) == 0)
      fail_runtime(op, "the input has shape ", x.shape(), "; dimension ", d,
                   " may not be empty, pass elements");
}

// PyTorch pools one dimension as two, of which it squeezes one.
constexpr const char* kMaxNodes[] = {"SqueezeBackward1", "MaxPool2DWithIndicesBackward0",
                                     "MaxPool3DWithIndicesBackward0"};
constexpr const char* kAdaptiveMaxNodes[] = {"SqueezeBackward1", "AdaptiveMaxPool2DBackward0",
                                             "AdaptiveMaxPool3DBackward0"};

/// Maxima over the windows of the last dimensions, and their places.
Tensors max_over(const char* op, const char* node, const Tensor& x, std::vector<Extent> given,
                 const Dims& step) {
  struct Owned {
    std::vector<Extent> extents;
    PoolWindows windows;
  };
  const auto own = std::make_shared<Owned>(Owned{std::move(given), {}});
  const std::vector<Extent>& extents = own->extents;
  PoolWindows& w = own->windows;
  const int dims = static_cast<int>(extents.size());
  static constexpr int64_t kZero = 0, kOne = 1;
  Dims shape = x.shape();
  for (int d = 0; d < 3; ++d) {
    w.begin[d] = &kZero;
    w.end[d] = &kOne;
  }
  for (int d = 0; d < dims; ++d) {
    const int at = 3 - dims + d;
    const Extent& e = extents[static_cast<size_t>(d)];
    w.in[at] = x.size(d - dims);
    w.out[at] = shape[x.dim() - dims + d] = static_cast<int64_t>(e.begin.size());
    w.begin[at] = e.begin.data();
    w.end[at] = e.end.data();
    w.step[at] = step[d];
  }
  if (const int64_t plane = w.in[0] * w.in[1] * w.in[2]; plane > INT32_MAX)
    fail_runtime(op, "a channel has ", plane, " elements; at most ", INT32_MAX,
                 " can be told apart, pool it in parts");
  Tensor out = empty(shape, x.dtype()), places = empty(shape, DType::Int64);
  {
    GradMode off(false);
    const Tensor source = planes_of(x, dims), y = planes_of(out, dims), p = planes_of(places, dims);
    Params params;
    params.object = &w;
    launch(op, kernel(Id::MaxPool, x.dtype()), {&y, &p}, source, params, own);
  }
  if (Recorder r{&x}; r)
    r.save(places).done(node, out, [op, dims, in = x.shape()](const Backward& b) {
      b.give(0, plane_scatter(op, b.grad(), b.saved(0), in, dims, true));
    });
  return {out, places};
}

constexpr const char* kMaxPool[] = {"max_pool1d_with_indices", "max_pool2d_with_indices",
                                    "max_pool3d_with_indices"};
template <int N>
Tensors max_pool(const Tensor& x, const Dims& kernel_size, const OptDims& stride,
                 const Dims& padding, const Dims& dilation, bool ceil_mode) {
  const char* op = kMaxPool[N - 1];
  if (is_integral(x.dtype()) && x.dtype() != DType::Int64) {
    const Tensors found =
        max_pool<N>(to(x, DType::Int64), kernel_size, stride, padding, dilation, ceil_mode);
    return {to(found[0], x.dtype()), found[1]};
  }
  check_pooled(op, x, N);
  const PoolLayout l = pool_layout(op, N, kernel_size, stride, padding, dilation);
  std::vector<Extent> extents(N);
  for (int d = 0; d < N; ++d) {
    const int64_t in = x.size(d - N);
    const int64_t count = window_count(op, in, l, d, ceil_mode);
    for (int64_t o = 0; o < count; ++o) {
      int64_t begin = o * l.stride[d] - l.padding[d];
      const int64_t end = std::min(begin + l.dilation[d] * (l.kernel[d] - 1) + 1, in);
      while (begin < 0) begin += l.dilation[d];
      extents[static_cast<size_t>(d)].begin.push_back(begin);
      extents[static_cast<size_t>(d)].end.push_back(end);
    }
  }
  return max_over(op, kMaxNodes[N - 1], x, extents, l.dilation);
}

constexpr const char* kAdaptiveMax[] = {"adaptive_max_pool1d_with_indices",
                                        "adaptive_max_pool2d_with_indices",
                                        "adaptive_max_pool3d_with_indices"};
template <int N>
Tensors adaptive_max_pool(const Tensor& x, const Dims& output_size) {
  const char* op = kAdaptiveMax[N - 1];
  check_pooled(op, x, N, 0);
  require_float(op, x.dtype());
  const Dims size = per_dimension(op, "output_size", output_size, N);
  std::vector<Extent> extents(N);
  for (int d = 0; d < N; ++d) {
    require_room({size[d]}, DType::Float64);
    for (int64_t o = 0; o < size[d]; ++o) {
      extents[static_cast<size_t>(d)].begin.push_back(even_begin(o, x.size(d - N), size[d]));
      extents[static_cast<size_t>(d)].end.push_back(even_end(o, x.size(d - N), size[d]));
    }
  }
  return max_over(op, kAdaptiveMaxNodes[N - 1], x, extents, Dims(N, 1));
}

constexpr const char* kAvgPool[] = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
constexpr const char* kAvgNodes[] = {"SqueezeBackward1", "AvgPool2DBackward0",
                                     "AvgPool3DBackward0"};
template <int N>
Tensor avg_pool(const Tensor& x, const Dims& kernel_size, const OptDims& stride,
                const Dims& padding, bool ceil_mode, bool count_include_pad,
                std::optional<int64_t> divisor_override) {
  const char* op = kAvgPool[N - 1];
  if constexpr (N == 2) wrap_axis(op, -3, x.dim());
  check_pooled(op, x, N);
  if (N == 3 && is_narrow(x.dtype())) require_wide_float(op, x.dtype());
  const PoolLayout l = pool_layout(op, N, kernel_size, stride, padding, {1});
  if (divisor_override && *divisor_override == 0)
    fail_runtime(op, "divisor_override=0; pass a number that can divide");
  auto how = std::make_shared<Resampling>();
  how->axis = x.dim() - N;
  // Whole numbers are added up first, and divided as whole numbers.
  const bool whole = x.dtype() == DType::Int64;
  Tensor divisors = whole ? full_int({}, 1, DType::Int64) : Tensor();
  for (int d = 0; d < N; ++d) {
    const int64_t in = x.size(d - N), count = window_count(op, in, l, d, ceil_mode);
    if (N == 3 && in < l.kernel[d])
      fail_runtime(op, "windows of ", l.kernel[d], " elements over ", in,
                   ", padded or not; take a smaller kernel_size");
    TapTable table(in);
    Tensor own = whole ? empty({count}, DType::Int64) : Tensor();
    for (int64_t o = 0; o < count; ++o) {
      const int64_t from = o * l.stride[d] - l.padding[d];
      const int64_t to = std::min(from + l.kernel[d], in + l.padding[d]);
      const int64_t begin = std::max<int64_t>(from, 0), end = std::min(to, in);
      const int64_t divisor = divisor_override    ? (d == 0 ? *divisor_override : 1)
                              : count_include_pad ? to - from
                                                  : end - begin;
      table.add_window(begin, end, whole ? 1. : 1. / static_cast<double>(divisor));
      if (whole) own.data<int64_t>()[o] = divisor;
    }
    how->tables.push_back(std::move(table));
    if (whole) divisors = unsqueeze(divisors, -1) * own;
  }
  if (whole) {
    const Tensor sums = to(resample(op, "", to(x, DType::Float64), how), DType::Int64);
    return apply<formulas::DivTrunc>(sums, divisors);
  }
  require_float(op, x.dtype());  // where all windows are of one element nothing is computed
  return resample(op, kAvgNodes[N - 1], x, how);
}

constexpr const char* kAdaptiveAvg[] = {"adaptive_avg_pool1d", "adaptive_avg_pool2d",
                                        "adaptive_avg_pool3d"};
constexpr const char* kAdaptiveAvgNodes[] = {"SqueezeBackward1", "AdaptiveAvgPool2DBackward0",
                                             "AdaptiveAvgPool3DBackward0"};
template <int N>
Tensor adaptive_avg_pool(const Tensor& x, const Dims& output_size) {
  const char* op = kAdaptiveAvg[N - 1];
  check_pooled(op, x, N, 0);
  const Dims size = per_dimension(op, "output_size", output_size, N);
  if (std::all_of(size.begin(), size.end(), [](int64_t n) { return n == 1; })) {
    require_float(op, x.dtype());
    if constexpr (N == 1)
      return squeeze(mean(unsqueeze(x, -2), Dims{-1, -2}, true, std::nullopt), Dims{-2});
    else return mean(x, N == 2 ? Dims{-1, -2} : Dims{-1, -2, -3}, true, std::nullopt);
  }
  auto how = std::make_shared<Resampling>();
  how->axis = x.dim() - N;
  for (int d = 0; d < N; ++d) {
    if (size[d] < 0) fail_runtime(op, "output_size=", size, " is negative; pass 0 or more");
    how->tables.push_back(even_windows(x.size(d - N), size[d]));
  }
  return resample(op, kAdaptiveAvgNodes[N - 1], x, how);
}

constexpr const char* kUnpool[] = {"max_unpool1d", "max_unpool2d", "max_unpool3d"};
template <int N>
Tensor max_unpool(const Tensor& x, const Tensor& indices, const Dims& output_size) {
  const char* op = kUnpool[N - 1];
  check_pooled(op, x, N);
  const Dims size = per_dimension(op, "output_size", output_size, N);
  Dims shape = x.shape();
  for (int d = 0; d < N; ++d) shape[x.dim() - N + d] = size[d];
  if (!(indices.shape() == x.shape()))
    fail_runtime(op, "indices have shape ", indices.shape(), ", the input ", x.shape(),
                 "; they must be equal");
  const IndexRules rules{op, ErrorKind::Runtime, false, false, ErrorKind::OutOfBounds};
  return plane_scatter(op, x, checked_index(rules, indices, size.product()), shape, N, false);
}

template <int N>
void register_pools(Registry& r) {
  r.nn(kMaxPool[N - 1], "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False",
       max_pool<N>,
       "The maximum of every window and its place among the flattened spatial dimensions.");
  r.nn(kAdaptiveMax[N - 1], "input, output_size", adaptive_max_pool<N>,
       "Maxima over windows that split the input evenly, and their places.");
  if constexpr (N == 1)
    r.nn(
        kAvgPool[0],
        "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True",
        [](const Tensor& x, const Dims& kernel_size, const OptDims& stride, const Dims& padding,
           bool ceil_mode, bool count_include_pad) {
          return avg_pool<1>(x, kernel_size, stride, padding, ceil_mode, count_include_pad, {});
        },
        "The mean of every window; padding counts as zeros, or not at all.");
  else
    r.nn(kAvgPool[N - 1],
         "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, "
         "divisor_override=None",
         avg_pool<N>, "The mean of every window; padding counts as zeros, or not at all.");
  r.nn(kAdaptiveAvg[N - 1], "input, output_size", adaptive_avg_pool<N>,
       "Means over windows that split the input evenly: o * in // out to ceil((o + 1) in / out).");
  static constexpr const char* unpool[] = {"max_unpool1d_to", "max_unpool2d_to", "max_unpool3d_to"};
  r.nn(unpool[N - 1], "input, indices, output_size", max_unpool<N>,
       "Zeros with the maxima at the places that max_pool found.");
}

}  // namespace

void register_pooling(Registry& r) {
  register_pools<1>(r);
  register_pools<2>(r);
  register_pools<3>(r);
}

}  // namespace bx
