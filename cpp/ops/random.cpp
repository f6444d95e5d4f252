// Random tensors: PyTorch's CPU streams, drawn through the one door so that a capture sees them.
#include "ops/random.h"

#include <cmath>
#include <numbers>

namespace bx {

using kernels::FaultInfo;
using kernels::Kernel;
using kernels::View;

void launch_random(const char* op, kernels::GeneralFn fn, const Tensor& out, Params params,
                   Generator* generator, const Operands& inputs) {
  params.object = generator;
  Owner owner = generator->weak_from_this().lock();
  if (!owner) owner = Owner(Owner(), generator);  // the default one lives for ever
  launch(op, Kernel{op, nullptr, fn}, out, inputs, params, owner);
}

Tensor without_slope(const char* node, const Tensor& out, const Tensors& inputs) {
  if (Recorder r(inputs); r) {
    std::vector<std::pair<Dims, DType>> kinds;
    for (const Tensor& t : inputs) kinds.emplace_back(t.shape(), t.dtype());
    r.done(node, out, [kinds](const Backward& b) {
      for (size_t i = 0; i < kinds.size(); ++i)
        b.give(static_cast<int>(i), zeros(kinds[i].first, kinds[i].second));
    });
  }
  return out;
}

namespace {

/// f = from, to
void uniform_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto zero) {
    using T = decltype(zero);
    const T from = static_cast<T>(params.f[0]), range = static_cast<T>(params.f[1] - params.f[0]);
    // One rounding, as PyTorch's compiler makes of it.
    if constexpr (std::is_same_v<T, float>) return std::fma(g.uniform_float(), range, from);
    else return std::fma(g.uniform_double(), static_cast<double>(range), static_cast<double>(from));
  });
}

/// f = mean, std
void normal_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) { return g.normal() * params.f[1] + params.f[0]; });
}

/// f = mean, std of the logarithm
void log_normal_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params,
       [&](Generator& g, auto) { return std::exp(g.normal() * params.f[1] + params.f[0]); });
}

/// f = rate, by inversion
void exponential_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params,
       [&](Generator& g, auto) { return -1. / params.f[0] * std::log1p(-g.uniform_double()); });
}

/// f = location, scale, by inversion
void cauchy_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) {
    return params.f[0] + params.f[1] * std::tan(std::numbers::pi * (g.uniform_double() - 0.5));
  });
}

/// f = probability of success: the number of trials up to the first, by inversion
void geometric_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) {
    return std::ceil(std::log(g.uniform_double()) / std::log1p(-params.f[0]));
  });
}

/// f = probability of 1
void coin_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) { return g.uniform_double() < params.f[0]; });
}

/// A distribution with its parameters in Params.
Tensor fill_with(const char* op, const char* node, kernels::GeneralFn fn, const Tensor& t, double a,
                 double b, Generator* g) {
  Params p;
  p.f[0] = a;
  p.f[1] = b;
  return fill_inplace(op, node, t, [&](const Tensor& x) { launch_random(op, fn, x, p, g); });
}

void draw_uniform(const Tensor& t, double from, double to, Generator* g) {
  Params p;
  p.f[0] = from;
  p.f[1] = to;
  launch_random("uniform_", &uniform_kernel, t, p, g);
}

/// PyTorch's two paths: fewer than 16 values, or a target that is not row-major, one by one in
/// double; more by blocks of 16 uniforms.
void draw_normal(const Tensor& t, bool row_major, double mean, double std, Generator* g) {
  const int64_t n = t.numel();
  Params p;
  p.f[0] = mean;
  p.f[1] = std;
  if (n < 16 || !row_major) return launch_random("normal_", &normal_kernel, t, p, g);
  auto pair_up = [&](int64_t offset, int64_t count) {
    const Tensor block = alias(t, {count}, {1}, t->offset + offset);
    launch("normal_", kernel(kernels::Id::NormalFill, t.dtype()), block, {}, p);
  };
  if (is_narrow(t.dtype())) {  // without the draws that the last 16 replace
    const Tensor wide = empty({n}, DType::Float32);
    const int64_t whole = n / 16 * 16;
    draw_normal(alias(wide, {whole}, {1}, 0), true, mean, std, g);
    if (whole < n) draw_normal(alias(wide, {16}, {1}, n - 16), true, mean, std, g);
    copy_(t, reshape(wide, t.shape()));
    return;
  }
  draw_uniform(t, 0, 1, g);
  pair_up(0, n / 16 * 16);
  if (n % 16 == 0) return;
  draw_uniform(alias(t, {16}, {1}, t->offset + n - 16), 0, 1, g);
  pair_up(n - 16, 16);
}

Tensor rand(const Dims& size, Generator* g, OptDType dtype) {
  return filled(uniform_(empty(size, dtype.value_or(default_dtype())), 0, 1, g));
}
Tensor randn(const Dims& size, Generator* g, OptDType dtype) {
  return filled(normal_(empty(size, dtype.value_or(default_dtype())), 0, 1, g));
}

}  // namespace

Tensor uniform_(const Tensor& t, double from, double to, Generator* g) {
  if (is_complex(t.dtype())) {
    uniform_(view_as_real(t), from, to, g);
    return t;
  }
  require_float("uniform_", t.dtype());
  if (!(from <= to))
    fail_runtime("uniform_", "from ", from, " to ", to, "; from must not exceed to");
  return fill_inplace("uniform_", "UniformBackward0", t,
                      [&](const Tensor& x) { draw_uniform(x, from, to, g); });
}

Tensor normal_(const Tensor& t, double mean, double std, Generator* g) {
  if (is_complex(t.dtype())) {  // each part has half of the variance
    normal_(view_as_real(t), mean, std / std::numbers::sqrt2, g);
    return t;
  }
  require_float("normal_", t.dtype());
  if (!(std >= 0)) fail_runtime("normal_", "std is ", std, "; expected 0 or more");
  return fill_inplace("normal_", "NormalBackward0", t,
                      [&](const Tensor& x) { draw_normal(x, t.is_contiguous(), mean, std, g); });
}

Tensor exponential_(const Tensor& t, double lambda, Generator* g) {
  if (!is_floating(t.dtype()))
    fail_runtime("exponential_", "the tensor is ", name_of(t.dtype()),
                 "; use a floating-point type");
  if (!(lambda > 0)) fail_runtime("exponential_", "lambd is ", lambda, "; expected more than 0");
  return fill_with("exponential_", "ExponentialBackward0", &exponential_kernel, t, lambda, 0, g);
}

Tensor bernoulli_(const Tensor& t, double p, Generator* g) {
  if (!(p >= 0 && p <= 1)) fail_runtime("bernoulli_", "p is ", p, "; expected 0 to 1");
  return fill_with("bernoulli_", "BernoulliBackward2", &coin_kernel, t, p, 0, g);
}

void register_random(Registry& r) {
  r.function("rand", "*size, *, generator=None, dtype=None", rand, "Uniform in [0, 1).");
  r.function("randn", "*size, *, generator=None, dtype=None", randn, "Standard normal.");
  r.function(
      "rand_like", "input, *, generator=None, memory_format=None, dtype=None",
      [](const Tensor& t, Generator* g, OptFormat f, OptDType dtype) {
        return filled(uniform_(like(t, f, dtype), 0, 1, g));
      },
      "Uniform in [0, 1), of input's size and type.");
  r.function(
      "randn_like", "input, *, generator=None, memory_format=None, dtype=None",
      [](const Tensor& t, Generator* g, OptFormat f, OptDType dtype) {
        return filled(normal_(like(t, f, dtype), 0, 1, g));
      },
      "Standard normal, of input's size and type.");
  r.method("uniform_", "input, from=0.0, to=1.0, *, generator=None", uniform_,
           "Writes uniform values in [from, to).");
  r.method("normal_", "input, mean=0.0, std=1.0, *, generator=None", normal_,
           "Writes normal values.");
  r.method("exponential_", "input, lambd=1.0, *, generator=None", exponential_,
           "Writes exponential values, x = -log(1 - u) / lambd.");
  r.method(
      "log_normal_", "input, mean=1.0, std=2.0, *, generator=None",
      [](const Tensor& t, double mean, double std, Generator* g) {
        require_float("log_normal_", t.dtype());
        if (!(std > 0)) fail_runtime("log_normal_", "std is ", std, "; expected more than 0");
        return fill_with("log_normal_", "LogNormalBackward0", &log_normal_kernel, t, mean, std, g);
      },
      "Writes exp(x), x normal with this mean and standard deviation.");
  r.method(
      "cauchy_", "input, median=0.0, sigma=1.0, *, generator=None",
      [](const Tensor& t, double median, double sigma, Generator* g) {
        if (!is_floating(t.dtype()))
          fail_runtime("cauchy_", "the tensor is ", name_of(t.dtype()),
                       "; use a floating-point type");
        if (!(sigma > 0)) fail_runtime("cauchy_", "sigma is ", sigma, "; expected more than 0");
        return fill_with("cauchy_", "CauchyBackward0", &cauchy_kernel, t, median, sigma, g);
      },
      "Writes Cauchy values, x = median + sigma tan(pi (u - 1/2)).");
  r.method(
      "geometric_", "input, p, *, generator=None",
      [](const Tensor& t, double p, Generator* g) {
        require_number_type("geometric_", t);
        if (!(p > 0 && p < 1)) fail_runtime("geometric_", "p is ", p, "; expected 0 < p < 1");
        return fill_with("geometric_", "GeometricBackward0", &geometric_kernel, t, p, 0, g);
      },
      "Writes numbers of trials up to the first success: k with probability (1 - p)^(k-1) p.");
  register_random_integers(r);
}

}  // namespace bx
