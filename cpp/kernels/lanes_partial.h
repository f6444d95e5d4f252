// Loads and stores of the last few elements of a row, and sums across a register.
#pragma once

#include <algorithm>

#include "kernels/lanes.h"

namespace bx::kernels {

#if defined(__AVX512F__)
template <class T>
inline auto first_lanes(int64_t n) {
  return static_cast<std::conditional_t<sizeof(T) == 4, __mmask16, __mmask8>>((1u << n) - 1);
}
#elif defined(__AVX2__)
/// Ones in the first n lanes.
template <class T>
inline __m256i first_lanes(int64_t n) {
  alignas(32) static constexpr int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const auto step = static_cast<int64_t>(sizeof(T) / 4);
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ones + 8 - n * step));
}
#endif

/// The first n lanes from p, the rest padded; nothing beyond p + n is read.
template <class T>
inline Lanes<T> load_padded(const T* p, int64_t n, T pad) {
  using L = Lanes<T>;
  if (n >= L::width) return L::load(p);
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>)
    return L(_mm512_mask_loadu_ps(L(pad).v, first_lanes<T>(n), p));
  if constexpr (std::is_same_v<T, double>)
    return L(_mm512_mask_loadu_pd(L(pad).v, first_lanes<T>(n), p));
#elif defined(__AVX2__)
  const __m256i first = first_lanes<T>(n);
  if constexpr (std::is_same_v<T, float>)
    return L(_mm256_blendv_ps(L(pad).v, _mm256_maskload_ps(p, first), _mm256_castsi256_ps(first)));
  if constexpr (std::is_same_v<T, double>)
    return L(_mm256_blendv_pd(L(pad).v, _mm256_maskload_pd(p, first), _mm256_castsi256_pd(first)));
#endif
  T buffer[L::width];
  for (int k = 0; k < L::width; ++k) buffer[k] = k < n ? p[k] : pad;
  return L::load(buffer);
}

/// Writes the first n lanes to p, and nothing beyond. (AVX2's masked store takes dozens of steps on
/// AMD's processors: halves instead.)
template <class T>
inline void store_part(Lanes<T> v, T* p, int64_t n) {
  if (n >= Lanes<T>::width) return v.store(p);
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>) return _mm512_mask_storeu_ps(p, first_lanes<T>(n), v.v);
  if constexpr (std::is_same_v<T, double>) return _mm512_mask_storeu_pd(p, first_lanes<T>(n), v.v);
#elif defined(__AVX2__)
  if constexpr (std::is_same_v<T, float>) {
    __m128 half = _mm256_castps256_ps128(v.v);
    if (n & 4) {
      _mm_storeu_ps(p, half);
      half = _mm256_extractf128_ps(v.v, 1);
      p += 4;
    }
    if (n & 2) {
      _mm_storel_pi(reinterpret_cast<__m64*>(p), half);
      half = _mm_movehl_ps(half, half);
      p += 2;
    }
    if (n & 1) _mm_store_ss(p, half);
    return;
  }
  if constexpr (std::is_same_v<T, double>) {
    __m128d half = _mm256_castpd256_pd128(v.v);
    if (n & 2) {
      _mm_storeu_pd(p, half);
      half = _mm256_extractf128_pd(v.v, 1);
      p += 2;
    }
    if (n & 1) _mm_store_sd(p, half);
    return;
  }
#endif
  T buffer[Lanes<T>::width];
  v.store(buffer);
  std::copy_n(buffer, n, p);
}

/// The sum of all lanes.
template <class T>
inline T add_lanes(Lanes<T> v) {
  if constexpr (Lanes<T>::is_packet) return ei::predux(v.v);
  else return v.v;
}

}  // namespace bx::kernels
