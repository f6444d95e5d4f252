#include "core/tensor.h"

#include <algorithm>
#include <cmath>

#include "core/narrow.h"

namespace bx {

void TensorImpl::move_to(Ref<Storage> memory, int64_t first, const Dims& sizes, const Dims& steps,
                         DType type) {
  if (first != offset || !(sizes == shape) || !(steps == strides) || type != dtype) ++moves;
  storage = std::move(memory);
  offset = first;
  shape = sizes;
  strides = steps;
  dtype = type;
}

Dims memory_order(const Dims& strides) {
  int axes[kMaxDims];
  for (int d = 0; d < strides.size(); ++d) axes[d] = d;
  std::stable_sort(axes, axes + strides.size(),
                   [&](int a, int b) { return strides[a] > strides[b]; });
  Dims order;
  for (int d = 0; d < strides.size(); ++d) order.push_back(axes[d]);
  return order;
}

Dims reordered(const Dims& dims, const Dims& order) {
  Dims out;
  for (int64_t d : order) out.push_back(dims[static_cast<int>(d)]);
  return out;
}

bool is_dense(const Tensor& t) {
  if (t.is_contiguous()) return true;
  const Dims order = memory_order(t.strides());
  return is_contiguous(reordered(t.shape(), order), reordered(t.strides(), order));
}

Dims channels_last_order(MemoryFormat format) {
  return format == MemoryFormat::ChannelsLast ? Dims{0, 2, 3, 1} : Dims{0, 2, 3, 4, 1};
}

bool lies_in(const Tensor& t, MemoryFormat format) {
  if (format < MemoryFormat::ChannelsLast) return t.is_contiguous();
  const Dims order = channels_last_order(format);
  if (t.dim() != order.size()) return false;
  return is_contiguous(reordered(t.shape(), order), reordered(t.strides(), order));
}

Tensor empty(const Dims& shape, DType dtype) {
  const int64_t n = checked_numel("empty", shape);
  auto storage = make<Storage>(n * size_of(dtype));
  return Tensor(make<TensorImpl>(std::move(storage), 0, shape, contiguous_strides(shape), dtype));
}

void require_room(const Dims& shape, DType dtype) { empty(shape, dtype); }

Tensor widened(const Tensor& t) {
  note_read(t);
  Tensor wide = empty(t.shape(), wide_of(t.dtype()));
  widen(t.dtype(), t.raw(), 1, wide.raw(), t.numel());
  return wide;
}

namespace {

template <class V>
Tensor wrap(V value, DType type) {
  const DType dtype = wide_of(type);
  Tensor t = empty({}, dtype);
  t->is_wrapped_number = true;
  visit_all(dtype,
            [&](auto zero) { *t.data<decltype(zero)>() = static_cast<decltype(zero)>(value); });
  return t;
}

template <class V>
V item(const Tensor& t) {
  if (t.numel() != 1)
    fail(ErrorKind::SeveralElements, "item", "a tensor of shape ", t.shape(), " has ", t.numel(),
         " elements; only one element can become a Python scalar; index it first");
  if (is_complex(t.dtype())) {
    const Complex<double> z = item_complex(t);
    if (z.im != 0)
      fail_runtime("item", "a complex number, ", z.re, z.im < 0 ? " - " : " + ", std::abs(z.im),
                   "j, where a real one is needed; take .real, .imag or .abs()");
    return static_cast<V>(z.re);
  }
  if (is_narrow(t.dtype())) return item<V>(widened(t));
  return visit(t.dtype(), [&](auto zero) { return static_cast<V>(*t.data<decltype(zero)>()); });
}

}  // namespace

Tensor wrapped_number(double value, DType dtype) { return wrap(value, dtype); }
Tensor wrapped_number(int64_t value, DType dtype) { return wrap(value, dtype); }
Tensor wrapped_number(Complex<double> value, DType dtype) {
  Tensor t = wrap(value.re, dtype);
  if (dtype == DType::Complex64) *t.data<Complex<float>>() = {value.re, value.im};
  else *t.data<Complex<double>>() = value;
  return t;
}

Tensor alias(const Tensor& t, const Dims& shape, const Dims& strides, int64_t offset) {
  return Tensor(make<TensorImpl>(t->storage, offset, shape, strides, t.dtype()));
}

Complex<double> item_complex(const Tensor& t) {
  if (t.numel() == 1 && t.dtype() == DType::Complex128) return *t.data<Complex<double>>();
  if (t.numel() != 1 || t.dtype() != DType::Complex64) return item_double(t);
  const Complex<float> z = *t.data<Complex<float>>();
  return {z.re, z.im};
}
double item_double(const Tensor& t) { return item<double>(t); }
int64_t item_int(const Tensor& t) { return item<int64_t>(t); }

}  // namespace bx
