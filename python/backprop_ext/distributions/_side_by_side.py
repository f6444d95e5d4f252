"""Several transforms side by side, each for a part of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor
from . import constraints
from ._transform import Transform
from .constraints import dependent_property
from .utils import _sum_rightmost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CatTransform", "StackTransform"]


class _SideBySide(Transform):
    """Several transforms, each for a part of the input along `dim`."""

    _joined: Callable[..., Tensor]
    _constraint: Any

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError(f"[{type(self).__name__}] {tseq=}; pass transforms")
        self.transforms = [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)
        self.dim = dim

    @property
    def length(self) -> int:
        """How long x is along dim."""
        return len(self.transforms)

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        raise NotImplementedError

    def _each(self, x: Tensor) -> Any:
        if not -x.ndim <= self.dim < x.ndim or x.size(self.dim) != self.length:
            raise AssertionError(
                f"[{type(self).__name__}] x has shape {tuple(x.shape)}, its dimension {self.dim} "
                f"should be {self.length} long"
            )
        return zip(self.transforms, self._parts(x), strict=True)

    def _call(self, x: Tensor) -> Tensor:
        return type(self)._joined([t(part) for t, part in self._each(x)], self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        return type(self)._joined([t.inv(part) for t, part in self._each(y)], self.dim)

    bijective = property(lambda self: all(t.bijective for t in self.transforms))


class CatTransform(_SideBySide):
    """y = cat(f_k(x_k)), x_k being pieces of `lengths` along `dim` (1 each by default)."""

    _joined = _core.cat

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(
                f"[CatTransform] {len(self.lengths)} lengths and {len(self.transforms)} transforms;"
                " pass one for each"
            )

    @property
    def event_dim(self) -> int:
        """The largest of the parts."""
        return max(int(t.event_dim) for t in self.transforms)

    @property
    def length(self) -> int:
        """How long x is along dim."""
        return sum(self.lengths)

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        return x.split(self.lengths, self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        terms = [
            _sum_rightmost(t.log_abs_det_jacobian(a, b), self.event_dim - t.event_dim)
            for (t, a), b in zip(self._each(x), self._parts(y), strict=True)
        ]
        dim = (self.dim - x.ndim if self.dim >= 0 else self.dim) + self.event_dim
        return _core.cat(terms, dim) if dim < 0 else sum(terms[1:], terms[0])

    @dependent_property
    def domain(self) -> Any:
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @dependent_property
    def codomain(self) -> Any:
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(_SideBySide):
    """y_k = f_k(x_k), k being the index along `dim`."""

    _joined = _core.stack

    def _parts(self, x: Tensor) -> Sequence[Tensor]:
        return x.unbind(self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(self._each(x), self._parts(y), strict=True)
        return _core.stack([t.log_abs_det_jacobian(a, b) for (t, a), b in pairs], self.dim)

    @dependent_property
    def domain(self) -> Any:
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @dependent_property
    def codomain(self) -> Any:
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
