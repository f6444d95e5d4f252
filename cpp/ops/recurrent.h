// One layer of a recurrent network, walked in one direction.
#pragma once

#include <array>

#include "ops/ops.h"

namespace bx::recurrent {

enum class Cell { Tanh, Relu, Lstm, Gru };

inline constexpr const char* kNames[] = {"rnn_tanh", "rnn_relu", "lstm", "gru"};

/// The tensors of one layer in one direction, in the order of the node's edges.
enum Slot { X, H0, C0, Wih, Whh, Bih, Bhh, Whr, Slots };
using Layer = std::array<Tensor, Slots>;

/// out [rows, features] of all steps, last h and c [batch, ...].
struct Result {
  Tensor out, h, c;
};

/// Step t has the rows begin[t] .. begin[t + 1]; sizes never grow with t.
struct Steps {
  std::vector<int64_t> begin{0};
  bool reverse = false;

  int64_t count() const { return static_cast<int64_t>(begin.size()) - 1; }
  int64_t rows() const { return begin.back(); }
  int64_t size(int64_t t) const {
    return begin[static_cast<size_t>(t) + 1] - begin[static_cast<size_t>(t)];
  }
  int64_t at(int64_t t) const { return begin[static_cast<size_t>(t)]; }
  /// The k-th step that is computed.
  int64_t step(int64_t k) const { return reverse ? count() - 1 - k : k; }
};

/// All steps of a layer as one node. x is [rows, features], h and c [batch, ...].
Result layer(Cell kind, const Layer& weights, const Steps& steps);

}  // namespace bx::recurrent
