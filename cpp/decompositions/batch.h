// What the decompositions share: batches of row-major matrices as Eigen sees them.
#pragma once

#include <Eigen/Core>
#include <algorithm>

#include "decompositions/decompositions.h"
#include "launch/parallel.h"

namespace bx::decompositions {

using kernels::FaultInfo;
using kernels::Params;
using kernels::View;

/// The order in which Eigen's decompositions work best.
template <class T>
using Columns = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

/// [B, rows, cols], contiguous.
template <class T>
struct Batch {
  using Map = Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;

  explicit Batch(const View& v)
      : data(static_cast<T*>(v.data)), count(v.shape[0]), rows(v.shape[1]), cols(v.shape[2]) {}

  Map operator[](int64_t i) const { return Map(data + i * rows * cols, rows, cols); }

  /// Runs f(i) for every matrix, on the pool where there is work for it.
  template <class F>
  void each(F f) const {
    const int64_t work = std::max<int64_t>(1, rows * cols * std::min(rows, cols));
    auto body = [](void* context, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) (*static_cast<F*>(context))(i);
    };
    parallel_for(count, std::max<int64_t>(1, (int64_t{1} << 16) / work), body, &f);
  }

  T* data;
  int64_t count, rows, cols;
};

}  // namespace bx::decompositions
