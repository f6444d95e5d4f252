// Tensors by their memory: strides of one's own, sizes changed in place, the same written whole.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/ops.h"

namespace bx {

namespace {

Tensor empty_strided(const Dims& size, const Dims& stride, DType dtype) {
  if (size.size() != stride.size())
    fail_runtime("empty_strided", "size ", size, " and stride ", stride,
                 " differ in length; give one stride for each dimension");
  double extent = 1, count = 1;
  for (int d = 0; d < size.size(); ++d) {
    if (size[d] < 0 || stride[d] < 0)
      fail_runtime("empty_strided", "size ", size, " and stride ", stride,
                   "; both are 0 or more throughout");
    extent += static_cast<double>(size[d] - 1) * static_cast<double>(stride[d]);
    count *= static_cast<double>(size[d]);
  }
  if (count == 0) extent = 0;
  if (extent > 1e15 || count > 1e15)
    fail_runtime("empty_strided", "size ", size, " with stride ", stride,
                 " spans more elements than can be held; choose smaller strides");
  return alias(empty({static_cast<int64_t>(extent)}, dtype), size, stride, 0);
}

/// Row-major once its dimensions are taken in the order `layout`.
Tensor empty_permuted(const Dims& size, const Dims& layout, OptDType dtype) {
  Dims stride(size.size(), 0);
  uint32_t seen = 0;
  int64_t step = 1;
  for (int k = layout.size() - 1; k >= 0; --k) {
    if (layout[k] < 0 || layout[k] >= size.size())
      fail_runtime("empty_permuted", "physical_layout ", layout, " of size ", size,
                   "; name every dimension once");
    const auto d = static_cast<int>(layout[k]);
    seen |= 1u << d;
    stride[d] = step;
    if (__builtin_mul_overflow(step, std::max<int64_t>(1, size[d]), &step))
      fail_runtime("empty_permuted", "size ", size, " is more than can be held");
  }
  if (layout.size() != size.size() || seen + 1u != 1u << size.size())
    fail_runtime("empty_permuted", "physical_layout ", layout, " of size ", size,
                 "; name every dimension once");
  return empty_strided(size, stride, dtype.value_or(default_dtype()));
}

}  // namespace

Tensor resize_(const char* op, const Tensor& self, const Dims& size) {
  if (requires_grad(self))
    fail_runtime(op, "a tensor of shape ", self.shape(),
                 " that requires grad cannot be resized; detach() it first");
  if (self.shape() == size) return self;
  const Tensor fresh = empty(size, self.dtype());
  const int64_t unit = size_of(self.dtype());
  const int64_t have = self->storage->bytes() - self->offset * unit;
  const bool grows = fresh.numel() * unit > have;
  if (grows && self->storage->is_borrowed() && self->storage->root_address() == self->storage.get())
    fail_runtime(op, "the memory of a tensor of shape ", self.shape(),
                 " is another library's and cannot grow to ", size, "; clone() it first");
  if (grows && have > 0) std::memcpy(fresh.raw(), self.raw(), static_cast<size_t>(have));
  self->move_to(grows ? fresh->storage : self->storage, grows ? 0 : self->offset, size,
                contiguous_strides(size), self.dtype());
  self->storage->bump_version();
  return self;
}

namespace {

Tensor logspace(const Operand& first, const Operand& last, int64_t steps, double base,
                OptDType dtype) {
  const Scalar start = number_of("logspace", first), end = number_of("logspace", last);
  if (steps < 0) fail_runtime("logspace", "the number of steps is ", steps, "; pass 0 or more");
  const bool complex = start.kind == Scalar::Complex || end.kind == Scalar::Complex;
  const DType type = dtype.value_or(complex ? complex_of(default_dtype()) : default_dtype());
  if (is_complex(type)) return exp(linspace(first, last, steps, type) * std::log(base));
  if (is_narrow(type)) return to(logspace(first, last, steps, base, wide_of(type)), type);
  Tensor out = empty({steps}, type);
  visit(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    // The exponents are rounded as linspace's are: from both ends, in the tensor's type.
    using F = std::conditional_t<std::is_floating_point_v<T>, T, float>;
    const T a = convert<T>(start.as_double()), b = convert<T>(end.as_double());
    const F step = steps > 1 ? static_cast<F>(static_cast<F>(b) - static_cast<F>(a)) /
                                   static_cast<F>(steps - 1)
                             : F(0);
    for (int64_t i = 0; i < steps; ++i) {
      const bool from_start = i < steps / 2 || steps == 1;
      const F exponent = from_start ? static_cast<F>(a) + step * static_cast<F>(i)
                                    : static_cast<F>(b) - step * static_cast<F>(steps - 1 - i);
      out.data<T>()[i] = convert<T>(std::pow(base, static_cast<double>(exponent)));
    }
  });
  return out;
}

Tensor nonzero_static(const Tensor& t, int64_t size, int64_t fill_value) {
  if (size < 0) fail_runtime("nonzero_static", "size is ", size, "; it is 0 or more");
  const Tensor found = nonzero(t), out = full_int({size, t.dim()}, fill_value, DType::Int64);
  const int64_t n = std::min(size, found.shape()[0]);
  copy_(slice(out, 0, 0, n, 1), slice(found, 0, 0, n, 1));
  return out;
}

}  // namespace

void register_memory(Registry& r) {
  r.function(
      "empty_strided", "*size, *stride, *, dtype=None",
      [](const Dims& size, const Dims& stride, OptDType dtype) {
        return empty_strided(size, stride, dtype.value_or(default_dtype()));
      },
      "An uninitialised tensor of the given size and strides.");
  r.method(
      "new_empty_strided", "input, *size, *stride, *, dtype=None",
      [](const Tensor& t, const Dims& size, const Dims& stride, OptDType dtype) {
        return empty_strided(size, stride, dtype.value_or(t.dtype()));
      },
      "An uninitialised tensor of the given size and strides, of input's type.");
  r.function("empty_permuted", "*size, *physical_layout, *, dtype=None", empty_permuted,
             "An uninitialised tensor, row-major in its dimensions' order physical_layout.");
  r.method(
      "resize_", "input, *size",
      [](const Tensor& t, const Dims& size) { return resize_("resize_", t, size); },
      "The sizes are changed in place, the memory read in row-major order; what is new is "
      "uninitialised. Views keep the memory they have.");
  r.both(
      "resize_as_", "input, the_template",
      [](const Tensor& t, const Tensor& other) { return resize_("resize_as_", t, other.shape()); },
      "resize_ to the sizes of another tensor.");
  r.function(
      "scalar_tensor", "s, *, dtype=None",
      [](const Scalar& s, OptDType dtype) {
        return detached(number_as(s, dtype.value_or(default_dtype())));
      },
      "A 0-d tensor with the value s, of the default type where none is given.");
  r.function("logspace", "start, end, steps, base=10.0, *, dtype=None", logspace,
             "base^e for `steps` values of e evenly spaced from start to end, both included.");
  r.both("nonzero_static", "input, *, size, fill_value=-1", nonzero_static,
         "The first `size` rows of nonzero; where there are fewer, fill_value.");
  r.function(
      "fill", "input, value",
      [](const Tensor& t, Operand value) {
        return named(value.tensor->is_wrapped_number ? "FillBackward0" : "FillBackward1",
                     fill_(clone(t), value.tensor));
      },
      "A tensor like input with one value in every element.");
}

}  // namespace bx
