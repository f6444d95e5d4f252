// Tensor's attributes.
#include "autograd/sparse.h"
#include "autograd/views.h"
#include "bindings/python.h"
#include "core/observer.h"
#include "ops/ops.h"

namespace bx {

namespace {

PyObject* data(const Tensor& t) {
  Tensor out = detached(t);
  out->storage =
      make<Storage>(t->storage);  // writes through .data leave the graph's versions alone
  return wrap(out);
}

int set_data(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    if (!value || !is_tensor(value))
      fail_type("data", "a tensor's data is a tensor, not ",
                value ? Py_TYPE(value)->tp_name : "nothing", "; wrap it in tensor()");
    const Tensor t = tensor_of(self), source = tensor_of(value);
    require_dense("data", t);
    require_dense("data", source);
    if (t.dtype() != source.dtype() && t->leaf_requires_grad && !is_differentiable(source.dtype()))
      fail_runtime("data", "a tensor that requires grad cannot take ", name_of(source.dtype()),
                   " data; convert it to a floating-point type");
    if (t->grad_fn && (t.dtype() != source.dtype() || !(t.shape() == source.shape())))
      fail_runtime("data", "the result of an operation, ", name_of(t.dtype()), " of shape ",
                   t.shape(), ", cannot take ", name_of(source.dtype()), " data of shape ",
                   source.shape(), ", which its gradient would not fit; detach() it first");
    t->move_to(make<Storage>(source->storage), source->offset, source->shape, source->strides,
               source->dtype);
    return 0;
  });
}

PyObject* grad(const Tensor& t) {
  if (!t->grad && !t->retains_grad && !t->unrecorded_view && grad_fn(t)) [[unlikely]]
    warn("grad", "the result of an operation, of shape ", t.shape(),
         ", keeps no gradient; call retain_grad() on it first, or look at a leaf");
  return wrap(Tensor(t->grad));
}

int set_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    const Tensor t = tensor_of(self);
    note_grad(*t.impl(), false);
    if (!value || value == Py_None) {
      t->grad = nullptr;
      return 0;
    }
    if (!is_tensor(value))
      fail_type("grad", "assigned grad must be a Tensor or None, not ", Py_TYPE(value)->tp_name,
                "; wrap it in tensor()");
    const Tensor g = tensor_of(value);
    if (!(whole_shape(g) == whole_shape(t)) || g.dtype() != t.dtype())
      fail_runtime("grad", "assigned grad is ", name_of(g.dtype()), " of shape ", whole_shape(g),
                   ", the tensor ", name_of(t.dtype()), " of shape ", whole_shape(t),
                   "; they must be equal");
    if (g.same_as(t)) fail_runtime("grad", "a tensor cannot be its own grad; clone() it");
    t->grad = g.ref();
    return 0;
  });
}

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    const Tensor t = tensor_of(self);
    if (!value) fail_type("requires_grad", "it cannot be deleted; set it to False");
    if (!PyBool_Check(value))
      fail_runtime("requires_grad", "it is a ", Py_TYPE(value)->tp_name, "; set True or False");
    const bool wanted = value == Py_True;
    if (grad_fn(t)) {
      if (!wanted)
        fail_runtime("requires_grad", "requires_grad of a non-leaf tensor (shape ", t.shape(),
                     ") cannot be turned off; use detach()");
      return 0;
    }
    if (wanted && !is_differentiable(t.dtype()))
      fail_runtime("requires_grad",
                   "only tensors of floating-point type can require gradients, "
                   "this is ",
                   name_of(t.dtype()), "; convert it with .float()");
    if (wanted) check_not_inference(t);
    t->leaf_requires_grad = wanted;
    return 0;
  });
}

PyObject* node(const Tensor& t) { return wrap_node(grad_fn(t)).release().ptr(); }

/// All dimensions reversed; with several, the last two swapped (mT).
PyObject* reversed(const Tensor& t) {
  if (t.dim() > 2)
    warn("T", "reversing ", t.dim(), " dimensions is deprecated; use mT, or permute()");
  Dims axes;
  for (int d = t.dim() - 1; d >= 0; --d) axes.push_back(d);
  return wrap_view(permute(t, axes), t);
}

Tensor matrix_transposed(const Tensor& t) {
  if (t.dim() == 0) return t;
  if (t.dim() < 2)
    fail_runtime("mT", "expected at least 2 dimensions, got shape ", t.shape(), "; use T");
  return mT(t);
}

PyObject* adjoint(const Tensor& t) {
  if (t.dim() != 2 && t.dim() != 0)
    fail_runtime("H", "expected a matrix, got shape ", t.shape(), "; use mH");
  return wrap_view(conj(t.dim() ? mT(t) : t), t);
}

/// A part that is assigned to: z.real = x.
template <auto part>
int set_part(PyObject* self, PyObject* value, void*) {
  return guarded([&]() -> int {
    if (!value) fail_type("Tensor", "real and imag cannot be deleted; set them");
    const Tensor t = part(tensor_of(self));
    if (is_tensor(value)) copy_(t, tensor_of(value));
    else if (const auto s = scalar_from(value)) fill_(t, wrapped_scalar(*s, &t));
    else fail_type("Tensor", "a ", Py_TYPE(value)->tp_name, " as a part; pass a tensor or number");
    return 0;
  });
}

/// The attributes set by the user; from then on the garbage collector must know the tensor.
PyObject* instance_dict(PyObject* self, void* context) {
  PyObject* dict = PyObject_GenericGetDict(self, context);
  if (dict && !PyObject_GC_IsTracked(self)) PyObject_GC_Track(self);
  return dict;
}

}  // namespace

PyGetSetDef tensor_attributes[] = {
    {"__dict__", instance_dict, PyObject_GenericSetDict, nullptr, nullptr},
    {"data", get<data>, set_data, "The same memory without the graph; writes are not tracked.",
     nullptr},
    {"grad", get<grad>, set_grad, "The accumulated gradient, or None.", nullptr},
    {"grad_fn", get<node>, nullptr, "The node that made this tensor, None for leaves.", nullptr},
    {"requires_grad", get<[](const Tensor& t) { return from_bool(requires_grad(t)); }>,
     set_requires_grad, "Whether gradients are computed for this tensor.", nullptr},
    {"is_leaf", get<[](const Tensor& t) { return from_bool(!grad_fn(t)); }>, nullptr,
     "Whether it was made by the user, not by a recorded operation.", nullptr},
    {"retains_grad", get<[](const Tensor& t) { return from_bool(t->retains_grad); }>, nullptr,
     "Whether a non-leaf keeps its gradient.", nullptr},
    {"output_nr",
     get<[](const Tensor& t) { return PyLong_FromLong(static_cast<long>(t->output_nr)); }>, nullptr,
     "Which output of grad_fn this is.", nullptr},
    {"shape", get<[](const Tensor& t) { return wrap_size(t.shape()); }>, nullptr,
     "The sizes of the dimensions.", nullptr},
    {"dtype", get<[](const Tensor& t) { return wrap_dtype(t.dtype()); }>, nullptr,
     "The type of the elements.", nullptr},
    {"ndim", get<[](const Tensor& t) { return PyLong_FromLong(t.dim()); }>, nullptr,
     "The number of dimensions.", nullptr},
    {"itemsize", get<[](const Tensor& t) { return PyLong_FromLongLong(size_of(t.dtype())); }>,
     nullptr, "Bytes per element.", nullptr},
    {"nbytes",
     get<[](const Tensor& t) { return PyLong_FromLongLong(t.numel() * size_of(t.dtype())); }>,
     nullptr, "Bytes of all elements.", nullptr},
    {"T", get<reversed>, nullptr, "The dimensions reversed, as a view.", nullptr},
    {"real", get<[](const Tensor& t) { return wrap_view(real(t), t); }>, set_part<&real>,
     "The real part, a view; a real tensor itself.", nullptr},
    {"imag", get<[](const Tensor& t) { return wrap_view(imag(t), t); }>, set_part<&imag>,
     "The imaginary part, a view; RuntimeError for a real tensor.", nullptr},
    {"mT", get<[](const Tensor& t) { return wrap_view(matrix_transposed(t), t); }>, nullptr,
     "The last two dimensions swapped, as a view.", nullptr},
    {"mH", get<[](const Tensor& t) { return wrap_view(conj(matrix_transposed(t)), t); }>, nullptr,
     "The last two dimensions swapped and the elements conjugated.", nullptr},
    {"H", get<adjoint>, nullptr, "A matrix transposed and conjugated.", nullptr},
    {"_version",
     get<[](const Tensor& t) { return PyLong_FromUnsignedLong(t->storage->version()); }>, nullptr,
     "How often the memory was written in place.", nullptr},
    {"_storage_nbytes",
     get<[](const Tensor& t) { return PyLong_FromLongLong(t->storage->bytes()); }>, nullptr,
     "Bytes of the memory that this tensor, and others, lie in.", nullptr},
    {"_base", get<[](const Tensor& t) { return wrap(Tensor(t->view_base)); }>, nullptr,
     "Of a view: the tensor that it shows.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

}  // namespace bx
