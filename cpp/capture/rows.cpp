#include "capture/rows.h"

namespace bx::capture {

namespace {

/// Bytes from row to row of an operand that broadcasts to a shape, whose leading dimensions, of
/// `rows` entries together, are evenly spaced and whose rows do not overlap; 0 where all rows are
/// the same; -1 for others.
int64_t even_rows(const Operand& o, const Dims& shape, int64_t rows) {
  const Dims strides = broadcast_strides(o.shape(), o.strides(), shape);
  int64_t left = rows, step = -1;
  int d = 0;
  for (; d < shape.size() && left > 1; ++d) {
    if (shape[d] == 0 || left % shape[d]) return -1;
    left /= shape[d];
    if (shape[d] == 1) continue;
    if (step >= 0 && step != strides[d] * shape[d]) return -1;
    step = strides[d];
  }
  if (left > 1 || step < 0) return -1;
  int64_t extent = 1;
  for (; d < shape.size(); ++d) {
    if (strides[d] < 0) return -1;
    extent += (shape[d] - 1) * strides[d];
  }
  return step == 0 || extent <= step ? step * size_of(o.dtype) : -1;
}

}  // namespace

int64_t rows_of(std::span<const Event> launches) {
  int64_t rows = 0;
  for (const Event& e : launches) rows = std::max(rows, own_rows(*launch_of(e)));
  return rows;
}

bool fits_cache(std::span<const Event> launches) {
  constexpr int64_t kFirstCache = 16 << 10;  // bytes, half of the smallest
  int64_t bytes = 0;
  for (const Event& e : launches)
    for (const Operand& o : launch_of(e)->out) bytes += o.numel() * size_of(o.dtype);
  return bytes <= kFirstCache;
}

/// Its dimension 0, or as many equal pieces of dense memory.
int64_t row_step(const Operand& o, int64_t rows) {
  if (o.shape().size() > 0 && o.shape()[0] == rows && o.strides()[0] == 0) return 0;
  if (!o.is_contiguous() || o.numel() % rows) return -1;
  return o.numel() / rows * size_of(o.dtype);
}

bool is_leading(const Launch& launch) {
  if (!launch.kernel.leading) return false;
  const Dims& shape = launch.out[0].shape();
  return shape.size() == 2 || shape[0] == 1;
}

bool reduces_rows(const Launch& launch) {
  constexpr int64_t kWide = 64;  // narrow rows cost more to hand out than their way through memory
  if (!launch.kernel.stack) return false;
  const Dims& shape = launch.in[0].shape();
  return shape[0] == 1 && shape[1] > 1 && shape[2] >= kWide;
}

kernels::Rows rows_apart(const Launch& launch) {
  return reduces_rows(launch) ? kernels::Rows{0, 1} : launch.kernel.rows;
}

int64_t own_rows(const Launch& launch) {
  if (is_leading(launch)) return launch.out[0].shape().end()[-2];
  if (reduces_rows(launch)) return launch.in[0].shape()[1];
  for (size_t k = 0; k < launch.in.size(); ++k)
    if (launch.kernel.rows.in >> k & 1) return launch.in[k].shape()[0];
  return 0;
}

bool row_operands(const Launch& launch, int64_t rows, bool leads, std::vector<RowOperand>& found) {
  const bool pointwise = launch.kernel.pointwise, at_end = reduces_rows(launch);
  const kernels::Rows apart = rows_apart(launch);
  const auto add = [&](const Operand& o, int64_t row_bytes, bool written) {
    found.push_back({o.buffer, o.offset, row_bytes, written});
    return row_bytes > 0 || (row_bytes == 0 && (!written || at_end));
  };
  const auto bytes = [&](const Operand& o, unsigned mask, size_t k) {
    if (pointwise) return even_rows(o, launch.out[0].shape(), rows);
    return mask >> k & 1 ? row_step(o, rows) : 0;
  };
  if (!pointwise && !leads && apart.in == 0) return false;
  for (size_t k = 0; k < launch.out.size(); ++k)
    if (!add(launch.out[k], bytes(launch.out[k], leads ? ~0U : apart.out, k), true)) return false;
  for (size_t k = 0; k < launch.in.size(); ++k)
    if (!add(launch.in[k], bytes(launch.in[k], leads ? 0U : apart.in, k), false)) return false;
  return true;
}

}  // namespace bx::capture
