// Whole random numbers, and random order.
#include <limits>
#include <numeric>

#include "ops/random.h"

namespace bx {

using kernels::FaultInfo;
using kernels::View;

namespace {

/// i = lowest, number of values (0 for all 2^64), and whether one word is enough for each.
void integer_kernel(const View* out, const View*, const Params& params, FaultInfo*) {
  const auto range = static_cast<uint64_t>(params.i[1]);
  draw(out, params, [&](Generator& g, auto) {
    const uint64_t bits = params.i[2] ? g.random() : g.random64();
    return static_cast<int64_t>(range ? bits % range + static_cast<uint64_t>(params.i[0]) : bits);
  });
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
    case DType::Float16: return int64_t{1} << 11;
    case DType::BFloat16: return int64_t{1} << 8;
    case DType::Float32: return int64_t{1} << 24;
    case DType::Float64: return int64_t{1} << 53;
    default: return most_of(dtype);
  }
}

/// RuntimeError where an integer type or bool does not hold a bound.
void require_held(const char* op, DType dtype, int64_t first, int64_t last) {
  if (is_floating(dtype) || dtype == DType::Int64) return;
  const int64_t most = most_of(dtype), least = least_of(dtype);
  for (int64_t end : {first, last})
    if (end < least || end > most)
      fail_runtime(op, end, " is out of bounds for ", name_of(dtype), "; expected ", least, " to ",
                   most);
}

constexpr const char* kRandomNodes[] = {"RandomBackward2", "RandomBackward1", "RandomBackward0"};

Tensor random_all(const Tensor& t, Generator* g) {
  const uint64_t range = static_cast<uint64_t>(largest_whole(t.dtype())) + 1;
  const bool narrow = t.dtype() != DType::Int64 && t.dtype() != DType::Float64;
  return fill_inplace("random_", kRandomNodes[0], t,
                      [&](const Tensor& x) { draw_integers("random_", x, 0, range, narrow, g); });
}

Tensor random_between(const Tensor& t, int64_t from, std::optional<int64_t> to, Generator* g,
                      const char* node) {
  const int64_t most = largest_whole(t.dtype());
  const int64_t last = to ? *to - 1 : most;
  if (to ? from >= *to : from > most)
    fail_runtime("random_", "from ", from, " to ", to.value_or(most),
                 "; from must be less than to");
  require_held("random_", t.dtype(), from, last);
  const uint64_t range = static_cast<uint64_t>(last) - static_cast<uint64_t>(from) + 1;
  return fill_inplace("random_", node, t, [&](const Tensor& x) {
    draw_integers("random_", x, from, range, one_word(range), g);
  });
}

Tensor whole_numbers(const Tensor& out, int64_t low, int64_t high, Generator* g) {
  if (low >= high)
    fail_runtime("randint", "low ", low, " and high ", high, "; low must be less than high");
  require_held("randint", out.dtype(), low, high - 1);
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  draw_integers("randint", out, low, range, one_word(range), g);
  return out;
}

Tensor randint(int64_t low, int64_t high, const Dims& size, Generator* g, OptDType dtype) {
  return whole_numbers(empty(size, dtype.value_or(DType::Int64)), low, high, g);
}

/// Fisher-Yates from the front. Beyond 2^32 / 20 numbers one word would be too coarse.
void randperm_kernel(const kernels::View* out, const kernels::View*, const Params& params,
                     kernels::FaultInfo*) {
  const Draws draws(params);
  Generator& g = draws.generator;
  const int64_t n = out[0].shape[0];
  auto* data = static_cast<int64_t*>(out[0].data);
  std::iota(data, data + n, int64_t{0});
  const bool narrow = n < std::numeric_limits<uint32_t>::max() / 20;
  for (int64_t i = 0; i + 1 < n; ++i) {
    const uint64_t bits = narrow ? g.random() : g.random64();
    std::swap(data[i], data[i + static_cast<int64_t>(bits % static_cast<uint64_t>(n - i))]);
  }
}
Tensor randperm(int64_t n, Generator* g, OptDType dtype) {
  if (n < 0) fail_runtime("randperm", "n is ", n, "; expected 0 or more");
  const DType type = dtype.value_or(DType::Int64);
  if (type == DType::Bool)
    fail(ErrorKind::NotImplemented, "randperm", "not implemented for bool; use an integer type");
  require_fits("randperm", {Scalar::Int, std::max<int64_t>(0, n - 1)}, type);
  const Tensor out = empty({n}, DType::Int64);
  launch_random("randperm", &randperm_kernel, out, {}, g);
  return to(out, type);
}

}  // namespace

void register_random_integers(Registry& r) {
  r.function(
      "randint", "high, size, *, generator=None, dtype=None",
      [](int64_t high, const Sizes& size, Generator* g, OptDType dtype) {
        return randint(0, high, size, g, dtype);
      },
      "Whole numbers from low (0) to high - 1.");
  r.function(
      "randint", "low, high, size, *, generator=None, dtype=None",
      [](int64_t low, int64_t high, const Sizes& size, Generator* g, OptDType dtype) {
        return randint(low, high, size, g, dtype);
      },
      "");
  r.function("randperm", "n, *, generator=None, dtype=None", randperm,
             "The numbers 0 to n - 1 in random order.");
  r.function(
      "randint_like", "input, high, *, generator=None, memory_format=None, dtype=None",
      [](const Tensor& t, int64_t high, Generator* g, OptFormat f, OptDType dtype) {
        return whole_numbers(like(t, f, dtype), 0, high, g);
      },
      "Whole numbers from low (0) to high - 1, of input's size and type.");
  r.function(
      "randint_like", "input, low, high, *, generator=None, memory_format=None, dtype=None",
      [](const Tensor& t, int64_t low, int64_t high, Generator* g, OptFormat f, OptDType dtype) {
        return whole_numbers(like(t, f, dtype), low, high, g);
      },
      "");
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
