// Random tensors: PyTorch's CPU streams, drawn through the one door so that a capture sees them.
#include <cmath>

#include "ops/ops.h"

namespace bx {

using kernels::FaultInfo;
using kernels::Kernel;
using kernels::View;

namespace {

/// A kernel that draws element after element; the generator rides in params.object.
template <class Draw>
void draw(const View* out, const Params& params, Draw next) {
  auto& generator = *static_cast<Generator*>(const_cast<void*>(params.object));
  int64_t n = 1;
  for (int d = 0; d < out[0].ndim; ++d) n *= out[0].shape[d];
  visit(out[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    auto* data = static_cast<T*>(out[0].data);
    for (int64_t i = 0; i < n; ++i) data[i] = next(generator, T{});
  });
}

/// f = from, to
void uniform_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto zero) {
    using T = decltype(zero);
    const T from = static_cast<T>(params.f[0]), range = static_cast<T>(params.f[1] - params.f[0]);
    // One rounding, as PyTorch's compiler makes of it.
    if constexpr (std::is_same_v<T, float>) return std::fma(g.uniform_float(), range, from);
    else
      return static_cast<T>(
          std::fma(g.uniform_double(), static_cast<double>(range), static_cast<double>(from)));
  });
}

/// f = mean, std
void normal_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto zero) {
    return static_cast<decltype(zero)>(g.normal() * params.f[1] + params.f[0]);
  });
}

/// i = low, high. Ranges from 2^28 on draw 64 bits, so that the modulo's bias stays small.
void integer_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  const auto range = static_cast<uint64_t>(params.i[1] - params.i[0]);
  draw(out, params, [&](Generator& g, auto zero) {
    const uint64_t bits = range >= uint64_t{1} << 28 ? g.random64() : g.random();
    return static_cast<decltype(zero)>(static_cast<int64_t>(bits % range) + params.i[0]);
  });
}

/// f = probability of 1
void bernoulli_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  draw(out, params, [&](Generator& g, auto zero) {
    return static_cast<decltype(zero)>(g.uniform_double() < params.f[0]);
  });
}

void launch_random(const char* op, kernels::GeneralFn fn, const Tensor& out, Params params,
                   Generator* generator) {
  params.object = generator;
  launch(op, Kernel{op, nullptr, fn}, out, {}, params);
}

/// Draws in the order of memory where the target is dense; other layouts are filled by a copy.
template <class Fill>
const Tensor& fill_inplace(const char* op, const Tensor& t, Fill fill) {
  check_inplace(op, t);
  const Tensor straight = [&] {
    GradMode off(false);
    return permute(t, memory_order(t));
  }();
  if (straight.is_contiguous()) {
    fill(straight);
  } else {
    Tensor values = empty(t.shape(), t.dtype());
    fill(values);
    launch(op, kernel(kernels::Id::Copy, t.dtype()), t, values);
  }
  t->storage->bump_version();
  return t;
}

void require_float(const char* op, DType dtype) {
  if (!is_floating(dtype))
    fail(ErrorKind::NotImplemented, op, "not implemented for ", name_of(dtype),
         "; use a floating-point type");
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

Tensor normal_(const Tensor& t, double mean, double std, Generator* g) {
  require_float("normal_", t.dtype());
  if (!(std >= 0)) fail_runtime("normal_", "std is ", std, "; expected 0 or more");
  return fill_inplace("normal_", t, [&](const Tensor& x) { draw_normal(x, mean, std, g); });
}

}  // namespace

Tensor uniform_(const Tensor& t, double from, double to, Generator* g) {
  require_float("uniform_", t.dtype());
  if (!(from <= to))
    fail_runtime("uniform_", "from ", from, " to ", to, "; from must not exceed to");
  return fill_inplace("uniform_", t, [&](const Tensor& x) { draw_uniform(x, from, to, g); });
}

Tensor bernoulli_(const Tensor& t, double p, Generator* g) {
  if (!(p >= 0 && p <= 1)) fail_runtime("bernoulli_", "p is ", p, "; expected 0 to 1");
  Params params;
  params.f[0] = p;
  return fill_inplace("bernoulli_", t, [&](const Tensor& x) {
    launch_random("bernoulli_", &bernoulli_kernel, x, params, g);
  });
}

namespace {

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
  Params p;
  p.i[0] = low;
  p.i[1] = high;
  launch_random("randint", &integer_kernel, out, p, g);
  return out;
}

Tensor randperm(int64_t n, Generator* g, OptDType dtype) {
  if (n < 0) fail_runtime("randperm", "n is ", n, "; expected 0 or more");
  Tensor out = arange_int(0, n, 1);
  auto* data = out.data<int64_t>();
  for (int64_t i = 0; i + 1 < n; ++i)
    std::swap(data[i], data[i + static_cast<int64_t>(g->random() % static_cast<uint64_t>(n - i))]);
  return to(out, dtype.value_or(DType::Int64));
}

}  // namespace

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
      "rand_like", "input, *, dtype=None",
      [](const Tensor& t, OptDType dtype) {
        return rand(t.shape(), &default_generator(), dtype.value_or(t.dtype()));
      },
      "Uniform in [0, 1), of input's size and type.");
  r.function(
      "randn_like", "input, *, dtype=None",
      [](const Tensor& t, OptDType dtype) {
        return randn(t.shape(), &default_generator(), dtype.value_or(t.dtype()));
      },
      "Standard normal, of input's size and type.");
  r.method("uniform_", "input, from=0.0, to=1.0, *, generator=None", uniform_,
           "Writes uniform values in [from, to).");
  r.method("normal_", "input, mean=0.0, std=1.0, *, generator=None", normal_,
           "Writes normal values.");
  r.method("bernoulli_", "input, p=0.5, *, generator=None", bernoulli_,
           "Writes 1 with probability p, else 0.");
}

}  // namespace bx
