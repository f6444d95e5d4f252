// Operands of products copied so that tiles read them straight.
#pragma once

#include "kernels/gemm_tiles.h"

namespace bx::kernels {

/// Turns lines into columns: put(p, row) gets from[p], from[stride + p], ... of `count` lines in
/// the lanes of a register, for p < k; what it holds beyond is not defined. `count` is at most L's
/// lanes; few lines are turned by smaller registers.
template <class L, class Put>
[[gnu::always_inline]] inline void turn_lines(const typename L::Scalar* from, int64_t stride,
                                              int64_t count, int64_t k, const Put& put) {
  using T = typename L::Scalar;
  constexpr int w = L::width;
  if constexpr (!L::is_packet) {
    for (int64_t p = 0; p < k; ++p) put(p, L(from[p]));
  } else {
    if constexpr (w > 4) {
      using Half = Lanes<T, true, typename ei::unpacket_traits<typename L::Packet>::half>;
      if (2 * count <= w) return turn_lines<Half>(from, stride, count, k, put);
    }
    ei::PacketBlock<typename L::Packet, w> block;
    int64_t p = 0;
    if (count == w)
      for (; p + w <= k; p += w) {
        unrolled<w>([&](auto j) { block.packet[j] = L::load(from + j * stride + p).v; });
        ei::ptranspose(block);
        unrolled<w>([&](auto q) { put(p + q, L(block.packet[q])); });
      }
    for (; p < k; p += w) {
      const L zero(T(0));
      unrolled<w>([&](auto j) {
        block.packet[j] = (j < count ? load_padded(from + j * stride + p, k - p, zero) : zero).v;
      });
      ei::ptranspose(block);
      unrolled<w>([&](auto q) {
        if (p + q < k) put(p + q, L(block.packet[q]));
      });
    }
  }
}

/// to[p * step + j] = from[j * stride + p] for `count` (at most a register's) columns j; anything
/// in the rest of the register; room for one register behind the last.
template <class T, class L = Lanes<T>>
void pack_lines(const T* from, int64_t stride, int64_t count, int64_t k, T* to, int64_t step) {
  // Short lines are turned by smaller registers. What is written past the end of a packed row is
  // written again: with the next row, or by the first half, which therefore comes last.
  if constexpr (L::is_packet && L::width > 4) {
    constexpr int half = L::width / 2;
    using Half = Lanes<T, true, typename ei::unpacket_traits<typename L::Packet>::half>;
    if (k <= half && count > half) {
      pack_lines<T, Half>(from + half * stride, stride, count - half, k, to + half, step);
      return pack_lines<T, Half>(from, stride, half, k, to, step);
    }
  }
  turn_lines<L>(from, stride, count, k, [=](int64_t p, auto row) { row.store(to + p * step); });
}

/// `count` neighbouring columns of k rows, packed to [k, step], anything in the rest; room for one
/// register behind the last.
template <class T>
void pack_rows(const T* from, int64_t stride, int64_t count, int64_t k, T* to, int64_t step) {
  using L = Lanes<T>;
  const int64_t whole = count / L::width * L::width;
  for (int64_t p = 0; p < k; ++p) {
    const T* x = from + p * stride;
    T* y = to + p * step;
    for (int64_t j = 0; j < whole; j += L::width) L::load(x + j).store(y + j);
    if (whole < count) load_padded(x + whole, count - whole, T(0)).store(y + whole);
  }
}

/// `count` columns of m over k rows, packed to [k, step].
template <class T>
void pack(const Strided2d<T>& m, int64_t count, int64_t k, T* to, int64_t step) {
  if (m.col == 1) return pack_rows(m.data, m.row, count, k, to, step);
  // From behind: what the last register writes into the next row is written again.
  constexpr int64_t width = Lanes<T>::width;
  for (int64_t j = (count - 1) / width * width; j >= 0; j -= width)
    pack_lines(m.data + j * m.col, m.col, std::min<int64_t>(count - j, width), k, to + j, step);
}

}  // namespace bx::kernels
