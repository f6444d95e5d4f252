"""Variable, the name that tensors had before PyTorch 0.4."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._core import Tensor

if TYPE_CHECKING:
    _Base = Tensor
else:
    _Base = object

__all__ = ["Variable"]


class _VariableMeta(type):
    def __call__(cls, data: Tensor, requires_grad: bool = False) -> Tensor:
        if not isinstance(data, Tensor):
            raise TypeError(
                f"[Variable] data is a {type(data).__name__}, a Tensor is needed; use tensor(data)"
            )
        return data.detach().requires_grad_(requires_grad)

    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, Tensor)


class Variable(_Base, metaclass=_VariableMeta):
    """Variable(t, requires_grad=True): a leaf tensor on the storage of t.

    Every Tensor is an instance. Raises TypeError when t is not a Tensor.
    """

    def __init__(self, data: Tensor, requires_grad: bool = False) -> None:
        """Never called: the metaclass makes a Tensor."""
