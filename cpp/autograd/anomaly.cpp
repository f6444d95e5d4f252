#include "autograd/anomaly.h"

#include <algorithm>
#include <cmath>

#include "ops/ops.h"

namespace bx {

AnomalyMode anomaly;

namespace {

template <class T>
bool has_nan(const Tensor& t) {
  const T* x = t.data<T>();
  return std::any_of(x, x + t.numel(), [](T value) { return std::isnan(value); });
}

}  // namespace

void check_nan(Node& node, const Tensor* results, int count) {
  GradMode off(false);
  for (int i = 0; i < count; ++i) {
    if (!results[i].defined() || !is_differentiable(results[i].dtype())) continue;
    const Tensor reals = in_reals(results[i]);
    const Tensor t = contiguous(to(reals, wide_of(reals.dtype())));
    if (!(t.dtype() == DType::Float64 ? has_nan<double>(t) : has_nan<float>(t))) continue;
    anomaly.failed(node);
    fail_runtime("backward", "Function '", node.name(), "' returned nan values in its ", i,
                 "th output; the warning above shows where it was recorded");
  }
}

}  // namespace bx
