// Distinct values, and binary search among ordered ones. Nothing here has a derivative.
#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// The rows of a tensor [n, m] grouped: the distinct ones, the group of each, the groups' sizes.
struct Groups {
  Tensor rows, inverse, counts;

  /// Equal rows are found side by side, after sorting where `anywhere`.
  Groups(const char* op, const Tensor& x, bool anywhere) {
    const int64_t n = x.shape()[0];
    Tensor order = arange_int(0, n, 1), in_order = x;
    if (anywhere && n > 0) {
      if (x.shape()[1] == 1) order = reshape(sort(reshape(x, {-1}), 0, false).second, {-1});
      else launch(op, kernel(Id::SortRows, x.dtype()), order, x);
      in_order = index(x, {order});
    }
    const Tensor starts = empty({n}, DType::Bool);
    if (n > 0) launch(op, kernel(Id::Distinct, x.dtype()), starts, in_order);
    const Tensor firsts = reshape(nonzero(starts), {-1});
    rows = index(in_order, {firsts});
    inverse = empty({n}, DType::Int64);
    counts = empty({firsts.numel()}, DType::Int64);
    const auto *first = firsts.data<int64_t>(), *from = order.data<int64_t>();
    for (int64_t g = 0; g < firsts.numel(); ++g) {
      const int64_t end = g + 1 < firsts.numel() ? first[g + 1] : n;
      counts.data<int64_t>()[g] = end - first[g];
      for (int64_t i = first[g]; i < end; ++i) inverse.data<int64_t>()[from[i]] = g;
    }
  }
};

/// PyTorch has no derivative here: who asks for one is told.
void refuse_derivative(const char* op, const Tensor& values, const Tensor& t) {
  if (Recorder r{&t}; r)
    r.done("NotImplemented", values, [op](const Backward&) {
      fail(ErrorKind::NotImplemented, op,
           "the derivative is not implemented; detach() the input, or index it with "
           "return_inverse's places");
    });
}

Tensors distinct(const char* op, const Tensor& t, bool anywhere, std::optional<int64_t> dim) {
  GradMode off(false);
  Tensor values, inverse, counts;
  if (dim) wrap_axis(op, *dim, t.dim());
  if (!dim || t.dim() == 0) {
    const Groups g(op, contiguous(reshape(t, {t.numel(), 1})), anywhere);
    values = reshape(g.rows, {-1});
    inverse = reshape(g.inverse, dim ? Dims{1} : t.shape());
    counts = g.counts;
  } else {
    const int axis = wrap_axis(op, *dim, t.dim());
    Dims rest = t.shape();
    rest.erase(axis);
    if (rest.product() == 0)
      fail_runtime(op, "shape ", t.shape(), " has no elements beside dimension ", axis,
                   "; choose a dimension whose slices are not empty");
    const int64_t n = t.shape()[axis];
    const Groups g(op, contiguous(reshape(movedim(t, {axis}, {0}), {n, rest.product()})), anywhere);
    Dims shape = rest;
    shape.insert(0, g.rows.shape()[0]);
    values = contiguous(movedim(reshape(g.rows, shape), {0}, {axis}));
    inverse = g.inverse;
    counts = g.counts;
  }
  return {values, inverse, counts};
}

Value unique(const char* op, const Tensor& t, bool anywhere, bool with_inverse, bool with_counts,
             std::optional<int64_t> dim) {
  Tensors found = distinct(op, t, anywhere, dim);
  refuse_derivative(op, found[0], t);
  if (!with_inverse && !with_counts) return found[0];
  if (!with_counts) found.pop_back();
  if (!with_inverse) found.erase(found.begin() + 1);
  return found;
}

Tensor searchsorted(const char* op, const Tensor& bounds, const Tensor& values, bool as_int32,
                    bool right, const std::optional<std::string>& side,
                    const std::optional<Tensor>& sorter) {
  GradMode off(false);
  if (side && *side != "left" && *side != "right")
    fail_runtime(op, "side is '", *side, "'; expected 'left' or 'right'");
  if (side && *side == "left" && right)
    fail_runtime(op, "side='left' and right=True contradict each other; pass one of them");
  if (bounds.dim() == 0) fail_runtime(op, "the sorted sequence is 0-d; it needs a dimension");
  const int64_t n = bounds.shape()[bounds.dim() - 1];
  Dims lead = bounds.shape(), value_lead = values.shape();
  lead.resize(lead.size() - 1);
  if (value_lead.size()) value_lead.resize(value_lead.size() - 1);
  if (bounds.dim() > 1 && (values.dim() != bounds.dim() || !(lead == value_lead)))
    fail_runtime(op, "a sorted sequence of shape ", bounds.shape(), " and values of shape ",
                 values.shape(), "; it must be 1-d, or all dimensions but the last equal");
  Params p;
  p.i[0] = right || (side && *side == "right");
  p.i[1] = sorter.has_value();
  const DType dtype = promote(bounds.dtype(), values.dtype());
  if (dtype == DType::Bool)
    fail(ErrorKind::NotImplemented, op, "not implemented for bool; convert with .int()");
  const int64_t rows = bounds.dim() == 1 ? 1 : lead.product();
  const int64_t columns = rows ? values.numel() / rows : 0;
  const Tensor ordered = reshape(contiguous(to(bounds, dtype)), {rows, n});
  const Tensor wanted = reshape(contiguous(to(values, dtype)), {rows, columns});
  Tensor order;
  if (sorter) {
    if (!(sorter->shape() == bounds.shape()))
      fail_runtime(op, "the sorter has shape ", sorter->shape(), ", the sequence ", bounds.shape(),
                   "; they must be equal");
    if (sorter->dtype() != DType::Int64)
      fail_runtime(op, "the sorter is ", name_of(sorter->dtype()), "; expected int64");
    order = contiguous(*sorter);
    for (int64_t i = 0; i < order.numel(); ++i)
      if (order.data<int64_t>()[i] < 0 || order.data<int64_t>()[i] >= n)
        fail_runtime(op, "the sorter has the index ", order.data<int64_t>()[i], "; expected 0 to ",
                     n - 1);
  }
  const Tensor out = empty({rows, columns}, DType::Int64);
  if (out.numel() > 0) {
    Operands in{&ordered, &wanted};
    if (sorter) in.add(order);
    launch(op, kernel(Id::Search, dtype), out, in, p);
  }
  return to(reshape(out, values.shape()), as_int32 ? DType::Int32 : DType::Int64);
}

Tensor isin(Operand elements, Operand test, bool, bool invert) {
  for (const Tensor* t : {&elements.tensor, &test.tensor})
    if (t->dtype() == DType::Bool)
      fail_runtime("isin", "not supported for bool; compare, or convert with .int()");
  GradMode off(false);
  const Tensor both[] = {elements.tensor, test.tensor};
  const DType dtype = result_type(both, 2);
  const Tensor x = to(elements.tensor, dtype);
  if (test.tensor.numel() == 0) return full_int(x.shape(), invert, DType::Bool);
  const Tensor sorted = sort(reshape(to(test.tensor, dtype), {-1}), 0, false).first;
  const Tensor last = full_int({}, sorted.numel() - 1, DType::Int64);
  const Tensor at =
      minimum(searchsorted("isin", sorted, x, false, false, std::nullopt, std::nullopt), last);
  const Tensor nearest = index(sorted, {at});
  return invert ? nearest != x : nearest == x;
}

}  // namespace

void register_searching(Registry& r) {
  r.both(
      "unique", "input, sorted=True, return_inverse=False, return_counts=False, dim=None",
      [](const Tensor& t, bool, bool inverse, bool counts, std::optional<int64_t> dim) {
        return unique("unique", t, true, inverse, counts, dim);
      },
      "The distinct values of all elements, or slices of dim, in rising order; then for every "
      "element the place of its value, and how often each occurs. No NaN equals another.");
  r.both(
      "unique_consecutive", "input, return_inverse=False, return_counts=False, dim=None",
      [](const Tensor& t, bool inverse, bool counts, std::optional<int64_t> dim) {
        return unique("unique_consecutive", t, false, inverse, counts, dim);
      },
      "input with repeats beside each other left out; then for every element the place of its "
      "value, and how often it is repeated.");
  r.function(
      "searchsorted",
      "sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None",
      [](const Tensor& bounds, Operand values, bool as_int32, bool right,
         std::optional<std::string> side, std::optional<Tensor> sorter) {
        return searchsorted("searchsorted", bounds, values.tensor, as_int32, right, side, sorter);
      },
      "Where values would be inserted into the rising last dimension: before equal ones, or with "
      "right=True after them. `sorter` is the order in which the sequence rises.");
  r.function(
      "bucketize", "input, boundaries, *, out_int32=False, right=False",
      [](Operand values, const Tensor& bounds, bool as_int32, bool right) {
        if (bounds.dim() != 1)
          fail_runtime("bucketize", "boundaries have shape ", bounds.shape(),
                       "; expected one dimension");
        return searchsorted("bucketize", bounds, values.tensor, as_int32, right, std::nullopt,
                            std::nullopt);
      },
      "How many boundaries lie below each value: b[i-1] < v <= b[i], or with right=True "
      "b[i-1] <= v < b[i].");
  r.function("isin", "elements, test_elements, *, assume_unique=False, invert=False", isin,
             "Whether each element is among the test elements.");
}

}  // namespace bx
