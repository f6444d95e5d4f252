// Loads and stores of the last few elements of a row, and sums across a register.
#pragma once

#include <algorithm>

#include "kernels/lanes.h"

namespace bx::kernels {

/// A register of half the size, where the usual one is the largest that there is; else the same.
template <class T>
using HalfLanes = std::conditional_t<
    sizeof(typename Lanes<T>::Packet) == 64,
    Lanes<T, true, typename ei::unpacket_traits<typename Lanes<T>::Packet>::half>, Lanes<T>>;

// load_first(p, n, pad): the first n lanes from p, the others from `pad`; nothing beyond p + n is
// read. store_first(p, n, v) writes the first n lanes, and nothing beyond. n is 1 to the width.

#if defined(__AVX512F__)

#define BX_MASKED(packet, scalar, prefix, suffix, mask)                            \
  inline packet load_first(const scalar* p, int64_t n, packet pad) {               \
    return prefix##_mask_loadu_##suffix(pad, static_cast<mask>((1u << n) - 1), p); \
  }                                                                                \
  inline void store_first(scalar* p, int64_t n, packet v) {                        \
    prefix##_mask_storeu_##suffix(p, static_cast<mask>((1u << n) - 1), v);         \
  }
BX_MASKED(__m512, float, _mm512, ps, __mmask16)
BX_MASKED(__m256, float, _mm256, ps, __mmask8)
BX_MASKED(__m128, float, _mm, ps, __mmask8)
BX_MASKED(__m512d, double, _mm512, pd, __mmask8)
BX_MASKED(__m256d, double, _mm256, pd, __mmask8)
BX_MASKED(__m128d, double, _mm, pd, __mmask8)
#undef BX_MASKED

#elif defined(__AVX2__)

/// Ones in the first n lanes of `lane` words each.
inline __m256i first_lanes(int64_t n, int64_t lane) {
  alignas(32) static constexpr int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ones + 8 - n * lane));
}
inline __m256 load_first(const float* p, int64_t n, __m256 pad) {
  const __m256i first = first_lanes(n, 1);
  return _mm256_blendv_ps(pad, _mm256_maskload_ps(p, first), _mm256_castsi256_ps(first));
}
inline __m128 load_first(const float* p, int64_t n, __m128 pad) {
  const __m128i first = _mm256_castsi256_si128(first_lanes(n, 1));
  return _mm_blendv_ps(pad, _mm_maskload_ps(p, first), _mm_castsi128_ps(first));
}
inline __m256d load_first(const double* p, int64_t n, __m256d pad) {
  const __m256i first = first_lanes(n, 2);
  return _mm256_blendv_pd(pad, _mm256_maskload_pd(p, first), _mm256_castsi256_pd(first));
}
inline __m128d load_first(const double* p, int64_t n, __m128d pad) {
  return n == 1 ? _mm_loadl_pd(pad, p) : _mm_loadu_pd(p);
}

// Masked stores take dozens of steps on AMD's processors of this age: halves instead.
inline void store_first(float* p, int64_t n, __m128 v) {
  if (n == 4) return _mm_storeu_ps(p, v);
  if (n & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), v);
    v = _mm_movehl_ps(v, v);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, v);
}
inline void store_first(float* p, int64_t n, __m256 v) {
  if (n <= 4) return store_first(p, n, _mm256_castps256_ps128(v));
  _mm_storeu_ps(p, _mm256_castps256_ps128(v));
  store_first(p + 4, n - 4, _mm256_extractf128_ps(v, 1));
}
inline void store_first(double* p, int64_t n, __m128d v) {
  if (n == 1) _mm_store_sd(p, v);
  else _mm_storeu_pd(p, v);
}
inline void store_first(double* p, int64_t n, __m256d v) {
  if (n <= 2) return store_first(p, n, _mm256_castpd256_pd128(v));
  _mm_storeu_pd(p, _mm256_castpd256_pd128(v));
  store_first(p + 2, n - 2, _mm256_extractf128_pd(v, 1));
}

#endif

template <class T, class P>
inline P load_first(const T* p, int64_t n, P pad) {
  T buffer[Lanes<T, true, P>::width];
  ei::pstoreu(buffer, pad);
  std::copy_n(p, n, buffer);
  return ei::ploadu<P>(buffer);
}
template <class T, class P>
inline void store_first(T* p, int64_t n, P v) {
  T buffer[Lanes<T, true, P>::width];
  ei::pstoreu(buffer, v);
  std::copy_n(buffer, n, p);
}

/// The first n lanes from p, the rest padded; nothing beyond p + n is read.
template <class T, bool V, class P>
inline Lanes<T, V, P> load_padded(const T* p, int64_t n, Lanes<T, V, P> pad) {
  using L = Lanes<T, V, P>;
  if constexpr (L::is_packet)
    if (n < L::width) return L(load_first(p, n, pad.v));
  return L::load(p);
}
template <class T>
inline Lanes<T> load_padded(const T* p, int64_t n, T pad) {
  return load_padded(p, n, Lanes<T>(pad));
}

/// Writes the first n lanes to p, and nothing beyond.
template <class T, bool V, class P>
inline void store_part(Lanes<T, V, P> v, T* p, int64_t n) {
  if constexpr (Lanes<T, V, P>::is_packet)
    if (n < Lanes<T, V, P>::width) return store_first(p, n, v.v);
  v.store(p);
}

/// The sum of all lanes.
template <class T>
inline T add_lanes(Lanes<T> v) {
  if constexpr (Lanes<T>::is_packet) return ei::predux(v.v);
  else return v.v;
}

// add_lanes_of_four(v, sums): the sums of all lanes of each of four registers.

#if defined(__AVX2__)

inline void add_lanes_of_four(const __m256* v, float* sums) {
  const __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}
inline void add_lanes_of_four(const __m256d* v, double* sums) {
  const __m256d low = _mm256_hadd_pd(v[0], v[1]), high = _mm256_hadd_pd(v[2], v[3]);
  _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_permute2f128_pd(low, high, 0x20),
                                       _mm256_permute2f128_pd(low, high, 0x31)));
}

#endif
#if defined(__AVX512F__)

inline void add_lanes_of_four(const __m512* v, float* sums) {
  const auto pairs = [](__m512 a, __m512 b) {
    return _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
  };
  const __m512d low = _mm512_castps_pd(pairs(v[0], v[1])),
                high = _mm512_castps_pd(pairs(v[2], v[3]));
  const __m512 quads = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(low, high)),
                                     _mm512_castpd_ps(_mm512_unpackhi_pd(low, high)));
  const __m256 half =
      _mm256_add_ps(_mm512_castps512_ps256(quads), _mm512_extractf32x8_ps(quads, 1));
  _mm_storeu_ps(sums, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
inline void add_lanes_of_four(const __m512d* v, double* sums) {
  __m256d half[4];
  for (int q = 0; q < 4; ++q)
    half[q] = _mm256_add_pd(_mm512_castpd512_pd256(v[q]), _mm512_extractf64x4_pd(v[q], 1));
  add_lanes_of_four(half, sums);
}

#endif

template <class T>
inline void add_lanes_of_four(const Lanes<T>* v, T* sums) {
#if defined(__AVX2__)
  if constexpr (Lanes<T>::is_packet) {
    const typename Lanes<T>::Packet packets[4] = {v[0].v, v[1].v, v[2].v, v[3].v};
    return add_lanes_of_four(packets, sums);
  }
#endif
  for (int q = 0; q < 4; ++q) sums[q] = add_lanes(v[q]);
}

}  // namespace bx::kernels
