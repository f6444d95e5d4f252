"""The Tensor methods that are written in Python, attached to the compiled type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import _core
from ._bits import as_bits, from_bits
from ._checks import the_bool, the_tensor
from ._core import Tensor
from ._tensor_str import tensor_str
from .autograd.engine import leaves, seed, seeds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from .types import Device, TensorOrTensors

__all__ = ["is_tensor", "method", "numel"]

_F = TypeVar("_F", bound="Callable[..., Any]")

_TYPE_NAMES = {
    _core.float32: "torch.FloatTensor",
    _core.float64: "torch.DoubleTensor",
    _core.float16: "torch.HalfTensor",
    _core.bfloat16: "torch.BFloat16Tensor",
    _core.complex64: "torch.ComplexFloatTensor",
    _core.complex128: "torch.ComplexDoubleTensor",
    _core.int32: "torch.IntTensor",
    _core.int64: "torch.LongTensor",
    _core.int16: "torch.ShortTensor",
    _core.int8: "torch.CharTensor",
    _core.uint8: "torch.ByteTensor",
    _core.bool: "torch.BoolTensor",
}


def is_tensor(obj: object) -> bool:
    """True for a Tensor or an instance of a subclass."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """n = d_0 d_1 ... d_k, the number of elements. TypeError for what is no tensor."""
    return the_tensor("numel", input).numel()


def method(name: str) -> Callable[[_F], _F]:
    """Attaches a function to Tensor under a name."""

    def attach(function: _F) -> _F:
        function.__name__, function.__qualname__ = name, f"Tensor.{name}"
        setattr(Tensor, name, function)
        return function

    return attach


@method("backward")
def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: TensorOrTensors | None = None,
) -> None:
    """x.grad += (d self / d x)^T gradient, for each leaf x of the graph (or each of `inputs`).

    `gradient` has the shape of self; it may be left out when self has one element, and is 1 then.
    `retain_graph` keeps the saved values for another pass, `create_graph` records this one.
    Raises RuntimeError when the graph is missing or freed, and when `gradient` is missing or of
    another shape. Source: PyTorch's Tensor.backward.
    """
    if isinstance(gradient, (tuple, list)):
        (gradient,) = seeds("backward", (self,), gradient)
    _core._run_backward(
        (self,),
        (seed("backward", self, gradient),),
        create_graph if retain_graph is None else retain_graph,
        create_graph,
        None if inputs is None else leaves(inputs),
        True,
        True,
    )


@method("__repr__")
def _repr(self: Tensor) -> str:
    return tensor_str(self)


@method("__format__")
def _format(self: Tensor, spec: str) -> str:
    """A 0-d tensor is formatted as its number, so that f"{loss:.3f}" works."""
    return format(self.item(), spec) if self.ndim == 0 else object.__format__(self, spec)


@method("__iter__")
def _iter(self: Tensor) -> Iterator[Tensor]:
    """The slices along the first dimension. Raises TypeError for a 0-d tensor."""
    if self.ndim == 0:
        raise TypeError("[iter] a 0-d tensor has no dimension to iterate over; use .item()")
    return iter(self.unbind(0))


@method("__reversed__")
def _reversed(self: Tensor) -> Tensor:
    return self if self.ndim == 0 else self.flip(0)


@method("__contains__")
def _contains(self: Tensor, element: object) -> bool:
    if isinstance(element, (Tensor, int, float, complex)):
        return bool((self == element).any())
    raise RuntimeError(
        f"[in] a {type(element).__name__} cannot be an element of a {self.dtype} tensor; "
        "look for a number or a Tensor"
    )


@method("__array__")
def _array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
    array = self.numpy()
    if dtype is not None and np.dtype(dtype) != array.dtype:
        if copy is False:
            raise ValueError(
                f"[numpy] {array.dtype} cannot become {np.dtype(dtype)} without a copy; "
                "leave copy=False out"
            )
        return array.astype(dtype)
    return array.copy() if copy else array


@method("__array_wrap__")
def _array_wrap(
    self: Tensor, array: NDArray[Any], context: object = None, return_scalar: bool = False
) -> Tensor:
    """The result of a NumPy function of a tensor is a tensor."""
    return _core.from_numpy(np.asarray(array))


# Above ndarray's 0: `array * tensor` and `np.float64(2) * tensor` are the tensor's to answer.
Tensor.__array_priority__ = 1000


# Subclasses of other packages are made of a tensor by it, `Tensor._make_subclass(cls, data)`.
Tensor._make_subclass = staticmethod(_core._make_subclass)  # type: ignore[attr-defined]


def _make_wrapper_subclass(cls: Any, size: Any, *args: Any, **kwargs: Any) -> Any:
    """An object of a subclass that holds other tensors: of a shape and a type, without memory."""
    from ._dispatch import make_wrapper

    return make_wrapper(cls, size, *args, **kwargs)


Tensor._make_wrapper_subclass = staticmethod(_make_wrapper_subclass)  # type: ignore[attr-defined]


@method("__deepcopy__")
def _deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A leaf on storage of its own, with its grad and attributes."""
    if id(self) in memo:
        return memo[id(self)]  # type: ignore[no-any-return]
    if not self.is_leaf:
        raise RuntimeError(
            "[deepcopy] only a leaf can be copied with its place in the graph, "
            f"this tensor was made by {self.grad_fn.name() if self.grad_fn else 'an op'}; "
            "copy .detach() instead"
        )
    copied = _with_class(type(self), self.detach().clone(), self.requires_grad)
    memo[id(self)] = copied
    if self.grad is not None:
        copied.grad = self.grad.detach().clone()
    if attributes := getattr(self, "__dict__", None):
        from copy import deepcopy

        copied.__dict__.update(deepcopy(attributes, memo))
    return copied


@method("__reduce_ex__")
def _reduce_ex(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    """Pickled as its values: the graph and the hooks stay behind."""
    attributes = dict(getattr(self, "__dict__", {}))
    made_of = (type(self), as_bits(self), self.requires_grad, attributes)
    return _rebuild, (*made_of, self.dtype) if self.dtype is _core.bfloat16 else made_of


def _rebuild(
    cls: type[Tensor],
    array: NDArray[Any],
    requires_grad: bool,
    attributes: dict[str, Any],
    dtype: Any = None,
) -> Tensor:
    values = from_bits(array if array.flags.writeable else array.copy(), dtype)
    rebuilt = _with_class(cls, values, requires_grad)
    if attributes:
        rebuilt.__dict__.update(attributes)
    return rebuilt


def _with_class(cls: type[Tensor], values: Tensor, requires_grad: bool) -> Tensor:
    if cls is Tensor:
        return values.requires_grad_() if requires_grad else values
    made: Tensor = _core._make_subclass(cls, values, requires_grad)
    return made


def _like(self: Tensor, dtype: Any, device: Device, requires_grad: bool) -> dict[str, Any]:
    own = the_tensor("new", self, "self").dtype
    return {
        "dtype": own if dtype is None else dtype,
        "device": device,
        "requires_grad": requires_grad,
    }


def _size(size: tuple[Any, ...]) -> Any:
    if not size:
        raise TypeError("[new] no size was given; pass one, () for a 0-d tensor")
    return size[0] if len(size) == 1 else size


@method("new_tensor")
def _new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: Any = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """A copy of `data` with the dtype of self."""
    data = data.detach() if isinstance(data, Tensor) else data
    return _core.tensor(data, **_like(self, dtype, device, requires_grad))


@method("new_full")
def _new_full(
    self: Tensor,
    size: Any,
    fill_value: float,
    *,
    dtype: Any = None,
    device: Device = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `size` filled with `fill_value`, with the dtype of self."""
    return _core.full(size, fill_value, **_like(self, dtype, device, requires_grad))


def _attach_new(name: str, make: Callable[..., Tensor]) -> None:
    def new(
        self: Tensor,
        *sizes: Any,
        size: Any = None,
        dtype: Any = None,
        device: Device = None,
        requires_grad: bool = False,
        **options: Any,
    ) -> Tensor:
        options |= _like(self, dtype, device, requires_grad)
        # By its name it is a tuple, and no number.
        return make(_size(sizes), **options) if size is None else make(size=size, **options)

    new.__name__ = name
    new.__doc__ = f"{make.__name__}(size) with the dtype of self."
    setattr(Tensor, name, new)


_attach_new("new_empty", _core.empty)
_attach_new("new_ones", _core.ones)
_attach_new("new_zeros", _core.zeros)


@method("type")
def _type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> str | Tensor:
    """The name of the type, `torch.FloatTensor`; or, given a dtype or such a name, a cast."""
    the_bool("type", non_blocking, "non_blocking")
    if dtype is None:
        return _TYPE_NAMES[self.dtype]
    if dtype is Tensor:
        dtype = _core.get_default_dtype()
    if isinstance(dtype, type):  # torch.DoubleTensor
        dtype = getattr(dtype, "dtype", dtype)
    by_name = {name: kind for kind, name in _TYPE_NAMES.items()}
    if isinstance(dtype, str) and dtype not in by_name:
        raise ValueError(f"[type] {dtype!r} is not one of {sorted(by_name)}; take one or a dtype")
    return self.to(dtype=by_name.get(dtype, dtype) if isinstance(dtype, str) else dtype)


@method("__rdiv__")
def _rdiv(self: Tensor, other: Any) -> Tensor:
    """other / self."""
    return other / self  # type: ignore[no-any-return]


def _filled(tensor: Tensor, values: Iterable[float]) -> Tensor:
    """The tensor, with new values in its elements."""
    return tensor.copy_(_core.tensor(list(values), dtype=tensor.dtype).view(tensor.shape))


@method("map_")
def _map(self: Tensor, tensor: Tensor, callable: Callable[[float, float], float]) -> Tensor:
    """x_i = f(x_i, y_i) with a Python function, in place. TypeError for what is no tensor."""
    the_tensor("map_", tensor, "tensor")
    if self.requires_grad or tensor.requires_grad:
        raise TypeError("[map_] a tensor requires grad; no graph knows a Python function: detach()")
    other = tensor.expand(self.shape).reshape(-1).tolist()
    return _filled(self, map(callable, self.reshape(-1).tolist(), other))


@method("apply_")
def _apply(self: Tensor, callable: Callable[[float], float]) -> Tensor:
    """x_i = f(x_i) with a Python function, in place. TypeError where the tensor requires grad."""
    if self.requires_grad:
        raise TypeError("[apply_] the tensor requires grad; no graph knows a function: detach()")
    return _filled(self, map(callable, self.reshape(-1).tolist()))
