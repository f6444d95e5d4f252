// Fourier transforms of lines, in double precision whatever the elements: float results are then
// exact to their last digits. Lengths with a large prime factor go through a convolution.
#include <complex>
#include <map>
#include <memory>
#include <numbers>
#include <vector>

#include <unsupported/Eigen/FFT>

#include "core/dims.h"
#include "decompositions/decompositions.h"
#include "launch/parallel.h"

namespace bx::decompositions {

namespace {

using kernels::FaultInfo;
using kernels::Params;
using kernels::View;
using Value = std::complex<double>;
using Values = std::vector<Value>;

constexpr int64_t kLargestFactor = 64;  // above it, n p additions cost more than the convolution
constexpr int64_t kGrain = 1 << 13;     // elements
constexpr size_t kPlans = 64;           // lengths remembered by a thread

int64_t largest_factor(int64_t n) {
  int64_t largest = 1;
  for (int64_t p = 2; p * p <= n; ++p)
    for (; n % p == 0; n /= p) largest = p;
  return std::max(largest, n);
}

/// A buffer of n elements, whose memory stays.
template <class V>
V* sized(std::vector<V>& buffer, int64_t n) {
  buffer.resize(static_cast<size_t>(n));
  return buffer.data();
}

/// The transforms of one thread, with the tables of the lengths that it met.
class Transforms {
 public:
  /// For one line and what becomes of it.
  Values in, out;
  std::vector<double> reals;

  /// out_k = sum_j in_j e^(-2 pi i j k / n), or + in the exponent where `inverse`; not in place.
  void complex(Value* out, const Value* in, int64_t n, bool inverse) {
    forget();
    if (n == 1) {
      out[0] = in[0];
    } else if (convolves(n)) {
      convolve(out, in, n, inverse);
    } else if (inverse) {
      fft_.inv(out, in, static_cast<int>(n));
    } else {
      fft_.fwd(out, in, static_cast<int>(n));
    }
  }
  /// The first n / 2 + 1 results of real input.
  void from_real(Value* out, const double* in, int64_t n) {
    forget();
    if (n > 1 && n % 2 == 0 && !convolves(n)) return fft_.fwd(out, in, static_cast<int>(n));
    Values line(in, in + n), whole(static_cast<size_t>(n));
    complex(whole.data(), line.data(), n, false);
    std::copy_n(whole.begin(), n / 2 + 1, out);
  }
  /// The real inverse of n / 2 + 1 values, whose mirror images are their conjugates.
  void to_real(double* out, Value* in, int64_t n) {
    forget();
    in[0].imag(0);
    if (n % 2 == 0) in[n / 2].imag(0);
    if (n > 1 && n % 2 == 0 && !convolves(n)) return fft_.inv(out, in, static_cast<int>(n));
    Values line(in, in + n / 2 + 1), whole(static_cast<size_t>(n));
    for (int64_t k = n / 2 + 1; k < n; ++k) line.push_back(std::conj(in[n - k]));
    complex(whole.data(), line.data(), n, true);
    for (int64_t k = 0; k < n; ++k) out[k] = whole[static_cast<size_t>(k)].real();
  }

 private:
  /// Of a length n: e^(-pi i k^2 / n), and the transform of its conjugate, padded to a power of 2.
  struct Chirp {
    Values wave, transformed;
  };

  bool convolves(int64_t n) {
    const auto [at, added] = convolves_.try_emplace(n);
    if (added) at->second = largest_factor(n) > kLargestFactor;
    return at->second;
  }

  const Chirp& chirp(int64_t n) {
    const auto [at, added] = chirps_.try_emplace(n);
    Chirp& c = at->second;
    if (!added) return c;
    size_t m = 1;
    while (static_cast<int64_t>(m) < 2 * n - 1) m *= 2;
    Values padded(m);
    for (int64_t k = 0; k < n; ++k) {
      // k^2 modulo 2 n keeps the angle small, and so exact.
      const double angle =
          std::numbers::pi * static_cast<double>(k * k % (2 * n)) / static_cast<double>(n);
      c.wave.push_back(std::polar(1., -angle));
      padded[static_cast<size_t>(k)] = std::conj(c.wave.back());
      if (k) padded[m - static_cast<size_t>(k)] = padded[static_cast<size_t>(k)];
    }
    c.transformed.resize(m);
    fft_.fwd(c.transformed.data(), padded.data(), static_cast<int>(m));
    return c;
  }

  /// j k = (j^2 + k^2 - (k - j)^2) / 2 makes the transform a convolution. [Bluestein 1970]
  void convolve(Value* out, const Value* in, int64_t n, bool inverse) {
    const Chirp& c = chirp(n);
    const size_t m = c.transformed.size(), count = static_cast<size_t>(n);
    Values a(m), b(m);
    for (size_t k = 0; k < count; ++k) a[k] = (inverse ? std::conj(in[k]) : in[k]) * c.wave[k];
    fft_.fwd(b.data(), a.data(), static_cast<int>(m));
    for (size_t k = 0; k < m; ++k) b[k] *= c.transformed[k];
    fft_.inv(a.data(), b.data(), static_cast<int>(m));
    for (size_t k = 0; k < count; ++k) {
      const Value y = a[k] * c.wave[k] / static_cast<double>(m);
      out[k] = inverse ? std::conj(y) : y;
    }
  }

  /// A thread that meets many lengths starts anew.
  void forget() {
    if (convolves_.size() < kPlans) return;
    fft_ = plain();
    convolves_.clear();
    chirps_.clear();
  }

  using Fft = Eigen::FFT<double>;
  static Fft plain() {
    Fft fft;
    fft.SetFlag(Fft::Unscaled);
    fft.SetFlag(Fft::HalfSpectrum);
    return fft;
  }

  Fft fft_ = plain();
  std::map<int64_t, bool> convolves_;
  std::map<int64_t, Chirp> chirps_;
};

thread_local std::unique_ptr<Transforms> transforms;

/// Calls body(offset in out, offset in in) for every line along the last dimension, on the pool.
template <class Body>
void each_line(const View& out, const View& in, int64_t n, Body body) {
  int64_t count = 1;
  for (int d = 0; d + 1 < out.ndim; ++d) count *= out.shape[d];
  auto part = [&](int64_t begin, int64_t end) {
    if (!transforms) transforms = std::make_unique<Transforms>();
    for (int64_t line = begin; line < end; ++line) {
      int64_t to = 0, from = 0, rest = line;
      for (int d = out.ndim - 2; d >= 0; --d) {
        const int64_t i = rest % out.shape[d];
        rest /= out.shape[d];
        to += i * out.strides[d];
        from += i * in.strides[d];
      }
      body(to, from);
    }
  };
  parallel_for(
      count, std::max<int64_t>(1, kGrain / n),
      [](void* context, int64_t begin, int64_t end) {
        (*static_cast<decltype(part)*>(context))(begin, end);
      },
      &part);
}

template <class T>
void store(Complex<T>* to, int64_t step, const Value* from, int64_t n, double scale) {
  for (int64_t k = 0; k < n; ++k) to[k * step] = {from[k].real() * scale, from[k].imag() * scale};
}

template <class T>
void complex_lines(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int last = out[0].ndim - 1;
  const int64_t n = out[0].shape[last], so = out[0].strides[last], si = in[0].strides[last];
  each_line(out[0], in[0], n, [&](int64_t to, int64_t from) {
    Value *line = sized(transforms->in, n), *result = sized(transforms->out, n);
    const auto* x = static_cast<const Complex<T>*>(in[0].data) + from;
    for (int64_t k = 0; k < n; ++k) line[k] = {x[k * si].re, x[k * si].im};
    transforms->complex(result, line, n, params.i[0] != 0);
    store(static_cast<Complex<T>*>(out[0].data) + to, so, result, n, params.f[0]);
  });
}

template <class T>
void real_lines(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int last = out[0].ndim - 1;
  const int64_t n = in[0].shape[last], so = out[0].strides[last], si = in[0].strides[last];
  each_line(out[0], in[0], n, [&](int64_t to, int64_t from) {
    double* line = sized(transforms->reals, n);
    Value* result = sized(transforms->out, n / 2 + 1);
    const auto* x = static_cast<const T*>(in[0].data) + from;
    for (int64_t k = 0; k < n; ++k) line[k] = x[k * si];
    transforms->from_real(result, line, n);
    store(static_cast<Complex<T>*>(out[0].data) + to, so, result, n / 2 + 1, params.f[0]);
  });
}

template <class T>
void lines_to_real(const View* out, const View* in, const Params& params, FaultInfo*) {
  const int last = out[0].ndim - 1;
  const int64_t n = out[0].shape[last], so = out[0].strides[last], si = in[0].strides[last];
  each_line(out[0], in[0], n, [&](int64_t to, int64_t from) {
    Value* line = sized(transforms->in, n / 2 + 1);
    double* result = sized(transforms->reals, n);
    const auto* x = static_cast<const Complex<T>*>(in[0].data) + from;
    for (int64_t k = 0; k < n / 2 + 1; ++k) line[k] = {x[k * si].re, x[k * si].im};
    transforms->to_real(result, line, n);
    auto* y = static_cast<T*>(out[0].data) + to;
    for (int64_t k = 0; k < n; ++k) y[k * so] = static_cast<T>(result[k] * params.f[0]);
  });
}

}  // namespace

Kernel fft(DType dtype) {
  return choose("fft", real_of(dtype), &complex_lines<float>, &complex_lines<double>);
}
Kernel rfft(DType dtype) {
  return choose("rfft", real_of(dtype), &real_lines<float>, &real_lines<double>);
}
Kernel irfft(DType dtype) {
  return choose("irfft", real_of(dtype), &lines_to_real<float>, &lines_to_real<double>);
}

}  // namespace bx::decompositions
