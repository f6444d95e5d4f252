// Promotion of types, and conversion.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include "ops/ops.h"

namespace bx {

namespace {
std::atomic<DType> default_float{DType::Float32};
}  // namespace

DType default_dtype() { return default_float.load(std::memory_order_relaxed); }

void set_default_dtype(DType dtype) {
  if (!is_floating(dtype))
    fail_type("set_default_dtype", "only floating-point types can be the default, got ",
              name_of(dtype), "; pass float32 or float64");
  default_float.store(dtype);
}

DType result_type(const Tensor* tensors, int count) {
  // The usual case first: all of one type.
  bool same = true;
  for (int k = 0; k < count; ++k)
    same = same && !tensors[k]->is_wrapped_number && tensors[k].dtype() == tensors[0].dtype();
  if (same) return tensors[0].dtype();
  OptDType best[3];  // with dimensions, 0-d, Python numbers
  for (int k = 0; k < count; ++k) {
    const Tensor& t = tensors[k];
    const bool number = t->is_wrapped_number;
    const DType dtype = !number                  ? t.dtype()
                        : is_complex(t.dtype())  ? complex_of(default_dtype())
                        : is_floating(t.dtype()) ? default_dtype()
                                                 : t.dtype();
    auto& slot = best[number ? 2 : t.dim() == 0 ? 1 : 0];
    slot = slot ? promote(*slot, dtype) : dtype;
  }
  OptDType result;
  for (const OptDType& lower : best)
    if (lower && (!result || kind_of(*lower) > kind_of(*result)))
      result = !result                                      ? *lower
               : is_complex(*lower) && is_floating(*result) ? complex_of(*result)
                                                            : promote(*result, *lower);
  return *result;
}

void require_same_type(const char* op, const Tensor& a, const Tensor& b) {
  if (b.defined() && !b->is_wrapped_number && a.dtype() != b.dtype())
    fail_runtime(op, "tensors of ", name_of(a.dtype()), " and ", name_of(b.dtype()),
                 "; they must be of one type, convert with .to(dtype)");
}

void require_storable(const char* op, DType result, DType target) {
  if (!can_store(result, target))
    fail_runtime(op, "result type ", name_of(result), " can't be cast to the type ",
                 name_of(target), " of the tensor written in place; convert it first");
}

void require_number_type(const char* op, const Tensor& t) {
  if (t.dtype() == DType::Bool)
    fail(ErrorKind::NotImplemented, op, "not implemented for bool; convert with .int()");
}

void require_float(const char* op, DType dtype) {
  if (!is_floating(dtype))
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(dtype),
         "; use a floating-point type, e.g. with .float()");
}

void require_wide_float(const char* op, DType dtype) {
  require_float(op, dtype);
  if (is_narrow(dtype))
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(dtype),
         "; convert it with .float()");
}

void require_every(const char* op, const Tensor& flags, ErrorKind kind, const char* otherwise) {
  const Tensor f = contiguous(flags);
  launch_host(op, {}, f, [=, n = f.numel()](const kernels::View*, const kernels::View* in) {
    const auto* flag = static_cast<const bool*>(in[0].data);
    if (!std::all_of(flag, flag + n, [](bool holds) { return holds; })) fail(kind, op, otherwise);
  });
}

namespace {

/// to() without a warning: of a complex number the real part.
Tensor converted(const Tensor& t, DType dtype, MemoryFormat format = MemoryFormat::Contiguous) {
  if (t.dtype() == dtype && (format < MemoryFormat::ChannelsLast || lies_in(t, format))) return t;
  Tensor out = empty_for_copy("to", t, dtype, format);
  out->is_wrapped_number = t->is_wrapped_number;
  launch("to", kernel(kernels::Id::Copy, dtype), out, t);
  if (!is_differentiable(dtype)) return out;
  if (Recorder r{&t}; r)
    r.done("ToCopyBackward0", out,
           [from = t.dtype()](const Backward& b) { b.give(0, converted(b.grad(), from)); });
  return out;
}

}  // namespace

void require_fits(const char* op, const Scalar& number, DType dtype) {
  if (!is_integral(dtype)) {
    if (number.kind == Scalar::Complex) return;
    const double most = largest_of(dtype), x = number.as_double();
    if (std::isfinite(x) && std::abs(x) > most)
      fail_runtime(op, "the number ", x, " overflows in ", name_of(dtype), ", which holds up to ",
                   most, "; use another type, or infinity");
    return;
  }
  const auto least = static_cast<double>(least_of(dtype));
  const auto most = static_cast<double>(most_of(dtype));
  const double x = number.as_double();
  const double lowest = number.kind == Scalar::Float ? least : std::min(least, -most);
  if (!(x >= lowest && x <= most))
    fail_runtime(op, "the number ", x, " does not fit into ", name_of(dtype), ", which holds ",
                 least_of(dtype), " to ", most_of(dtype), "; use another type");
}

Tensor fitted(const char* op, const Tensor& value, DType dtype) {
  if (value->is_wrapped_number && !(value.dtype() == dtype))
    require_fits(op, number_of(op, {value}), dtype);
  if (is_complex(value.dtype()) && !is_complex(dtype))
    fail_runtime(op, "the value is ", name_of(value.dtype()), ", the tensor ", name_of(dtype),
                 ", which cannot hold it; pass its real part");
  return to(value, dtype);
}

Tensor as_bool_mask(const char* op, const Tensor& mask) {
  if (mask.dtype() == DType::UInt8)
    warn(op, "a mask of uint8 is deprecated; use one of bool, e.g. with .bool()");
  return to(mask, DType::Bool);
}

Tensor to(const Tensor& t, DType dtype, MemoryFormat format) {
  if (is_complex(t.dtype()) && !is_complex(dtype)) {
    if (dtype == DType::Bool) return detach(t) != 0.;
    if (t->is_wrapped_number)
      return converted(wrapped_number(item_double(t), real_of(t.dtype())), dtype);
    warn("to", "casting complex values to real discards the imaginary part; take .real or .abs()");
  }
  return converted(t, dtype, format);
}

}  // namespace bx
