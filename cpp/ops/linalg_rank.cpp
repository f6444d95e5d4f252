// Matrices without full rank: ranks, pseudoinverses, least squares.
#include "ops/linalg.h"

#include <algorithm>
#include <limits>

namespace bx {

namespace {

double epsilon(DType dtype) {
  return real_of(dtype) == DType::Float64 ? std::numeric_limits<double>::epsilon()
                                          : std::numeric_limits<float>::epsilon();
}

void check_tolerances(const char* op, const std::optional<Tensor>& atol,
                      const std::optional<Tensor>& rtol) {
  for (const auto* t : {&atol, &rtol})
    if (*t && is_complex((*t)->dtype()))
      fail_runtime(op, "a tolerance is ", name_of((*t)->dtype()), "; expected real numbers");
}

/// Below which a singular value counts as 0: max(atol, rtol s_max), one for each matrix.
Tensor threshold(const Tensor& a, const Tensor& s, const std::optional<Tensor>& atol,
                 const std::optional<Tensor>& rtol) {
  const bool some_atol = atol && [&] {
    const Tensor t = contiguous(to(detached(*atol), DType::Float64));
    for (int64_t i = 0; i < t.numel(); ++i)
      if (t.data<double>()[i] > 0) return true;
    return false;
  }();
  const double relative =
      some_atol ? 0. : epsilon(a.dtype()) * static_cast<double>(std::max(a.size(-2), a.size(-1)));
  Tensor largest = s.size(-1) ? select_axis(s, -1, 0) : zeros(batch_of(a), s.dtype());
  const Tensor bound = rtol ? largest * to(detached(*rtol), s.dtype()) : largest * relative;
  return unsqueeze(atol ? maximum(to(detached(*atol), s.dtype()), bound) : bound, -1);
}

/// Singular values in falling order: of a Hermitian matrix, the eigenvalues' absolute values.
Tensor magnitudes(const Tensor& a, bool hermitian) {
  if (!hermitian) return svd_values(a, 0)[1];
  const Tensor w = abs(eigh_values("eigvalsh", a, false, false).first);
  return sort(w, -1, true).first;
}

Tensor matrix_rank(const Tensor& a, const std::optional<Tensor>& atol,
                   const std::optional<Tensor>& rtol, bool hermitian) {
  check_matrices("matrix_rank", a);
  check_tolerances("matrix_rank", atol, rtol);
  return unrecorded([&]() -> Tensor {
    if (a.numel() == 0) return zeros(batch_of(a), DType::Int64);
    const Tensor s = magnitudes(a, hermitian);
    return sum(to(s > threshold(a, s, atol, rtol), DType::Int64), Dims{-1}, false, std::nullopt);
  });
}

Tensor pinv_values(const Tensor& a, const std::optional<Tensor>& atol,
                   const std::optional<Tensor>& rtol, bool hermitian) {
  if (a.numel() == 0) return zeros(mT(a).shape(), a.dtype());
  if (hermitian) {
    const auto [w, v] = eigh_values("pinv", a, false, true);
    const Tensor s = magnitudes(a, true);
    const Tensor inverted = select(abs(w) > threshold(a, s, atol, rtol), 1. / w, 0.);
    return matmul(v * across(inverted), mH(v));
  }
  const Tensors parts = svd_values(a, 1);
  const Tensor& s = parts[1];
  const Tensor inverted = select(s > threshold(a, s, atol, rtol), 1. / s, 0.);
  return matmul(mH(parts[2]) * across(inverted), mH(parts[0]));
}

/// dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P. [Golub and Pereyra 1973]
Tensor pinv(const Tensor& a, const std::optional<Tensor>& atol, const std::optional<Tensor>& rtol,
            bool hermitian) {
  check_matrices("pinv", a);
  check_tolerances("pinv", atol, rtol);
  if (hermitian && a.numel()) check_square("pinv", a);
  const Tensor p = unrecorded([&] { return pinv_values(a, atol, rtol, hermitian); });
  if (Recorder r{&a}; r)
    r.save(a).save_output().done("LinalgPinvBackward0", p, [](const Backward& b) {
      const Tensor a = b.saved(0), p = b.saved(1), gh = mH(b.grad()), ph = mH(p);
      const Tensor rows = matmul(matmul(gh, p), ph), cols = matmul(ph, matmul(p, gh));
      const Tensor out = rows - matmul(a, matmul(p, rows)) + cols - matmul(matmul(cols, p), a);
      b.give(0, out - matmul(ph, matmul(b.grad(), ph)));
    });
  return p;
}

/// A double as a tensor argument.
std::optional<Tensor> tolerance(const std::optional<double>& x) {
  if (!x) return std::nullopt;
  return wrapped_number(*x, DType::Float64);
}

/// The solution of least norm, the residuals where they are unique, the ranks, singular values.
Tensors lstsq(const Tensor& a, const Tensor& given, const std::optional<double>& rcond,
              const std::optional<std::string>& driver) {
  check_matrices("lstsq", a);
  const std::string how = driver.value_or("gelsy");
  if (how != "gels" && how != "gelsy" && how != "gelsd" && how != "gelss")
    fail_runtime("lstsq", "driver '", how, "'; expected gels, gelsy, gelsd or gelss");
  if (a.dtype() != given.dtype())
    fail_runtime("lstsq", "operands are ", name_of(a.dtype()), " and ", name_of(given.dtype()),
                 "; expected the same type, convert one");
  if (given.dim() > a.dim() || given.dim() < a.dim() - 1)
    fail_runtime("lstsq", "matrices of shape ", a.shape(), " and right-hand sides of ",
                 given.shape(), "; these have as many dimensions, or one less");
  const bool one = given.dim() == a.dim() - 1;
  const Tensor b = one ? unsqueeze(given, -1) : given;
  if (b.dim() < 2 || b.size(-2) != a.size(-2))
    fail_runtime("lstsq", "matrices of shape ", a.shape(), " and right-hand sides of ",
                 given.shape(), "; their rows must agree in number");
  const int64_t m = a.size(-2), n = a.size(-1);
  const Tensor x = matmul(pinv(a, std::nullopt, tolerance(rcond), false), b);
  const Tensor rank = how == "gels" ? empty({0}, DType::Int64)
                                    : matrix_rank(a, std::nullopt, tolerance(rcond), false);
  const Tensor s = how == "gelsd" || how == "gelss" ? svd_values(detached(a), 0)[1]
                                                    : empty({0}, real_of(a.dtype()));
  bool full = m > n && how != "gelsy";
  for (int64_t i = 0; i < rank.numel(); ++i) full = full && rank.data<int64_t>()[i] == n;
  // Without residuals an empty part of the solution, which is on the tape as they would be.
  Tensor residuals = real(slice(reshape(x, {-1}), 0, 0, 0, 1));
  if (full) {
    const Tensor miss = matmul(a, x) - b;
    residuals = sum(real(miss * conj(miss)), Dims{-2}, false, std::nullopt);
  }
  return {named("LinalgLstsqBackward0", one ? squeeze(x, Dims{-1}) : x), residuals, rank, s};
}

}  // namespace

void register_linalg_rank(Registry& r) {
  r.linalg("pinv", "input, *, atol=None, rtol=None, hermitian=False", pinv,
           "The pseudoinverse; singular values up to max(atol, rtol s_max) count as 0.");
  r.linalg(
      "pinv", "input, *, atol=None, rtol=None, hermitian=False",
      [](const Tensor& a, const std::optional<double>& atol, const std::optional<double>& rtol,
         bool hermitian) { return pinv(a, tolerance(atol), tolerance(rtol), hermitian); },
      "");
  r.linalg(
      "pinv", "input, rcond, hermitian=False",
      [](const Tensor& a, const Tensor& rcond, bool hermitian) {
        return pinv(a, std::nullopt, rcond, hermitian);
      },
      "");
  r.linalg(
      "pinv", "input, rcond, hermitian=False",
      [](const Tensor& a, double rcond, bool hermitian) {
        return pinv(a, std::nullopt, tolerance(rcond), hermitian);
      },
      "");
  r.both(
      "pinverse", "input, rcond=1e-15",
      [](const Tensor& a, double rcond) { return pinv(a, std::nullopt, tolerance(rcond), false); },
      "The pseudoinverse; singular values up to rcond s_max count as 0.");
  r.linalg("lstsq",
           "input, B, rcond=None, *, driver=None -> solution, residuals, rank, singular_values",
           lstsq,
           "X of least norm among those that minimise |A X - B|; what the driver reports beside.");
  r.linalg("matrix_rank", "input, *, atol=None, rtol=None, hermitian=False", matrix_rank,
           "How many singular values exceed max(atol, rtol s_max).");
  r.linalg(
      "matrix_rank", "input, *, atol=None, rtol=None, hermitian=False",
      [](const Tensor& a, const std::optional<double>& atol, const std::optional<double>& rtol,
         bool hermitian) { return matrix_rank(a, tolerance(atol), tolerance(rtol), hermitian); },
      "");
  r.linalg(
      "matrix_rank", "input, tol, hermitian=False",
      [](const Tensor& a, const Tensor& tol, bool hermitian) {
        return matrix_rank(a, tol, wrapped_number(0., DType::Float64), hermitian);
      },
      "");
  r.linalg(
      "matrix_rank", "input, tol, hermitian=False",
      [](const Tensor& a, double tol, bool hermitian) {
        return matrix_rank(a, tolerance(tol), tolerance(0.), hermitian);
      },
      "");
}

}  // namespace bx
