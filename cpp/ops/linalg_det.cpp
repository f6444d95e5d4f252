// Determinants, from the LU factors.
#include <cmath>
#include <limits>

#include "ops/linalg.h"

namespace bx {

namespace {

/// Whether the exchanges of rows swap an odd number of them, as +-1.
Tensor parity(const Tensor& pivots, const Dims& batch, DType dtype) {
  Tensor sign = empty(batch, DType::Float64);
  const int64_t k = pivots.size(-1);
  launch_host("det", sign, pivots,
              [=, n = sign.numel()](const kernels::View* out, const kernels::View* in) {
                const auto* row = static_cast<const int32_t*>(in[0].data);
                for (int64_t i = 0; i < n; ++i) {
                  int odd = 0;
                  for (int64_t d = 0; d < k; ++d) odd ^= row[i * k + d] != d + 1;
                  static_cast<double*>(out[0].data)[i] = odd ? -1. : 1.;
                }
              });
  return to(sign, dtype);
}

/// Products along the last dimension, pairwise: det, or the sign of it.
Tensor product_of_last(const Tensor& t) {
  Tensor out = t;
  while (out.size(-1) > 1) {
    const int64_t n = out.size(-1), half = n / 2;
    const Tensor pairs = slice(out, -1, 0, half, 1) * slice(out, -1, half, 2 * half, 1);
    out = n % 2 ? cat({pairs, slice(out, -1, n - 1, n, 1)}, -1) : pairs;
  }
  if (out.size(-1) == 0)
    return full_int(sum(out, Dims{-1}, false, std::nullopt).shape(), 1, t.dtype());
  return squeeze(out, Dims{-1});
}

Tensor det(const Tensor& a);

/// d det / d A for any rank: the cofactors, of singular vectors and products of singular values.
Tensor cofactors(const Tensor& a) {
  const Tensors parts = svd(a, false);
  const Tensor &u = parts[0], &s = parts[1], &vt = parts[2];
  const int64_t n = a.size(-1);
  Tensors others;
  for (int64_t i = 0; i < n; ++i)
    others.push_back(product_of_last(cat({slice(s, -1, 0, i, 1), slice(s, -1, i + 1, n, 1)}, -1)));
  const Tensor scale = unsqueeze(stack(others, -1), -2);
  return spread(conj(det(u) * det(vt))) * matmul(u * scale, vt);
}

Tensor det(const Tensor& a) {
  check_square("det", a);
  const Tensor out = unrecorded([&] {
    const Factored f = lu_factor(a);
    return product_of_last(diagonal(f.factor, 0, -2, -1)) *
           parity(f.pivots, batch_of(a), a.dtype());
  });
  if (Recorder r{&a}; r)
    r.save(a).save_output().done("LinalgDetBackward0", out, [](const Backward& b) {
      const Tensor a = b.saved(0), value = b.saved(1);
      if (a.numel() == 0) return b.give(0, zero(a));
      bool singular = false;
      const Tensor plain = contiguous(to(abs(detached(value)), DType::Float64));
      for (int64_t i = 0; i < plain.numel(); ++i)
        singular = singular || !(plain.data<double>()[i] > 0);
      if (singular) b.give(0, spread(b.grad()) * cofactors(a));
      else b.give(0, spread(b.grad() * conj(value)) * mH(inverse(a)));
    });
  return out;
}

/// sign and log |det|.
std::pair<Tensor, Tensor> slogdet(const Tensor& a) {
  check_square("slogdet", a);
  Tensor sign_of, log_of;
  unrecorded([&] {
    const Factored f = lu_factor(a);
    const Tensor d = diagonal(f.factor, 0, -2, -1);
    sign_of = product_of_last(apply<formulas::Sgn>(d)) * parity(f.pivots, batch_of(a), a.dtype());
    log_of = sum(log(abs(d)), Dims{-1}, false, std::nullopt);
    return 0;
  });
  if (Recorder r{&a}; r)
    r.save(a).done("LinalgSlogdetBackward0", Tensors{sign_of, log_of}, [](const Backward& b) {
      const Tensor a = b.saved(0), &g_sign = b.grad(0);
      Tensor g = b.grad(1);
      if (g_sign.defined() && is_complex(a.dtype())) {  // a real sign is flat
        const Tensor turn = g_sign * conj(slogdet(a).first), flat = (turn - conj(turn)) * 0.5;
        g = g.defined() ? g + flat : flat;
      }
      b.give(0, g.defined() ? spread(g) * mH(inverse(a)) : zero(a));
    });
  return {sign_of, log_of};
}

Tensor logdet(const Tensor& a) {
  const auto [sign_of, log_of] = slogdet(a);
  if (is_complex(a.dtype())) return log_of + log(sign_of);
  return select(sign_of < 0., std::numeric_limits<double>::quiet_NaN(), log_of);
}

}  // namespace

void register_linalg_det(Registry& r) {
  r.both("det", "input", det, "The determinant of each matrix: the product of LU's pivots.");
  r.alias("det", {"linalg.det"});
  r.both("slogdet", "input -> sign, logabsdet", slogdet,
         "The sign of the determinant and the logarithm of its absolute value.");
  r.alias("slogdet", {"linalg.slogdet"});
  r.both("logdet", "input", logdet,
         "log det(input); of a real one NaN where the determinant is negative.");
}

}  // namespace bx
