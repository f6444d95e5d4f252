// Complex numbers beside their elementwise rows: pairs of reals seen as complex and back, parts,
// polar form. What is not holomorphic is made of operations on the parts.
#include <cmath>
#include <limits>
#include <numbers>

#include "autograd/views.h"
#include "ops/ops.h"

namespace bx {

namespace {

template <class T>
void conj_kernel(void* const* out, const void* const* in, int64_t n, const double*,
                 kernels::FaultInfo*) {
  const auto* x = static_cast<const Complex<T>*>(in[0]);
  auto* y = static_cast<Complex<T>*>(out[0]);
  for (int64_t i = 0; i < n; ++i) y[i] = conj(x[i]);
}

/// Whether pairs lie as complex numbers do: the parts side by side, the rest at even distances.
bool lie_as_complex(const Tensor& pairs) {
  bool fits = pairs->offset % 2 == 0 && pairs.strides().back() == 1;
  for (int d = 0; d + 1 < pairs.dim(); ++d) fits = fits && pairs.strides()[d] % 2 == 0;
  return fits;
}

/// z r for a real r, without a complex product.
Tensor scaled_by(const Tensor& z, const Tensor& r) {
  return joined(view_as_real(z) * unsqueeze(r, -1));
}

/// z / |z|; nothing is left of a 0 divided by infinity, nor of its derivative.
Tensor sgn(const Tensor& z) {
  const Tensor size = abs(z);
  const Tensor divisor = select(detach(size) == 0., std::numeric_limits<double>::infinity(), size);
  return joined(view_as_real(z) / unsqueeze(divisor, -1));
}

/// d input = g sgn(input), 0 at 0.
Tensor magnitude(const Tensor& z) {
  const Tensor out = unrecorded([&] { return apply<formulas::Hypot>(real(z), imag(z)); });
  if (Recorder r{&z}; r)
    r.save(z).done("AbsBackward0", out,
                   [](const Backward& b) { b.give(0, scaled_by(sgn(b.saved(0)), b.grad())); });
  return out;
}

void require_real_pair(const char* op, const Tensor& a, const Tensor& b) {
  if (!is_wide_float(a.dtype()) || a.dtype() != b.dtype())
    fail_runtime(op, "inputs are ", name_of(a.dtype()), " and ", name_of(b.dtype()),
                 "; expected two of float32, or two of float64");
}

Tensor from_parts(const Tensor& re, const Tensor& im) {
  const Dims shape = broadcast_shapes("complex", re.shape(), im.shape());
  return view_as_complex(stack({expand(re, shape), expand(im, shape)}, -1));
}

Tensor complex(const Tensor& re, const Tensor& im) {
  require_real_pair("complex", re, im);
  return unsafe_view("ComplexBackward0", from_parts(re, im));
}

Tensor polar(const Tensor& size, const Tensor& angle) {
  require_real_pair("polar", size, angle);
  return unsafe_view("PolarBackward0", from_parts(size * cos(angle), size * sin(angle)));
}

Tensor itself(const Tensor& t) { return t; }

}  // namespace

Tensor view_as_real(const Tensor& z) {
  if (!is_complex(z.dtype()))
    fail_runtime("view_as_real", "input is ", name_of(z.dtype()), "; expected a complex tensor");
  Dims shape = z.shape(), strides = z.strides();
  for (int d = 0; d < z.dim(); ++d) strides[d] *= 2;
  shape.push_back(2);
  strides.push_back(1);
  Tensor out(make<TensorImpl>(z->storage, 2 * z->offset, shape, strides, real_of(z.dtype())));
  track_view(out, z);
  if (Recorder r{&z}; r)
    r.done("ViewAsRealBackward0", out, [](const Backward& b) { b.give(0, joined(b.grad())); });
  return out;
}

Tensor view_as_complex(const Tensor& pairs) {
  if (!is_wide_float(pairs.dtype()))
    fail_runtime("view_as_complex", "input is ", name_of(pairs.dtype()),
                 "; expected float32 or float64");
  if (pairs.dim() == 0 || pairs.shape().back() != 2)
    fail_runtime("view_as_complex", "input of shape ", pairs.shape(),
                 "; the last dimension must have size 2, the real and the imaginary part");
  if (!lie_as_complex(pairs))
    fail_runtime("view_as_complex", "strides ", pairs.strides(), " and offset ", pairs->offset,
                 "; the last stride must be 1 and the others even, use contiguous()");
  Dims shape = pairs.shape(), strides = pairs.strides();
  shape.resize(pairs.dim() - 1);
  strides.resize(pairs.dim() - 1);
  for (int d = 0; d < shape.size(); ++d) strides[d] /= 2;
  Tensor out(make<TensorImpl>(pairs->storage, pairs->offset / 2, shape, strides,
                              complex_of(pairs.dtype())));
  track_view(out, pairs);
  if (Recorder r{&pairs}; r)
    r.done("ViewAsComplexBackward0", out,
           [](const Backward& b) { b.give(0, view_as_real(b.grad())); });
  return out;
}

Tensor in_reals(const Tensor& t) { return is_complex(t.dtype()) ? view_as_real(t) : t; }

Tensor joined(const Tensor& pairs) {
  return view_as_complex(lie_as_complex(pairs) ? pairs : clone(pairs));
}

Tensor real(const Tensor& t) {
  return is_complex(t.dtype()) ? select_axis(view_as_real(t), -1, 0) : t;
}

Tensor imag(const Tensor& t) {
  if (!is_complex(t.dtype()))
    fail_runtime("imag", "input is ", name_of(t.dtype()),
                 ", which has no imaginary part; expected a complex tensor");
  return select_axis(view_as_real(t), -1, 1);
}

Tensor conj(const Tensor& t) {
  if (!is_complex(t.dtype())) return t;
  Tensor out = empty(t.shape(), t.dtype());
  const bool single = t.dtype() == DType::Complex64;
  launch("conj", {"conj", single ? &conj_kernel<float> : &conj_kernel<double>}, out, t);
  if (Recorder r{&t}; r)
    r.done("ConjBackward0", out, [](const Backward& b) { b.give(0, conj(b.grad())); });
  return out;
}

Tensor of_complex(const PointwiseOp& op, const Tensor& z) {
  switch (op.row) {
    case formulas::row_index<formulas::Abs>: return magnitude(z);
    case formulas::row_index<formulas::Sgn>: return named("SgnBackward0", sgn(z));
    case formulas::row_index<formulas::Angle>:
      return named("AngleBackward0", apply<formulas::Atan2>(imag(z), real(z)));
    // The root of z^2 - 1 has another sign where z lies to the left.
    case formulas::row_index<formulas::Acosh>:
      return named("AcoshBackward0", log(z + sqrt(z - 1.) * sqrt(z + 1.)));
    case formulas::row_index<formulas::Sinc>: {
      const Tensor angle = select(z == 0., 1., z * std::numbers::pi);
      return named("SincBackward0", select(z == 0., 1., sin(angle) / angle));
    }
    case formulas::row_index<formulas::Softsign>: return z / (magnitude(z) + 1.);
    case formulas::row_index<formulas::Tanhshrink>: return z - tanh(z);
    case formulas::row_index<formulas::IsReal>: return imag(detach(z)) == 0.;
    case formulas::row_index<formulas::Sign>:
      fail(ErrorKind::NotImplemented, "sign", "input is ", name_of(z.dtype()),
           ", which has no sign; use sgn() for input / |input|");
    default: return {};
  }
}

void register_complex(Registry& r) {
  r.function("complex", "real, imag", complex,
             "y = real + i imag, broadcast; complex64 of float32, complex128 of float64. "
             "RuntimeError for other or different types.");
  r.function("polar", "abs, angle", polar,
             "y = abs (cos angle + i sin angle), broadcast; the types as in complex.");
  r.function("view_as_real", "input", view_as_real,
             "The memory of complex numbers as pairs (..., 2) of real and imaginary part, a view.");
  r.function("view_as_complex", "input", view_as_complex,
             "The memory of pairs (..., 2) as complex numbers, a view; RuntimeError where the last "
             "size is not 2, the last stride not 1, or another stride odd.");
  r.function("real", "input", real, "The real part, a view; a real tensor itself.");
  r.function("imag", "input", imag, "The imaginary part, a view; RuntimeError for a real tensor.");
  for (const char* name : {"conj", "conj_physical"})
    r.both(
        name, "input", [](const Tensor& t) { return conj(t); },
        "re - i im, a copy; a real tensor itself.");
  r.both(
      "conj_physical_", "input",
      [](const Tensor& t) { return is_complex(t.dtype()) ? copy_(t, conj(unwritten(t))) : t; },
      "The conjugate written in place.");
  r.both("resolve_conj", "input", itself, "The tensor itself: conjugates are copies.");
  r.both("resolve_neg", "input", itself, "The tensor itself: negatives are copies.");
}

}  // namespace bx
