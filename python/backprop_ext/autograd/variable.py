"""Variable, the name that tensors had before PyTorch 0.4."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from .._core import Tensor, empty

if TYPE_CHECKING:
    _Base = Tensor
else:
    _Base = object

__all__ = ["Variable"]


class _VariableMeta(type):
    def __call__(
        cls,
        data: Tensor | None = None,
        requires_grad: bool | None = None,
        volatile: bool | None = None,
        name: str | None = None,
    ) -> Tensor:
        if requires_grad and volatile:
            raise ValueError("[Variable] requires_grad and volatile exclude each other; pass one")
        if volatile is not None:
            warnings.warn(
                "[Variable] volatile has no effect; use `with no_grad():`",
                UserWarning,
                stacklevel=2,
            )
        if data is None:
            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(
                f"[Variable] data is a {type(data).__name__}, a Tensor is needed; use tensor(data)"
            )
        return data.detach().requires_grad_(bool(requires_grad))

    def __instancecheck__(cls, obj: object) -> bool:
        return isinstance(obj, Tensor)


class Variable(_Base, metaclass=_VariableMeta):
    """Variable(t, requires_grad=True): a leaf tensor on the storage of t.

    Every Tensor is an instance. Raises TypeError when t is not a Tensor; volatile, which warns, and
    name are taken as by PyTorch, and have no effect.
    """

    def __init__(
        self,
        data: Tensor | None = None,
        requires_grad: bool | None = None,
        volatile: bool | None = None,
        name: str | None = None,
    ) -> None:
        """Never called: the metaclass makes a Tensor."""
