// The matrix product: which way it is taken.
#pragma once

#include "kernels/gemm_lines.h"
#include "kernels/gemm_parts.h"

namespace bx::kernels {

namespace gemm_detail {

/// What an element costs that is packed, turned, or summed up across a register, in multiply-adds.
constexpr int64_t kMove = 8;

template <class T>
int64_t whole_registers(int64_t n) {
  constexpr int64_t width = Lanes<T>::width;
  return (n + width - 1) / width * width;
}

/// What a product by tiles costs, and what one by sums along the registers does.
template <class T>
int64_t tile_cost(int64_t m, int64_t n, int64_t k, const Strided2d<T>& b) {
  return m * whole_registers<T>(n) * k + (b.col == 1 ? 0 : kMove * n * k);
}
template <class T>
int64_t dot_cost(int64_t m, int64_t n, int64_t k) {
  return (m * n * whole_registers<T>(k) * 5 >> 2) + 3 * kMove * m * n;
}

template <class T>
void multiply_by_lines(const Product<T>& p) {
  const Strided2d<T> rows = lines_of(p.a, p.m, p.k, ScratchUse::Strip);
  const Strided2d<T> cols = lines_of(p.b.transposed(), p.n, p.k, ScratchUse::Panels);
  const Strided2d<T> start{p.start.data, p.start.step, 1};
  if (p.m <= p.n) multiply_lines(p.m, p.n, p.k, rows, cols, start, p.c, p.c_step, int64_t{1});
  else multiply_lines(p.n, p.m, p.k, cols, rows, start.transposed(), p.c, int64_t{1}, p.c_step);
  p.done(0, p.m);
}

/// C^T = B^T A^T, its rows turned into columns of C as they get done.
template <class T>
void multiply_turned(const Product<T>& p) {
  struct Turn {
    const Product<T>& p;
    T* product;
    void columns(int64_t begin, int64_t end) const {
      for (int64_t j = begin; j < end; j += Lanes<T>::width) {
        const int64_t count = std::min<int64_t>(Lanes<T>::width, end - j);
        const T* start = p.start.at(0, j).data;
        const auto put = [=, c = p.c + j, c_step = p.c_step, step = p.start.step](int64_t i,
                                                                                  auto row) {
          if (start) row = load_padded(start + i * step, count, decltype(row)(T(0))) + row;
          store_part(row, c + i * c_step, count);
        };
        turn_lines<Lanes<T>>(product + j * p.m, p.m, count, p.m, put);
      }
    }
  } turn{p, scratch<T>(ScratchUse::Product, p.n * p.m)};
  Product<T> q{p.n, p.m, p.k, p.b.transposed(), p.a.transposed(), {}, turn.product, p.m};
  if (multiply_small(q)) {
    turn.columns(0, p.n);
  } else {
    q.done = {[](void* t, int64_t begin, int64_t end) {
                static_cast<const Turn*>(t)->columns(begin, end);
              },
              &turn};
    multiply_tiles(q);
  }
  p.done(0, p.m);
}

template <class T>
void multiply_large(const Product<T>& p) {
  const int64_t m = p.m, n = p.n, k = p.k;
  // Nothing but sums along k, in place.
  if ((m == 1 || n == 1) && p.a.col == 1 && p.b.row == 1) return multiply_by_lines(p);
  const int64_t plain = tile_cost(m, n, k, p.b);
  const int64_t turned = tile_cost(n, m, k, p.a.transposed()) + kMove * m * n;
  const int64_t packed = (p.a.col == 1 ? 0 : m * k) + (p.b.row == 1 ? 0 : n * k);
  if (dot_cost<T>(m, n, k) + kMove * packed < std::min(plain, turned)) multiply_by_lines(p);
  else if (plain <= turned) multiply_tiles(p);
  else multiply_turned(p);
}

}  // namespace gemm_detail

template <class T>
void gemm(const Product<T>& p) {
  using namespace gemm_detail;
  if (p.m == 0 || p.n == 0) return;
  if (p.k == 0) {
    for (int64_t i = 0; i < p.m; ++i)
      for (int64_t j = 0; j < p.n; ++j)
        p.c[i * p.c_step + j] = p.start.data ? *p.start.at(i, j).data : T(0);
  } else if (p.n == 1 && p.m > 1 && p.a.row == 1 && p.c_step == 1 &&
             (!p.start.data || p.start.step == 1)) {
    // The column is a row, turned.
    gemm(Product<T>{1, p.m, p.k, p.b.transposed(), p.a.transposed(), p.start, p.c, p.m});
  } else if (!multiply_small(p)) {
    return multiply_large(p);
  }
  p.done(0, p.m);
}

}  // namespace bx::kernels
