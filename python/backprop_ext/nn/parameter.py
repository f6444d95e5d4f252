"""Tensors that a Module registers: what is trained, and what only travels along."""

from __future__ import annotations

from typing import Any, cast

from .. import _core
from .._checks import the_tensor
from .._core import Tensor
from .._overrides import DisableTorchFunctionSubclass, disabled
from .._tensor import _with_class
from .._tensor_str import plain_types, tensor_str

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


def _values(op: str, data: Tensor | None) -> Tensor:
    if data is None:
        return _core.empty(0)
    return the_tensor(op, data, "data")


class Parameter(Tensor):
    """A leaf tensor that a Module it is assigned to hands to the optimizer.

    It shares the storage of `data`. Raises TypeError when data is not a Tensor, RuntimeError when
    an integer tensor is to require grad. Source: PyTorch's torch.nn.parameter.Parameter.
    """

    __torch_function__ = disabled

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        values = _values("Parameter", data)
        if values.is_meta and not issubclass(cls, type(values)):
            from .._meta import in_class

            cls = in_class(cls)
        return cast("Parameter", _core._make_subclass(cls, values, requires_grad))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """All is done in __new__, which may take more in a derived class."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """On storage of its own, without its grad and attributes, as in PyTorch."""
        if id(self) not in memo:
            memo[id(self)] = _with_class(type(self), self.detach().clone(), self.requires_grad)
        return memo[id(self)]  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return "Parameter containing:\n" + tensor_str(self)


def _without_shape(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    name = getattr(func, "__name__", func)
    if name not in ("detach", "__get__"):  # what copies and casts of the layer ask
        raise ValueError(f"[{name}] a tensor has no shape yet; call the layer once")
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


class Buffer(Tensor):
    """A tensor that is part of a Module's state and is not trained.

    `persistent=False` keeps it out of the state_dict. Source: PyTorch's torch.nn.Buffer.
    """

    persistent: bool
    __torch_function__ = disabled

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        requires_grad = isinstance(data, Tensor) and data.requires_grad
        values = _values("Buffer", data)
        self = cast("Buffer", _core._make_subclass(cls, values, requires_grad))
        self.persistent = persistent
        return self

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        """All is done in __new__."""


class UninitializedTensorMixin:
    """A tensor without shape until `materialize`, of layers that learn it from their input.

    What would compute with it raises ValueError.
    """

    __torch_function__ = _without_shape
    cls_to_become: type[Tensor]

    @property
    def shape(self) -> Any:
        """RuntimeError: it has none."""
        raise RuntimeError(f"[shape] a {self._what()} has no shape yet; call the layer once")

    def numel(self) -> int:
        """ValueError: it has no shape."""
        raise ValueError(f"[numel] a {self._what()} has no shape yet; call the layer once")

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a Parameter, or a buffer, of this shape, uninitialised."""
        self.data = _core.empty(shape, dtype=self.dtype if dtype is None else dtype)  # type: ignore[attr-defined]
        self.__class__ = self.cls_to_become  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @classmethod
    def _what(cls) -> str:
        return cls.__name__.removeprefix("Uninitialized").lower()


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A Parameter without shape until `materialize`: of lazy layers."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return _core._make_subclass(cls, _core.empty(0, dtype=dtype), requires_grad)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        """All is done in __new__."""


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer without shape until `materialize`: of lazy layers."""

    cls_to_become = Tensor

    def __new__(
        cls,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> Any:
        self = _core._make_subclass(cls, _core.empty(0, dtype=dtype), requires_grad)
        self.persistent = persistent
        return self

    def __init__(
        self,
        requires_grad: bool = False,
        device: Any = None,
        dtype: Any = None,
        persistent: bool = True,
    ) -> None:
        """All is done in __new__."""


def is_lazy(param: object) -> bool:
    """Whether it has no shape yet."""
    return isinstance(param, UninitializedTensorMixin)


plain_types.update((Parameter, Buffer))
