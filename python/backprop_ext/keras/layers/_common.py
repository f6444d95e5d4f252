"""What several families of layers need: checks of arguments, and layouts of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core
from ..._choice import choose
from ...autograd.grad_mode import no_grad
from .._shapes import Shape, as_list, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "add_bias",
    "channels_first",
    "features",
    "per_dimension",
    "positive",
    "probability",
    "tried",
    "with_dim",
]


def positive(op: str, **numbers: Any) -> None:
    """Raises TypeError for what is no whole number, ValueError for one below 1."""
    for name, number in numbers.items():
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"[{op}] {name}={number!r} is no whole number; pass an int")
        if number < 1:
            raise ValueError(f"[{op}] {name}={number} is not positive; pass 1 or more")


def per_dimension(op: str, name: str, given: Any, dims: int, least: int = 1) -> tuple[int, ...]:
    """A number for each dimension; one number stands for all. Raises TypeError, ValueError."""
    numbers = tuple(given) if isinstance(given, (list, tuple)) else (given,) * dims
    if len(numbers) != dims:
        raise ValueError(f"[{op}] {name}={given!r} has {len(numbers)} numbers; pass {dims}")
    for number in numbers:
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"[{op}] {name}={given!r} holds {number!r}; pass whole numbers")
        if number < least:
            raise ValueError(f"[{op}] {name}={given!r} holds {number}; pass {least} or more")
    return numbers


def features(op: str, shape: Shape, axis: int = -1) -> int:
    """The length that weights need to know. Raises ValueError where it is open."""
    length = shape[axis]
    if length is None:
        raise ValueError(
            f"[{op}] length {axis} of {shape} is open and the weights need it; give it as a number"
        )
    return length


def add_bias(layer: Any, size: Sequence[int], name: str = "bias", start: Any = "zero") -> None:
    """Give a layer its bias, or None in its place where it wants none."""
    if layer.bias:
        layer.add_weight(name, size, start, layer.penalties[1])
    else:
        layer.module.register_parameter(name, None)


def probability(op: str, p: float) -> float:
    """p. Raises ValueError outside of [0, 1)."""
    if not 0 <= p < 1:
        raise ValueError(f"[{op}] p={p} is outside [0, 1); pass the share that is dropped")
    return float(p)


def channels_first(op: str, dim_ordering: str) -> bool:
    """Whether images are (batch, channels, rows, columns), "th", or have channels last, "tf"."""
    return choose(op, "dim_ordering", dim_ordering, {"th": True, "tf": False})


def with_dim(input_dim: int | None, options: dict[str, Any]) -> dict[str, Any]:
    """input_dim=n stands for input_shape=(n,)."""
    if input_dim is None or options.get("input_shape") is not None:
        return options
    return {**options, "input_shape": (input_dim,)}


def tried(op: str, function: Callable[..., Any], shapes: Any) -> Any:
    """The shape of function(zeros): a length is open where it follows one that is.

    Raises ValueError, from the function's own error, where it cannot take the shape.
    """
    found = []
    for length in (2, 3):
        zeros = [
            _core.zeros([length if n is None else n for n in shape]) for shape in as_list(shapes)
        ]
        try:
            with no_grad():
                outputs = function(*zeros)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise ValueError(
                f"[{op}] cannot take inputs of shape {shapes}, a trial on zeros failed: {error}"
            ) from error
        results = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        found.append([tuple(result.shape) for result in results])
    return plain(
        [
            tuple(n if n == m else None for n, m in zip(one, other, strict=True))
            for one, other in zip(*found, strict=True)
        ]
    )
