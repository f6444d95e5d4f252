"""Maxima of windows that begin at drawn places."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from .. import _core
from .._checks import the_tensor
from ._sizes import per_dimension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._core import Tensor

    Sizes = int | Sequence[int]

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]


def _each(op: str, name: str, value: Any, dims: int, kind: type[Exception]) -> tuple[Any, ...]:
    found = per_dimension(value, dims)
    if len(found) != dims:
        raise kind(f"[{op}] {name}={value} for {dims} dimensions; pass a number, or {dims}")
    return found


def _begins(samples: Tensor, size: int, window: int, out: int) -> Tensor:
    """Where the windows of a dimension begin: out of them for every sample, the last at the end."""
    begins = _core.full((*samples.shape, out), size - window, dtype=_core.int64)
    if out > 1:
        step = (size - window) / (out - 1)
        at = (_core.arange(out - 1, dtype=samples.dtype) + samples[..., None]) * step
        begins[..., :-1] = at.long() - (samples[..., None] * step).long()
    return begins


def _places(samples: Tensor, sizes: Any, windows: Any, outs: Any) -> Tensor:
    """(N, C, windows, their elements): where they lie in the flattened input."""
    dims = len(windows)
    places: Tensor = _core.zeros(1, dtype=_core.int64)
    for d, (size, window, out) in enumerate(zip(sizes, windows, outs, strict=True)):
        # PyTorch's order: of two dimensions the first sample is the last one's.
        begins = _begins(samples[..., 1 - d if dims == 2 else d], size, window, out)
        along = [1] * (2 * dims)
        along[d], along[dims + d] = out, window
        at = begins[..., None] + _core.arange(window)
        places = places * size + at.reshape(*samples.shape[:2], *along)
    return places.reshape(*samples.shape[:2], prod(outs), prod(windows))


def _fractional_max_pool(dims: int) -> Any:
    op = f"fractional_max_pool{dims}d"

    def pool(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> Any:
        """The maximum of windows at drawn places, output_size or output_ratio * size of them.

        input (N, C, ...) or (C, ...). A dimension of `size` with a sample u in [0, 1) and
        a = (size - kernel) / (out - 1) has windows at trunc((i + u) a) - trunc(u a), the last one
        at size - kernel. With return_indices also the places in the flattened input. Raises
        ValueError without a size, RuntimeError for windows that do not fit.
        Source: Graham, Fractional Max-Pooling, 2014.
        """
        sizes = the_tensor(op, input).shape[-dims:]
        if input.ndim not in (dims + 1, dims + 2):
            raise RuntimeError(
                f"[{op}] the input has {input.ndim} dimensions, of shape {tuple(input.shape)}; "
                f"{dims + 2} or, without a batch, {dims + 1} are needed"
            )
        if output_size is None:
            if output_ratio is None:
                raise ValueError(f"[{op}] neither output_size nor output_ratio is given; pass one")
            ratios = _each(op, "output_ratio", output_ratio, dims, ValueError)
            output_size = [int(n * ratio) for n, ratio in zip(sizes, ratios, strict=True)]
        windows = _each(op, "kernel_size", kernel_size, dims, RuntimeError)
        outs = _each(op, "output_size", output_size, dims, RuntimeError)
        for n, window, out in zip(sizes, windows, outs, strict=True):
            if window < 1 or out < 1 or out + window - 1 > n:
                raise RuntimeError(
                    f"[{op}] kernel_size={windows} and output_size={outs} do not fit an input of "
                    f"{tuple(sizes)}; each kernel + output - 1 may be as large as the input"
                )
        batch = input if input.ndim == dims + 2 else input[None]
        samples = _random_samples
        if samples is None:
            samples = _core.rand(*batch.shape[:2], dims, dtype=input.dtype)
        elif (
            samples.dtype != input.dtype
            or samples.shape[1:] != (batch.shape[1], dims)
            or len(samples) < len(batch)
        ):
            raise RuntimeError(
                f"[{op}] the samples are {samples.dtype} of shape {tuple(samples.shape)}; expected "
                f"{input.dtype} of shape {(*batch.shape[:2], dims)}, or more of them"
            )
        places = _places(samples[: len(batch)], sizes, windows, outs)
        values = batch.flatten(2).gather(2, places.flatten(2)).view(places.shape)
        most, which = values.max(3)
        shape = (*input.shape[:-dims], *outs)
        if not return_indices:
            return most.view(shape)
        return most.view(shape), places.gather(3, which[..., None]).view(shape)

    pool.__name__ = pool.__qualname__ = op
    return pool


fractional_max_pool2d = _fractional_max_pool(2)
fractional_max_pool3d = _fractional_max_pool(3)
