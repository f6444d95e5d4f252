// Sparse matrices along dimensions of a tensor: what pooling by averages and interpolation are.
#pragma once

#include <memory>
#include <vector>

#include "kernels/windows.h"
#include "ops/ops.h"

namespace bx {

/// A sparse matrix [outputs, inputs] by rows.
class TapTable {
 public:
  explicit TapTable(int64_t inputs) : inputs_(inputs) {}
  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  /// An entry of the row that is being written.
  void add(int64_t column, double weight) {
    columns_.push_back(column);
    weights_.push_back(weight);
  }
  void end_row() { offsets_.push_back(static_cast<int64_t>(columns_.size())); }
  /// Columns [begin, end) with one weight, as a row.
  void add_window(int64_t begin, int64_t end, double weight) {
    for (int64_t c = begin; c < end; ++c) add(c, weight);
    end_row();
  }
  bool is_identity() const;
  TapTable transposed() const;
  kernels::Taps taps() const { return {offsets_.data(), columns_.data(), weights_.data()}; }

 private:
  int64_t inputs_;
  std::vector<int64_t> offsets_{0}, columns_;
  std::vector<double> weights_;
};

/// One table per dimension from `axis` on.
struct Resampling {
  int axis = 0;
  std::vector<TapTable> tables;
};

/// Every table applied along its dimension, as one node.
Tensor resample(const char* op, const char* node, const Tensor& x,
                std::shared_ptr<const Resampling> how);

/// Averages over windows that split `inputs` into `outputs` as evenly as can be.
TapTable even_windows(int64_t inputs, int64_t outputs);
inline int64_t even_begin(int64_t o, int64_t in, int64_t out) { return o * in / out; }
inline int64_t even_end(int64_t o, int64_t in, int64_t out) {
  return ((o + 1) * in + out - 1) / out;
}

}  // namespace bx
