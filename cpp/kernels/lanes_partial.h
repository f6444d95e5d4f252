// Loads and stores of the last few elements of a row, and sums across a register.
#pragma once

#include <algorithm>

#include "kernels/lanes.h"

namespace bx::kernels {

/// Lanes from p, the last few padded.
template <class T>
Lanes<T> load_padded(const T* p, int64_t n, T pad) {
  using L = Lanes<T>;
  if (n >= L::width) return L::load(p);
  T buffer[L::width];
  for (int k = 0; k < L::width; ++k) buffer[k] = k < n ? p[k] : pad;
  return L::load(buffer);
}
template <class T>
void store_part(Lanes<T> v, T* p, int64_t n) {
  if (n >= Lanes<T>::width) return v.store(p);
  T buffer[Lanes<T>::width];
  v.store(buffer);
  std::copy_n(buffer, n, p);
}

template <class T>
T add_lanes(Lanes<T> v) {
  T lanes[Lanes<T>::width];
  v.store(lanes);
  for (int half = Lanes<T>::width / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  return lanes[0];
}

}  // namespace bx::kernels
