// Fused update steps: one pass over a parameter, its gradient and its state.
#include "kernels/families.h"
#include "kernels/lanes.h"

#include <tuple>

namespace bx::kernels {

namespace {

/// Lane-wise update of n elements; the tail goes through the same code, padded.
template <class T, int N, class F>
void update(T* const (&arrays)[N], int64_t n, F f) {
  using L = Lanes<T>;
  L v[N];
  int64_t i = 0;
  for (; i + L::width <= n; i += L::width) {
    for (int k = 0; k < N; ++k) v[k] = L::load(arrays[k] + i);
    f(v);
    for (int k = 0; k < N - 1; ++k) v[k].store(arrays[k] + i);
  }
  if (i == n) return;
  T pad[N][L::width] = {};
  for (int k = 0; k < N; ++k) {
    for (int64_t j = i; j < n; ++j) pad[k][j - i] = arrays[k][j];
    v[k] = L::load(pad[k]);
  }
  f(v);
  for (int k = 0; k < N - 1; ++k) {
    v[k].store(pad[k]);
    for (int64_t j = i; j < n; ++j) arrays[k][j] = pad[k][j - i];
  }
}

/// out0 = parameter, out1 = momentum buffer (when f[1] != 0), in0 = gradient; all contiguous [n].
/// f = lr, momentum, dampening, weight_decay; i = nesterov, maximize, first step.
/// g += weight_decay p;  b = momentum b + (1 - dampening) g (b = g first);  p -= lr b (or, for
/// Nesterov, lr (g + momentum b)).  [Sutskever et al. 2013]
template <class T>
void sgd_step(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto [lr, momentum, dampening, decay] =
      std::tuple{params.f[0], params.f[1], params.f[2], params.f[3]};
  const bool nesterov = params.i[0], maximize = params.i[1], first = params.i[2];
  auto* p = static_cast<T*>(out[0].data);
  auto* g = static_cast<T*>(in[0].data);
  const int64_t n = out[0].shape[0];
  auto gradient = [&](Lanes<T> g, Lanes<T> p) {
    if (maximize) g = -g;
    return decay != 0 ? g + p * decay : g;
  };
  if (momentum == 0) {
    parallel_for(n, 1 << 16, [&](int64_t begin, int64_t end) {
      T* const arrays[2] = {p + begin, g + begin};
      update(arrays, end - begin, [&](auto& v) { v[0] = v[0] - gradient(v[1], v[0]) * lr; });
    });
    return;
  }
  auto* buffer = static_cast<T*>(out[1].data);
  parallel_for(n, 1 << 16, [&](int64_t begin, int64_t end) {
    T* const arrays[3] = {p + begin, buffer + begin, g + begin};
    update(arrays, end - begin, [&](auto& v) {
      const Lanes<T> d = gradient(v[2], v[0]);
      v[1] = first ? d : v[1] * momentum + d * (1. - dampening);
      v[0] = v[0] - (nesterov ? d + v[1] * momentum : v[1]) * lr;
    });
  });
}

}  // namespace

void fill_optimizer(Entries entries) {
  enter<float>(entries, Id::SgdStep, "sgd_step", &sgd_step<float>);
  enter<double>(entries, Id::SgdStep, "sgd_step", &sgd_step<double>);
}

}  // namespace bx::kernels
