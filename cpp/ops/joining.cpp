// Tensors put together: cat and stack.
#include "ops/ops.h"

namespace bx {

namespace {

DType joint_dtype(const Tensors& tensors) {
  return result_type(tensors.data(), static_cast<int>(tensors.size()));
}

/// Copies each tensor, converted, to its place along the axis.
Tensor join(const char* op, const char* node, const Tensors& given, int axis, const Dims& shape) {
  Tensors tensors;
  const DType dtype = joint_dtype(given);
  for (const Tensor& t : given) tensors.push_back(to(t, dtype));
  Tensor out = empty(shape, dtype);
  Dims ends;
  std::vector<int64_t> starts;
  int64_t at = 0;
  for (const Tensor& t : tensors) {
    launch(op, kernel(kernels::Id::Copy, dtype),
           alias(out, t.shape(), out.strides(), at * out.strides()[axis]), t);
    starts.push_back(at);
    at += t.shape()[axis];
  }
  starts.push_back(at);
  if (Recorder r(tensors); r)
    r.done(node, out, [axis, starts](const Backward& b) {
      for (int i = 0; i + 1 < static_cast<int>(starts.size()); ++i)
        if (b.wants(i))
          b.give(i, slice(b.grad(), axis, starts[static_cast<size_t>(i)],
                          starts[static_cast<size_t>(i) + 1], 1));
    });
  return out;
}

}  // namespace

Tensor cat(const Tensors& given, int64_t axis) {
  if (given.empty()) fail_value("cat", "no tensors; pass at least one");
  // PyTorch lets an empty 1-d tensor be joined with anything.
  Tensors tensors;
  for (const Tensor& t : given)
    if (!(t.shape() == Dims{0}) || given.size() == 1) tensors.push_back(t);
  if (tensors.empty()) return given[0];
  // Its type counts all the same: what is gathered begins with tensor([]).
  if (tensors.size() < given.size()) tensors[0] = to(tensors[0], joint_dtype(given));
  const Tensor& first = tensors[0];
  if (first.dim() == 0) fail_runtime("cat", "a 0-d tensor cannot be joined; use stack");
  const int a = wrap_axis("cat", axis, first.dim());
  Dims shape = first.shape();
  shape[a] = 0;
  for (const Tensor& t : tensors) {
    Dims other = t.shape();
    if (other.size() == shape.size()) other[a] = shape[a];
    if (!(other == shape))
      fail_runtime("cat", "shapes ", first.shape(), " and ", t.shape(),
                   " differ in more than dimension ", a, "; make the others equal");
    shape[a] += t.shape()[a];
  }
  return join("cat", "CatBackward0", tensors, a, shape);
}

Tensor stack(const Tensors& tensors, int64_t axis) {
  if (tensors.empty()) fail_runtime("stack", "no tensors; pass at least one");
  const int a = wrap_axis("stack", axis, tensors[0].dim() + 1);
  Tensors rows;
  for (const Tensor& t : tensors) {
    if (!(t.shape() == tensors[0].shape()))
      fail_runtime("stack", "shapes ", tensors[0].shape(), " and ", t.shape(),
                   " differ; stack takes tensors of one shape, cat joins others");
    rows.push_back(unsqueeze(t, a));
  }
  Dims shape = rows[0].shape();
  shape[a] = static_cast<int64_t>(rows.size());
  return join("stack", "StackBackward0", rows, a, shape);
}

void register_joining(Registry& r) {
  r.function("cat", "tensors, dim=0", cat, "Tensors joined along an existing dimension.");
  r.function("concat", "tensors, dim=0", cat, "Tensors joined along an existing dimension.");
  r.function("concatenate", "tensors, dim=0", cat, "Tensors joined along an existing dimension.");
  r.function("stack", "tensors, dim=0", stack, "Tensors joined along a new dimension.");
}

}  // namespace bx
