// Matrix products. d(a @ b): da = g @ b^T, db = a^T @ g.
#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

/// The kernel reads matrices that are dense along rows or along columns; others are copied.
class Dense {
 public:
  explicit Dense(const Tensor& t) : given_(t) {
    const int64_t rows = t.size(-2), cols = t.size(-1);
    const int64_t row_stride = t.strides()[t.dim() - 2], col_stride = t.strides()[t.dim() - 1];
    const bool by_rows = (col_stride == 1 || cols == 1) && (row_stride >= cols || rows == 1);
    const bool by_cols = (row_stride == 1 || rows == 1) && (col_stride >= rows || cols == 1);
    if (!by_rows && !by_cols) copy_ = clone(t);
  }
  const Tensor& tensor() const { return copy_.defined() ? copy_ : given_; }

 private:
  const Tensor& given_;
  Tensor copy_;
};

Tensor product(const char* op, const Tensor& a, const Tensor& b, const Tensor* bias);

/// A complex product [.., M, K] @ [.., K, N] as one real one, [.., M, K 2] @ [.., K 2, N 2]: b's
/// row k becomes the two rows of b and i b, which a's real and imaginary parts scale. Returns
/// pairs.
Tensor complex_product(const char* op, const Tensor& a, const Tensor& b) {
  const auto flat = [](const Tensor& t, Dims shape, int64_t times) {
    shape[shape.size() - 1] *= 2;
    shape[shape.size() - 2] *= times;
    return reshape(t, shape);
  };
  const Tensor turned = b * wrapped_number(Complex<double>(0, 1), b.dtype());
  const Tensor rows = view_as_real(stack({b, turned}, b.dim() - 1));
  const Tensor out =
      product(op, flat(view_as_real(a), a.shape(), 1), flat(rows, b.shape(), 2), nullptr);
  Dims shape = out.shape();
  shape[shape.size() - 1] = b.size(-1);
  shape.push_back(2);
  return reshape(out, shape);
}

/// [M, K] @ [K, N] (+ bias [N]), or batches of them, not recorded.
Tensor product(const char* op, const Tensor& a, const Tensor& b, const Tensor* bias) {
  if (a.dtype() != b.dtype() || (bias && bias->dtype() != a.dtype()))
    fail(a.dtype() == DType::Bool ? ErrorKind::NotImplemented : ErrorKind::Runtime, op,
         "operands are ", name_of(a.dtype()), " and ", name_of(b.dtype()),
         bias ? str(" with a bias of ", name_of(bias->dtype())) : std::string(),
         "; expected the same type, convert one, e.g. with .to(a.dtype)");
  if (a.dtype() == DType::UInt8) {  // int32's products wrap around alike
    const Tensor wide = bias ? to(*bias, DType::Int32) : Tensor();
    return to(product(op, to(a, DType::Int32), to(b, DType::Int32), bias ? &wide : nullptr),
              DType::UInt8);
  }
  GradMode off(false);
  if (is_complex(a.dtype())) {
    const Tensor out = joined(complex_product(op, a, b));
    return bias ? out + *bias : out;
  }
  const Dense x(a), y(b);
  Dims shape = a.shape();
  shape[shape.size() - 1] = b.size(-1);
  Tensor out = empty(shape, a.dtype());
  Operands inputs{&x.tensor(), &y.tensor()};
  const Tensor flat_bias = bias ? contiguous(*bias) : Tensor();
  if (bias) inputs.add(flat_bias);
  Params params;
  params.i[0] = bias != nullptr;
  launch(op, kernel(Id::Matmul, a.dtype()), out, inputs, params);
  return out;
}

void check_inner(const char* op, const Tensor& a, const Tensor& b) {
  if (a.size(-1) != b.size(b.dim() > 1 ? -2 : -1))
    fail_runtime(op, a.shape(), " @ ", b.shape(), ": inner dimensions ", a.size(-1), " and ",
                 b.size(b.dim() > 1 ? -2 : -1), " differ; transpose one operand?");
}

void check_dim(const char* op, const Tensor& t, int dim) {
  if (t.dim() != dim)
    fail_runtime(op, "expected a ", dim, "-d tensor, got shape ", t.shape(),
                 "; use matmul for other dimensions");
}

Tensor bmm(const Tensor& a, const Tensor& b) {
  check_dim("bmm", a, 3);
  check_dim("bmm", b, 3);
  if (a.size(0) != b.size(0))
    fail_runtime("bmm", a.shape(), " @ ", b.shape(), ": batches of ", a.size(0), " and ", b.size(0),
                 "; make them equal, or use matmul, which broadcasts");
  check_inner("bmm", a, b);
  Tensor out = product("bmm", a, b, nullptr);
  if (Recorder r{&a, &b}; r)
    r.save_if(r.needs(1), a)
        .save_if(r.needs(0), b)
        .done("BmmBackward0", out, [](const Backward& x) {
          if (x.wants(0)) x.give(0, bmm(x.grad(), mH(x.saved(1))));
          if (x.wants(1)) x.give(1, bmm(mH(x.saved(0)), x.grad()));
        });
  return out;
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_dim("dot", a, 1);
  check_dim("dot", b, 1);
  check_inner("dot", a, b);
  Tensor out = [&] {
    GradMode off(false);
    return reshape(product("dot", unsqueeze(a, 0), unsqueeze(b, 1), nullptr), {});
  }();
  if (Recorder r{&a, &b}; r)
    r.save_if(r.needs(1), a)
        .save_if(r.needs(0), b)
        .done("DotBackward0", out, [](const Backward& x) {
          if (x.wants(0)) x.give(0, x.grad() * conj(x.saved(1)));
          if (x.wants(1)) x.give(1, x.grad() * conj(x.saved(0)));
        });
  return out;
}

Tensor mv(const Tensor& a, const Tensor& v) {
  if (a.dim() == 0) fail_index("mv", "a 0-d tensor is no matrix; pass two dimensions");
  check_dim("mv", a, 2);
  check_dim("mv", v, 1);
  check_inner("mv", a, v);
  Tensor out = [&] {
    GradMode off(false);
    return reshape(product("mv", a, unsqueeze(v, 1), nullptr), {a.size(0)});
  }();
  if (Recorder r{&a, &v}; r)
    r.save_if(r.needs(1), a).save_if(r.needs(0), v).done("MvBackward0", out, [](const Backward& x) {
      if (x.wants(0)) x.give(0, unsqueeze(x.grad(), 1) * unsqueeze(conj(x.saved(1)), 0));
      if (x.wants(1)) x.give(1, mv(mH(x.saved(0)), x.grad()));
    });
  return out;
}

/// x [M, K] @ w [N, K]^T (+ b [N]).
Tensor linear_matrix(const Tensor& x, const Tensor& w, const Tensor* bias) {
  const Tensor turned =
      alias(w, {w.size(1), w.size(0)}, {w.strides()[1], w.strides()[0]}, w->offset);
  Tensor out = product("linear", x, turned, bias);
  // The bias comes first, as among PyTorch's next_functions.
  const int at = bias ? 1 : 0;
  if (Recorder r = bias ? Recorder{bias, &x, &w} : Recorder{&x, &w}; r)
    r.save_if(r.needs(at + 1), x)
        .save_if(r.needs(at), w)
        .done(bias ? "AddmmBackward0" : "MmBackward0", out, [at](const Backward& b) {
          const Tensor& g = b.grad();
          if (at && b.wants(0)) b.give(0, sum(g, Dims{0}, false, std::nullopt));
          if (b.wants(at)) b.give(at, mm(g, conj(b.saved(1))));
          if (b.wants(at + 1)) b.give(at + 1, mm(mT(g), conj(b.saved(0))));
        });
  return out;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias) {
  if (w.dim() == 1 && !bias) return matmul(x, w);
  if (w.dim() != 2)
    fail_runtime("linear", "weight has shape ", w.shape(),
                 "; expected (out_features, in_features)");
  if (x.dim() == 0 || x.size(-1) != w.size(1))
    fail_runtime("linear", "input of shape ", x.shape(), " against weight of shape ", w.shape(),
                 ": the last dimension of the input must be in_features, ", w.size(1),
                 "; reshape the input");
  if (bias && bias->dim() > 1 && bias->size(-1) == w.size(0) && bias->numel() == w.size(0))
    return linear(x, w, reshape(*bias, {-1}));  // (1, out_features)
  if (bias && !(bias->shape() == Dims{w.size(0)})) {
    const Tensor y = linear(x, w, std::nullopt);  // PyTorch takes what broadcasts to the result
    require_same_type("linear", y, *bias);
    const int64_t last = bias->dim() ? bias->size(-1) : 1;
    if (bias->dim() <= y.dim() && (last == 1 || last == w.size(0)))
      if (const Tensor out = y + *bias; out.shape() == y.shape()) return out;
    fail_runtime("linear", "bias has shape ", bias->shape(), "; expected ", Dims{w.size(0)});
  }
  const Tensor* b = bias ? &*bias : nullptr;
  if (x.dim() == 2) return linear_matrix(x, w, b);
  Dims shape = x.shape();
  shape[x.dim() - 1] = w.size(0);
  const int64_t rows =
      x.size(-1) ? x.numel() / x.size(-1) : shape.product() / std::max<int64_t>(1, w.size(0));
  const Tensor y = view(linear_matrix(reshape(x, {rows, x.size(-1)}), w, b), shape);
  return b ? y : unsafe_view("UnsafeViewBackward0", y);
}

Tensor mm(const Tensor& a, const Tensor& b) {
  check_dim("mm", a, 2);
  check_dim("mm", b, 2);
  check_inner("mm", a, b);
  Tensor out = product("mm", a, b, nullptr);
  if (Recorder r{&a, &b}; r)
    r.save_if(r.needs(1), a).save_if(r.needs(0), b).done("MmBackward0", out, [](const Backward& x) {
      if (x.wants(0)) x.give(0, mm(x.grad(), mH(x.saved(1))));
      if (x.wants(1)) x.give(1, mm(mH(x.saved(0)), x.grad()));
    });
  return out;
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  if (a.dim() == 0 || b.dim() == 0)
    fail_runtime("matmul", a.shape(), " @ ", b.shape(),
                 ": both operands need at least one dimension; use * for numbers");
  check_inner("matmul", a, b);
  if (a.dim() == 1 && b.dim() == 1) return dot(a, b);
  if (a.dim() == 2 && b.dim() == 1) return mv(a, b);
  if (a.dim() == 1 && b.dim() == 2)
    return unsafe_view("SqueezeBackward4", squeeze(mm(unsqueeze(a, 0), b), Dims{0}));
  if (a.dim() == 2 && b.dim() == 2) return mm(a, b);
  if (b.dim() <= 2) {
    // The batch of a is folded into its rows.
    Dims shape = a.shape();
    shape.resize(a.dim() - 1);
    const int64_t rows = shape.product();
    const Tensor flat = reshape(a, {rows, a.size(-1)});
    if (b.dim() == 1) return unsafe_view("UnsafeViewBackward0", reshape(mv(flat, b), shape));
    shape.push_back(b.size(1));
    return unsafe_view("UnsafeViewBackward0", reshape(mm(flat, b), shape));
  }
  if (a.dim() == 1) return squeeze(matmul(unsqueeze(a, 0), b), Dims{-2});
  Dims batch_a = a.shape(), batch_b = b.shape();
  batch_a.resize(a.dim() - 2);
  batch_b.resize(b.dim() - 2);
  const Dims batch = broadcast_shapes("matmul", batch_a, batch_b);
  auto folded = [&](const Tensor& t) {
    Dims shape = batch;
    shape.push_back(t.size(-2));
    shape.push_back(t.size(-1));
    const Tensor full = t.shape() == shape ? t : expand(t, shape);
    return full.dim() == 3 ? full : reshape(full, {batch.product(), t.size(-2), t.size(-1)});
  };
  const Tensor out = bmm(folded(a), folded(b));
  Dims shape = batch;
  shape.push_back(a.size(-2));
  shape.push_back(b.size(-1));
  return unsafe_view("UnsafeViewBackward0", view(out, shape));
}

void register_matmul(Registry& r) {
  r.both("matmul", "input, other", matmul,
         "Matrix product; 1-d operands are vectors, more dimensions are batches that broadcast.");
  r.both("mm", "input, mat2", mm, "Product of two matrices.");
  r.both("bmm", "input, mat2", bmm, "Products of two batches of matrices.");
  r.both("mv", "input, vec", mv, "Matrix times vector.");
  r.both("dot", "input, tensor", dot, "Inner product of two vectors.");
  r.both(
      "outer", "input, vec2",
      [](const Tensor& a, const Tensor& b) {
        check_dim("outer", a, 1);
        check_dim("outer", b, 1);
        return unsqueeze(a, 1) * unsqueeze(b, 0);
      },
      "Outer product of two vectors.");
  r.nn("linear", "input, weight, bias=None", linear,
       "y = input @ weight^T + bias;  input (..., in), weight (out, in), bias (out).");
}

}  // namespace bx
