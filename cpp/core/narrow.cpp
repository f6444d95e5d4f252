#include "core/narrow.h"

#include <bit>
#include <cmath>

namespace bx {

namespace {

struct Half {
  uint16_t bits;

  Half() = default;
  explicit Half(float x) {
    const auto b = std::bit_cast<uint32_t>(x);
    const auto sign = static_cast<uint16_t>(b >> 16 & 0x8000u);
    const uint32_t size = b & 0x7fffffffu;
    uint32_t h = 0;
    if (size > 0x7f800000u) {
      h = 0x7e00u;  // NaN
    } else if (size >= 0x477ff000u) {
      h = 0x7c00u;  // rounds to 2^16 or more: infinity
    } else if (size < 0x38800000u) {
      // Below 2^-14: so many times 2^-24, which the sum with 0.5 rounds to, ties to even.
      h = std::bit_cast<uint32_t>(std::bit_cast<float>(size) + 0.5f) - 0x3f000000u;
    } else {
      h = (size + 0xfffu + (size >> 13 & 1u) - 0x38000000u) >> 13;
    }
    bits = static_cast<uint16_t>(sign | h);
  }
  explicit operator float() const {
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t size = bits & 0x7fffu;
    uint32_t b = 0;
    if (size >= 0x7c00u) b = size << 13 | 0x7f800000u;
    else if (size >= 0x0400u) b = (size << 13) + 0x38000000u;
    else b = std::bit_cast<uint32_t>(static_cast<float>(size) * 0x1p-24f);
    return std::bit_cast<float>(sign | b);
  }
};

struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  explicit BFloat16(float x) {
    const auto b = std::bit_cast<uint32_t>(x);
    bits = std::isnan(x) ? 0x7fc0u : static_cast<uint16_t>((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
};

template <class T>
using WideOf = std::conditional_t<std::is_integral_v<T>, int32_t, float>;

template <class F>
void visit_narrow(DType type, F f) {
  if (type == DType::Int8) f(int8_t{});
  else if (type == DType::Int16) f(int16_t{});
  else if (type == DType::Float16) f(Half{});
  else f(BFloat16{});
}

}  // namespace

void widen(DType type, const void* from, int64_t step, void* to, int64_t n) {
  visit_narrow(type, [&]<class T>(T) {
    const auto* x = static_cast<const T*>(from);
    auto* y = static_cast<WideOf<T>*>(to);
    for (int64_t i = 0; i < n; ++i) y[i] = static_cast<WideOf<T>>(x[i * step]);
  });
}

void narrow(DType type, const void* from, void* to, int64_t step, int64_t n) {
  visit_narrow(type, [&]<class T>(T) {
    const auto* x = static_cast<const WideOf<T>*>(from);
    auto* y = static_cast<T*>(to);
    for (int64_t i = 0; i < n; ++i) y[i * step] = static_cast<T>(x[i]);
  });
}

float rounded(DType type, float x) {
  uint16_t bits = 0;
  narrow(type, &x, &bits, 1, 1);
  widen(type, &bits, 1, &x, 1);
  return x;
}

}  // namespace bx
