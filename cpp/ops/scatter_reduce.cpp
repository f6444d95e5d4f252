// scatter_reduce: the numbers that meet in a cell are summed, multiplied, averaged or compared.
#include <limits>

#include "ops/scatter.h"

namespace bx {

namespace {

/// What leaves a reduction as it is.
Tensor identity_of(const std::string& reduce, DType dtype) {
  if (reduce == "prod") return full_int({}, 1, dtype);
  if (reduce != "amax" && reduce != "amin") return full_int({}, 0, dtype);
  const bool largest = reduce == "amin";
  if (is_floating(dtype)) {
    const double inf = std::numeric_limits<double>::infinity();
    return full({}, largest ? inf : -inf, dtype);
  }
  return full_int({}, largest ? most_of(dtype) : least_of(dtype), dtype);
}

ScatterMode mode_of(const std::string& reduce) {
  if (reduce == "prod") return ScatterMode::Multiply;
  if (reduce == "amax") return ScatterMode::Max;
  if (reduce == "amin") return ScatterMode::Min;
  return ScatterMode::Add;
}

/// How many numbers meet in each cell, at least 1.
Tensor counts(const Tensor& self, int axis, const Tensor& index, bool include_self) {
  const DType dtype = real_of(self.dtype());
  const Tensor one = full_int({}, 1, dtype), start = full_int(self.shape(), include_self, dtype);
  return maximum(scatter_add(start, axis, index, expand(one, index.shape())), one);
}

/// The numbers that meet in one cell multiply: each one's slope is the product of the others.
struct ProductSlopes {
  Tensor self, src;

  ProductSlopes(const Tensor& x, int axis, const Tensor& index, const Tensor& src_values,
                bool include_self) {
    const Tensor x_zero = x == 0., src_zero = src_values == 0.;
    const Tensor start = include_self ? select(x_zero, 1., x) : full_int(x.shape(), 1, x.dtype());
    const Tensor product =
        scatter_reduce_as("scatter_reduce", "ScatterReduceBackward0", false, start, axis, index,
                          select(src_zero, 1., src_values), "prod", true);
    const Tensor own = include_self ? to(x_zero, x.dtype()) : zeros(x.shape(), x.dtype());
    const Tensor zero_count = scatter_add(own, axis, index, to(src_zero, x.dtype()));
    // The sum of the zeros is 0, but its slope is not: it carries the second derivative.
    const Tensor zero_start = include_self ? select(x_zero, x, 0.) : zeros(x.shape(), x.dtype());
    const Tensor zero_sum = scatter_add(zero_start, axis, index, select(src_zero, src_values, 0.));
    auto slope = [](const Tensor& v, const Tensor& v_zero, const Tensor& p, const Tensor& n,
                    const Tensor& zero_sum) {
      const Tensor others = p / select(v_zero, 1., v);
      return select(v_zero, select(n == 1., p, select(n == 2., p * (zero_sum - v), 0.)),
                    select(n == 0., others, select(n == 1., others * zero_sum, 0.)));
    };
    self = include_self ? slope(x, x_zero, product, zero_count, zero_sum)
                        : full_int(x.shape(), 1, x.dtype());
    src = slope(src_values, src_zero, gather(product, axis, index), gather(zero_count, axis, index),
                gather(zero_sum, axis, index));
  }
};

}  // namespace

Tensor scatter_reduce_as(const char* op, const char* node, bool inplace, const Tensor& self,
                         int axis, const Tensor& index, const Tensor& given,
                         const std::string& reduce, bool include_self) {
  const bool extreme = reduce == "amax" || reduce == "amin", mean = reduce == "mean";
  if (extreme && is_complex(self.dtype()))
    fail(ErrorKind::NotImplemented, op, reduce, " of ", name_of(self.dtype()),
         ", which has no order; take .real, .imag or .abs()");
  const Target target(op, self, inplace);
  const Tensor x = target.old_value(requires_grad(given));
  const Tensor src = target.apart(op, given), at = target.apart(op, index);
  const Tensor out = target.out();
  {
    GradMode off(false);
    if (!include_self)
      launch_scatter(op, out, axis, at, expand(identity_of(reduce, self.dtype()), at.shape()),
                     ScatterMode::Set);
    launch_scatter(op, out, axis, at, src, mode_of(reduce));
    if (mean) {
      const Tensor n = counts(out, axis, at, include_self);
      const Tensor mean_value =
          is_differentiable(out.dtype()) ? out / n : apply<formulas::FloorDivide>(out, n);
      launch(op, kernel(kernels::Id::Copy, out.dtype()), out, mean_value);
    }
  }
  Recorder r{&target.before(), &src};
  if (r) r.save(x).save(at).save(src);
  if (r && extreme) {
    GradMode off(false);
    r.save(inplace ? clone(out) : out);
  }
  return target.done(r, node, [=](const Backward& b) {
    const Tensor x = b.saved(0), index = b.saved(1), src = b.saved(2);
    Tensor self_part = b.grad(), src_part;
    if (extreme) {  // whoever has the extreme value shares the gradient
      const Tensor y = b.saved(3);
      Tensor own = to(detach(x) == y, x.dtype());
      if (!include_self)
        own = scatter(own, axis, index, expand(full_int({}, 0, x.dtype()), index.shape()));
      const Tensor hits = to(detach(src) == gather(y, axis, index), x.dtype());
      const Tensor share =
          b.grad() / maximum(scatter_add(own, axis, index, hits), full_int({}, 1, x.dtype()));
      self_part = own * share;
      src_part = hits * gather(share, axis, index);
    } else if (mode_of(reduce) == ScatterMode::Multiply) {
      const ProductSlopes slopes(x, axis, index, src, include_self);
      self_part = b.grad() * slopes.self;
      src_part = gather(b.grad(), axis, index) * slopes.src;
    } else {
      if (mean) self_part = b.grad() / counts(x, axis, index, include_self);
      src_part = gather(self_part, axis, index);
    }
    if (b.wants(0) && !include_self)
      self_part =
          scatter(self_part, axis, index, expand(full_int({}, 0, x.dtype()), index.shape()));
    if (b.wants(0)) b.give(0, self_part);
    if (b.wants(1)) b.give(1, src_part);
  });
}

}  // namespace bx
