// Square brackets: numbers, slices, None, Ellipsis, masks and index tensors, in any mixture.
#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {

bool is_index_data(PyObject* o) {
  return is_tensor(o) || is_numpy_array(o) || PyList_Check(o) || PyTuple_Check(o) ||
         PyRange_Check(o);
}

Tensor index_tensor(PyObject* o) {
  Tensor t = is_tensor(o) ? tensor_of(o) : tensor_from_data(o, std::nullopt);
  // [] selects nothing; floats in a list are cut off, as in PyTorch.
  const bool list = PyList_Check(o) || PyTuple_Check(o);
  if (!is_tensor(o) && (t.numel() == 0 || (list && is_floating(t.dtype()))))
    t = to(t, DType::Int64);
  return t;
}

/// Dimensions that a part of the key consumes.
int consumes(PyObject* o) {
  if (o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) return 0;
  if (is_tensor(o) && is_mask(tensor_of(o).dtype())) return tensor_of(o).dim();
  if (is_numpy_array(o) || PyList_Check(o)) {
    const Tensor t = index_tensor(o);
    if (is_mask(t.dtype())) return t.dim();
  }
  return 1;
}

int64_t slice_bound(PyObject* o, int64_t otherwise) {
  if (o == Py_None) return otherwise;
  const auto i = py::reinterpret_steal<py::object>(PyNumber_Index(o));
  if (!i) throw py::error_already_set();
  int overflow = 0;
  const int64_t value = PyLong_AsLongLongAndOverflow(i.ptr(), &overflow);
  if (overflow)
    return overflow > 0 ? std::numeric_limits<int64_t>::max() / 2
                        : std::numeric_limits<int64_t>::min() / 2;
  return value;
}

int64_t number_index(PyObject* o) {
  const auto i = py::reinterpret_steal<py::object>(PyNumber_Index(o));
  if (!i) throw py::error_already_set();
  const int64_t value = PyLong_AsLongLong(i.ptr());
  if (value == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    fail_value("index", "index ", std::string(py::str(o)), " does not fit into int64");
  }
  return value;
}

/// A list of more than numbers is a key of several parts, as in PyTorch, which warns of it too.
bool is_key_of_parts(PyObject* key) {
  if (!PyList_Check(key) || PyList_GET_SIZE(key) >= 32) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(key); ++i) {
    PyObject* part = PyList_GET_ITEM(key, i);
    if (is_tensor(part) || PySequence_Check(part) || PySlice_Check(part) || part == Py_None ||
        part == Py_Ellipsis)
      return true;
  }
  return false;
}

/// The view that the plain parts of a key select, and index tensors for the rest.
struct Indexed {
  Tensor view;
  Tensors indices;
  bool advanced = false;

  Indexed(const Tensor& t, PyObject* key) : view(t) {
    if (is_key_of_parts(key)) {
      if (PyErr_WarnEx(PyExc_UserWarning,
                       "[index] a list of several parts is read as a tuple; pass tuple(key), or "
                       "tensor(key) to select rows",
                       1))
        throw py::error_already_set();
      add_parts(py::tuple(py::reinterpret_borrow<py::list>(key)).ptr());
    } else if (PyTuple_Check(key)) {
      add_parts(key);
    } else {
      add(key, 0);
    }
  }

 private:
  void add_parts(PyObject* key) {
    const int full = view.dim();
    const Py_ssize_t n = PyTuple_GET_SIZE(key);
    int used = 0;
    for (Py_ssize_t i = 0; i < n; ++i) used += consumes(PyTuple_GET_ITEM(key, i));
    if (used > full)
      fail_index("index", "too many indices for a tensor of dimension ", full, ": ", used,
                 "; leave some out, or unsqueeze() it");
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* part = PyTuple_GET_ITEM(key, i);
      if (part == Py_Ellipsis) dim_ += full - used;
      else add(part, dim_);
    }
  }

  void add(PyObject* part, int dim) {
    dim_ = dim;
    if (part == Py_Ellipsis) return;
    if (part == Py_None) {
      view = unsqueeze(view, dim_++);
    } else if (PySlice_Check(part)) {
      add_slice(part);
    } else if (PyBool_Check(part)) {
      view = unsqueeze(view, dim_);
      add_tensor(full_int({1}, part == Py_True, DType::Bool));
    } else if (is_tensor(part) && tensor_of(part).dim() == 0 && !is_mask(tensor_of(part).dtype())) {
      if (!is_integral(tensor_of(part).dtype()))
        fail_index("index", "an index tensor is ", name_of(tensor_of(part).dtype()),
                   "; expected int64, int32 or bool");
      view = select_axis(view, dim_, number_index(part));
    } else if (is_index_data(part)) {
      add_tensor(index_tensor(part));
    } else if (PyIndex_Check(part)) {
      view = select_axis(view, dim_, number_index(part));
    } else {
      const bool text = PyUnicode_Check(part) && PyUnicode_GetLength(part) <= view.dim();
      fail(text ? ErrorKind::Type : ErrorKind::Index, "index", "a ", Py_TYPE(part)->tp_name,
           " is no index; only integers, slices (:), ellipsis (...), None and long or bool "
           "tensors are valid indices");
    }
  }

  void add_slice(PyObject* part) {
    auto* s = reinterpret_cast<PySliceObject*>(part);
    const int64_t step = slice_bound(s->step, 1);
    const int64_t most = std::numeric_limits<int64_t>::max() / 2;
    if (s->start != Py_None || s->stop != Py_None || step != 1)
      view = slice(view, dim_, slice_bound(s->start, 0), slice_bound(s->stop, most), step);
    else if (view.dim() == 0) fail_index("slice", "a 0-d tensor has no dimension to slice");
    ++dim_;
  }

  void add_tensor(const Tensor& index) {
    if (is_mask(index.dtype()) && index.dim() == 0) {
      view = unsqueeze(view, dim_);
      return add_tensor(to(reshape(index, {1}), DType::Bool));
    }
    advanced = true;
    while (covered_ < dim_) {
      indices.emplace_back();
      ++covered_;
    }
    indices.push_back(index);
    covered_ += is_mask(index.dtype()) ? index.dim() : 1;
    dim_ = covered_;
  }

  int dim_ = 0;
  int covered_ = 0;  // dimensions of the view for which `indices` already speaks
};

}  // namespace

PyObject* get_item(const Tensor& t, PyObject* key) {
  const Indexed x(t, key);
  if (x.advanced) return wrap(index(x.view, x.indices));
  if (!x.view.same_as(t)) return wrap_view(x.view, t);
  const char* name = key == Py_Ellipsis ? "AliasBackward0" : "SliceBackward0";
  return wrap_view(named(name, reshape(t, t.shape())), t);
}

void set_item(const Tensor& t, PyObject* key, PyObject* value) {
  Tensor source;
  if (is_tensor(value)) source = tensor_of(value);
  else if (const auto s = scalar_from(value, PyExc_ValueError)) source = wrapped_scalar(*s, &t);
  else
    fail_type("index", "a ", Py_TYPE(value)->tp_name,
              " cannot be assigned to a part of a tensor; wrap it in tensor()");
  // Leading sizes of 1 are dropped, as in NumPy.
  while (source.dim() > 0 && source.shape()[0] == 1) source = squeeze(source, Dims{0});
  const Indexed x(t, key);
  if (x.advanced) {
    const bool fills = source.numel() == 1 && std::ranges::all_of(x.indices, [](const Tensor& i) {
                         return !i.defined() || is_mask(i.dtype());
                       });
    if (is_tensor(value) && !fills) require_same_dtype("index_put_", t, source);
    index_put_(x.view, x.indices, source, false);
    return;
  }
  copy_(x.view, source);
}

}  // namespace bx
