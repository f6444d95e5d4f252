// Attention: softmax(q k^T scale + mask) v. [Vaswani et al. 2017]
#include <cmath>
#include <limits>

#include "ops/reduction.h"

namespace bx {

namespace {

using OptTensor = std::optional<Tensor>;

/// True on and below the diagonal.
Tensor causal_mask(int64_t rows, int64_t cols) {
  return unsqueeze(arange_int(0, rows, 1), 1) >= arange_int(0, cols, 1);
}

/// Softmax over the last dimension; 0 where everything is masked, not nan.
Tensor masked_softmax(const Tensor& scores) {
  Tensor dead;
  {
    GradMode off(false);
    dead = extreme("softmax", "", kernels::Id::Max, scores, Dims{-1}, true) ==
           -std::numeric_limits<double>::infinity();
    // A recorded step may meet another mask.
    if (!observer && item_int(sum(dead)) == 0) dead = Tensor();
  }
  if (!dead.defined()) return softmax(scores, -1, std::nullopt);
  return select(dead, 0., softmax(select(dead, 0., scores), -1, std::nullopt));
}

/// k and v of fewer heads (dimension -3), each repeated for a group of q's.
Tensor repeat_heads(const Tensor& t, int64_t heads) {
  const int64_t own = t.size(-3);
  if (own == heads) return t;
  if (own == 0 || heads % own)
    fail_runtime("scaled_dot_product_attention", heads, " heads of query against ", own,
                 " of key or value; with enable_gqa the first must be a multiple of the second");
  Dims wide = t.shape(), flat = t.shape();
  wide.insert(t.dim() - 2, heads / own);
  flat[t.dim() - 3] = heads;
  return reshape(expand(unsqueeze(t, -3), wide), flat);
}

Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, const OptTensor& mask,
                 double p, bool is_causal, std::optional<double> scale, bool enable_gqa) {
  const char* op = "scaled_dot_product_attention";
  if (query.dim() < 2 || key.dim() < 2 || value.dim() < 2)
    fail_runtime(op, "query, key and value have shapes ", query.shape(), ", ", key.shape(), " and ",
                 value.shape(), "; expected (..., length, features)");
  if (query.dtype() != key.dtype() || query.dtype() != value.dtype())
    fail_runtime(op, "query, key and value are ", name_of(query.dtype()), ", ",
                 name_of(key.dtype()), " and ", name_of(value.dtype()),
                 "; expected the same type, convert one");
  const bool fused = query.dim() == 4 && p == 0 && !(mask && requires_grad(*mask));
  // As in PyTorch, whose fused kernel alone takes both.
  if (mask && is_causal && !fused)
    fail_runtime(
        op, "a mask of shape ", mask->shape(),
        " beside is_causal=True; Explicit attn_mask should not be set when is_causal=True");
  if (mask && mask->dtype() != DType::Bool && mask->dtype() != query.dtype() &&
      mask->dtype() != DType::Float32)
    fail_runtime(op, "attn_mask is ", name_of(mask->dtype()), ", query ", name_of(query.dtype()),
                 "; expected bool or the same type");
  if (mask && mask->dim() < 2 && query.dim() == 4 && p == 0)
    fail_index(op, "attn_mask has shape ", mask->shape(), "; expected (..., L, S)");
  if (is_narrow(query.dtype())) {
    const auto wide = [](const Tensor& t) { return to(t, wide_of(t.dtype())); };
    const OptTensor wide_mask = mask ? OptTensor(wide(*mask)) : mask;
    return to(
        attention(wide(query), wide(key), wide(value), wide_mask, p, is_causal, scale, enable_gqa),
        query.dtype());
  }
  const Tensor k = enable_gqa ? repeat_heads(key, query.size(-3)) : key;
  const Tensor v = enable_gqa ? repeat_heads(value, query.size(-3)) : value;
  const double factor =
      scale.value_or(1. / std::sqrt(static_cast<double>(std::max<int64_t>(1, query.size(-1)))));
  Tensor scores = matmul(query * factor, mT(k));
  constexpr double hidden = -std::numeric_limits<double>::infinity();
  if (is_causal) scores = select(causal_mask(query.size(-2), k.size(-2)), scores, hidden);
  if (mask) {
    scores = mask->dtype() == DType::Bool ? select(*mask, scores, hidden)
                                          : scores + to(*mask, scores.dtype());
  }
  const Tensor weights =
      mask && scores.numel() ? masked_softmax(scores) : softmax(scores, -1, std::nullopt);
  const Tensor out = matmul(dropout(weights, p, true), v);
  return fused ? named("ScaledDotProductFlashAttentionForCpuBackward0", out) : out;
}

}  // namespace

void register_attention(Registry& r) {
  r.nn("scaled_dot_product_attention",
       "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, "
       "enable_gqa=False",
       attention,
       "softmax(query key^T scale + attn_mask) value;  query (..., L, E), key (..., S, E), value "
       "(..., S, V), scale 1 / sqrt(E). A bool mask is False where nothing is to be seen.");
}

}  // namespace bx
