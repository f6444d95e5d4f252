// The operations in C++, by family. Each family's file holds forward and derivative side by side
// and enters its operations into the registry, from which Python's functions are made.
#pragma once

#include <optional>
#include <span>

#include "autograd/node.h"
#include "core/random.h"
#include "ops/pointwise.h"
#include "ops/registry.h"

namespace bx {

using OptDims = std::optional<Dims>;
using OptDType = std::optional<DType>;
using OptFormat = std::optional<MemoryFormat>;

// dtype.cpp ----------------------------------------------------------------------------------
DType default_dtype();
void set_default_dtype(DType dtype);
/// PyTorch's promotion: tensors with dimensions first, then 0-d tensors, then Python numbers; a
/// later category counts only where it is of a higher kind (bool < integer < float < complex).
DType result_type(const Tensor* tensors, int count);

/// RuntimeError where b is of another type than a; an undefined one, or a Python number, fits.
void require_same_type(const char* op, const Tensor& a, const Tensor& b);
/// RuntimeError where a result of one type may not be written into a tensor of another.
void require_storable(const char* op, DType result, DType target);
/// NotImplementedError for bool.
void require_number_type(const char* op, const Tensor& t);
/// NotImplementedError for other than floating-point types.
void require_float(const char* op, DType dtype);
/// NotImplementedError for other than float32 and float64.
void require_wide_float(const char* op, DType dtype);
/// An error of that kind where a flag is False, now and whenever a recording is replayed.
void require_every(const char* op, const Tensor& flags, ErrorKind kind, const char* otherwise);
/// t converted; of complex numbers the real parts, and a warning; RuntimeError for a Python number
/// that has an imaginary part.
Tensor to(const Tensor& t, DType dtype, MemoryFormat format = MemoryFormat::Contiguous);
/// RuntimeError for a number that a type does not hold. What is negative wraps around in an
/// unsigned one.
void require_fits(const char* op, const Scalar& number, DType dtype);
/// A 0-d tensor in another type; RuntimeError for a Python number that it does not hold.
Tensor fitted(const char* op, const Tensor& value, DType dtype);
/// f(t). There are no sums and products of uint8: they are int32's, which wrap around alike.
template <class F>
Tensor in_int32(const Tensor& t, F f) {
  return t.dtype() == DType::UInt8 ? to(f(to(t, DType::Int32)), DType::UInt8) : f(t);
}
/// f(t); for a narrow type f computes in the wide one throughout, and is rounded once.
template <class F>
Tensor in_wide(const Tensor& t, F f) {
  return is_narrow(t.dtype()) ? to(f(to(t, wide_of(t.dtype()))), t.dtype()) : f(t);
}
/// Whether tensors of the type select by what is not zero: bool, and as in PyTorch's past uint8.
constexpr bool is_mask(DType dtype) { return dtype <= DType::UInt8; }
/// A mask as bool, with a warning for uint8.
Tensor as_bool_mask(const char* op, const Tensor& mask);

// complex.cpp --------------------------------------------------------------------------------
/// The same memory as pairs of reals in a new last dimension, and back; both are views.
Tensor view_as_real(const Tensor& t);
Tensor view_as_complex(const Tensor& t);
/// The real numbers that a tensor is made of: of complex ones the pairs, a view; else itself.
Tensor in_reals(const Tensor& t);
/// A tensor of pairs in any layout as complex numbers: a view where it can be one.
Tensor joined(const Tensor& pairs);
/// The real and the imaginary part, views; the real part of a real tensor is itself.
Tensor real(const Tensor& t);
Tensor imag(const Tensor& t);
/// The conjugate, a copy; a real tensor is its own.
Tensor conj(const Tensor& t);
/// What rows that are not holomorphic (abs, angle, ...) make of complex numbers; undefined for the
/// others.
Tensor of_complex(const PointwiseOp& op, const Tensor& t);

// pointwise_registry.cpp ---------------------------------------------------------------------
Tensor scaled(const Tensor& t, const Scalar& alpha);
/// a - alpha b, as sub: of no bool tensors.
Tensor subtract(const Tensor& a, const Tensor& b, const Scalar& alpha);
Tensor power(const Tensor& base, const Tensor& exponent);
Tensor power_inplace(const Tensor& base, const Tensor& exponent);
Tensor clamp(const Tensor& t, const std::optional<Operand>& low,
             const std::optional<Operand>& high);

// creation.cpp -------------------------------------------------------------------------------
Tensor full(const Dims& shape, double value, DType dtype);
Tensor full_int(const Dims& shape, int64_t value, DType dtype);
inline Tensor zeros(const Dims& shape, DType dtype) { return full_int(shape, 0, dtype); }
/// The number as a 0-d tensor of a type; RuntimeError for a complex one in a real type.
Tensor number_as(const Scalar& number, DType dtype);
/// A number, or a 0-d tensor as one; RuntimeError for more dimensions.
Scalar number_of(const char* op, const Operand& operand);
/// Evenly spaced numbers, both ends included; `logspace`'s exponents.
Tensor linspace(const Operand& first, const Operand& last, int64_t steps, OptDType dtype);
Tensor arange_int(int64_t start, int64_t end, int64_t step);

// copy.cpp -----------------------------------------------------------------------------------
/// A row-major copy, or one in a format, recorded.
Tensor clone(const Tensor& t, MemoryFormat format = MemoryFormat::Contiguous);
/// clone, with memory of its own only when it or the original is written, where that can be seen.
Tensor lazy_clone(const Tensor& t);
/// t itself where it is row-major, or lies in a format, else a copy.
Tensor contiguous(const Tensor& t, MemoryFormat format = MemoryFormat::Contiguous);
/// A dense tensor's layout is kept by its copies; of one with gaps they are row-major.
Tensor empty_for_copy(const char* op, const Tensor& t, DType dtype, MemoryFormat format);
/// t without its graph; shares memory and version.
Tensor detach(const Tensor& t);
/// Writes source, broadcast and converted, into self.
Tensor copy_(const Tensor& self, const Tensor& source, const char* node = "CopyBackwards");
/// self, or a recorded copy where a derivative may still need the values that a write destroys.
/// `beside`: that of another operand.
Tensor unwritten(const Tensor& self, bool beside = false);
Tensor fill_(const Tensor& self, const Tensor& value);
Tensor zero_(const Tensor& self);

// memory.cpp ---------------------------------------------------------------------------------
/// New sizes over the same memory; where that is too small, over a longer copy of it.
Tensor resize_(const char* op, const Tensor& self, const Dims& size);

// shape.cpp: views ---------------------------------------------------------------------------
Tensor reshape(const Tensor& t, const Dims& shape);
Tensor view(const Tensor& t, const Dims& shape);
Tensor permute(const Tensor& t, const Dims& axes);
Tensor transpose(const Tensor& t, int64_t axis0, int64_t axis1);
Tensor expand(const Tensor& t, const Dims& shape);
Tensor squeeze(const Tensor& t, const OptDims& axes);
Tensor unsqueeze(const Tensor& t, int64_t axis);
Tensor movedim(const Tensor& t, const Dims& source, const Dims& destination);
Tensor flatten(const Tensor& t, int64_t start, int64_t end);
/// The dimensions in the order of memory: permuted so, a dense tensor is row-major.
inline Dims memory_order(const Tensor& t) { return memory_order(t.strides()); }
/// The permutation that undoes another.
Dims inverse_order(const Dims& order);
/// Uninitialised, of t's shape, its dimensions in memory in the order of t's, or of a format.
Tensor empty_like(const Tensor& t, DType dtype, MemoryFormat format = MemoryFormat::Preserve);
/// The same of what was asked for.
Tensor like(const Tensor& t, OptFormat format, OptDType dtype);
/// A new tensor that was filled in place: the writes count for no version.
inline Tensor filled(Tensor t) {
  t->storage->begin_versions();
  return t;
}
/// Uninitialised, in a format that is not Preserve; RuntimeError where that is for another shape.
Tensor empty_in(const char* op, const Dims& shape, DType dtype, MemoryFormat format);
/// Uninitialised, for the elementwise result of operands: it lies in memory as they do, since draws
/// such as dropout's follow the memory.
Tensor empty_for(std::span<const Tensor> operands, const Dims& shape, DType dtype);
/// The transpose of the last two dimensions.
inline Tensor mT(const Tensor& t) { return transpose(t, -2, -1); }
/// Its conjugate.
inline Tensor mH(const Tensor& t) { return conj(mT(t)); }

// slicing.cpp: strided parts -----------------------------------------------------------------
/// A part of a tensor as a walk over its row-major elements.
struct Part {
  Dims shape, strides;
  int64_t offset = 0;
};
Tensor select_axis(const Tensor& t, int64_t axis, int64_t index);
Tensor slice(const Tensor& t, int64_t axis, int64_t start, int64_t end, int64_t step);
Tensor diagonal(const Tensor& t, int64_t offset, int64_t axis0, int64_t axis1);
/// The part of a row-major tensor, as a view; its gradient is embed.
Tensor extract(const char* node, const Tensor& t, const Part& part);
/// Zeros of `shape` with the part replaced by t.
Tensor embed(const Tensor& t, const Dims& shape, const Part& part);
/// base with the part replaced by t, out of place.
Tensor replace_part(const Tensor& base, const Tensor& t, const Part& part);

// reduction.cpp ------------------------------------------------------------------------------
Tensor sum(const Tensor& t, const OptDims& axes, bool keepdim, OptDType dtype);
inline Tensor sum(const Tensor& t) { return sum(t, std::nullopt, false, std::nullopt); }
Tensor mean(const Tensor& t, const OptDims& axes, bool keepdim, OptDType dtype);
Tensor var(const Tensor& t, const OptDims& axes, double correction, bool keepdim);
Tensor std_deviation(const Tensor& t, const OptDims& axes, double correction, bool keepdim);
/// Undoes broadcasting: sums t down to `shape`.
Tensor sum_to_size(const Tensor& t, const Dims& shape);

// statistics.cpp -----------------------------------------------------------------------------
/// log(e^a + e^b) without overflow.
Tensor logaddexp(const Tensor& a, const Tensor& b);

// scan.cpp -----------------------------------------------------------------------------------
/// Sums of the elements up to each, or from each on where `reverse`.
Tensor cumsum(const Tensor& t, int64_t axis, bool reverse = false);
Tensor cumprod(const Tensor& t, int64_t axis, bool reverse = false);

// matmul.cpp ---------------------------------------------------------------------------------
Tensor mm(const Tensor& a, const Tensor& b);
Tensor matmul(const Tensor& a, const Tensor& b);
/// x w^T + bias;  x (..., in), w (out, in), bias (out).
Tensor linear(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias);

// linalg_norms.cpp ---------------------------------------------------------------------------
/// (sum |x|^p)^(1/p); p = inf, -inf and 0 are the largest, the smallest and the count.
Tensor norm(const char* op, const Tensor& t, double p, const OptDims& axes, bool keepdim);

// joining.cpp --------------------------------------------------------------------------------
Tensor cat(const Tensors& tensors, int64_t axis);
Tensor stack(const Tensors& tensors, int64_t axis);
Tensors unbind(const Tensor& t, int64_t axis);

// indexing.cpp -------------------------------------------------------------------------------
/// t[indices[0], indices[1], ...] with integer or bool tensors; undefined entries stand for ":".
Tensor index(const Tensor& t, const Tensors& indices);
Tensor index_put_(const Tensor& self, const Tensors& indices, const Tensor& value, bool accumulate);
/// RuntimeError where values that are written have another type.
void require_same_dtype(const char* op, const Tensor& t, const Tensor& values);
Tensor nonzero(const Tensor& t);

// dropout.cpp --------------------------------------------------------------------------------
Tensor dropout(const Tensor& t, double p, bool training);

// scatter.cpp --------------------------------------------------------------------------------
enum class ScatterMode { Set, Add, Multiply, Max, Min };
/// t[..., index[..., k, ...], ...] along an axis; index is int64 or int32, every entry in range.
Tensor gather(const Tensor& t, int64_t axis, const Tensor& index);
/// base with src written (or added, ...) at index along an axis.
Tensor scatter(const Tensor& base, int64_t axis, const Tensor& index, const Tensor& src,
               ScatterMode mode = ScatterMode::Set);
inline Tensor scatter_add(const Tensor& base, int64_t axis, const Tensor& index,
                          const Tensor& src) {
  return scatter(base, axis, index, src, ScatterMode::Add);
}
// sorting.cpp --------------------------------------------------------------------------------
/// (values, indices) along an axis, stable; NaN is the largest value.
std::pair<Tensor, Tensor> sort(const Tensor& t, int64_t axis, bool descending);

// softmax.cpp --------------------------------------------------------------------------------
Tensor softmax(const Tensor& t, int64_t axis, OptDType dtype);
Tensor log_softmax(const Tensor& t, int64_t axis, OptDType dtype);

}  // namespace bx
