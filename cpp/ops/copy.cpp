// Copies: out of place, in place, and layouts.
#include <algorithm>

#include "ops/ops.h"

namespace bx {

using kernels::Id;

Tensor empty_for_copy(const char* op, const Tensor& t, DType dtype, MemoryFormat format) {
  return format == MemoryFormat::Preserve ? empty_like(t, dtype)
                                          : empty_in(op, t.shape(), dtype, format);
}

Tensor clone(const Tensor& t, MemoryFormat format) {
  Tensor out = empty_for_copy("clone", t, t.dtype(), format);
  launch("clone", kernel(Id::Copy, t.dtype()), out, t);
  if (Recorder r{&t}; r)
    r.done("CloneBackward0", out, [](const Backward& b) { b.give(0, b.grad()); });
  return out;
}

Tensor lazy_clone(const Tensor& t) {
  const bool records = launch_listener || (grad_enabled() && requires_grad(t));
  if (records || !t.is_contiguous()) return clone(t);
  const int64_t unit = size_of(t.dtype());
  auto storage = t->storage->lazy_copy(t->offset * unit, t.numel() * unit);
  if (!storage) return clone(t);
  return Tensor(
      make<TensorImpl>(std::move(storage), 0, t.shape(), contiguous_strides(t.shape()), t.dtype()));
}

Tensor contiguous(const Tensor& t, MemoryFormat format) {
  if (lies_in(t, format)) return t;
  if (format == MemoryFormat::Preserve)
    fail_runtime("contiguous", "preserve_format of strides ", t.strides(),
                 ", which have gaps or another order; name a format");
  return clone(t, format);
}

Tensor detach(const Tensor& t) {
  Tensor out = detached(t);
  if (t->storage->is_inference()) out->storage = make<Storage>(t->storage);  // it may be written
  return out;
}

namespace {

/// in-place ops that forget what they overwrite give their target no gradient.
Tensor write(const char* op, const char* node, const Tensor& self, const Tensor& source) {
  check_inplace(op, self);
  const Dims shape = broadcast_shapes(op, self.shape(), source.shape());
  if (!(shape == self.shape()))
    fail_runtime(op, "a source of shape ", source.shape(), " does not broadcast to the shape ",
                 self.shape(), " of the tensor written to; reshape or index it");
  if (self.same_as(source)) return self;
  if (source->is_wrapped_number && !(source.dtype() == self.dtype()))
    require_fits(op, number_of(op, {source}), self.dtype());
  Tensor from = detached(source);
  if (is_complex(source.dtype()) && !is_complex(self.dtype())) {
    GradMode off(false);
    from = to(source, self.dtype());
  }
  if (source->storage->root() == self->storage->root()) {
    GradMode off(false);
    from = clone(source);
  }
  from = alias(from, self.shape(), broadcast_strides(from.shape(), from.strides(), self.shape()),
               from->offset);
  const bool record = is_differentiable(self.dtype()) && grad_enabled() &&
                      (requires_grad(self) || requires_grad(source));
  Tensor old = self;
  if (record) {
    old = detached(self);
    old->grad_fn = grad_fn(self);
    old->output_nr = self->output_nr;
  }
  launch(op, kernel(Id::Copy, self.dtype()), self, from);
  self->storage->bump_version();
  if (record) {
    Recorder r{&old, &source};
    r.done_inplace(node, self, [shape = source.shape(), dtype = source.dtype()](const Backward& b) {
      if (b.wants(0)) b.give(0, zeros(b.grad().shape(), b.grad().dtype()));
      if (b.wants(1)) b.give(1, to(sum_to_size(b.grad(), shape), dtype));
    });
  }
  return self;
}

}  // namespace

Tensor copy_(const Tensor& self, const Tensor& source, const char* node) {
  if (source.dim() > 0) require_apart("copy_", self, source);
  return write("copy_", node, self, source);
}

Tensor unwritten(const Tensor& self, bool beside) {
  return grad_enabled() && (beside || requires_grad(self)) ? clone(self) : self;
}

namespace {

/// An expanded tensor with each element of its memory once, where one number may be written.
Tensor unexpanded(const Tensor& t) {
  int d = 0;
  while (d < t.dim() && !(t.strides()[d] == 0 && t.shape()[d] > 1)) ++d;
  if (d == t.dim() || (grad_enabled() && requires_grad(t))) return t;
  Dims shape = t.shape();
  for (; d < t.dim(); ++d)
    if (t.strides()[d] == 0) shape[d] = std::min<int64_t>(shape[d], 1);
  return alias(t, shape, t.strides(), t->offset);
}

}  // namespace

Tensor fill_(const Tensor& self, const Tensor& value) {
  if (value.dim() != 0)
    fail_runtime("fill_", "the value has shape ", value.shape(),
                 "; fill_ takes one number or a 0-d tensor; use copy_");
  if (!value->is_wrapped_number) return write("fill_", "FillBackward3", self, value);
  write("fill_", "FillBackward2", unexpanded(self), value);
  return self;
}

Tensor zero_(const Tensor& self) {
  if (!grad_enabled() || !requires_grad(self)) {
    const Tensor out = unexpanded(self);
    check_inplace("zero_", out);
    launch("zero_", kernel(Id::Fill, self.dtype()), out, {});
    self->storage->bump_version();
    return self;
  }
  return write("zero_", "ZeroBackward0", self, wrapped_number(0., self.dtype()));
}

void register_copy(Registry& r) {
  r.both(
      "clone", "input, *, memory_format=None",
      [](const Tensor& t, OptFormat f) { return clone(t, f.value_or(MemoryFormat::Preserve)); },
      "A copy with memory of its own, which lies as input does, or in a format.");
  r.method(
      "_lazy_clone", "input", [](const Tensor& t) { return lazy_clone(t); },
      "clone() that shares the memory until it or the original is written.");
  r.method(
      "contiguous", "input, *, memory_format=None",
      [](const Tensor& t, OptFormat f) {
        return contiguous(t, f.value_or(MemoryFormat::Contiguous));
      },
      "The tensor itself where it is row-major, or lies in a format, else a copy.");
  r.both(
      "detach", "input", [](const Tensor& t) { return detach(t); },
      "The same memory without the graph: no gradient flows.");
  r.method(
      "detach_", "input",
      [](const Tensor& t) {
        if (t->view_base)
          fail_runtime("detach_", "a view cannot be detached in place; use detach()");
        t->grad_fn = nullptr;
        t->leaf_requires_grad = false;
        return t;
      },
      "Drops the graph in place.");
  r.method(
      "copy_", "input, src, non_blocking=False",
      [](const Tensor& self, Operand src, bool) { return copy_(self, src.tensor); },
      "Writes src, broadcast and converted, into the tensor.");
  r.both(
      "fill_", "input, value", [](const Tensor& self, Operand v) { return fill_(self, v.tensor); },
      "Writes one value into every element.");
  r.both(
      "zero_", "input", [](const Tensor& self) { return zero_(self); },
      "Writes 0 into every element.");
  r.method(
      "type_as", "input, other",
      [](const Tensor& t, const Tensor& other) {
        return to(t, other.dtype(), MemoryFormat::Preserve);
      },
      "Conversion to the element type of another tensor.");
  r.method(
      "_to_dtype", "input, dtype",
      [](const Tensor& t, DType d) { return to(t, d, MemoryFormat::Preserve); },
      "Conversion to another element type; the tensor itself where nothing changes.");
  for (auto [name, dtype] : {std::pair{"float", DType::Float32},
                             {"double", DType::Float64},
                             {"half", DType::Float16},
                             {"bfloat16", DType::BFloat16},
                             {"long", DType::Int64},
                             {"int", DType::Int32},
                             {"short", DType::Int16},
                             {"char", DType::Int8},
                             {"byte", DType::UInt8},
                             {"cfloat", DType::Complex64},
                             {"cdouble", DType::Complex128},
                             {"bool", DType::Bool}}) {
    Overload o;
    o.arguments.emplace_back(ArgType::Tensor);
    o.arguments.emplace_back(ArgType::Format, true);
    o.call = [dtype = dtype](Value* v) -> Value {
      const auto* format = std::get_if<MemoryFormat>(&v[1]);
      return to(std::get<Tensor>(v[0]), dtype, format ? *format : MemoryFormat::Preserve);
    };
    r.add_overload(Place::Method, name, "input, *, memory_format=None", std::move(o),
                   "Conversion to another element type; the tensor itself where nothing changes.");
  }
}

}  // namespace bx
