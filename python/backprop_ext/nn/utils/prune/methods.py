"""Which elements go: all kept, random ones, small ones, whole channels, or as a mask says."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from .... import _core
from .base import BasePruningMethod, checked_dim

if TYPE_CHECKING:
    from ...._core import Tensor

__all__ = [
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "RandomStructured",
    "RandomUnstructured",
]


class Identity(BasePruningMethod):
    """Nothing goes; there is a mask to be changed later."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask


class _ByAmount(BasePruningMethod):
    """Takes away a number of elements or channels, or a share of them from 0.0 to 1.0.

    Raises TypeError for an amount that is no number, ValueError for one out of range.
    """

    amount: Any

    def __init__(self, amount: float) -> None:
        if not isinstance(amount, Real):
            raise TypeError(f"[prune] amount is {amount!r}; pass an int or a float")
        if amount < 0 or (not isinstance(amount, Integral) and amount > 1):
            raise ValueError(
                f"[prune] amount is {amount}; pass a float from 0.0 to 1.0, or a number of "
                "elements, 0 or more"
            )
        self.amount = amount

    def _count(self, size: int) -> Any:
        if not isinstance(self.amount, Integral):
            return round(float(self.amount) * size)
        count: Any = self.amount
        if count > size:
            raise ValueError(f"[prune] amount is {count}, there are {size}; take fewer")
        return count


class _Elements(_ByAmount):
    """Takes away the elements of the lowest rank."""

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        count = self._count(t.numel())
        mask = default_mask.contiguous().clone()
        if count:
            mask.view(-1)[self._rank(t).view(-1).topk(count, largest=False).indices] = 0
        return mask

    def _rank(self, t: Tensor) -> Tensor:
        raise NotImplementedError


class RandomUnstructured(_Elements):
    """Random elements go."""

    def _rank(self, t: Tensor) -> Tensor:
        return -_core.rand_like(t)


class L1Unstructured(_Elements):
    """The elements of the smallest absolute value go."""

    def _rank(self, t: Tensor) -> Tensor:
        return t.abs().contiguous()


class _Channels(_ByAmount):
    """Takes away channels along `dim`. Raises ValueError for a tensor of one dimension."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if t.ndim <= 1:
            raise ValueError(
                f"[prune] the tensor has shape {tuple(t.shape)}; channels need 2 dimensions or more"
            )
        dim = checked_dim(t, self.dim)
        count = self._count(t.shape[dim])
        if not count:
            return default_mask
        shape = [-1 if d == dim else 1 for d in range(t.ndim)]
        return default_mask * self._kept(t, dim, count).to(default_mask.dtype).view(shape)

    def _kept(self, t: Tensor, dim: int, count: int) -> Tensor:
        raise NotImplementedError


class RandomStructured(_Channels):
    """Random channels go."""

    def _kept(self, t: Tensor, dim: int, count: int) -> Tensor:
        drawn = _core.rand(t.shape[dim])
        return drawn > drawn.kthvalue(count)[0]


class LnStructured(_Channels):
    """The channels of the smallest n-norm go."""

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def _kept(self, t: Tensor, dim: int, count: int) -> Tensor:
        norms = t.norm(self.n, [d for d in range(t.ndim) if d != dim])
        kept = _core.zeros(t.shape[dim])
        kept[norms.topk(t.shape[dim] - count)[1]] = 1
        return kept


class CustomFromMask(BasePruningMethod):
    """What a given mask says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"[CustomFromMask] the mask has shape {tuple(self.mask.shape)}, the tensor "
                f"{tuple(default_mask.shape)}; pass one of its shape"
            )
        return default_mask * self.mask.to(default_mask.dtype)
