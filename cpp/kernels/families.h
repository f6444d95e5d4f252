// The families of kernels, one translation unit each; table.cpp asks every one to enter its own.
#pragma once

#include <initializer_list>

#include "kernels/table.h"

namespace bx::kernels {

using Entries = Kernel (*)[kDTypeCount];

void fill_arithmetic(Entries);
void fill_transcendental(Entries);
void fill_activation(Entries);
void fill_compare(Entries);
void fill_complex(Entries);
void fill_range(Entries);
void fill_special(Entries);
void fill_bessel(Entries);
void fill_loss(Entries);

void fill_movement(Entries);
void fill_reduction(Entries);
void fill_scan(Entries);
void fill_distance(Entries);
void fill_matmul(Entries);
void fill_softmax(Entries);
void fill_indexing(Entries);
void fill_scatter(Entries);
void fill_sorting(Entries);
void fill_random(Entries);
void fill_optimizer(Entries);
void fill_conv(Entries);
void fill_pooling(Entries);
void fill_resample(Entries);
void fill_embedding(Entries);
void fill_normalization(Entries);
void fill_recurrent(Entries);

/// The engine's thread pool, given when the library is loaded.
extern Host host;

/// Runs body(begin, end) over [0, n) on the pool, in pieces of at least `grain`.
template <class Body>
void parallel_for(int64_t n, int64_t grain, Body body) {
  if (n <= grain) return body(int64_t{0}, n);
  host.parallel_for(
      n, grain,
      [](void* context, int64_t begin, int64_t end) { (*static_cast<Body*>(context))(begin, end); },
      &body);
}

/// Calls enter_one with a value of every element type, of every one but bool, or of the
/// floating-point ones.
template <class F>
void for_number_types(F enter_one) {
  enter_one(uint8_t{});
  enter_one(int32_t{});
  enter_one(int64_t{});
  enter_one(float{});
  enter_one(double{});
}
/// Numbers and complex numbers, for what only moves or adds up elements.
template <class F>
void for_moved_types(F enter_one) {
  for_number_types(enter_one);
  enter_one(Complex<float>{});
  enter_one(Complex<double>{});
}
template <class F>
void for_all_types(F enter_one) {
  enter_one(bool{});
  for_number_types(enter_one);
}
template <class F>
void for_float_types(F enter_one) {
  enter_one(float{});
  enter_one(double{});
}

/// Enters a general kernel for one type.
template <class T>
Kernel& enter(Entries entries, Id id, const char* name, GeneralFn fn, Rows rows = {}) {
  return entries[static_cast<int>(id)][static_cast<int>(dtype_of<T>())] = {name, nullptr, fn, rows};
}

/// A bool is stored as a uint8 of 0 or 1: kernels that move or compare elements serve both.
inline void share_with_bool(Kernel* kernel) {
  kernel[static_cast<int>(DType::Bool)] = kernel[static_cast<int>(DType::UInt8)];
}
inline void share_with_bool(Entries entries, std::initializer_list<Id> ids) {
  for (Id id : ids) share_with_bool(entries[static_cast<int>(id)]);
}

/// Kernels that only move elements serve narrow types by their bits: uint8's those of 8, and one
/// for int16_t those of 16.
inline void share_with_narrow(Entries entries, Id id, GeneralFn of_16_bits, Rows rows = {}) {
  Kernel* row = entries[static_cast<int>(id)];
  const char* name = row[static_cast<int>(DType::Float32)].name;
  row[static_cast<int>(DType::Int8)] = row[static_cast<int>(DType::UInt8)];
  for (DType t : {DType::Int16, DType::Float16, DType::BFloat16})
    row[static_cast<int>(t)] = {name, nullptr, of_16_bits, rows};
  for (DType t : {DType::Int8, DType::Int16, DType::Float16, DType::BFloat16})
    row[static_cast<int>(t)].takes_narrow = true;
}

}  // namespace bx::kernels
