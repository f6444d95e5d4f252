"""Maxima of windows at drawn places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._sizes import per_dimension
from .pooling import _Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor

    Sizes = int | Sequence[int]

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]


class _FractionalMaxPool(_Pool):
    """y = the maxima of windows at places drawn anew at every call, as nn.functional's says.

    x (N, C, ...) or (C, ...). Raises ValueError unless one of output_size and output_ratio is
    given, and for a ratio that is not between 0 and 1.
    Source: Graham, Fractional Max-Pooling, 2014.
    """

    _shown = ()
    _random_samples: Tensor | None

    def __init__(
        self,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"[{type(self).__name__}] output_size={output_size} and output_ratio="
                f"{output_ratio}; give one of them"
            )
        self.kernel_size = per_dimension(kernel_size, self._dims)
        self.output_size = output_size and per_dimension(output_size, self._dims)
        self.output_ratio = output_ratio and per_dimension(output_ratio, self._dims)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        if output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio or (0,)):
            raise ValueError(
                f"[{type(self).__name__}] output_ratio={output_ratio} must be between 0 and 1"
            )

    def forward(self, input: Tensor) -> Any:
        return self._pool("fractional_max_pool")(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    __doc__ = _FractionalMaxPool.__doc__
    _dims = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    __doc__ = _FractionalMaxPool.__doc__
    _dims = 3
