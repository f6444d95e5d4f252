// What the tests share: tensors from lists, elements back, and the kind of an error.
#pragma once

#include <doctest/doctest.h>

#include <vector>

#include "core/error.h"
#include "ops/ops.h"

namespace bx::testing {

using Values = std::vector<double>;

inline Tensor from(const Values& values, const Dims& shape, DType dtype = DType::Float64) {
  const Tensor t = empty(shape, dtype);
  visit(dtype, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < values.size(); ++i) t.data<T>()[i] = static_cast<T>(values[i]);
  });
  return t;
}

/// 0, 1, 2, ... in a shape.
inline Tensor counting(const Dims& shape, DType dtype = DType::Float64) {
  Values values(static_cast<size_t>(shape.product()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return from(values, shape, dtype);
}

inline Tensor leaf(const Values& values) {
  Tensor t = from(values, {static_cast<int64_t>(values.size())});
  t->leaf_requires_grad = true;
  return t;
}

/// The elements in row-major order, whatever the layout: read one by one.
inline Values elements(const Tensor& t) {
  Values out;
  const int64_t n = t.numel();
  for (int64_t i = 0; i < n; ++i) {
    int64_t rest = i, place = t->offset;
    for (int d = t.dim() - 1; d >= 0; --d) {
      place += rest % t.shape()[d] * t.strides()[d];
      rest /= t.shape()[d];
    }
    visit(t.dtype(), [&](auto zero) {
      out.push_back(static_cast<double>(static_cast<decltype(zero)*>(t->storage->data())[place]));
    });
  }
  return out;
}

inline Values gradient(const Tensor& t) { return elements(Tensor(t->grad)); }

/// The kind of the error that f throws; fails the test when it throws none.
template <class F>
ErrorKind kind_of_error(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.kind();
  }
  FAIL("no error");
  return ErrorKind::NotImplemented;
}

/// The message of the error that f throws, or nothing.
template <class F>
std::string message(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace bx::testing
