// Rows of a table looked up and added up. Looking up and adding up are each other's derivatives.
#include <algorithm>

#include "autograd/sparse.h"
#include "ops/scatter.h"

namespace bx {

using kernels::Id;
using kernels::View;

namespace {

constexpr int64_t kNoRow = -1;
constexpr const char* kBagNode = "EmbeddingBagBackward0";

Tensor row_add(const char* op, const Tensor& x, const Tensor& rows, int64_t size, int64_t skip);

/// The places that hold another row than `skip`.
Tensor kept(const Tensor& rows, int64_t skip) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < rows.numel(); ++i)
    if (rows.data<int64_t>()[i] != skip) places.push_back(i);
  Tensor out = empty({static_cast<int64_t>(places.size())}, DType::Int64);
  std::copy(places.begin(), places.end(), out.data<int64_t>());
  return out;
}

/// x [n, width] as the rows of a sparse table of `size`, without those at the row `skip`.
Tensor sparse_rows(Tensor x, Tensor rows, const Dims& size, int64_t skip) {
  if (skip != kNoRow) {
    const Tensor places = kept(rows, skip);
    rows = index(rows, {places});
    x = index(x, {places});
  }
  return sparse(x, {clone(reshape(rows, {1, rows.numel()})), size, false, false});
}

/// table [size, width] at rows [n], as `lead` + [width]; no gradient for the row `skip`.
Tensor row_gather(const char* op, const Tensor& table, const Tensor& rows, int64_t skip, Dims lead,
                  bool sparse = false) {
  const int64_t size = table.size(0), width = table.size(1);
  lead.push_back(width);
  Tensor out = empty(lead, table.dtype());
  const Tensor source = contiguous(detached(table));
  launch(op, kernel(Id::RowGather, table.dtype()), out, {&source, &rows});
  if (Recorder r{&table}; r)
    r.save(rows).done("EmbeddingBackward0", out, [=](const Backward& b) {
      const Tensor rows = b.saved(0), g = reshape(b.grad(), {rows.numel(), width});
      b.give(0,
             sparse ? sparse_rows(g, rows, {size, width}, skip) : row_add(op, g, rows, size, skip));
    });
  return out;
}
Tensor row_gather(const char* op, const Tensor& table, const Tensor& rows) {
  return row_gather(op, table, rows, kNoRow, {rows.numel()});
}

/// Zeros [size, width] with x [n, width] added onto rows [n], except onto `skip`.
Tensor row_add(const char* op, const Tensor& x, const Tensor& rows, int64_t size, int64_t skip) {
  Tensor out = empty({size, x.size(1)}, x.dtype());
  const Tensor source = contiguous(detached(x));
  Params params;
  params.i[0] = skip;
  launch(op, kernel(Id::RowAdd, x.dtype()), out, {&source, &rows}, params);
  if (Recorder r{&x}; r)
    r.save(rows).done(kBagNode, out, [op, skip](const Backward& b) {
      const Tensor rows = b.saved(0);
      Tensor g = row_gather(op, b.grad(), rows);
      if (skip != kNoRow) g = select(unsqueeze(rows, 1) == static_cast<double>(skip), 0., g);
      b.give(0, g);
    });
  return out;
}

Tensor row_numbers(const char* op, const Tensor& input) {
  if (input.dtype() != DType::Int64 && input.dtype() != DType::Int32)
    fail_runtime(op, "the indices are ", name_of(input.dtype()),
                 "; expected int64 or int32, convert with .long()");
  GradMode off(false);
  return contiguous(reshape(to(input, DType::Int64), {input.numel()}));
}

void check_table(const char* op, const Tensor& weight) {
  if (weight.dim() != 2)
    fail_runtime(op, "the weight has shape ", weight.shape(), "; expected (rows, width)");
}

int64_t padding_row(const char* op, std::optional<int64_t> padding_idx, const Tensor& weight,
                    ErrorKind error) {
  if (!padding_idx) return kNoRow;
  const int64_t size = weight.size(0);
  if (*padding_idx < -size || *padding_idx >= size)
    fail(error, op, "padding_idx=", *padding_idx, " is no row of a weight of ", size,
         " rows; pass one of them");
  return *padding_idx < 0 ? *padding_idx + size : *padding_idx;
}

/// The gradient of row i divided by how often i was looked up: [n].
Tensor by_frequency(const Tensor& rows, int64_t size, DType dtype) {
  const int64_t n = rows.numel();
  Tensor scale = empty({n}, DType::Float64);
  launch_host("embedding", scale, rows, [=](const View* out, const View* in) {
    const auto* r = static_cast<const int64_t*>(in[0].data);
    std::vector<int64_t> counts(static_cast<size_t>(size));
    for (int64_t i = 0; i < n; ++i) ++counts[static_cast<size_t>(r[i])];
    for (int64_t i = 0; i < n; ++i)
      static_cast<double*>(out[0].data)[i] =
          1. / static_cast<double>(counts[static_cast<size_t>(r[i])]);
  });
  return to(scale, dtype);
}

/// x itself, its gradient times `scale`.
Tensor scale_gradient(const Tensor& x, const Tensor& scale) {
  Tensor out = detached(x);
  if (Recorder r{&x}; r)
    r.save(scale).done("EmbeddingBackward0", out,
                       [](const Backward& b) { b.give(0, b.grad() * b.saved(0)); });
  return out;
}

Tensor looked_up(const char* op, const Tensor& weight, const Tensor& rows, int64_t skip,
                 const Dims& lead, bool scale_grad_by_freq, bool sparse) {
  const Tensor out = row_gather(op, weight, rows, skip, lead, sparse);
  if (!scale_grad_by_freq || !requires_grad(out)) return out;
  if (sparse)
    fail_runtime(op,
                 "scale_grad_by_freq=True with sparse=True; sparse gradients are not scaled, "
                 "drop one of them");
  const Tensor scale = unrecorded([&] {
    Dims shape = lead;
    shape.push_back(1);
    return reshape(by_frequency(rows, weight.size(0), weight.dtype()), shape);
  });
  return scale_gradient(out, scale);
}

/// Shortens the rows in use whose norm exceeds max_norm, in place.
Tensor renormalize(const Tensor& weight, const Tensor& input, double max_norm, double norm_type) {
  const char* op = "embedding_renorm_";
  check_table(op, weight);
  const Tensor rows = row_numbers(op, input);
  GradMode off(false);
  const Tensor used = row_gather(op, weight, rows);
  const Tensor size = norm(op, used, norm_type, Dims{1}, true);
  const Tensor scale = select(size > max_norm, max_norm / (size + 1e-7), 1.);
  index_put_(weight, {rows}, used * scale, false);
  return weight;
}

Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx,
                 std::optional<double> max_norm, double norm_type, bool scale_grad_by_freq,
                 bool sparse) {
  const char* op = "embedding";
  check_table(op, weight);
  const Tensor rows = row_numbers(op, input);
  const int64_t skip = padding_row(op, padding_idx, weight, ErrorKind::Assertion);
  if (!is_differentiable(weight.dtype()) && !max_norm)
    return index(weight, {reshape(checked_index({op}, rows, weight.size(0)), input.shape())});
  if (max_norm) renormalize(weight, input, *max_norm, norm_type);
  return looked_up(op, weight, rows, skip, input.shape(), scale_grad_by_freq, sparse);
}

/// The bag of every index: [n], from the indices' places where the bags begin.
Tensor bags_of(const char* op, const Tensor& offsets, int64_t n, int64_t bags) {
  Tensor bag = empty({n}, DType::Int64);
  launch_host(op, bag, offsets, [=, all = offsets.numel()](const View* out, const View* in) {
    const auto* begin = static_cast<const int64_t*>(in[0].data);
    auto* bag = static_cast<int64_t*>(out[0].data);
    if (all && begin[0] != 0)
      fail_runtime(op, "offsets[0] is ", begin[0], "; the first bag must begin at 0");
    for (int64_t b = 0; b < all; ++b)
      if (begin[b] > n || (b && begin[b] < begin[b - 1]))
        fail_value(op, "offsets[", b, "] is ", begin[b], " for ", n,
                   " indices; they must rise from 0 to at most that");
    for (int64_t b = 0; b < bags; ++b)
      std::fill(bag + begin[b], bag + (b + 1 < all ? begin[b + 1] : n), b);
  });
  return bag;
}

Tensor bag_max(const char* op, const Tensor& found, const Tensor& bags, int64_t count) {
  const int64_t width = found.size(1);
  Tensor places = empty({count, width}, DType::Int64);
  const Tensor source = contiguous(detached(found));
  launch(op, kernel(Id::BagMax, found.dtype()), places, {&source, &bags});
  if (found.numel() == 0) return zeros({count, width}, found.dtype());
  const Tensor flat = reshape(found, {found.numel(), 1});
  const Tensor at = reshape(to(maximum(places, 0.), DType::Int64), {places.numel()});
  return select(places < 0., 0., reshape(row_gather(op, flat, at), {count, width}));
}

Tensor embedding_bag(const Tensor& input, const Tensor& weight,
                     const std::optional<Tensor>& offsets, const std::string& mode,
                     const std::optional<Tensor>& per_sample_weights, bool include_last_offset,
                     std::optional<int64_t> padding_idx, bool scale_grad_by_freq, bool sparse) {
  const char* op = "embedding_bag";
  check_table(op, weight);
  if (mode != "sum" && mode != "mean" && mode != "max")
    fail_value(op, "mode='", mode, "'; expected 'sum', 'mean' or 'max'");
  if (input.dim() != 1 && input.dim() != 2)
    fail_value(op, "the input has shape ", input.shape(), "; expected 1 or 2 dimensions");
  if ((input.dim() == 1) != offsets.has_value())
    fail_value(op, "the input has shape ", input.shape(), offsets ? " and offsets" : "",
               "; pass offsets with one dimension, and none with two");
  if (per_sample_weights && mode != "sum")
    fail(ErrorKind::NotImplemented, op, "per_sample_weights with mode='", mode,
         "'; weights need mode='sum'");
  if (per_sample_weights && !(per_sample_weights->shape() == input.shape()))
    fail_value(op, "per_sample_weights have shape ", per_sample_weights->shape(), ", the input ",
               input.shape(), "; they must be equal");
  Tensor rows = checked_index({op}, row_numbers(op, input), weight.size(0));
  const Tensor begins = offsets         ? row_numbers(op, *offsets)
                        : input.size(1) ? arange_int(0, input.numel(), input.size(1))
                                        : zeros({input.size(0)}, DType::Int64);
  const int64_t count = begins.numel() - (offsets && include_last_offset ? 1 : 0);
  if (count < 0) fail_value(op, "include_last_offset=True with empty offsets; pass at least one");
  Tensor bags = bags_of(op, begins, rows.numel(), count);
  Tensor factor = per_sample_weights ? reshape(*per_sample_weights, {input.numel(), 1}) : Tensor();
  const int64_t skip = padding_row(op, padding_idx, weight, ErrorKind::Runtime);
  if (skip != kNoRow) {
    const Tensor places = kept(rows, skip);
    rows = index(rows, {places});
    bags = index(bags, {places});
    if (factor.defined()) factor = index(factor, {places});
  }
  Tensor found = looked_up(op, weight, rows, kNoRow, {rows.numel()}, scale_grad_by_freq, sparse);
  if (mode == "max") return named(kBagNode, bag_max(op, found, bags, count));
  if (factor.defined()) found = found * factor;
  const Tensor total = row_add(op, found, bags, count, kNoRow);
  if (mode == "sum") return total;
  Tensor sizes = zeros({count, 1}, DType::Int64);
  launch_host(op, sizes, bags, [n = bags.numel()](const View* out, const View* in) {
    const auto* bag = static_cast<const int64_t*>(in[0].data);
    for (int64_t i = 0; i < n; ++i) ++static_cast<int64_t*>(out[0].data)[bag[i]];
  });
  return named(kBagNode, total / maximum(to(sizes, weight.dtype()), 1.));
}

Tensor one_hot(const Tensor& input, int64_t num_classes) {
  const char* op = "one_hot";
  if (input.dtype() != DType::Int64)
    fail_runtime(op, "the classes are ", name_of(input.dtype()), "; expected int64, use .long()");
  const Tensor classes = contiguous(input);
  const int64_t n = classes.numel();
  if (n == 0 && num_classes < 1)
    fail_runtime(op, "no classes to count in an empty tensor; pass num_classes");
  int64_t count = num_classes;
  if (num_classes == -1) {
    const auto* c = classes.data<int64_t>();
    count = std::max<int64_t>(1, *std::max_element(c, c + n) + 1);
  }
  if (count < 1) fail_runtime(op, "num_classes=", count, "; expected 1 or more, or -1");
  Dims shape = input.shape();
  shape.push_back(count);
  Tensor out = zeros(shape, DType::Int64);
  launch_host(op, out, classes, [=](const View* to, const View* from) {
    const auto* c = static_cast<const int64_t*>(from[0].data);
    for (int64_t i = 0; i < n; ++i) {
      if (c[i] < 0) fail_runtime(op, "class ", c[i], " is negative; classes begin at 0");
      if (c[i] >= count)
        fail_runtime(op, "class ", c[i], " with num_classes=", count, "; classes must be smaller");
      static_cast<int64_t*>(to[0].data)[i * count + c[i]] = 1;
    }
  });
  return out;
}

}  // namespace

void register_embedding(Registry& r) {
  r.nn("embedding",
       "input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, "
       "sparse=False",
       embedding, "weight[input]: rows of a table (rows, width), for indices of any shape.");
  r.function("embedding_renorm_", "input, indices, max_norm, norm_type", renormalize,
             "Rows of input at the indices with a norm over max_norm, scaled down to it in place.");
  r.nn("embedding_bag",
       "input, weight, offsets=None, ?mode='mean', per_sample_weights=None, "
       "include_last_offset=False, padding_idx=None, scale_grad_by_freq=False, sparse=False",
       embedding_bag,
       "Sums, means or maxima of bags of rows; bags are rows of a 2-d input, or begin at offsets.");
  r.nn("one_hot", "input, num_classes=-1", one_hot,
       "1 at the class, 0 elsewhere, along a new last dimension; classes int64.");
}

}  // namespace bx
