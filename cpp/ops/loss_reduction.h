// What losses share: reduction="mean" | "sum" | "none", and class indices as targets.
#pragma once

#include "ops/ops.h"

namespace bx {

enum class Reduction { None, Mean, Sum };

inline Reduction parse_reduction(const char* op, const std::string& name) {
  if (name == "mean") return Reduction::Mean;
  if (name == "sum") return Reduction::Sum;
  if (name == "none") return Reduction::None;
  fail_value(op, "'", name,
             "' is not a valid value for reduction; expected 'mean', 'sum' or 'none'");
}

/// The arguments that came before `reduction`; where they are given, they win.
using Legacy = std::optional<bool>;
inline std::string reduction_name(const Legacy& size_average, const Legacy& reduce,
                                  const std::string& name) {
  if (!size_average && !reduce) return name;
  return !reduce.value_or(true) ? "none" : size_average.value_or(true) ? "mean" : "sum";
}

/// RuntimeError for other than int64.
inline void require_class_indices(const char* op, const Tensor& target) {
  if (target.dtype() != DType::Int64)
    fail_runtime(op, "target is ", name_of(target.dtype()),
                 "; expected class indices of type int64; use .long()");
}

/// RuntimeError for what the loss, as PyTorch's, is not differentiated to.
inline void require_constant(const char* op, const char* name, const Tensor& t) {
  if (grad_enabled() && requires_grad(t))
    fail_runtime(op, "it is not differentiable with respect to ", name, "; detach() that");
}

inline Tensor reduce_loss(const Tensor& loss, Reduction reduction) {
  if (reduction == Reduction::None) return loss;
  return reduction == Reduction::Sum ? sum(loss) : mean(loss, std::nullopt, false, std::nullopt);
}

}  // namespace bx
