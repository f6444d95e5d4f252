// Pieces of a dimension, as views: split, chunk, tensor_split and its relatives.
#include "ops/arranging.h"
#include "ops/variants.h"

namespace bx {

namespace {

std::string written(const Ints& sizes) {
  std::string text;
  for (int64_t s : sizes) text += (text.empty() ? "(" : ", ") + std::to_string(s);
  return text + ")";
}

int axis_to_cut(const char* op, const Tensor& t, int64_t axis) {
  if (t.dim() == 0) fail_runtime(op, "a 0-d tensor cannot be cut; use unsqueeze(0)");
  return wrap_axis(op, axis, t.dim());
}

Tensors split_sizes(const Tensor& t, const Ints& sizes, int64_t axis) {
  const int a = axis_to_cut("split", t, axis);
  int64_t total = 0;
  for (int64_t s : sizes) {
    if (s < 0) fail_runtime("split", "a piece of size ", s, "; sizes are 0 or more");
    total += s;
  }
  if (total != t.shape()[a])
    fail_runtime("split", "sizes ", written(sizes), " sum to ", total, ", dimension ", axis,
                 " of shape ", t.shape(), " has another size; make them equal");
  Tensors parts;
  int64_t at = 0;
  for (int64_t s : sizes) {
    parts.push_back(slice_as("SplitWithSizesBackward0", t, a, at, at + s, 1));
    at += s;
  }
  return parts;
}

Tensors split(const Tensor& t, int64_t size, int64_t axis) {
  const int a = axis_to_cut("split", t, axis);
  const int64_t n = t.shape()[a];
  if (size < 0 || (size == 0 && n > 0))
    fail_runtime("split", "pieces of size ", size, " from a dimension of size ", n,
                 "; pass a positive size");
  Tensors parts;
  for (int64_t at = 0; at < n || parts.empty(); at += std::max<int64_t>(1, size))
    parts.push_back(slice_as("SplitBackward0", t, a, at, std::min(n, at + size), 1));
  return parts;
}

Tensors chunk(const Tensor& t, int64_t chunks, int64_t axis) {
  if (chunks < 1) fail_runtime("chunk", chunks, " chunks; pass 1 or more");
  const int64_t n = t.shape()[axis_to_cut("chunk", t, axis)];
  // Of nothing, as many empty pieces as were asked for.
  if (n == 0)
    return Tensors(static_cast<size_t>(chunks), slice_as("SplitBackward0", t, axis, 0, 0, 1));
  return split(t, (n + chunks - 1) / chunks, axis);
}

/// Pieces between the positions where the dimension is cut.
Tensors cut_at(const Tensor& t, const Ints& positions, int64_t axis) {
  const int a = axis_to_cut("tensor_split", t, axis);
  Tensors parts;
  int64_t begin = 0;
  for (int64_t end : positions) {
    parts.push_back(slice(t, a, begin, end, 1));
    begin = end;
  }
  parts.push_back(slice(t, a, begin, t.shape()[a], 1));
  return parts;
}

/// Pieces whose sizes differ by at most one, the larger ones first.
Tensors cut_into(const Tensor& t, int64_t sections, int64_t axis) {
  const int a = axis_to_cut("tensor_split", t, axis);
  if (sections < 1) fail_runtime("tensor_split", sections, " sections; pass 1 or more");
  require_room({sections, 64}, DType::Float64);  // each piece is a tensor
  Ints positions;
  const int64_t n = t.shape()[a];
  for (int64_t k = 1; k < sections; ++k)
    positions.push_back(k * (n / sections) + std::min(k, n % sections));
  return cut_at(t, positions, a);
}

Tensors cut_as_tensor_says(const Tensor& t, const Tensor& cuts, int64_t axis) {
  if (cuts.dtype() != DType::Int64 || cuts.dim() > 1)
    fail_runtime("tensor_split", "positions are ", name_of(cuts.dtype()), " of shape ",
                 cuts.shape(), "; expected int64 with at most one dimension");
  if (cuts.dim() == 0) return cut_into(t, item_int(cuts), axis);
  const Tensor flat = contiguous(cuts);
  return cut_at(t, Ints(flat.data<int64_t>(), flat.data<int64_t>() + flat.numel()), axis);
}

/// hsplit, vsplit, dsplit: the dimension by its name in space.
int64_t axis_in_space(const char* op, const Tensor& t, int at_least, int64_t axis) {
  if (t.dim() < at_least)
    fail_runtime(op, "expected at least ", at_least, " dimensions, got shape ", t.shape(),
                 "; use tensor_split");
  return t.dim() == 1 ? 0 : axis;
}

Tensors cut_evenly(const char* op, const Tensor& t, int64_t sections, int at_least, int64_t axis) {
  const int64_t a = axis_in_space(op, t, at_least, axis), n = t.shape()[static_cast<int>(a)];
  if (sections < 1 || n % sections)
    fail_runtime(op, sections, " sections of dimension ", a, " of shape ", t.shape(),
                 "; choose a divisor of its size");
  return cut_into(t, sections, a);
}

}  // namespace

void register_splitting(Registry& r) {
  r.both("split", "tensor, split_size_or_sections, dim=0", split,
         "Pieces of one size, or of given sizes, along a dimension, as views.");
  r.both("split", "tensor, split_size_or_sections, dim=0", split_sizes, "");
  r.method("split", "tensor, split_size, dim=0", split, "");
  r.method("split", "tensor, split_size, dim=0", split_sizes, "");
  r.both("split_with_sizes", "input, split_sizes, dim=0", split_sizes,
         "Pieces of given sizes along a dimension, as views.");
  r.both("chunk", "input, chunks, dim=0", chunk,
         "At most `chunks` pieces of equal size, as views.");
  r.both("tensor_split", "input, indices_or_sections, dim=0", cut_into,
         "As many pieces, their sizes equal or off by one; or pieces between given positions.");
  r.both("tensor_split", "input, indices_or_sections, dim=0", cut_at, "");
  r.both("tensor_split", "input, indices_or_sections, dim=0", cut_as_tensor_says, "");
  r.method("tensor_split", "input, sections, dim=0", cut_into, "");
  r.method("tensor_split", "input, indices, dim=0", cut_at, "");
#define BX_CUT(name, at_least, axis)                                                            \
  r.both(                                                                                       \
      name, "input, sections",                                                                  \
      [](const Tensor& t, int64_t n) { return cut_evenly(name, t, n, at_least, axis); },        \
      "Equal pieces, or pieces between given positions, along dimension " #axis ", as views."); \
  r.both(                                                                                       \
      name, "input, indices",                                                                   \
      [](const Tensor& t, const Ints& at) {                                                     \
        return cut_at(t, at, axis_in_space(name, t, at_least, axis));                           \
      },                                                                                        \
      "");
  BX_CUT("hsplit", 1, 1)
  BX_CUT("vsplit", 2, 0)
  BX_CUT("dsplit", 3, 2)
#undef BX_CUT
  add_copies(r, {"split", "split_with_sizes"});
  add_apart(r, {"split", "split_with_sizes", "chunk"});
}

}  // namespace bx
