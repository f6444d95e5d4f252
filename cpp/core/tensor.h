// A tensor: a counted handle on storage and its layout, with its place in the autograd graph.
#pragma once

#include <memory>
#include <vector>

#include "core/dims.h"
#include "core/dtype.h"
#include "core/observer.h"
#include "core/storage.h"

namespace bx {

class TensorImpl;

/// What only some tensors have: hooks and the accumulator of a leaf. Defined by autograd/.
struct AutogradExtras {
  virtual ~AutogradExtras() = default;
  int64_t hook_changes = 0;
};

class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* impl() const { return impl_.get(); }
  TensorImpl* operator->() const { return impl_.get(); }
  const Ref<TensorImpl>& ref() const { return impl_; }

  inline const Dims& shape() const;
  inline const Dims& strides() const;
  inline DType dtype() const;
  inline int dim() const;
  inline int64_t size(int i) const;
  inline int64_t numel() const;
  inline bool is_contiguous() const;
  inline void* raw() const;
  /// The elements for the host to look at, or to fill where they are new; kernels are given them by
  /// launch().
  template <class T>
  T* data() const;
  bool same_as(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  Ref<TensorImpl> impl_;
};

using Tensors = std::vector<Tensor>;

class TensorImpl final : public Object {
 public:
  TensorImpl(Ref<Storage> storage, int64_t offset, const Dims& shape, const Dims& strides,
             DType dtype)
      : storage(std::move(storage)), offset(offset), dtype(dtype), shape(shape), strides(strides) {}
  ~TensorImpl() override;

  Ref<Storage> storage;
  /// Of the first element, in elements.
  int64_t offset;
  DType dtype;
  /// A Python scalar turned into a tensor: it does not promote its partner within a category.
  bool is_wrapped_number = false;
  /// Of a leaf; a tensor with a grad_fn requires grad whatever this says.
  bool leaf_requires_grad = false;
  /// A non-leaf whose gradient is kept: its node knows this tensor by address.
  bool retains_grad = false;
  /// A view that was made where nothing is recorded: it has no place in the graph of its base.
  bool unrecorded_view = false;
  /// Which output of grad_fn this is.
  uint32_t output_nr = 0;
  /// The node that made this tensor; null for leaves.
  Ref<Object> grad_fn;
  Ref<TensorImpl> grad;
  /// Of a differentiable view: the tensor whose memory it shows, never itself a view.
  Ref<TensorImpl> view_base;
  /// The storage's version when a view's grad_fn was made; an in-place write makes it stale.
  uint32_t view_version = 0;
  /// Grows with every move_to(): what was kept of the tensor for a gradient does not fit any more.
  uint32_t moves = 0;
  std::unique_ptr<AutogradExtras> extras;
  /// The Python object that stands for this tensor, if any is alive; not owned.
  void* python_object = nullptr;
  Dims shape, strides;

  void* raw() const { return static_cast<char*>(storage->data()) + offset * size_of(dtype); }
  /// Shows other memory from now on, or the same in another layout.
  void move_to(Ref<Storage> memory, int64_t first, const Dims& sizes, const Dims& steps,
               DType type);

 protected:
  void last_release() override {
    if (grad_fn || grad || view_base || extras) destroy_flat(this);
    else delete this;
  }
};

inline const Dims& Tensor::shape() const { return impl_->shape; }
inline const Dims& Tensor::strides() const { return impl_->strides; }
inline DType Tensor::dtype() const { return impl_->dtype; }
inline int Tensor::dim() const { return impl_->shape.size(); }
inline int64_t Tensor::size(int i) const { return impl_->shape[i < 0 ? i + dim() : i]; }
inline int64_t Tensor::numel() const { return impl_->shape.product(); }
inline void* Tensor::raw() const { return impl_->raw(); }

/// Called before the host looks at a tensor's elements.
inline void note_read(const Tensor& t) {
  if (!observer) [[likely]]
    return;
  t->storage->fixed();  // a recording knows memory by its address
  observer->reading(t.raw());
}

template <class T>
T* Tensor::data() const {
  note_read(*this);
  return static_cast<T*>(raw());
}

/// Row-major without gaps; sizes of 1 may have any stride.
inline bool is_contiguous(const Dims& shape, const Dims& strides) {
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] == 1) continue;
    if (shape[i] == 0) return true;
    if (strides[i] != step) return false;
    step *= shape[i];
  }
  return true;
}
inline bool Tensor::is_contiguous() const { return bx::is_contiguous(shape(), strides()); }

/// In which order the dimensions lie in memory: row-major, as in another tensor, or with dimension
/// 1 innermost, for 4 or for 5 dimensions.
enum class MemoryFormat { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };
inline constexpr const char* kFormatNames[] = {"contiguous_format", "preserve_format",
                                               "channels_last", "channels_last_3d"};
/// The dimensions in the order of memory, of a format with the channels last.
Dims channels_last_order(MemoryFormat format);
/// Without gaps, in a format; with Preserve row-major.
bool lies_in(const Tensor& t, MemoryFormat format);

/// The dimensions by falling stride.
Dims memory_order(const Dims& strides);
/// The entries of dims, one for each dimension, in another order of these.
Dims reordered(const Dims& dims, const Dims& order);
/// Row-major in some order of the dimensions: without gaps, and every element at a place of its
/// own.
bool is_dense(const Tensor& t);

/// A new row-major tensor, uninitialised.
Tensor empty(const Dims& shape, DType dtype);
/// RuntimeError unless a tensor of this shape can be held: asked before a long walk over it.
void require_room(const Dims& shape, DType dtype);

/// A contiguous tensor of a narrow type in the wide one, for the host to look at.
Tensor widened(const Tensor& t);

/// A 0-d tensor holding a Python scalar; beside a narrow type one of the wide type.
Tensor wrapped_number(double value, DType dtype);
Tensor wrapped_number(int64_t value, DType dtype);
Tensor wrapped_number(Complex<double> value, DType dtype);

/// Other layout on the same storage, no graph. `offset` in elements, absolute.
Tensor alias(const Tensor& t, const Dims& shape, const Dims& strides, int64_t offset);

/// The same elements without a graph.
inline Tensor detached(const Tensor& t) { return alias(t, t.shape(), t.strides(), t->offset); }

/// The only element as a number; RuntimeError when there is not exactly one, or where it has an
/// imaginary part and a real number is asked for.
Complex<double> item_complex(const Tensor& t);
double item_double(const Tensor& t);
int64_t item_int(const Tensor& t);

}  // namespace bx
