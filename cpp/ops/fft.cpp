// Fourier transforms, along one dimension after the other. The derivative of a transform is the
// transform in the other direction.
#include <cmath>

#include "decompositions/decompositions.h"
#include "ops/fft.h"

namespace bx {

namespace {

using OptInt = std::optional<int64_t>;

/// One transform along the last dimension as `axis` of both tensors, whatever their layout.
void run_lines(const char* op, const kernels::Kernel& kernel, const Tensor& out, const Tensor& in,
               int axis, bool inverse, double scale) {
  GradMode off(false);
  if (out.numel() == 0) return;
  Params p;
  p.i[0] = inverse;
  p.f[0] = scale;
  launch(op, kernel, movedim(out, {axis}, {-1}), movedim(in, {axis}, {-1}), p);
}

/// Complex to complex.
Tensor complex_fft(const Tensor& z, int axis, bool inverse, double scale) {
  Tensor out = empty(z.shape(), z.dtype());
  run_lines("fft", decompositions::fft(z.dtype()), out, z, axis, inverse, scale);
  if (Recorder r{&z}; r)
    r.done("FftC2CBackward0", out,
           [=](const Backward& b) { b.give(0, complex_fft(b.grad(), axis, !inverse, scale)); });
  return out;
}

/// All but the first value of half a spectrum, and but the last of an even n, times `factor`: they
/// stand for two of the whole.
Tensor both_halves(const Tensor& half, int axis, int64_t n, double factor) {
  Dims ends(half.dim() + 1, 1);
  ends[axis] = half.shape()[axis];
  const Tensor place = reshape(arange_int(0, ends[axis], 1), ends);
  const Tensor once = (place == 0.) || (place * 2. == static_cast<double>(n));
  const Tensor weights = select(once, wrapped_number(1., real_of(half.dtype())), factor);
  return joined(view_as_real(half) * weights);
}

Tensor complex_to_real(const Tensor& half, int axis, int64_t n, double scale);

/// Real to the first half of the spectrum.
Tensor real_to_complex(const Tensor& x, int axis, double scale) {
  const int64_t n = x.shape()[axis];
  Dims shape = x.shape();
  shape[axis] = n / 2 + 1;
  Tensor out = empty(shape, complex_of(x.dtype()));
  run_lines("rfft", decompositions::rfft(x.dtype()), out, x, axis, false, scale);
  if (Recorder r{&x}; r)
    r.done("FftR2CBackward0", out, [=](const Backward& b) {
      b.give(0, complex_to_real(both_halves(b.grad(), axis, n, 0.5), axis, n, scale));
    });
  return out;
}

/// The inverse, of n real values.
Tensor complex_to_real(const Tensor& half, int axis, int64_t n, double scale) {
  Dims shape = half.shape();
  shape[axis] = n;
  Tensor out = empty(shape, real_of(half.dtype()));
  run_lines("irfft", decompositions::irfft(half.dtype()), out, half, axis, true, scale);
  if (Recorder r{&half}; r)
    r.done("FftC2RBackward0", out, [=](const Backward& b) {
      b.give(0, both_halves(real_to_complex(b.grad(), axis, scale), axis, n, 2.));
    });
  return out;
}

/// What a transform of n values is multiplied by.
double scale_of(const char* op, const Norm& norm, int64_t n, bool inverse) {
  const auto size = static_cast<double>(n);
  const std::string mode = norm.value_or("backward");
  if (mode == "ortho") return 1 / std::sqrt(size);
  if (mode != "forward" && mode != "backward")
    fail_runtime(op, "invalid normalization mode: '", mode,
                 "'; expected 'forward', 'backward' or 'ortho'");
  return (mode == "forward") != inverse ? 1 / size : 1.;
}

/// A floating-point or complex tensor; whole numbers are converted.
Tensor prepared(const Tensor& t) {
  if (is_floating(t.dtype())) require_wide_float("fft", t.dtype());
  return is_differentiable(t.dtype()) ? t : to(t, default_dtype());
}
Tensor prepared_complex(const Tensor& given) {
  const Tensor t = prepared(given);
  return to(t, complex_of(t.dtype()));
}
Tensor prepared_real(const char* op, const Tensor& t) {
  if (is_complex(t.dtype()))
    fail_runtime(op, "expects a real input tensor, but got ", name_of(t.dtype()),
                 "; use fft for complex input");
  return prepared(t);
}

/// t cut off, or with zeros behind it, to n values along an axis.
Tensor resized(const char* op, const Tensor& t, int axis, int64_t n) {
  if (n < 1)
    fail_runtime(op, "invalid number of data points (", n, ") specified for dimension ", axis,
                 " of shape ", t.shape(), "; pass 1 or more");
  const int64_t size = t.shape()[axis];
  if (size == n) return t;
  if (size > n) return slice(t, axis, 0, n, 1);
  Dims rest = t.shape();
  rest[axis] = n - size;
  return cat({t, zeros(rest, t.dtype())}, axis);
}

/// The dimensions of a transform and their sizes, the last of them last.
struct Plan {
  Dims axes, sizes;

  Plan(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim) {
    if (dim) axes = dim->empty() ? Dims{} : wrap_unique(op, *dim, t.dim());
    if (s && dim && s->size() != dim->size())
      fail_runtime(op, "s ", *s, " and dim ", *dim, " differ in length; give a size for each");
    if (s && s->size() > t.dim())
      fail_runtime(op, "s ", *s, " for a tensor of shape ", t.shape(),
                   ", which has fewer dimensions; give at most one size for each");
    if (!dim)
      for (int d = s ? t.dim() - s->size() : 0; d < t.dim(); ++d) axes.push_back(d);
    for (int k = 0; k < axes.size(); ++k) {
      const int64_t own = t.shape()[static_cast<int>(axes[k])];
      sizes.push_back(s && (*s)[k] != -1 ? (*s)[k] : own);
      given_last = s && (*s)[k] != -1;
    }
  }
  int axis(int k) const { return static_cast<int>(axes[k]); }
  int last() const { return axes.size() - 1; }
  /// Of half spectra, whose size along the last dimension is n / 2 + 1.
  void mend_last() {
    if (!given_last) sizes[last()] = 2 * (sizes[last()] - 1);
  }

  bool given_last = false;

 private:
  static Dims wrap_unique(const char* op, const Dims& dim, int ndim) {
    if (ndim == 0) fail_index(op, "a 0-d tensor has no dimension to transform; use reshape(1)");
    Dims wrapped;
    for (int64_t d : dim) {
      const int64_t axis = wrap_axis(op, d, ndim);
      for (int64_t before : wrapped)
        if (before == axis) fail_runtime(op, "dimensions ", dim, " are not unique; name each once");
      wrapped.push_back(axis);
    }
    return wrapped;
  }
};

/// Complex transforms along the first `count` dimensions of a plan.
Tensor transform(const char* op, Tensor z, const Plan& plan, int count, const Norm& norm,
                 bool inverse) {
  for (int k = 0; k < count; ++k) {
    const double scale = scale_of(op, norm, plan.sizes[k], inverse);
    z = complex_fft(resized(op, z, plan.axis(k), plan.sizes[k]), plan.axis(k), inverse, scale);
  }
  return z;
}

void require_axes(const char* op, const Plan& plan) {
  if (plan.axes.empty()) fail_runtime(op, "must transform at least one axis; name one in dim");
}

}  // namespace

Tensor fftn(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim, const Norm& norm,
            bool inverse) {
  const Tensor z = prepared_complex(t);
  const Plan plan(op, z, s, dim);
  return plan.axes.empty() ? clone(z) : transform(op, z, plan, plan.axes.size(), norm, inverse);
}

/// Half spectra of real tensors: the last dimension first. `inverse`: ihfftn.
Tensor rfftn(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim,
             const Norm& norm, bool inverse) {
  const Tensor x = prepared_real(op, t);
  const Plan plan(op, x, s, dim);
  require_axes(op, plan);
  const int last = plan.last();
  const Tensor line = resized(op, x, plan.axis(last), plan.sizes[last]);
  const Tensor half =
      real_to_complex(line, plan.axis(last), scale_of(op, norm, plan.sizes[last], inverse));
  return transform(op, inverse ? conj(half) : half, plan, last, norm, inverse);
}

/// Real tensors of half spectra: the last dimension last. `inverse` is false for hfftn.
Tensor irfftn(const char* op, const Tensor& t, const OptDims& s, const OptDims& dim,
              const Norm& norm, bool inverse) {
  const Tensor z = prepared_complex(t);
  Plan plan(op, z, s, dim);
  require_axes(op, plan);
  plan.mend_last();
  const int last = plan.last(), axis = plan.axis(last);
  const int64_t n = plan.sizes[last];
  if (n < 1)
    fail_runtime(op, "invalid number of data points (", n, ") specified for dimension ", axis,
                 " of shape ", t.shape(), "; pass 1 or more");
  const Tensor half = resized(op, transform(op, z, plan, last, norm, inverse), axis, n / 2 + 1);
  return complex_to_real(inverse ? half : conj(half), axis, n, scale_of(op, norm, n, inverse));
}

namespace {

constexpr char kLine[] = "input, n=None, dim=-1, norm=None";
constexpr char kPlane[] = "input, s=None, dim=(-2, -1), norm=None";
constexpr char kAll[] = "input, s=None, dim=None, norm=None";

using Transform = Tensor (*)(const char*, const Tensor&, const OptDims&, const OptDims&,
                             const Norm&, bool);

/// A transform of one, of two and of all dimensions.
template <Transform f, bool inverse>
void add_transforms(Registry& r, const char* name, const std::string& doc) {
  static const std::string one = name, two = one + "2", all = one + "n";
  r.fft(
      one.c_str(), kLine,
      [](const Tensor& t, OptInt n, int64_t dim, const Norm& norm) {
        if (n && *n < 1)
          fail_runtime(one.c_str(), "invalid number of data points (", *n, "); pass 1 or more");
        return f(one.c_str(), t, n ? OptDims(Dims{*n}) : std::nullopt, Dims{dim}, norm, inverse);
      },
      doc.c_str());
  r.fft(
      two.c_str(), kPlane,
      [](const Tensor& t, const OptDims& s, const Dims& dim, const Norm& norm) {
        return f(two.c_str(), t, s, dim, norm, inverse);
      },
      ("Along two dimensions: " + doc).c_str());
  r.fft(
      all.c_str(), kAll,
      [](const Tensor& t, const OptDims& s, const OptDims& dim, const Norm& norm) {
        return f(all.c_str(), t, s, dim, norm, inverse);
      },
      ("Along the dimensions in dim, or all: " + doc).c_str());
}

}  // namespace

void register_fft(Registry& r) {
  add_transforms<&fftn, false>(
      r, "fft",
      "y_k = sum_j input_j e^(-2 pi i j k / n), complex; input cut off or filled with zeros to n. "
      "norm 'backward' leaves it so, 'ortho' divides by sqrt(n), 'forward' by n.");
  add_transforms<&fftn, true>(
      r, "ifft", "The inverse of fft: y_j = 1/n sum_k input_k e^(2 pi i j k / n), complex.");
  add_transforms<&rfftn, false>(r, "rfft",
                                "fft of real input, of which the first n / 2 + 1 values say all.");
  add_transforms<&irfftn, true>(r, "irfft",
                                "The inverse of rfft, real; n is 2 (size - 1) unless it is given.");
  add_transforms<&irfftn, false>(
      r, "hfft",
      "fft of a signal that is half of a Hermitian one: real; n is 2 (size - 1) unless it is "
      "given.");
  add_transforms<&rfftn, true>(
      r, "ihfft", "The inverse of hfft: ifft of real input, its first n / 2 + 1 values.");
}

}  // namespace bx
