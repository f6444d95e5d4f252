// Tensor's operators in CPython's number slots: no argument parsing, no overload chains.
#include <initializer_list>
#include <iterator>

#include "bindings/autocast.h"
#include "bindings/overrides.h"
#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {

/// The object as a tensor, which is made of a number; null where it is neither: an array computes
/// by itself, with what __array__ gives. A bool stays one where the operation minds.
const Tensor* operand(PyObject* o, const Tensor& like, Tensor& made, bool rejects_bool) {
  if (is_tensor(o)) return &tensor_of(o);
  if (const auto s = scalar_from(o))
    made = wrapped_scalar(*s, rejects_bool && s->kind == Scalar::Bool ? nullptr : &like);
  else return nullptr;
  return &made;
}

/// What the class of an operand makes of an operator, as a method of Tensor; null: none is asked.
PyObject* overridden_method(const char* name, std::initializer_list<PyObject*> args) {
  const py::object function = py::handle(reinterpret_cast<PyObject*>(tensor_type)).attr(name);
  return overridden(function.ptr(), args.begin(), std::ssize(args), nullptr, true);
}

template <bool RejectsBool = false, bool Commutes = false, class F>
PyObject* binary(PyObject* a, PyObject* b, F f) {
  return guarded([&]() -> PyObject* {
    Tensor made;
    const bool first = is_tensor(a);
    const Tensor& known = tensor_of(first ? a : b);
    const Tensor* other = operand(first ? b : a, known, made, RejectsBool);
    if (!other) Py_RETURN_NOTIMPLEMENTED;
    return wrap(first || Commutes ? f(known, *other) : f(*other, known));
  });
}
/// PyTorch's 2 + x and 2 * x are x + 2 and x * 2: so a node has its inputs in that order.
template <class Row>
constexpr bool commutes = std::is_same_v<Row, formulas::Add> || std::is_same_v<Row, formulas::Mul>;

template <class Row>
PyObject* binary_slot(PyObject* a, PyObject* b) {
  return binary<Row::rejects_bool, commutes<Row>>(
      a, b, [](const Tensor& x, const Tensor& y) { return apply<Row>(x, y); });
}
template <class Row>
PyObject* inplace_slot(PyObject* a, PyObject* b) {
  if (classes_dispatch && dispatches(b)) [[unlikely]]
    return guarded([&] { return overridden_method(str(Row::name, "_").c_str(), {a, b}); });
  return binary<Row::rejects_bool>(a, b, [](const Tensor& x, const Tensor& y) {
    const Tensor in[] = {x, y};
    return pointwise_inplace(pointwise_op(formulas::row_index<Row>), in);
  });
}
/// A number over a tensor is PyTorch's two operations, whose roundings are in what it prints.
PyObject* divide_slot(PyObject* a, PyObject* b) {
  if (!is_tensor(a) && is_numpy_array(a))
    return guarded([&] {
      const auto inverse =
          py::reinterpret_steal<py::object>(wrap(apply<formulas::Reciprocal>(tensor_of(b))));
      return PyNumber_Multiply(inverse.ptr(), a);
    });
  return binary(a, b, [](const Tensor& x, const Tensor& y) {
    return x->is_wrapped_number ? apply<formulas::Reciprocal>(y) * x : x / y;
  });
}
PyObject* power_slot(PyObject* a, PyObject* b, PyObject*) { return binary(a, b, &power); }
PyObject* inplace_power_slot(PyObject* a, PyObject* b, PyObject*) {
  return binary(a, b, &power_inplace);
}
PyObject* matmul_slot(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    if (scalar_from(a) || scalar_from(b)) Py_RETURN_NOTIMPLEMENTED;
    return binary(a, b, [](const Tensor& x, const Tensor& y) {
      return autocast_type == DType::Float32 ? matmul(x, y) : matmul(lowered(x), lowered(y));
    });
  });
}
template <class Row>
PyObject* unary_slot(PyObject* a) {
  return guarded([&] { return wrap(apply<Row>(tensor_of(a))); });
}
PyObject* invert_slot(PyObject* a) {
  return guarded([&] {
    const Tensor x = tensor_of(a);
    if (is_differentiable(x.dtype()))
      fail_type("bitwise_not", "~ of ", name_of(x.dtype()), "; it takes an integer or bool tensor");
    return wrap(apply<formulas::BitwiseNot>(x));
  });
}
PyObject* positive_slot(PyObject* a) { return Py_NewRef(a); }

PyObject* compare(PyObject* a, PyObject* b, int op) {
  if (b == Py_None) Py_RETURN_NOTIMPLEMENTED;
  if ((op == Py_EQ || op == Py_NE) && !is_tensor(b) && is_numpy_array(b))
    return guarded([&] {  // else it would be one False
      const Tensor other = tensor_from_data(b, std::nullopt);
      return wrap(op == Py_EQ ? apply<formulas::Eq>(tensor_of(a), other)
                              : apply<formulas::Ne>(tensor_of(a), other));
    });
  switch (op) {
    case Py_EQ: return binary_slot<formulas::Eq>(a, b);
    case Py_NE: return binary_slot<formulas::Ne>(a, b);
    case Py_LT: return binary_slot<formulas::Lt>(a, b);
    case Py_LE: return binary_slot<formulas::Le>(a, b);
    case Py_GT: return binary_slot<formulas::Gt>(a, b);
    default: return binary_slot<formulas::Ge>(a, b);
  }
}

int truth(PyObject* o) {
  return guarded([&]() -> int {
    const Tensor t = tensor_of(o);
    if (t.numel() != 1)
      fail(ErrorKind::SeveralElements, "bool", "the truth of a tensor of shape ", t.shape(),
           " with ", t.numel(), " values is ambiguous; use .any() or .all()");
    return item_complex(t) != 0.;
  });
}

void require_one(const char* op, const Tensor& t, ErrorKind kind = ErrorKind::NotOneElement) {
  if (t.numel() != 1)
    fail(kind, op, "a tensor of shape ", t.shape(), " has ", t.numel(),
         " elements; only one element can become a Python scalar; index it first");
}

PyObject* as_float(PyObject* o) {
  return guarded([&] {
    require_one("float", tensor_of(o));
    return PyFloat_FromDouble(item_double(tensor_of(o)));
  });
}
PyObject* as_int(PyObject* o) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(o);
    require_one("int", t, ErrorKind::Value);  // "%d" asks for it, and hides a TypeError
    return is_differentiable(t.dtype()) ? PyLong_FromDouble(item_double(t))
                                        : PyLong_FromLongLong(item_int(t));
  });
}
PyObject* as_index(PyObject* o) {
  return guarded([&]() -> PyObject* {
    const Tensor t = tensor_of(o);
    if (is_differentiable(t.dtype()) || t.numel() != 1)
      fail(t.numel() == 1 ? ErrorKind::Type : ErrorKind::NotANumber, "index", "a tensor of type ",
           name_of(t.dtype()), " and shape ", t.shape(),
           " cannot be an index; only one whole number can");
    return PyLong_FromLongLong(item_int(t));
  });
}

Py_ssize_t length(PyObject* o) {
  return guarded([&]() -> Py_ssize_t {
    const Tensor t = tensor_of(o);
    if (t.dim() == 0) fail_type("len", "a 0-d tensor has no length; use item()");
    return t.shape()[0];
  });
}
PyObject* subscript(PyObject* o, PyObject* key) {
  return guarded([&]() -> PyObject* {
    if (classes_dispatch) [[unlikely]]
      if (PyObject* made = overridden_method("__getitem__", {o, key})) return made;
    return get_item(tensor_of(o), key);
  });
}
int assign_subscript(PyObject* o, PyObject* key, PyObject* value) {
  return guarded([&]() -> int {
    if (!value) fail_type("Tensor", "does not support deleting items; use slicing and cat");
    if (classes_dispatch) [[unlikely]]
      if (PyObject* made = overridden_method("__setitem__", {o, key, value})) {
        Py_DECREF(made);
        return 0;
      }
    set_item(tensor_of(o), key, value);
    return 0;
  });
}

}  // namespace

std::vector<PyType_Slot> operator_slots() {
  namespace f = formulas;
  return {
      slot(Py_tp_richcompare, compare),
      slot(Py_nb_add, binary_slot<f::Add>),
      slot(Py_nb_subtract, binary_slot<f::Sub>),
      slot(Py_nb_multiply, binary_slot<f::Mul>),
      slot(Py_nb_true_divide, divide_slot),
      slot(Py_nb_floor_divide, binary_slot<f::FloorDivide>),
      slot(Py_nb_remainder, binary_slot<f::Remainder>),
      slot(Py_nb_power, power_slot),
      slot(Py_nb_matrix_multiply, matmul_slot),
      slot(Py_nb_and, binary_slot<f::BitwiseAnd>),
      slot(Py_nb_or, binary_slot<f::BitwiseOr>),
      slot(Py_nb_xor, binary_slot<f::BitwiseXor>),
      slot(Py_nb_lshift, binary_slot<f::LeftShift>),
      slot(Py_nb_rshift, binary_slot<f::RightShift>),
      slot(Py_nb_inplace_add, inplace_slot<f::Add>),
      slot(Py_nb_inplace_subtract, inplace_slot<f::Sub>),
      slot(Py_nb_inplace_multiply, inplace_slot<f::Mul>),
      slot(Py_nb_inplace_true_divide, inplace_slot<f::Div>),
      slot(Py_nb_inplace_floor_divide, inplace_slot<f::FloorDivide>),
      slot(Py_nb_inplace_remainder, inplace_slot<f::Remainder>),
      slot(Py_nb_inplace_power, inplace_power_slot),
      slot(Py_nb_inplace_and, inplace_slot<f::BitwiseAnd>),
      slot(Py_nb_inplace_or, inplace_slot<f::BitwiseOr>),
      slot(Py_nb_inplace_xor, inplace_slot<f::BitwiseXor>),
      slot(Py_nb_inplace_lshift, inplace_slot<f::LeftShift>),
      slot(Py_nb_inplace_rshift, inplace_slot<f::RightShift>),
      slot(Py_nb_negative, unary_slot<f::Neg>),
      slot(Py_nb_positive, positive_slot),
      slot(Py_nb_absolute, unary_slot<f::Abs>),
      slot(Py_nb_invert, invert_slot),
      slot(Py_nb_bool, truth),
      slot(Py_nb_float, as_float),
      slot(Py_nb_int, as_int),
      slot(Py_nb_index, as_index),
      slot(Py_mp_length, length),
      slot(Py_mp_subscript, subscript),
      slot(Py_mp_ass_subscript, assign_subscript),
  };
}

}  // namespace bx
