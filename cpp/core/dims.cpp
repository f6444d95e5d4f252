#include "core/dims.h"

namespace bx {

Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims out = longer;
  const int shift = longer.size() - shorter.size();
  for (int i = 0; i < shorter.size(); ++i) {
    const int64_t x = longer[i + shift], y = shorter[i];
    if (x == y || y == 1) continue;
    if (x != 1)
      fail_runtime(op, "shapes ", a, " and ", b, " do not broadcast; sizes ",
                   a.size() >= b.size() ? x : y, " and ", a.size() >= b.size() ? y : x,
                   " differ at dimension ", i + shift,
                   "; make them equal or 1 (reshape, unsqueeze)");
    out[i + shift] = y;
  }
  return out;
}

Dims broadcast_strides(const Dims& shape, const Dims& strides, const Dims& target) {
  Dims out(target.size(), 0);
  const int shift = target.size() - shape.size();
  bool fits = shift >= 0;
  for (int i = 0; i < shape.size() && fits; ++i) {
    fits = shape[i] == 1 || shape[i] == target[i + shift];
    out[i + shift] = (shape[i] == 1 && target[i + shift] != 1) ? 0 : strides[i];
  }
  if (!fits)
    fail_runtime("shape", "a tensor of shape ", shape, " does not broadcast to ", target,
                 "; make their sizes equal or 1");
  return out;
}

int wrap_axis(const char* op, int64_t axis, int ndim) {
  const int range = ndim > 0 ? ndim : 1;
  if (axis < -range || axis >= range)
    fail_index(op, "dimension ", axis, " of a ", ndim, "-d tensor; expected ", -range, " to ",
               range - 1);
  return static_cast<int>(axis < 0 ? axis + range : axis);
}

Dims wrap_axes(const char* op, const Dims& axes, int ndim) {
  Dims out;
  if (axes.empty()) {
    for (int i = 0; i < ndim; ++i) out.push_back(i);
    return out;
  }
  uint32_t seen = 0;
  for (int64_t a : axes) {
    const int axis = wrap_axis(op, a, ndim);
    if (seen & (1u << axis))
      fail_runtime(op, "dimension ", axis, " appears twice in ", axes, "; name each once");
    seen |= 1u << axis;
    if (ndim > 0) out.push_back(axis);
  }
  return out;
}

int64_t checked_numel(const char* op, const Dims& shape) {
  int64_t n = 1;
  bool zero = false, overflow = false;
  for (int64_t s : shape) {
    if (s < 0) fail_runtime(op, "negative size ", s, " in ", shape, "; sizes are 0 or more");
    zero = zero || s == 0;  // the strides of an empty tensor are products of the other sizes
    overflow = overflow || __builtin_mul_overflow(n, s ? s : 1, &n);
  }
  if (overflow || (!zero && n > (int64_t{1} << 59)))
    fail_runtime(op, "cannot allocate a tensor of shape ", shape,
                 "; its size overflows; use smaller sizes");
  return zero ? 0 : n;
}

}  // namespace bx
