// Order along one dimension: sort, topk, ranks, medians, the most frequent value.
#include <algorithm>
#include <limits>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// A kernel that selects k elements of every line along an axis: (values, indices). The gradient
/// goes to the elements that were chosen.
std::pair<Tensor, Tensor> choose(const char* op, const char* node, Id id, const Tensor& t, int axis,
                                 int64_t k, bool keepdim, Params params) {
  const Tensor x = t.dim() ? t : alias(t, {1}, {1}, t->offset);
  Dims kept = x.shape();
  kept[axis] = k;
  Tensor values = empty(kept, t.dtype()), indices = empty(kept, DType::Int64);
  params.i[0] = axis;
  if (values.numel() > 0) launch(op, kernel(id, t.dtype()), {&values, &indices}, x, params);
  Dims shape = kept;
  if (t.dim() == 0 || !keepdim) shape.erase(axis);
  values = alias(values, shape, contiguous_strides(shape), 0);
  indices = alias(indices, shape, contiguous_strides(shape), 0);
  if (Recorder r{&t}; r)
    r.save(indices).done(node, values, [axis, kept, shape = t.shape()](const Backward& b) {
      const Dims at = shape.empty() ? Dims{} : kept;
      b.give(0, scatter_add(zeros(shape, b.grad().dtype()), axis, reshape(b.saved(0), at),
                            reshape(b.grad(), at)));
    });
  return {values, indices};
}

std::pair<Tensor, Tensor> sort_as(const char* node, const Tensor& t, int64_t dim, bool falling) {
  const int axis = wrap_axis("sort", dim, t.dim());
  const Dims order = memory_order(t);
  if (!std::is_sorted(order.begin(), order.end())) {  // the results lie in memory as t does
    const Dims back = inverse_order(order);
    const auto [values, indices] = sort_as(node, permute(t, order), back[axis], falling);
    return {named(node, permute(values, back)), permute(indices, back)};
  }
  Params p;
  p.i[1] = falling;
  return choose("sort", node, Id::Sort, t, axis, t.dim() ? t.shape()[axis] : 1, true, p);
}

Tensor argsort(const Tensor& t, int64_t dim, bool descending, bool) {
  GradMode off(false);
  return sort(t, dim, descending).second;
}

std::pair<Tensor, Tensor> topk(const Tensor& t, int64_t k, int64_t dim, bool largest, bool sorted) {
  require_number_type("topk", t);
  const int axis = wrap_axis("topk", dim, t.dim());
  const int64_t n = t.dim() ? t.shape()[axis] : 1;
  if (k < 0 || k > n || (t.dim() == 0 && k == 0))
    fail_runtime("topk", "k is ", k, ", the dimension has ", n, " elements; take at most as many");
  Params p;
  p.i[1] = k;
  p.i[2] = largest;
  p.i[3] = sorted;
  return choose("topk", "TopkBackward0", Id::TopK, t, axis, k, true, p);
}

void require_elements(const char* op, const Tensor& t, int axis) {
  if (t.dim() && t.shape()[axis] == 0)
    fail_index(op, "dimension ", axis, " of shape ", t.shape(),
               " has no elements; pass a tensor that has some");
}

std::pair<Tensor, Tensor> kthvalue(const Tensor& t, int64_t k, int64_t dim, bool keepdim) {
  require_number_type("kthvalue", t);
  const int axis = wrap_axis("kthvalue", dim, t.dim());
  require_elements("kthvalue", t, axis);
  const int64_t n = t.dim() ? t.shape()[axis] : 1;
  if (k < 1 || k > n)
    fail_runtime("kthvalue", "k is ", k, " in a dimension of ", n, " elements; expected 1 to ", n);
  Params p;
  p.i[1] = k - 1;
  return choose("kthvalue", "KthvalueBackward0", Id::KthValue, t, axis, 1, keepdim, p);
}

struct MedianNames {
  const char *op, *of_all, *along;
  bool skip_nan;
};
constexpr MedianNames kMedian{"median", "MedianBackward0", "MedianBackward1", false};
constexpr MedianNames kNanmedian{"nanmedian", "NanmedianBackward0", "NanmedianBackward1", true};

template <const MedianNames& names>
std::pair<Tensor, Tensor> median_along(const Tensor& t, int64_t dim, bool keepdim) {
  require_number_type(names.op, t);
  const int axis = wrap_axis(names.op, dim, t.dim());
  require_elements(names.op, t, axis);
  Params p;
  p.i[1] = -1;
  p.i[2] = names.skip_nan;
  return choose(names.op, names.along, Id::KthValue, t, axis, 1, keepdim, p);
}

/// Of all elements; those that equal the median share its gradient.
template <const MedianNames& names>
Tensor median(const Tensor& t) {
  if (t.numel() == 0) {
    if (!is_floating(t.dtype())) fail_index(names.op, "no elements; pass a tensor that has some");
    return full({}, std::numeric_limits<double>::quiet_NaN(), t.dtype());
  }
  Tensor out;
  {
    GradMode off(false);
    out = median_along<names>(reshape(t, {-1}), 0, false).first;
  }
  if (Recorder r{&t}; r)
    r.save(t).save_output().done(names.of_all, out, [](const Backward& b) {
      const Tensor x = b.saved(0), plain = detach(x), y = detach(b.saved(1));
      const Tensor hits =
          to((plain == y) || ((plain != plain) && expand(y != y, x.shape())), x.dtype());
      b.give(0, b.grad() * (hits / sum(hits)));
    });
  return out;
}

std::pair<Tensor, Tensor> mode(const Tensor& t, int64_t dim, bool keepdim) {
  const int axis = wrap_axis("mode", dim, t.dim());
  require_elements("mode", t, axis);
  return choose("mode", "ModeBackward0", Id::Mode, t, axis, 1, keepdim, {});
}

}  // namespace

std::pair<Tensor, Tensor> sort(const Tensor& t, int64_t dim, bool descending) {
  return sort_as("SortBackward0", t, dim, descending);
}

void register_sorting(Registry& r) {
  r.both("sort", "input, dim=-1, descending=False -> values, indices", sort,
         "The values in order along dim and where they stood; equal values keep their order, NaN "
         "is the largest.");
  r.both(
      "sort", "input, *, stable, dim=-1, descending=False -> values, indices",
      [](const Tensor& t, std::optional<bool>, int64_t dim, bool descending) {
        return sort_as("SortBackward1", t, dim, descending);
      },
      "");
  r.both("argsort", "input, dim=-1, descending=False, stable=False", argsort,
         "Where the values stood that sort puts in order.");
  r.both(
      "msort", "input", [](const Tensor& t) { return sort_as("SortBackward0", t, 0, false).first; },
      "The values in order along the first dimension.");
  r.both("topk", "input, k, dim=-1, largest=True, sorted=True -> values, indices", topk,
         "The k largest (or smallest) values along dim and where they stood; RuntimeError for "
         "more than there are.");
  r.both("kthvalue", "input, k, dim=-1, keepdim=False -> values, indices", kthvalue,
         "The k-th smallest value along dim, from 1, and where it stood; NaN is the largest.");
  r.both("median", "input", median<kMedian>,
         "The middle value, the lower of two; of all elements, or with its index along dim. NaN "
         "where there is a NaN.");
  r.both("median", "input, dim, keepdim=False -> values, indices", median_along<kMedian>, "");
  r.both("nanmedian", "input", median<kNanmedian>,
         "The middle value of those that are not NaN, the lower of two; of all elements, or with "
         "its index along dim.");
  r.both("nanmedian", "input, dim, keepdim=False -> values, indices", median_along<kNanmedian>, "");
  r.both("mode", "input, dim=-1, keepdim=False -> values, indices", mode,
         "The most frequent value along dim, the smallest of several, and one of its places.");
}

}  // namespace bx
