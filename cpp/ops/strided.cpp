// Any walk over a tensor's memory, and parts of a tensor written out of place.
#include <algorithm>

#include "autograd/views.h"
#include "ops/arranging.h"
#include "ops/ops.h"

namespace bx {

namespace {

/// A copy of base in which src replaces what `view` shows of it.
template <class View>
Tensor replaced(const char* op, const char* node, const Tensor& base, const Tensor& src,
                View view) {
  Tensor out;
  Part part;
  {
    GradMode off(false);
    out = clone(base);
    const Tensor shown = view(out);
    if (!(shown.shape() == src.shape()))
      fail_runtime(op, "src has shape ", src.shape(), ", the part to write ", shown.shape(),
                   "; they must be equal");
    part = {shown.shape(), shown.strides(), shown->offset - out->offset};
    copy_(shown, src);
  }
  if (Recorder r{&base, &src}; r)
    r.done(node, out, [part, type = src.dtype()](const Backward& b) {
      if (b.wants(0)) b.give(0, replace_part(b.grad(), zeros(part.shape, b.grad().dtype()), part));
      if (b.wants(1)) b.give(1, to(extract("ExtractBackward0", b.grad(), part), type));
    });
  return out;
}

Tensor fill_diagonal(const Tensor& self, const Scalar& value, bool wrap) {
  const char* op = "fill_diagonal_";
  if (self.dim() < 2)
    fail_runtime(op, "the tensor has shape ", self.shape(), "; it needs two dimensions or more");
  const Tensor number = number_as(value, self.dtype());
  if (self.dim() > 2) {
    int64_t step = 0;
    for (int d = 0; d < self.dim(); ++d) {
      if (self.shape()[d] != self.shape()[0])
        fail_runtime(op, "the sizes of ", self.shape(),
                     " differ; beyond two dimensions they must "
                     "be equal");
      step += self.strides()[d];
    }
    fill_(as_strided(self, {self.shape()[0]}, {step}, self->offset), number);
    return self;
  }
  // Wrapped, the diagonal begins again one row below the end of the last square.
  const int64_t rows = self.shape()[0], columns = self.shape()[1];
  for (int64_t row = 0; row < rows; row += columns + 1) {
    fill_(diagonal(slice(self, 0, row, rows, 1), 0, 0, 1), number);
    if (!wrap) break;
  }
  return self;
}

/// Read as another type: the last dimension has as many more elements as they are smaller.
Tensor view_as_type(const Tensor& t, DType dtype) {
  const int64_t from = size_of(t.dtype()), to = size_of(dtype);
  Dims shape = t.shape(), strides = t.strides();
  int64_t offset = t->offset;
  if (from != to) {
    bool fits = t.dim() > 0 && strides.back() == 1;
    // In units of the smaller type, and back.
    const auto scaled = [&](int64_t n) {
      fits &= n * from % to == 0;
      return n * from / to;
    };
    offset = scaled(offset);
    for (int d = 0; d + 1 < t.dim(); ++d) strides[d] = scaled(strides[d]);
    if (t.dim()) shape[t.dim() - 1] = scaled(shape.back());
    if (!fits)
      fail_runtime("view", name_of(t.dtype()), " of shape ", t.shape(), " and strides ",
                   t.strides(), " cannot be read as ", name_of(dtype),
                   "; the last dimension must be contiguous and divide evenly");
  }
  return Tensor(make<TensorImpl>(t->storage, offset, shape, strides, dtype));
}

}  // namespace

void register_strided(Registry& r) {
  r.method("view", "input, dtype", view_as_type,
           "The same memory read as another type, without a gradient.");
  r.both(
      "as_strided_scatter", "input, src, *size, *stride, storage_offset=None",
      [](const Tensor& t, const Tensor& src, const Dims& size, const Dims& stride,
         std::optional<int64_t> offset) {
        return replaced(
            "as_strided_scatter", "AsStridedScatterBackward0", t, src,
            [&](const Tensor& x) { return as_strided(x, size, stride, offset.value_or(0)); });
      },
      "A copy of input in which src replaces what as_strided would show.");
  r.both(
      "select_scatter", "input, src, dim, index",
      [](const Tensor& t, const Tensor& src, int64_t dim, int64_t i) {
        return replaced("select_scatter", "SelectScatterBackward0", t, src,
                        [&](const Tensor& x) { return select_axis(x, dim, i); });
      },
      "A copy of input in which src replaces input.select(dim, index).");
  r.both(
      "slice_scatter", "input, src, dim=0, start=None, end=None, step=1",
      [](const Tensor& t, const Tensor& src, int64_t dim, std::optional<int64_t> start,
         std::optional<int64_t> end, int64_t step) {
        const int64_t most = std::numeric_limits<int64_t>::max() / 2;
        return replaced("slice_scatter", "SliceScatterBackward0", t, src, [&](const Tensor& x) {
          return slice(x, dim, start.value_or(0), end.value_or(most), step);
        });
      },
      "A copy of input in which src replaces input[start:end:step] along dim.");
  r.both(
      "diagonal_scatter", "input, src, offset=0, dim1=0, dim2=1",
      [](const Tensor& t, const Tensor& src, int64_t offset, int64_t dim1, int64_t dim2) {
        return replaced("diagonal_scatter", "DiagonalScatterBackward0", t, src,
                        [&](const Tensor& x) { return diagonal(x, offset, dim1, dim2); });
      },
      "A copy of input in which src replaces input.diagonal(offset, dim1, dim2).");
  r.method("fill_diagonal_", "input, fill_value, wrap=False", fill_diagonal,
           "Writes a number along the main diagonal; with wrap, a tall matrix has it again one row "
           "below each square.");
}

}  // namespace bx
