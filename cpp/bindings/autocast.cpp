#include "bindings/autocast.h"

#include <algorithm>
#include <string_view>

#include "ops/ops.h"

namespace bx {

namespace {

// clang-format off: a name a line would fill three screens
// PyTorch's lists for the CPU. Source:
// https://docs.pytorch.org/docs/stable/amp.html#cpu-op-specific-behavior
constexpr std::string_view kProducts[] = {
    "addbmm", "addmm", "baddbmm", "bmm", "chain_matmul", "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "einsum", "inner", "linear",
    "lstm", "matmul", "matrix_power", "mm", "multi_dot", "prelu", "rnn_relu", "rnn_relu_cell",
    "rnn_tanh", "rnn_tanh_cell", "scaled_dot_product_attention", "tensordot", "vecdot"};
constexpr std::string_view kPrecise[] = {
    "adaptive_avg_pool3d", "avg_pool3d", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "cdist", "cholesky", "cholesky_inverse",
    "cholesky_solve", "cond", "cosine_embedding_loss", "cross_entropy", "ctc_loss", "eig",
    "eigh", "eigvals", "eigvalsh", "geqrf", "grid_sample", "hinge_embedding_loss",
    "householder_product", "huber_loss", "inv", "inverse", "kl_div", "l1_loss", "lstsq", "lu",
    "lu_solve", "margin_ranking_loss", "matrix_rank", "mse_loss", "multi_margin_loss",
    "multilabel_margin_loss", "nanquantile", "nll_loss", "orgqr", "ormqr", "pinverse",
    "poisson_nll_loss", "polar", "prod", "qr", "quantile", "smooth_l1_loss", "soft_margin_loss",
    "solve", "stft", "svd", "svdvals", "tensorinv", "tensorsolve", "trace",
    "triplet_margin_loss", "view_as_complex"};
// clang-format on

Tensor cast(const Tensor& t, DType type) {
  const bool takes_part = t.defined() && is_floating(t.dtype()) && t.dtype() != DType::Float64;
  return takes_part && !t->is_wrapped_number ? to(t, type) : t;
}

template <size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::find(names, names + N, name) != names + N;
}

}  // namespace

Tensor lowered(const Tensor& t) { return cast(t, autocast_type); }

void autocast(const Operation& operation, Arguments& arguments) {
  const bool is_precise = operation.place == Place::Fft || is_one_of(kPrecise, operation.name);
  if (!is_precise && !is_one_of(kProducts, operation.name)) return;
  const DType type = is_precise ? DType::Float32 : autocast_type;
  for (Value& value : arguments.values) {
    if (auto* t = std::get_if<Tensor>(&value)) *t = cast(*t, type);
    if (auto* list = std::get_if<Tensors>(&value))
      for (Tensor& t : *list) t = cast(t, type);
  }
}

void bind_autocast(py::module_& m) {
  m.def(
      "_get_autocast", [] { return autocast_type; },
      "The type of products in this thread; float32 outside of a block.");
  m.def(
      "_set_autocast", [](DType type) { return std::exchange(autocast_type, type); },
      "The type of products in this thread from now on; float32 ends it. Returns the one before.");
}

}  // namespace bx
