// Tensors from sizes and numbers.
#include <cmath>

#include <algorithm>

#include "core/narrow.h"
#include "ops/ops.h"

namespace bx {

using kernels::Id;

Tensor full(const Dims& shape, double value, DType dtype) {
  Tensor out = empty(shape, dtype);
  Params p;
  p.f[0] = value;
  if (dtype == DType::Bool) p.i[0] = value != 0;
  else if (!is_differentiable(dtype)) p.i[0] = static_cast<int64_t>(value);
  launch("full", kernel(Id::Fill, dtype), out, {}, p);
  return out;
}

Tensor full_int(const Dims& shape, int64_t value, DType dtype) {
  Tensor out = empty(shape, dtype);
  Params p;
  p.f[0] = static_cast<double>(value);
  p.i[0] = value;
  launch("full", kernel(Id::Fill, dtype), out, {}, p);
  return out;
}

Tensor number_as(const Scalar& s, DType dtype) {
  if (s.kind == Scalar::Complex && is_complex(dtype))
    return wrapped_number(Complex<double>(s.d, s.im), dtype);
  return to(
      s.kind >= Scalar::Float ? wrapped_number(s.as_double(), dtype) : wrapped_number(s.i, dtype),
      dtype);
}

Scalar number_of(const char* op, const Operand& operand) {
  const Tensor& t = operand.tensor;
  if (t.dim() != 0)
    fail_runtime(op, "a tensor of shape ", t.shape(), " stands for a number; pass a 0-d one");
  if (is_complex(t.dtype())) {
    const Complex<double> z = item_complex(t);
    return {Scalar::Complex, 0, z.re, z.im};
  }
  if (is_floating(t.dtype())) return {Scalar::Float, 0, item_double(t)};
  return {Scalar::Int, item_int(t), item_double(t)};
}

Tensor arange_int(int64_t start, int64_t end, int64_t step) {
  const int64_t n = (end - start + step - (step > 0 ? 1 : -1)) / step;
  Tensor out = empty({std::max<int64_t>(0, n)}, DType::Int64);
  for (int64_t i = 0; i < out.numel(); ++i) out.data<int64_t>()[i] = start + i * step;
  return out;
}

Tensor like(const Tensor& t, OptFormat format, OptDType dtype) {
  return empty_like(t, dtype.value_or(t.dtype()), format.value_or(MemoryFormat::Preserve));
}

namespace {

Tensor full_scalar(const Dims& shape, const Scalar& value, OptDType dtype) {
  if (value.kind == Scalar::Complex) {
    const DType t = dtype.value_or(complex_of(default_dtype()));
    return fill_(empty(shape, t), number_as(value, t));
  }
  const DType t = dtype.value_or(value.kind == Scalar::Float ? default_dtype() : value.dtype());
  require_fits("full", value, t);
  return value.kind == Scalar::Float ? full(shape, value.d, t) : full_int(shape, value.i, t);
}

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, OptDType dtype) {
  const bool whole =
      start.kind != Scalar::Float && end.kind != Scalar::Float && step.kind != Scalar::Float;
  const double a = start.as_double(), b = end.as_double(), s = step.as_double();
  if (!(s > 0 || s < 0))
    fail_runtime("arange", "the step is ", s, "; pass a step that leads from start to end");
  if (!std::isfinite(a) || !std::isfinite(b))
    fail_runtime("arange", "unsupported range: ", a, " to ", b, "; pass finite bounds");
  if ((s > 0 && a > b) || (s < 0 && a < b))
    fail_runtime("arange", "bounds ", a, " to ", b, " with step ", s,
                 " lie the wrong way round; change the step's sign");
  const DType t = dtype.value_or(whole ? DType::Int64 : default_dtype());
  if (t == DType::Bool || is_complex(t))
    fail(ErrorKind::NotImplemented, "arange", "not implemented for ", name_of(t),
         "; pass another dtype");
  if (whole) return to(arange_int(start.i, end.i, step.i), t);
  if (t == DType::Int64) {  // PyTorch cuts off the fractions first, and of this type alone
    const auto step_cut = static_cast<int64_t>(s);
    if (step_cut == 0)
      fail_value("arange", "the step, ", s, ", is 0 as an int64; pass 1 or more, or another dtype");
    return arange_int(static_cast<int64_t>(a), static_cast<int64_t>(b), step_cut);
  }
  if (is_narrow(t)) return to(arange(start, end, step, wide_of(t)), t);
  const auto n = static_cast<int64_t>(std::ceil((b - a) / s));
  Tensor out = empty({n}, t);
  visit(t, [&](auto zero) {
    using T = decltype(zero);
    T* const to = out.data<T>();
    if constexpr (std::is_floating_point_v<T>) {
      // PyTorch's way: pairs of registers of 32 bytes each count from their first value.
      constexpr int64_t lanes = 32 / sizeof(T);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t lane = i < n - n % (2 * lanes) ? i % lanes : 0;
        const T base = static_cast<T>(std::fma(s, static_cast<double>(i - lane), a));
        to[i] = static_cast<T>(std::fma(s, static_cast<double>(lane), double{base}));
      }
    } else {  // start and step are whole too
      for (int64_t i = 0; i < n; ++i)
        to[i] = static_cast<T>(static_cast<int64_t>(a) + i * static_cast<int64_t>(s));
    }
  });
  return out;
}

/// line() of float16 and bfloat16, which PyTorch rounds after each operation.
Tensor narrow_line(double first, double last, int64_t steps, DType t) {
  const auto round = [t](double x) { return rounded(t, static_cast<float>(x)); };
  const float a = round(first), b = round(last);
  const float step = steps > 1 ? round(round(b - a) / static_cast<float>(steps - 1)) : 0.f;
  const Tensor out = empty({steps}, DType::Float32);
  for (int64_t i = 0; i < steps; ++i) {
    const bool from_start = i < steps / 2 || steps == 1;
    const auto count = static_cast<float>(from_start ? i : steps - 1 - i);
    const float way = round(step * round(count));
    out.data<float>()[i] = from_start ? round(a + way) : round(b - way);
  }
  return to(out, t);
}

/// `steps` numbers from a to b: PyTorch's way, from both ends, so that the last value is exact.
Tensor line(double first, double last, int64_t steps, DType t) {
  if (is_narrow_float(t)) return narrow_line(first, last, steps, t);
  if (is_narrow(t)) return to(line(first, last, steps, wide_of(t)), t);
  Tensor out = empty({steps}, t);
  visit(t, [&](auto zero) {
    using T = decltype(zero);
    const T a = convert<T>(first), b = convert<T>(last);
    using F = std::conditional_t<std::is_floating_point_v<T>, T, double>;
    const F step =
        steps > 1 ? (static_cast<F>(b) - static_cast<F>(a)) / static_cast<F>(steps - 1) : F(0);
    for (int64_t i = 0; i < steps; ++i) {
      const bool from_start = i < steps / 2 || steps == 1;
      const F value = from_start
                          ? std::fma(step, static_cast<F>(i), static_cast<F>(a))
                          : std::fma(-step, static_cast<F>(steps - 1 - i), static_cast<F>(b));
      out.data<T>()[i] = convert<T>(value);
    }
  });
  return out;
}

}  // namespace

Tensor linspace(const Operand& first, const Operand& last, int64_t steps, OptDType dtype) {
  const Scalar start = number_of("linspace", first), end = number_of("linspace", last);
  if (steps < 0) fail_runtime("linspace", "the number of steps is ", steps, "; pass 0 or more");
  const bool complex = start.kind == Scalar::Complex || end.kind == Scalar::Complex;
  const DType t = dtype.value_or(complex ? complex_of(default_dtype()) : default_dtype());
  if (!is_complex(t)) return line(start.as_double(), end.as_double(), steps, t);
  const auto real = [](const Scalar& s) { return s.kind == Scalar::Int ? double(s.i) : s.d; };
  return joined(stack(
      {line(real(start), real(end), steps, real_of(t)), line(start.im, end.im, steps, real_of(t))},
      -1));
}

namespace {

Tensor eye(int64_t n, int64_t m, OptDType dtype) {
  if (n < 0 || m < 0) fail_runtime("eye", "sizes ", n, " and ", m, "; sizes are 0 or more");
  Tensor out = zeros({n, m}, dtype.value_or(default_dtype()));
  const int64_t length = std::min(n, m);
  Tensor ones = alias(out, {length}, {m + 1}, 0);
  launch("eye", kernel(Id::Copy, out.dtype()), ones,
         alias(wrapped_number(1., out.dtype()), {length}, {0}, 0));
  return out;
}

}  // namespace

void register_creation(Registry& r) {
  r.function(
      "empty", "*size, *, memory_format=None, dtype=None",
      [](const Dims& size, OptFormat format, OptDType dtype) {
        return empty_in("empty", size, dtype.value_or(default_dtype()),
                        format.value_or(MemoryFormat::Contiguous));
      },
      "An uninitialised tensor of the given size.");
  r.function(
      "zeros", "*size, *, dtype=None",
      [](const Dims& size, OptDType dtype) { return zeros(size, dtype.value_or(default_dtype())); },
      "A tensor of zeros.");
  r.function(
      "ones", "*size, *, dtype=None",
      [](const Dims& size, OptDType dtype) {
        return full_int(size, 1, dtype.value_or(default_dtype()));
      },
      "A tensor of ones.");
  r.function(
      "full", "size, fill_value, *, dtype=None",
      [](const Sizes& size, const Scalar& value, OptDType dtype) {
        return full_scalar(size, value, dtype);
      },
      "A tensor with fill_value in every element; its type is the value's.");
  r.function("empty_like", "input, *, memory_format=None, dtype=None", like,
             "An uninitialised tensor of input's size and type.");
  r.function(
      "zeros_like", "input, *, memory_format=None, dtype=None",
      [](const Tensor& t, OptFormat f, OptDType dtype) { return filled(zero_(like(t, f, dtype))); },
      "Zeros of input's size and type.");
  r.function(
      "ones_like", "input, *, memory_format=None, dtype=None",
      [](const Tensor& t, OptFormat f, OptDType dtype) {
        return filled(fill_(like(t, f, dtype), wrapped_number(1., DType::Float64)));
      },
      "Ones of input's size and type.");
  r.function(
      "full_like", "input, fill_value, *, memory_format=None, dtype=None",
      [](const Tensor& t, const Scalar& value, OptFormat f, OptDType dtype) {
        const Tensor out = like(t, f, dtype);
        require_fits("full_like", value, out.dtype());
        return filled(fill_(out, number_as(value, out.dtype())));
      },
      "fill_value in every element, of input's size and type.");
  r.function(
      "arange", "end, *, dtype=None",
      [](const Scalar& end, OptDType dtype) {
        return arange(Scalar{Scalar::Int}, end, Scalar{Scalar::Int, 1}, dtype);
      },
      "start, start + step, ... before end; int64 where all three are whole numbers.");
  r.function("arange", "start, end, step=1, *, dtype=None", arange, "");
  r.function("linspace", "start, end, steps, *, dtype=None", linspace,
             "`steps` values evenly spaced from start to end, both included.");
  r.function(
      "eye", "n, *, dtype=None", [](int64_t n, OptDType dtype) { return eye(n, n, dtype); },
      "Ones on the diagonal of an n by m matrix.");
  r.function("eye", "n, m, *, dtype=None", eye, "");
}

}  // namespace bx
