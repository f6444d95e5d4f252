// Random tensors: PyTorch's CPU streams, drawn through the one door so that a capture sees them.
#include "ops/random.h"

#include <cmath>
#include <limits>

namespace bx {

using kernels::FaultInfo;
using kernels::Kernel;
using kernels::View;

void launch_random(const char* op, kernels::GeneralFn fn, const Tensor& out, Params params,
                   Generator* generator, const Operands& inputs) {
  params.object = generator;
  launch(op, Kernel{op, nullptr, fn}, out, inputs, params);
}

Tensor without_slope(const char* node, const Tensor& out, const Tensors& inputs) {
  if (Recorder r(inputs); r) {
    std::vector<Dims> shapes;
    for (const Tensor& t : inputs) shapes.push_back(t.shape());
    r.done(node, out, [shapes](const Backward& b) {
      for (size_t i = 0; i < shapes.size(); ++i)
        b.give(static_cast<int>(i), zeros(shapes[i], b.grad().dtype()));
    });
  }
  return out;
}

void require_float(const char* op, DType dtype) {
  if (!is_floating(dtype))
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(dtype),
         "; use a floating-point type");
}

namespace {

constexpr double kPi = 3.141592653589793238462643383279502884;

/// f = from, to
void uniform_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto zero) {
    using T = decltype(zero);
    const T from = static_cast<T>(params.f[0]), range = static_cast<T>(params.f[1] - params.f[0]);
    // One rounding, as PyTorch's compiler makes of it.
    if constexpr (std::is_same_v<T, float>) return std::fma(g.uniform_float(), range, from);
    else
      return std::fma(g.uniform_double(), static_cast<double>(range), static_cast<double>(from));
  });
}

/// f = mean, std
void normal_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params,
       [&](Generator& g, auto) { return g.normal() * params.f[1] + params.f[0]; });
}

/// f = mean, std of the logarithm
void log_normal_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params,
       [&](Generator& g, auto) { return std::exp(g.normal() * params.f[1] + params.f[0]); });
}

/// f = rate, by inversion
void exponential_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) {
    return -1. / params.f[0] * std::log1p(-g.uniform_double());
  });
}

/// f = location, scale, by inversion
void cauchy_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) {
    return params.f[0] + params.f[1] * std::tan(kPi * (g.uniform_double() - 0.5));
  });
}

/// f = probability of success: the number of trials up to the first, by inversion
void geometric_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto) {
    return std::ceil(std::log(g.uniform_double()) / std::log1p(-params.f[0]));
  });
}

/// i = lowest, number of values (0 for all 2^64), and whether one word is enough for each.
void integer_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  const auto range = static_cast<uint64_t>(params.i[1]);
  draw(out, params, [&](Generator& g, auto) {
    const uint64_t bits = params.i[2] ? g.random() : g.random64();
    const uint64_t offset = range ? bits % range : bits;
    return static_cast<int64_t>(offset + static_cast<uint64_t>(params.i[0]));
  });
}

/// f = probability of 1
void bernoulli_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
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

/// PyTorch's two paths: fewer than 16 values one by one in double, more by blocks of 16 uniforms.
void draw_normal(const Tensor& t, double mean, double std, Generator* g) {
  const int64_t n = t.numel();
  Params p;
  p.f[0] = mean;
  p.f[1] = std;
  if (n < 16) return launch_random("normal_", &normal_kernel, t, p, g);
  auto pair_up = [&](int64_t offset, int64_t count) {
    const Tensor block = alias(t, {count}, {1}, t->offset + offset);
    launch("normal_", kernel(kernels::Id::NormalFill, t.dtype()), block, {}, p);
  };
  draw_uniform(t, 0, 1, g);
  pair_up(0, n / 16 * 16);
  if (n % 16 == 0) return;
  draw_uniform(alias(t, {16}, {1}, t->offset + n - 16), 0, 1, g);
  pair_up(n - 16, 16);
}

/// Whole numbers from `lowest`, `range` of them (0 for all 2^64).
void draw_integers(const char* op, const Tensor& t, int64_t lowest, uint64_t range, bool one_word,
                   Generator* g) {
  Params p;
  p.i[0] = lowest;
  p.i[1] = static_cast<int64_t>(range);
  p.i[2] = one_word;
  launch_random(op, &integer_kernel, t, p, g);
}

/// Ranges from 2^28 on draw 64 bits, so that the modulo's bias stays small.
bool one_word(uint64_t range) { return range != 0 && range < uint64_t{1} << 28; }

/// The largest of the whole numbers that a type holds without gaps.
int64_t largest_whole(DType dtype) {
  switch (dtype) {
    case DType::Bool: return 1;
    case DType::Int32: return std::numeric_limits<int32_t>::max();
    case DType::Int64: return std::numeric_limits<int64_t>::max();
    case DType::Float32: return int64_t{1} << 24;
    default: return int64_t{1} << 53;
  }
}

constexpr const char* kRandomNodes[] = {"RandomBackward2", "RandomBackward1", "RandomBackward0"};

Tensor random_all(const Tensor& t, Generator* g) {
  const uint64_t range = static_cast<uint64_t>(largest_whole(t.dtype())) + 1;
  const bool narrow = t.dtype() != DType::Int64 && t.dtype() != DType::Float64;
  return fill_inplace("random_", kRandomNodes[0], t, [&](const Tensor& x) {
    draw_integers("random_", x, 0, range, narrow, g);
  });
}

Tensor random_between(const Tensor& t, int64_t from, std::optional<int64_t> to, Generator* g,
                      const char* node) {
  const int64_t most = largest_whole(t.dtype());
  const int64_t last = to ? *to - 1 : most;
  if (to ? from >= *to : from > most)
    fail_runtime("random_", "from ", from, " to ", to.value_or(most), "; from must be less than to");
  if (!is_floating(t.dtype()) && t.dtype() != DType::Int64) {
    const int64_t least = t.dtype() == DType::Bool ? 0 : -most - 1;
    for (int64_t end : {from, last})
      if (end < least || end > most)
        fail_runtime("random_", end, " is out of bounds for ", name_of(t.dtype()), "; expected ",
                     least, " to ", most);
  }
  const uint64_t range = static_cast<uint64_t>(last) - static_cast<uint64_t>(from) + 1;
  return fill_inplace("random_", node, t, [&](const Tensor& x) {
    draw_integers("random_", x, from, range, one_word(range), g);
  });
}

Tensor rand(const Dims& size, Generator* g, OptDType dtype) {
  return uniform_(empty(size, dtype.value_or(default_dtype())), 0, 1, g);
}
Tensor randn(const Dims& size, Generator* g, OptDType dtype) {
  return normal_(empty(size, dtype.value_or(default_dtype())), 0, 1, g);
}

Tensor randint(int64_t low, int64_t high, const Dims& size, Generator* g, OptDType dtype) {
  if (low >= high)
    fail_runtime("randint", "low ", low, " and high ", high, "; low must be less than high");
  Tensor out = empty(size, dtype.value_or(DType::Int64));
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  draw_integers("randint", out, low, range, one_word(range), g);
  return out;
}

/// Fisher-Yates from the front. Beyond 2^32 / 20 numbers one word would be too coarse.
Tensor randperm(int64_t n, Generator* g, OptDType dtype) {
  if (n < 0) fail_runtime("randperm", "n is ", n, "; expected 0 or more");
  Tensor out = arange_int(0, n, 1);
  auto* data = out.data<int64_t>();
  const bool narrow = n < std::numeric_limits<uint32_t>::max() / 20;
  for (int64_t i = 0; i + 1 < n; ++i) {
    const uint64_t bits = narrow ? g->random() : g->random64();
    std::swap(data[i], data[i + static_cast<int64_t>(bits % static_cast<uint64_t>(n - i))]);
  }
  return to(out, dtype.value_or(DType::Int64));
}

}  // namespace

Tensor uniform_(const Tensor& t, double from, double to, Generator* g) {
  require_float("uniform_", t.dtype());
  if (!(from <= to))
    fail_runtime("uniform_", "from ", from, " to ", to, "; from must not exceed to");
  return fill_inplace("uniform_", "UniformBackward0", t,
                      [&](const Tensor& x) { draw_uniform(x, from, to, g); });
}

Tensor normal_(const Tensor& t, double mean, double std, Generator* g) {
  require_float("normal_", t.dtype());
  if (!(std >= 0)) fail_runtime("normal_", "std is ", std, "; expected 0 or more");
  return fill_inplace("normal_", "NormalBackward0", t,
                      [&](const Tensor& x) { draw_normal(x, mean, std, g); });
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
  return fill_with("bernoulli_", "BernoulliBackward2", &bernoulli_kernel, t, p, 0, g);
}

void register_random(Registry& r) {
  r.function("rand", "size, *, generator=None, dtype=None", rand, "Uniform in [0, 1).");
  r.function("randn", "size, *, generator=None, dtype=None", randn, "Standard normal.");
  r.function(
      "randint", "high, size, *, generator=None, dtype=None",
      [](int64_t high, const Dims& size, Generator* g, OptDType dtype) {
        return randint(0, high, size, g, dtype);
      },
      "Whole numbers from low (0) to high - 1.");
  r.function("randint", "low, high, size, *, generator=None, dtype=None", randint, "");
  r.function("randperm", "n, *, generator=None, dtype=None", randperm,
             "The numbers 0 to n - 1 in random order.");
  r.function(
      "rand_like", "input, *, generator=None, dtype=None",
      [](const Tensor& t, Generator* g, OptDType dtype) {
        return rand(t.shape(), g, dtype.value_or(t.dtype()));
      },
      "Uniform in [0, 1), of input's size and type.");
  r.function(
      "randn_like", "input, *, generator=None, dtype=None",
      [](const Tensor& t, Generator* g, OptDType dtype) {
        return randn(t.shape(), g, dtype.value_or(t.dtype()));
      },
      "Standard normal, of input's size and type.");
  r.function(
      "randint_like", "input, high, *, generator=None, dtype=None",
      [](const Tensor& t, int64_t high, Generator* g, OptDType dtype) {
        return randint(0, high, t.shape(), g, dtype.value_or(t.dtype()));
      },
      "Whole numbers from low (0) to high - 1, of input's size and type.");
  r.function(
      "randint_like", "input, low, high, *, generator=None, dtype=None",
      [](const Tensor& t, int64_t low, int64_t high, Generator* g, OptDType dtype) {
        return randint(low, high, t.shape(), g, dtype.value_or(t.dtype()));
      },
      "");
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
        if (!(p > 0 && p < 1)) fail_runtime("geometric_", "p is ", p, "; expected 0 < p < 1");
        return fill_with("geometric_", "GeometricBackward0", &geometric_kernel, t, p, 0, g);
      },
      "Writes numbers of trials up to the first success: k with probability (1 - p)^(k-1) p.");
  r.method("random_", "input, *, generator=None", random_all,
           "Writes whole numbers from `from` (0) to to - 1, or to the largest that the type holds "
           "without gaps.");
  r.method(
      "random_", "input, to, *, generator=None",
      [](const Tensor& t, int64_t to, Generator* g) {
        return random_between(t, 0, to, g, kRandomNodes[1]);
      },
      "");
  r.method(
      "random_", "input, from, to, *, generator=None",
      [](const Tensor& t, int64_t from, std::optional<int64_t> to, Generator* g) {
        return random_between(t, from, to, g, kRandomNodes[2]);
      },
      "");
}

}  // namespace bx
