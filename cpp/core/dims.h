// A shape or a list of strides or axes: up to 12 integers held in place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>

#include "core/error.h"

namespace bx {

inline constexpr int kMaxDims = 12;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  Dims(int size, int64_t value) {
    for (int i = 0; i < size; ++i) push_back(value);
  }
  Dims(const Dims& other) noexcept { *this = other; }
  Dims& operator=(const Dims& other) noexcept {
    size_ = other.size_;
    for (int i = 0; i < size_; ++i) values_[i] = other.values_[i];
    return *this;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  const int64_t* data() const { return values_; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }

  void push_back(int64_t v) {
    if (size_ == kMaxDims)
      fail_runtime("shape", "a tensor has at most ", kMaxDims, " dimensions; got more; reshape it");
    values_[size_++] = v;
  }
  void insert(int at, int64_t v) {
    push_back(v);
    for (int i = size_ - 1; i > at; --i) values_[i] = values_[i - 1];
    values_[at] = v;
  }
  void erase(int at) {
    for (int i = at; i + 1 < size_; ++i) values_[i] = values_[i + 1];
    --size_;
  }
  void resize(int size) { size_ = size; }

  bool operator==(const Dims& other) const {
    if (size_ != other.size_) return false;
    for (int i = 0; i < size_; ++i)
      if (values_[i] != other.values_[i]) return false;
    return true;
  }

  /// The product of all entries; 1 for no dimensions.
  int64_t product() const {
    int64_t n = 1;
    for (int i = 0; i < size_; ++i) n *= values_[i];
    return n;
  }

 private:
  int size_ = 0;
  int64_t values_[kMaxDims];
};

/// Prints as Python prints a tuple of sizes: (3, 4), (3,), ().
inline std::ostream& operator<<(std::ostream& out, const Dims& d) {
  out << '(';
  for (int i = 0; i < d.size(); ++i) out << (i ? ", " : "") << d[i];
  return out << (d.size() == 1 ? ",)" : ")");
}

/// Row-major strides, in elements.
inline Dims contiguous_strides(const Dims& shape) {
  Dims strides;
  strides.resize(shape.size());
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i] > 0 ? shape[i] : 1;
  }
  return strides;
}

/// NumPy's broadcasting of two shapes.
Dims broadcast_shapes(const char* op, const Dims& a, const Dims& b);

/// The strides with which a tensor is read as if it had `target`'s shape (0 where it repeats);
/// RuntimeError where it does not broadcast to that.
Dims broadcast_strides(const Dims& shape, const Dims& strides, const Dims& target);

/// Python's axis: -ndim..ndim-1, else IndexError. A 0-d tensor takes -1 and 0.
int wrap_axis(const char* op, int64_t axis, int ndim);

/// Wraps every axis and rejects repeats. Without axes: all of them.
Dims wrap_axes(const char* op, const Dims& axes, int ndim);

/// The product of a shape, RuntimeError when it overflows or is negative.
int64_t checked_numel(const char* op, const Dims& shape);

}  // namespace bx
