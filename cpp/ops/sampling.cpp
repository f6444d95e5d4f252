// Draws whose parameters are tensors: bernoulli, normal, poisson, multinomial.
#include <algorithm>
#include <cmath>

#include "ops/random.h"

namespace bx {

using kernels::FaultInfo;
using kernels::Id;
using kernels::View;

namespace {

/// out = 1 with the probability in0: 24 random bits against a float32, 53 against a float64.
void bernoulli_kernel(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Draws draws(params);
  Generator& g = draws.generator;
  map_kernel(out, in, [&](auto p) {
    if constexpr (std::is_same_v<decltype(p), float>) return g.uniform_float() < p;
    else return g.uniform_double() < static_cast<double>(p);
  });
}

/// Poisson by multiplying uniforms for small rates, else by transformed rejection (PTRS).
/// [Hormann 1993, The transformed rejection method for generating Poisson random variables]
int64_t draw_poisson(double rate, Generator& g) {
  if (rate == 0) return 0;
  if (rate < 10) {
    const double limit = std::exp(-rate);
    double product = 1;
    for (int64_t k = 0;; ++k) {
      product *= g.uniform_double();
      if (product <= limit) return k;
    }
  }
  const double root = std::sqrt(rate), log_rate = std::log(rate);
  const double b = 0.931 + 2.53 * root, a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), quick = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = g.uniform_double() - 0.5, v = g.uniform_double();
    const double us = 0.5 - std::fabs(u);
    const auto k = static_cast<int64_t>(std::floor((2 * a / us + b) * u + rate + 0.43));
    if (us >= 0.07 && v <= quick) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const auto count = static_cast<double>(k);
    if (std::log(v) + std::log(inverse_alpha) - std::log(a / (us * us) + b) <=
        -rate + count * log_rate - std::lgamma(count + 1))
      return k;
  }
}

void poisson_kernel(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Draws draws(params);
  Generator& g = draws.generator;
  map_kernel(out, in, [&](auto rate) {
    return static_cast<double>(draw_poisson(static_cast<double>(rate), g));
  });
}

/// out [rows, k] = categories drawn with replacement from in0 [rows, n], cumulative, ending in 1.
void categorical_kernel(const View* out, const View* in, const Params& params, FaultInfo*) {
  const Draws draws(params);
  Generator& g = draws.generator;
  auto* chosen = static_cast<int64_t*>(out[0].data);
  const int64_t rows = in[0].shape[0], n = in[0].shape[1], k = out[0].shape[1];
  visit(in[0].dtype, [&](auto zero) {
    const auto* cumulative = static_cast<const decltype(zero)*>(in[0].data);
    for (int64_t row = 0; row < rows; ++row, cumulative += n)
      for (int64_t i = 0; i < k; ++i) {
        const double u = g.uniform_double();
        int64_t low = 0, high = n;
        while (low < high) {
          const int64_t middle = low + (high - low) / 2;
          if (static_cast<double>(cumulative[middle]) < u) low = middle + 1;
          else high = middle;
        }
        *chosen++ = low;
      }
  });
}

void require_probabilities(const char* op, const Tensor& p) {
  GradMode off(false);
  require_every(op, (p >= 0.) && (p <= 1.), ErrorKind::Runtime,
                "some probability is outside 0 to 1; clamp it");
}

Tensor bernoulli(const Tensor& p, Generator* g) {
  require_float("bernoulli", p.dtype());
  require_probabilities("bernoulli", p);
  Tensor out = empty(p.shape(), p.dtype());
  launch_random("bernoulli", &bernoulli_kernel, out, {}, g, contiguous(detached(p)));
  return without_slope("BernoulliBackward0", out, {p});
}

Tensor bernoulli_from(const Tensor& t, const Tensor& p, Generator* g) {
  require_float("bernoulli_", p.dtype());
  require_probabilities("bernoulli_", p);
  Tensor chances = expand(detached(p), t.shape());
  // In the order in which the target is walked.
  const Dims order = memory_order(t);
  if (permute(detached(t), order).is_contiguous()) chances = permute(chances, order);
  return fill_inplace("bernoulli_", "BernoulliBackward1", t, [&](const Tensor& x) {
    launch_random("bernoulli_", &bernoulli_kernel, x, {}, g, contiguous(chances));
  });
}

Tensor poisson(const Tensor& rate, Generator* g) {
  require_float("poisson", rate.dtype());
  {
    GradMode off(false);
    require_every("poisson", rate >= 0., ErrorKind::Runtime,
                  "some rate is below 0; expected 0 or more");
  }
  Tensor out = empty(rate.shape(), rate.dtype());
  launch_random("poisson", &poisson_kernel, out, {}, g, contiguous(detached(rate)));
  return without_slope("PoissonBackward0", out, {rate});
}

/// x std + mean of standard normal x, of the type of the first tensor.
Tensor normal_of(const char* node, const Tensor& mean, const Tensor& std, const Tensors& inputs,
                 Generator* g) {
  Tensor out;
  {
    GradMode off(false);
    const DType dtype = inputs[0].dtype();
    require_float("normal", dtype);
    require_every("normal", std >= 0., ErrorKind::Runtime,
                  "some std is below 0; expected 0 or more");
    out = empty(broadcast_shapes("normal", mean.shape(), std.shape()), dtype);
    out = normal_(out, 0, 1, g) * to(std, dtype) + to(mean, dtype);
  }
  return without_slope(node, out, inputs);
}

/// Draws without replacement race exponential clocks: the k fastest of -log(u_i) / p_i.
Tensor multinomial(const Tensor& given, int64_t count, bool replacement, Generator* g) {
  GradMode off(false);
  const Tensor p = contiguous(detached(given));
  if (!is_floating(p.dtype()))
    fail_runtime("multinomial", "the weights are ", name_of(p.dtype()),
                 "; use a floating-point type");
  if (p.dim() != 1 && p.dim() != 2)
    fail_runtime("multinomial", "the weights have shape ", p.shape(),
                 "; expected one or two dimensions");
  const int64_t n = p.size(-1);
  if (count <= 0) fail_runtime("multinomial", count, " samples; ask for 1 or more");
  if (!replacement && count > n)
    fail_runtime("multinomial", count, " samples of ", n,
                 " categories; ask for fewer, or pass replacement=True");
  if (n > int64_t{1} << 24)
    fail_runtime("multinomial", n, " categories; at most 2^24 are possible");
  const double inf = std::numeric_limits<double>::infinity();
  require_every("multinomial", (p >= 0.) && (p < inf), ErrorKind::Runtime,
                "some weight is negative, inf or nan; expected 0 or more");
  require_every("multinomial", sum(p, Dims{-1}, true, std::nullopt) > 0., ErrorKind::Runtime,
                "the weights of a row sum to 0; at least one must be positive");
  Dims shape = p.shape();
  shape[shape.size() - 1] = count;
  if (!replacement || count == 1) {
    const Tensor times = exponential_(empty_like(given, p.dtype()), 1, g);  // in memory's order
    const Tensor rates = contiguous(p / times);
    Tensor values = empty(shape, p.dtype()), chosen = empty(shape, DType::Int64);
    Params select;
    select.i[0] = p.dim() - 1;
    select.i[1] = count;
    select.i[2] = select.i[3] = true;
    if (chosen.numel() > 0)
      launch("multinomial", kernel(Id::TopK, p.dtype()), {&values, &chosen}, rates, select);
    return chosen;
  }
  const int64_t rows = p.numel() / n;
  const Tensor cumulative = empty({rows, n}, p.dtype());
  launch_host("multinomial", cumulative, p, [=](const View* out, const View* in) {
    visit(in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* weight = static_cast<const T*>(in[0].data);
      T* row = static_cast<T*>(out[0].data);
      for (int64_t r = 0; r < rows; ++r, row += n, weight += n) {
        T all = 0;
        for (int64_t i = 0; i < n; ++i) row[i] = all = static_cast<T>(all + weight[i]);
        for (int64_t i = 0; i < n; ++i) row[i] = static_cast<T>(row[i] / all);
        row[n - 1] = 1;
      }
    });
  });
  const Tensor out = empty({rows, count}, DType::Int64);
  launch_random("multinomial", &categorical_kernel, out, {}, g, cumulative);
  return reshape(out, shape);
}

}  // namespace

void register_sampling(Registry& r) {
  r.both("bernoulli", "input, *, generator=None", bernoulli,
         "1 with the probability in input, else 0; or with probability p everywhere.");
  r.both(
      "bernoulli", "input, p, *, generator=None",
      [](const Tensor& t, double p, Generator* g) {
        return without_slope("BernoulliBackward0", bernoulli_(empty(t.shape(), t.dtype()), p, g),
                             {t});
      },
      "");
  r.method("bernoulli_", "input, p, *, generator=None", bernoulli_from,
           "Writes 1 with probability p, a tensor or a number, else 0.");
  r.method("bernoulli_", "input, p=0.5, *, generator=None", bernoulli_, "");
  r.function("poisson", "input, generator=None", poisson,
             "Poisson counts with the rates in input. [Hormann 1993]");
  r.both("multinomial", "input, num_samples, replacement=False, *, generator=None", multinomial,
         "Categories drawn with the weights in the last dimension of input, which need not sum to "
         "1. RuntimeError for weights below 0, or all 0, or more samples than categories.");
  const char* normal_doc = "mean + std x, x standard normal; mean and std may be tensors.";
  r.function(
      "normal", "mean, std, *, generator=None",
      [](const Tensor& mean, const Tensor& std, Generator* g) {
        return normal_of("NormalBackward3", mean, std, {mean, std}, g);
      },
      normal_doc);
  r.function(
      "normal", "mean, std=1.0, *, generator=None",
      [](const Tensor& mean, double std, Generator* g) {
        return normal_of("NormalBackward1", mean, full({}, std, DType::Float64), {mean}, g);
      },
      "");
  r.function(
      "normal", "mean, std, *, generator=None",
      [](double mean, const Tensor& std, Generator* g) {
        return normal_of("NormalBackward2", full({}, mean, DType::Float64), std, {std}, g);
      },
      "");
  r.function(
      "normal", "mean, std, size, *, generator=None, dtype=None",
      [](double mean, double std, const Sizes& size, Generator* g, OptDType dtype) {
        return filled(normal_(empty(size, dtype.value_or(default_dtype())), mean, std, g));
      },
      "");
}

}  // namespace bx
