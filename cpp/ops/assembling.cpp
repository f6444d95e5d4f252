// Tensors laid beside each other: stacks of rows and columns, grids, blocks, combinations.
#include <algorithm>

#include "ops/arranging.h"

namespace bx {

namespace {

/// At least n dimensions; those of a vector stand where PyTorch and NumPy have them.
Tensor at_least(const Tensor& t, int n) {
  if (t.dim() >= n) return t;
  if (t.dim() == 0) return reshape(t, Dims(n, 1));
  const Tensor rows = t.dim() == 1 && n > 1 ? unsqueeze(t, 0) : t;
  return n == 3 ? unsqueeze(rows, -1) : rows;
}
template <int N>
Tensor at_least_one(const Tensor& t) {
  return at_least(t, N);
}
template <int N>
Tensors at_least_all(const Tensors& tensors) {
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(at_least(t, N));
  return out;
}

void expect_some(const char* op, const Tensors& tensors) {
  if (tensors.empty()) fail_runtime(op, "no tensors; pass at least one");
}

Tensor hstack(const Tensors& tensors) {
  expect_some("hstack", tensors);
  const Tensors rows = at_least_all<1>(tensors);
  return cat(rows, rows[0].dim() == 1 ? 0 : 1);
}

Tensor vstack(const Tensors& tensors) {
  expect_some("vstack", tensors);
  return cat(at_least_all<2>(tensors), 0);
}

Tensor dstack(const Tensors& tensors) {
  expect_some("dstack", tensors);
  return cat(at_least_all<3>(tensors), 2);
}

Tensor column_stack(const Tensors& tensors) {
  expect_some("column_stack", tensors);
  Tensors columns;
  for (const Tensor& t : tensors) columns.push_back(t.dim() < 2 ? reshape(t, {t.numel(), 1}) : t);
  return cat(columns, 1);
}

Tensors broadcast_tensors(const Tensors& tensors) {
  Dims shape;
  for (const Tensor& t : tensors) shape = broadcast_shapes("broadcast_tensors", shape, t.shape());
  Tensors out;
  for (const Tensor& t : tensors) out.push_back(t.shape() == shape ? t : expand(t, shape));
  return out;
}

Tensors meshgrid(const Tensors& tensors, const std::optional<std::string>& indexing) {
  expect_some("meshgrid", tensors);
  if (!indexing) warn("meshgrid", "indexing was left out, 'ij' is taken; pass it");
  const std::string order = indexing.value_or("ij");
  if (order != "ij" && order != "xy")
    fail_runtime("meshgrid", "indexing '", order, "'; expected 'ij' or 'xy'");
  Dims shape;
  for (const Tensor& t : tensors) {
    if (t.dim() > 1 || t.dtype() != tensors[0].dtype())
      fail_runtime("meshgrid", name_of(t.dtype()), " of shape ", t.shape(),
                   "; expected vectors of one type, ", name_of(tensors[0].dtype()));
    shape.push_back(t.numel());
  }
  const bool swap = order == "xy" && tensors.size() > 1;
  Tensors grids;
  for (int k = 0; k < shape.size(); ++k) {
    Dims own(shape.size(), 1);
    own[k] = shape[k];
    const Tensor grid = expand(reshape(tensors[static_cast<size_t>(k)], own), shape);
    grids.push_back(swap ? transpose(grid, 0, 1) : grid);
  }
  return grids;
}

Tensor cartesian_prod(const Tensors& tensors) {
  expect_some("cartesian_prod", tensors);
  for (const Tensor& t : tensors)
    if (t.dim() != 1)
      fail_runtime("cartesian_prod", "a tensor of shape ", t.shape(), "; expected vectors");
  if (tensors.size() == 1) return tensors[0];
  Tensors columns;
  for (const Tensor& grid : meshgrid(tensors, "ij")) columns.push_back(reshape(grid, {-1}));
  return stack(columns, 1);
}

Tensor combinations(const Tensor& t, int64_t r, bool with_replacement) {
  if (t.dim() != 1)
    fail_runtime("combinations", "input of shape ", t.shape(), "; expected a vector");
  if (r < 0) fail_runtime("combinations", "r is ", r, "; expected 0 or more");
  if (r == 0) return empty({0}, t.dtype());
  const int64_t n = t.numel();
  std::vector<int64_t> rows, pick(static_cast<size_t>(r));
  const int64_t gap = with_replacement ? 0 : 1;
  for (int64_t k = 0; k < r; ++k) pick[static_cast<size_t>(k)] = k * gap;
  while (n > 0 && pick.back() < n) {
    rows.insert(rows.end(), pick.begin(), pick.end());
    int64_t k = r - 1;
    while (k >= 0 && pick[static_cast<size_t>(k)] == n - 1 - (r - 1 - k) * gap) --k;
    if (k < 0) break;
    int64_t next = pick[static_cast<size_t>(k)] + 1;
    for (; k < r; ++k, next += gap) pick[static_cast<size_t>(k)] = next;
  }
  Tensor places = empty({static_cast<int64_t>(rows.size()) / r, r}, DType::Int64);
  std::copy(rows.begin(), rows.end(), places.data<int64_t>());
  Tensors columns;
  for (int64_t k = 0; k < r; ++k) columns.push_back(index(t, {select_axis(places, 1, k)}));
  return stack(columns, 1);
}

Tensor block_diag(const Tensors& given) {
  Tensors blocks;
  Dims shape{0, 0};
  const DType dtype =
      given.empty() ? default_dtype() : result_type(given.data(), static_cast<int>(given.size()));
  for (const Tensor& t : given) {
    if (t.dim() > 2)
      fail_runtime("block_diag", "a block of shape ", t.shape(), "; expected at most 2 dimensions");
    blocks.push_back(to(at_least(t, 2), dtype));
    shape[0] += blocks.back().shape()[0];
    shape[1] += blocks.back().shape()[1];
  }
  if (given.empty()) return empty({1, 0}, dtype);
  Tensor out = zeros(shape, dtype);
  std::vector<Part> parts;
  int64_t row = 0, col = 0;
  for (const Tensor& t : blocks) {
    parts.push_back({t.shape(), out.strides(), row * shape[1] + col});
    launch("block_diag", kernel(kernels::Id::Copy, dtype),
           alias(out, t.shape(), out.strides(), parts.back().offset), t);
    row += t.shape()[0];
    col += t.shape()[1];
  }
  if (Recorder r(blocks); r)
    r.done("BlockDiagBackward0", out, [parts](const Backward& b) {
      for (int k = 0; k < static_cast<int>(parts.size()); ++k)
        if (b.wants(k))
          b.give(k, extract("ExtractBackward0", b.grad(), parts[static_cast<size_t>(k)]));
    });
  return out;
}

}  // namespace

void register_assembling(Registry& r) {
  r.function("atleast_1d", "input", at_least_one<1>, "With at least one dimension, as a view.");
  r.function("atleast_1d", "tensors=()", at_least_all<1>, "");
  r.function("atleast_2d", "input", at_least_one<2>, "With at least two dimensions, as a view.");
  r.function("atleast_2d", "tensors=()", at_least_all<2>, "");
  r.function("atleast_3d", "input", at_least_one<3>, "With at least three dimensions, as a view.");
  r.function("atleast_3d", "tensors=()", at_least_all<3>, "");
  r.function("hstack", "tensors", hstack,
             "Tensors joined along their columns (vectors end to end).");
  r.function("vstack", "tensors", vstack, "Tensors joined along their rows; a vector is one row.");
  r.alias("vstack", {"row_stack"});
  r.function("dstack", "tensors", dstack, "Tensors joined along their third dimension.");
  r.function("column_stack", "tensors", column_stack,
             "Tensors joined along their columns; a vector is one column.");
  r.function("broadcast_tensors", "*tensors", broadcast_tensors,
             "All tensors expanded to the shape in which they would be combined.");
  r.function("meshgrid", "tensors=(), *, indexing=None", meshgrid,
             "grid_k[i_1, ..., i_n] = tensors_k[i_k], as views; indexing='xy' swaps the first two "
             "dimensions.");
  r.function("cartesian_prod", "*tensors", cartesian_prod,
             "Every way to take one element from each vector, a row each.");
  r.function("combinations", "input, r=2, with_replacement=False", combinations,
             "Every way to take r elements of a vector in order, a row each.");
  r.function("block_diag", "*tensors", block_diag, "The matrices along the diagonal, 0 elsewhere.");
}

}  // namespace bx
