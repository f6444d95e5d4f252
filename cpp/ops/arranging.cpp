// Elements in other places: reversed, rolled, repeated, on diagonals and in triangles.
#include "ops/arranging.h"

#include <algorithm>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// Part of a dimension without a graph.
Tensor piece(const Tensor& t, int axis, int64_t start, int64_t length) {
  Dims shape = t.shape();
  shape[axis] = length;
  return alias(t, shape, t.strides(), t->offset + start * t.strides()[axis]);
}

/// Copies `in` to `out`, every dimension from `axis` on cut in two that change places.
void copy_rolled(const Tensor& out, const Tensor& in, const Dims& shifts, int axis) {
  while (axis < shifts.size() && shifts[axis] == 0) ++axis;
  if (axis == shifts.size()) {
    launch("roll", kernel(Id::Copy, in.dtype()), out, in);
    return;
  }
  const int64_t n = in.shape()[axis], s = shifts[axis];
  copy_rolled(piece(out, axis, s, n - s), piece(in, axis, 0, n - s), shifts, axis + 1);
  copy_rolled(piece(out, axis, 0, s), piece(in, axis, n - s, s), shifts, axis + 1);
}

Tensor roll(const Tensor& t, const Dims& shifts, const OptDims& dims) {
  const Dims axes = dims.value_or(Dims{});
  if (axes.empty() && shifts.size() == 1)
    return named("RollBackward0", reshape(roll(reshape(t, {-1}), shifts, Dims{0}), t.shape()));
  if (axes.size() != shifts.size() || shifts.empty())
    fail_runtime("roll", "shifts ", shifts, " and dims ", axes,
                 " differ in number; give one shift for each dimension");
  if (t.numel() == 0) return clone(t);
  Dims total(t.dim(), 0);
  for (int k = 0; k < axes.size(); ++k) {
    if (t.dim() == 0)
      fail_index("roll", "dimension ", axes[k], " of a 0-d tensor; there is none to roll along");
    const int a = wrap_axis("roll", axes[k], t.dim());
    const int64_t n = t.shape()[a];
    total[a] = ((total[a] + shifts[k]) % n + n) % n;
  }
  Tensor out = empty(t.shape(), t.dtype());
  copy_rolled(out, t, total, 0);
  if (Recorder r{&t}; r)
    r.done("RollBackward0", out, [shifts, axes](const Backward& b) {
      Dims back = shifts;
      for (int k = 0; k < back.size(); ++k) back[k] = -back[k];
      b.give(0, roll(b.grad(), back, axes));
    });
  return out;
}

Tensor rot90(const Tensor& t, int64_t k, const Dims& axes) {
  if (axes.size() != 2 || t.dim() < 2)
    fail_runtime("rot90", "dims ", axes, " of a tensor of shape ", t.shape(),
                 "; a rotation takes two dimensions");
  const Dims plane{wrap_axis("rot90", axes[0], t.dim()), wrap_axis("rot90", axes[1], t.dim())};
  if (plane[0] == plane[1])
    fail_runtime("rot90", "dims ", axes, " name one dimension; a rotation takes two");
  const int64_t turns = ((k % 4) + 4) % 4;
  Tensor out;
  {
    GradMode off(false);
    const Dims reversed = turns == 0   ? Dims{}
                          : turns == 2 ? plane
                                       : Dims{plane[turns == 1 ? 1 : 0]};
    const Tensor turned = reversed.empty() ? clone(t) : flip(t, reversed);
    out = turns % 2 ? contiguous(transpose(turned, plane[0], plane[1])) : turned;
  }
  if (Recorder r{&t}; r)
    r.done("Rot90Backward0", out,
           [turns, plane](const Backward& b) { b.give(0, rot90(b.grad(), -turns, plane)); });
  return out;
}

/// row - column of each element of a matrix.
Tensor below_diagonal(int64_t rows, int64_t cols) {
  return unsqueeze(arange_int(0, rows, 1), 1) - arange_int(0, cols, 1);
}

Tensor triangle(const char* op, const Tensor& t, int64_t diagonal, bool upper) {
  if (t.dim() < 2)
    fail_runtime(op, "input of shape ", t.shape(), "; expected at least 2 dimensions");
  Tensor out;
  {
    GradMode off(false);
    const Tensor below = below_diagonal(t.size(-2), t.size(-1));
    const Tensor bound = wrapped_number(-diagonal, DType::Int64);
    out = select(upper ? below <= bound : below >= bound, t, zeros({}, t.dtype()));
  }
  if (Recorder r{&t}; r)
    r.done(upper ? "TriuBackward0" : "TrilBackward0", out, [diagonal, upper](const Backward& b) {
      b.give(0, upper ? triu(b.grad(), diagonal) : tril(b.grad(), diagonal));
    });
  return out;
}

Tensor diag(const Tensor& t, int64_t offset) {
  if (t.dim() == 1) return diag_embed(t, offset, 0, 1);
  if (t.dim() == 2) return named("DiagonalBackward0_copy", clone(diagonal(t, offset, 0, 1)));
  fail_runtime("diag", "input of shape ", t.shape(),
               "; expected a vector or a matrix, use diagonal or diag_embed");
}

Tensor tile(const Tensor& t, const Dims& times) {
  Dims all = times;
  while (all.size() < t.dim()) all.insert(0, 1);
  return repeat(t, all);
}

Tensor repeat_each(const Tensor& t, const Tensor& times, std::optional<int64_t> axis,
                   std::optional<int64_t> output_size) {
  if (times.dtype() != DType::Int64 && times.dtype() != DType::Int32)
    fail(ErrorKind::NotImplemented, "repeat_interleave", "repeats are ", name_of(times.dtype()),
         "; expected int64 or int32");
  if (times.dim() > 1)
    fail_runtime("repeat_interleave", "repeats of shape ", times.shape(),
                 "; expected one dimension");
  const Tensor in = axis && t.dim() ? t : reshape(t, {-1});
  const int a = axis ? wrap_axis("repeat_interleave", *axis, t.dim()) : 0;
  const int64_t n = in.shape()[a];
  if (times.numel() != 1 && times.numel() != n)
    fail(axis && t.dim() == 0 ? ErrorKind::Index : ErrorKind::Runtime, "repeat_interleave",
         times.numel(), " repeats for dimension ", a, " of shape ", in.shape(),
         "; give one for each of its elements, or one for all");
  const Tensor counts = contiguous(to(expand(reshape(times, {-1}), {n}), DType::Int64));
  const auto* count = counts.data<int64_t>();
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (count[i] < 0)
      fail_runtime("repeat_interleave", "repeats contain ", count[i], "; expected 0 or more");
    total += count[i];
  }
  if (output_size && *output_size != total)
    fail_runtime("repeat_interleave", "output_size is ", *output_size, ", the repeats sum to ",
                 total, "; they must be equal");
  Tensors places(static_cast<size_t>(a) + 1);
  places.back() = empty({total}, DType::Int64);
  auto* place = places.back().data<int64_t>();
  for (int64_t i = 0; i < n; ++i) place = std::fill_n(place, count[i], i);
  return index(in, places);
}

Tensor repeat_each_alike(const Tensor& t, int64_t times, std::optional<int64_t> axis,
                         std::optional<int64_t> output_size) {
  if (times < 0) fail_runtime("repeat_interleave", times, " repeats; expected 0 or more");
  const Tensor in = axis && t.dim() ? t : reshape(t, {-1});
  const int a = axis ? wrap_axis("repeat_interleave", *axis, t.dim()) : 0;
  Dims spread = in.shape(), shape = in.shape();
  spread.insert(a + 1, times);
  shape[a] *= times;
  if (output_size && *output_size != shape[a])
    fail_runtime("repeat_interleave", "output_size is ", *output_size, ", the repeats sum to ",
                 shape[a], "; they must be equal");
  return reshape(clone(expand(unsqueeze(in, a + 1), spread)), shape);
}

}  // namespace

Tensor triangle_indices(const char* op, int64_t rows, int64_t cols, int64_t offset, bool upper,
                        DType dtype) {
  if (rows < 0 || cols < 0)
    fail_runtime(op, "sizes ", rows, " and ", cols, "; sizes are 0 or more");
  if (dtype != DType::Int64 && dtype != DType::Int32)
    fail(ErrorKind::NotImplemented, op, "indices are no ", name_of(dtype),
         "; pass dtype=torch.int64");
  auto first = [&](int64_t i) {
    return upper ? std::clamp<int64_t>(i + offset, 0, cols) : int64_t{0};
  };
  auto last = [&](int64_t i) {
    return upper ? cols : std::clamp<int64_t>(i + offset + 1, 0, cols);
  };
  int64_t n = 0;
  for (int64_t i = 0; i < rows; ++i) n += last(i) - first(i);
  Tensor out = empty({2, n}, DType::Int64);
  auto* at = out.data<int64_t>();
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = first(i); j < last(i); ++j, ++at) {
      at[0] = i;
      at[n] = j;
    }
  return to(out, dtype);
}

Tensor flip(const Tensor& t, const Dims& axes) {
  Dims strides = t.strides();
  int64_t offset = t->offset;
  if (!axes.empty())
    for (int64_t axis : wrap_axes("flip", axes, t.dim())) {
      if (t.numel() == 0 || t.dim() == 0) continue;
      const int a = static_cast<int>(axis);
      offset += (t.shape()[a] - 1) * strides[a];
      strides[a] = -strides[a];
    }
  Tensor out = empty_like(t, t.dtype());
  launch("flip", kernel(Id::Copy, t.dtype()), out, alias(t, t.shape(), strides, offset));
  if (Recorder r{&t}; r)
    r.done("FlipBackward0", out, [axes](const Backward& b) { b.give(0, flip(b.grad(), axes)); });
  return out;
}

Tensor repeat(const Tensor& t, const Dims& times) {
  const int extra = times.size() - t.dim();
  if (extra < 0)
    fail_runtime("repeat", "repeats ", times, " for a tensor of shape ", t.shape(),
                 "; give at least one for each dimension");
  // [r0, n0, r1, n1, ...]: a repeat that is 1 needs no dimension of its own.
  Dims apart, source_strides, folded, shape;
  for (int d = 0; d < times.size(); ++d) {
    const int64_t n = d < extra ? 1 : t.shape()[d - extra];
    if (times[d] < 0)
      fail_runtime("repeat", "repeats ", times, " contain ", times[d], "; expected 0 or more");
    shape.push_back(n * times[d]);
    if (times[d] != 1) {
      folded.push_back(apart.size());
      apart.push_back(times[d]);
      source_strides.push_back(0);
    }
    apart.push_back(n);
    source_strides.push_back(d < extra ? 0 : t.strides()[d - extra]);
  }
  Tensor out = empty(shape, t.dtype());
  launch("repeat", kernel(Id::Copy, t.dtype()), alias(out, apart, contiguous_strides(apart), 0),
         alias(t, apart, source_strides, t->offset));
  if (Recorder r{&t}; r)
    r.done("RepeatBackward0", out, [apart, folded, from = t.shape()](const Backward& b) {
      const Tensor g = reshape(b.grad(), apart);
      b.give(0, reshape(folded.empty() ? g : sum(g, folded, false, std::nullopt), from));
    });
  return out;
}

Tensor tril(const Tensor& t, int64_t diagonal) { return triangle("tril", t, diagonal, false); }
Tensor triu(const Tensor& t, int64_t diagonal) { return triangle("triu", t, diagonal, true); }

Tensor diag_embed(const Tensor& t, int64_t offset, int64_t axis0, int64_t axis1) {
  const int n = t.dim() + 1;
  const int a = wrap_axis("diag_embed", axis0, n), b = wrap_axis("diag_embed", axis1, n);
  if (a == b || t.dim() == 0)
    fail_runtime("diag_embed", "dimensions ", axis0, " and ", axis1, " for a diagonal of shape ",
                 t.shape(), "; name two different ones");
  const int64_t length = t.size(-1), side = length + std::abs(offset);
  Dims shape = t.shape();
  shape.resize(t.dim() - 1);
  shape.insert(std::min(a, b), side);
  shape.insert(std::max(a, b), side);
  const Dims strides = contiguous_strides(shape);
  Part part{t.shape(), {}, offset > 0 ? offset * strides[b] : -offset * strides[a]};
  for (int d = 0; d < n; ++d)
    if (d != a && d != b) part.strides.push_back(strides[d]);
  part.strides.push_back(strides[a] + strides[b]);
  if (t.numel() == 0) part.offset = 0;
  const Tensor out = [&] {
    GradMode off(false);
    return embed(t, shape, part);
  }();
  if (Recorder r{&t}; r)
    r.done("DiagEmbedBackward0", out, [offset, a, b](const Backward& call) {
      call.give(0, diagonal(call.grad(), offset, a, b));
    });
  return out;
}

void register_arranging(Registry& r) {
  r.both("flip", "input, *dims", flip, "The order of elements reversed along dimensions, a copy.");
  r.both(
      "fliplr", "input",
      [](const Tensor& t) {
        if (t.dim() < 2)
          fail_runtime("fliplr", "input of shape ", t.shape(), "; expected 2 or more dimensions");
        return flip(t, {1});
      },
      "Columns in reversed order, a copy.");
  r.both(
      "flipud", "input",
      [](const Tensor& t) {
        if (t.dim() < 1) fail_runtime("flipud", "a 0-d tensor; expected 1 or more dimensions");
        return flip(t, {0});
      },
      "Rows in reversed order, a copy.");
  r.both("roll", "input, shifts, dims=()", roll,
         "out[(i + shift) mod n] = input[i] along each dimension; without dims over all elements.");
  r.both("rot90", "input, k=1, *dims=(0,1)", rot90,
         "k quarter turns from dims[0] towards dims[1].");
  r.both("tril", "input, diagonal=0", tril,
         "input_ij where j - i <= diagonal, 0 elsewhere, of each matrix.");
  r.both("triu", "input, diagonal=0", triu,
         "input_ij where j - i >= diagonal, 0 elsewhere, of each matrix.");
  r.inplace({"tril", "triu"});
  r.function(
      "tril_indices", "row, col, offset=0, *, dtype=None",
      [](int64_t row, int64_t col, int64_t offset, OptDType dtype) {
        return triangle_indices("tril_indices", row, col, offset, false,
                                dtype.value_or(DType::Int64));
      },
      "The rows and columns of the elements that tril keeps, by rows, (2, n).");
  r.function(
      "triu_indices", "row, col, offset=0, *, dtype=None",
      [](int64_t row, int64_t col, int64_t offset, OptDType dtype) {
        return triangle_indices("triu_indices", row, col, offset, true,
                                dtype.value_or(DType::Int64));
      },
      "The rows and columns of the elements that triu keeps, by rows, (2, n).");
  r.both("diag", "input, diagonal=0", diag,
         "The matrix with a vector on its diagonal, or the diagonal of a matrix, a copy.");
  r.both(
      "diagflat", "input, offset=0",
      [](const Tensor& t, int64_t offset) { return diag(reshape(t, {-1}), offset); },
      "The matrix with all elements on its diagonal.");
  r.both("diag_embed", "input, offset=0, dim1=-2, dim2=-1", diag_embed,
         "Zeros with the last dimension on a diagonal of two new ones.");
  r.both(
      "trace", "input",
      [](const Tensor& t) {
        if (t.dim() != 2)
          fail_runtime("trace", "input of shape ", t.shape(), "; expected a matrix");
        require_number_type("trace", t);
        return named("TraceBackward0", sum(diagonal(t, 0, 0, 1)));
      },
      "The sum of a matrix's diagonal.");
  r.method("repeat", "input, *repeats", repeat,
           "The tensor repeated along each dimension, a copy.");
  r.both("tile", "input, *dims", tile,
         "The tensor repeated along each dimension; missing repeats are 1.");
  r.both("repeat_interleave", "input, repeats, dim=None, *, output_size=None", repeat_each,
         "Every element of a dimension repeated in place; of repeats alone, the indices.");
  r.both("repeat_interleave", "input, repeats, dim=None, *, output_size=None", repeat_each_alike,
         "");
  r.both(
      "repeat_interleave", "repeats, *, output_size=None",
      [](const Tensor& times, std::optional<int64_t> n) {
        return repeat_each(arange_int(0, times.numel(), 1), times, 0, n);
      },
      "");
  register_splitting(r);
  register_padding(r);
  register_assembling(r);
}

}  // namespace bx
