// Powers and exponentials of matrices, products of chains of them.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "ops/linalg.h"

namespace bx {

namespace {

Tensor matrix_power(const Tensor& a, int64_t n) {
  if (n < 0) return matrix_power(inverse(a), -n);
  if (a.dim() < 2 || a.size(-2) != a.size(-1))
    fail_runtime("matrix_power", "input of shape ", a.shape(), "; expected square matrices");
  if (n == 0) return copy_(clone(a), identity(a.size(-1), a.dtype()));
  if (n == 1) return clone(a);
  // Squares for the bits of n.
  Tensor square = a, out;
  for (;; square = matmul(square, square)) {
    if (n & 1) out = out.defined() ? matmul(out, square) : square;
    if ((n >>= 1) == 0) return out;
  }
}

/// How often each matrix is halved until Taylor's series to degree 18 is exact to rounding, 0 or
/// more; NaN where a matrix is not finite. [Bader, Blanes and Casas 2019, table 1]
std::vector<double> halvings(const Tensor& a) {
  const double bound =
      real_of(a.dtype()) == DType::Float64 ? 1.0908637192900361 : 3.010066362817634;
  const Tensor sums = to(norm("matrix_exp", a, 1, Dims{-2}, false), DType::Float64);
  const Tensor sizes = contiguous(
      norm("matrix_exp", sums, std::numeric_limits<double>::infinity(), Dims{-1}, false));
  std::vector<double> out(sizes.data<double>(), sizes.data<double>() + sizes.numel());
  for (double& size : out)
    size = std::isfinite(size) ? std::max(0., std::ceil(std::log2(size / bound)))
                               : std::numeric_limits<double>::quiet_NaN();
  return out;
}

/// f of each number, to be multiplied with matrices.
template <class F>
Tensor for_matrices(const std::vector<double>& numbers, const Tensor& matrices, DType dtype, F f) {
  Tensor out = empty(joined(batch_of(matrices), {1, 1}), DType::Float64);
  std::transform(numbers.begin(), numbers.end(), out.data<double>(), f);
  return to(out, dtype);
}

/// Taylor's series of A / 2^s, squared s times. [Moler and Van Loan 2003, method 3]
Tensor matrix_exp(const Tensor& a) {
  check_square("matrix_exp", a);
  const int64_t n = a.size(-1);
  const Tensor out = unrecorded([&]() -> Tensor {
    const Tensor eye = expand_batch(identity(n, a.dtype()), batch_of(a));
    if (a.numel() == 0) return clone(eye);
    const std::vector<double> times = halvings(a);
    const Tensor x = a * for_matrices(times, a, a.dtype(), [](double t) { return std::exp2(-t); });
    Tensor y = eye;
    for (int k = 18; k > 0; --k) y = eye + matmul(x, y) * (1. / k);
    for (double k = 0;; ++k) {
      auto is_left = [k](double t) { return t > k; };
      const auto left = std::count_if(times.begin(), times.end(), is_left);
      if (left == 0) break;
      const Tensor square = matmul(y, y);
      const bool all = left == static_cast<int64_t>(times.size());
      y = all ? square : select(for_matrices(times, a, DType::Bool, is_left), square, y);
    }
    return y;
  });
  if (Recorder r{&a}; r)
    r.save(a).done("LinalgMatrixExpBackward0", out, [n](const Backward& b) {
      // exp of [[A^H, G], [0, A^H]] has the gradient in its corner. [Mathias 1996]
      const Tensor t = mH(b.saved(0)), none = zeros(t.shape(), t.dtype());
      const Tensor both = cat({cat({t, b.grad()}, -1), cat({none, t}, -1)}, -2);
      b.give(0, slice(slice(matrix_exp(both), -2, 0, n, 1), -1, n, 2 * n, 1));
    });
  return out;
}

/// The cheapest order of a chain, by dynamic programming over its parts.
Tensor multi_dot(const Tensors& given) {
  if (given.size() < 2) fail_runtime("multi_dot", given.size(), " tensors; expected 2 or more");
  Tensors list = given;
  const bool row = list.front().dim() == 1, column = list.back().dim() == 1;
  if (row) list.front() = unsqueeze(list.front(), 0);
  if (column) list.back() = unsqueeze(list.back(), 1);
  std::vector<int64_t> size;
  for (const Tensor& t : list) {
    if (t.dim() != 2)
      fail_runtime("multi_dot", "a tensor of shape ", t.shape(),
                   "; expected matrices, and vectors at the ends only");
    if (!size.empty() && size.back() != t.size(0))
      fail_runtime("multi_dot", "inner dimensions ", size.back(), " and ", t.size(0), " differ");
    if (size.empty()) size.push_back(t.size(0));
    size.push_back(t.size(1));
  }
  const size_t n = list.size();
  std::vector<double> cost(n * n, 0.);
  std::vector<size_t> cut(n * n, 0);
  for (size_t length = 2; length <= n; ++length)
    for (size_t i = 0; i + length <= n; ++i) {
      const size_t j = i + length - 1;
      for (size_t k = i; k < j; ++k) {
        const double total = cost[i * n + k] + cost[(k + 1) * n + j] +
                             static_cast<double>(size[i]) * static_cast<double>(size[k + 1]) *
                                 static_cast<double>(size[j + 1]);
        if (k == i || total < cost[i * n + j]) {
          cost[i * n + j] = total;
          cut[i * n + j] = k;
        }
      }
    }
  std::function<Tensor(size_t, size_t)> multiply = [&](size_t i, size_t j) {
    if (i == j) return list[i];
    const size_t k = cut[i * n + j];
    return mm(multiply(i, k), multiply(k + 1, j));
  };
  Dims shape;
  if (!row) shape.push_back(size.front());
  if (!column) shape.push_back(size.back());
  return view(multiply(0, n - 1), shape);
}

Tensor chain_matmul(const Tensors& matrices) {
  if (matrices.size() != 1) return multi_dot(matrices);
  if (matrices[0].dim() != 2)
    fail_runtime("chain_matmul", "a tensor of shape ", matrices[0].shape(), "; expected matrices");
  return matrices[0];
}

}  // namespace

void register_linalg_powers(Registry& r) {
  r.both("matrix_power", "input, n", matrix_power,
         "A^n by squaring; a negative n inverts A first.");
  r.alias("matrix_power", {"linalg.matrix_power"});
  r.both("matrix_exp", "input", matrix_exp, "1 + A + A^2 / 2 + A^3 / 6 + ... of each matrix.");
  r.alias("matrix_exp", {"linalg.matrix_exp"});
  r.linalg(
      "multi_dot", "tensors", multi_dot,
      "The product of a chain of matrices in the cheapest order; a vector may stand at an end.");
  r.function("chain_matmul", "matrices=()", chain_matmul,
             "The product of a chain of matrices in the cheapest order.");
}

}  // namespace bx
