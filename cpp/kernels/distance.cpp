// Distances between the rows of two matrices, and their derivative.
#include <algorithm>

#include "kernels/families.h"
#include "kernels/lanes_math.h"
#include "kernels/lanes_partial.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 16384;  // elements of a thread's task

/// The norms. `term` of |d|, `total` of their sum (or largest), and for the derivative `slope` of
/// d beside the distance, whose factor is per pair.
template <class T>
struct Zero {  // how many differ
  static Lanes<T> term(Lanes<T> d, double) { return select(d == 0., 0., Lanes<T>(T(1))); }
  static T total(T sum, double) { return sum; }
  static Lanes<T> slope(Lanes<T> d, T, double) { return zero(d); }
};
template <class T>
struct One {
  static Lanes<T> term(Lanes<T> d, double) { return d; }
  static T total(T sum, double) { return sum; }
  static Lanes<T> slope(Lanes<T> d, T, double) { return sign(d); }
};
template <class T>
struct Two {
  static Lanes<T> term(Lanes<T> d, double) { return d * d; }
  static T total(T sum, double) { return std::sqrt(sum); }
  static Lanes<T> slope(Lanes<T> d, T distance, double) { return d / Lanes<T>(distance); }
};
template <class T>
struct Any {
  static Lanes<T> term(Lanes<T> d, double p) { return pow(d, p); }
  static T total(T sum, double p) { return std::pow(sum, static_cast<T>(1 / p)); }
  static Lanes<T> slope(Lanes<T> d, T distance, double p) {
    return select(d == 0., 0., sign(d) * pow(abs(d) / Lanes<T>(distance), p - 1));
  }
};
template <class T>
struct Largest {
  static constexpr bool is_largest = true;
  static Lanes<T> term(Lanes<T> d, double) { return d; }
  static T total(T largest, double) { return largest; }
  static Lanes<T> slope(Lanes<T> d, T distance, double) {
    return select(abs(d) == Lanes<T>(distance), sign(d), 0.);
  }
};

/// Calls run with the norm for p.
template <class T, class F>
void with_norm(double p, F run) {
  if (p == 0) run(Zero<T>{});
  else if (p == 1) run(One<T>{});
  else if (p == 2) run(Two<T>{});
  else if (std::isinf(p)) run(Largest<T>{});
  else run(Any<T>{});
}

template <class T, class Norm>
T distance(const T* a, const T* b, int64_t n, double p, Norm) {
  using L = Lanes<T>;
  constexpr bool largest = requires { Norm::is_largest; };
  L all(T(0));
  for (int64_t i = 0; i < n; i += L::width) {
    const L term =
        Norm::term(abs(load_padded(a + i, n - i, T(0)) - load_padded(b + i, n - i, T(0))), p);
    if constexpr (largest) all = maximum(all, term);
    else all = all + term;
  }
  T lanes[L::width];
  all.store(lanes);
  for (int half = L::width / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) {
      if constexpr (largest)
        lanes[k] = lanes[k] != lanes[k] ? lanes[k] : std::max(lanes[k + half], lanes[k]);
      else lanes[k] += lanes[k + half];
    }
  return Norm::total(lanes[0], p);
}

/// out [batch, P, R] = distances of in0 [batch, P, M] and in1 [batch, R, M]; f[0] = p.
template <class T>
void cdist(const View* out, const View* in, const Params& params, FaultInfo*) {
  const auto* a = static_cast<const T*>(in[0].data);
  const auto* b = static_cast<const T*>(in[1].data);
  auto* y = static_cast<T*>(out[0].data);
  const int64_t rows = in[0].shape[1], others = in[1].shape[1], n = in[0].shape[2];
  const double p = params.f[0];
  with_norm<T>(p, [&](auto norm) {
    parallel_for(
        in[0].shape[0] * rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, others * n)),
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            for (int64_t j = 0; j < others; ++j)
              y[r * others + j] = distance(a + r * n, b + (r / rows * others + j) * n, n, p, norm);
        });
  });
}

/// out [batch, P, M] = the gradient for in1 = x1 [batch, P, M], given in0 = g [batch, P, R],
/// in2 = x2 [batch, R, M] and in3 = the distances; f[0] = p. Nothing where a distance is 0.
template <class T>
void cdist_backward(const View* out, const View* in, const Params& params, FaultInfo*) {
  using L = Lanes<T>;
  const auto* g = static_cast<const T*>(in[0].data);
  const auto* a = static_cast<const T*>(in[1].data);
  const auto* b = static_cast<const T*>(in[2].data);
  const auto* size = static_cast<const T*>(in[3].data);
  auto* dx = static_cast<T*>(out[0].data);
  const int64_t rows = in[1].shape[1], others = in[2].shape[1], n = in[1].shape[2];
  const double p = params.f[0];
  with_norm<T>(p, [&](auto norm) {
    parallel_for(
        in[1].shape[0] * rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, others * n)),
        [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; ++r)
            for (int64_t i = 0; i < n; i += L::width) {
              const L x = load_padded(a + r * n + i, n - i, T(0));
              L total(T(0));
              for (int64_t j = 0; j < others; ++j) {
                const T s = size[r * others + j];
                if (s == 0) continue;
                const L d = x - load_padded(b + (r / rows * others + j) * n + i, n - i, T(0));
                total = total + L(g[r * others + j]) * norm.slope(d, s, p);
              }
              store_part(total, dx + r * n + i, n - i);
            }
        });
  });
}

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::Cdist, "cdist", &cdist<T>);
  enter<T>(entries, Id::CdistBackward, "cdist_backward", &cdist_backward<T>);
}

}  // namespace

void fill_distance(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
