"""The numbers of a tensor as a report shows them: all of a small one, statistics of a large one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .._bits import as_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .._core import Tensor

__all__ = ["SMALL", "Value", "number", "shape_text"]

SMALL: Final = 64  # elements up to which a tensor is shown whole


def number(x: float) -> str:
    """Four significant digits, as people write them."""
    if isinstance(x, (bool, np.bool_)):
        return str(bool(x))
    if math.isnan(x) or math.isinf(x):
        return str(float(x))
    text = f"{x:.4g}"
    return "0" if text == "-0" else text


def shape_text(shape: tuple[int, ...]) -> str:
    """2 x 3; a number has none."""
    return " x ".join(map(str, shape)) if shape else "scalar"


def _measured(array: Any) -> Any:
    """What has an order: of complex numbers their magnitudes."""
    return np.abs(array) if array.dtype.kind == "c" else array


class Value:
    """Shape, type, and the elements or their statistics. Plain data: it holds no tensor."""

    __slots__ = ("array", "dtype", "shape", "statistics")

    def __init__(self, array: NDArray[Any], dtype: str) -> None:
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype = dtype
        self.array: NDArray[Any] | None = array.copy() if array.size <= SMALL else None
        self.statistics: dict[str, float] = {}
        if self.array is None:
            array = _measured(array)
            with np.errstate(all="ignore"):
                self.statistics = {
                    "min": float(array.min()),
                    "mean": float(array.mean(dtype=np.float64)),
                    "max": float(array.max()),
                    "std": float(array.std(dtype=np.float64)),
                }

    @classmethod
    def of(cls, tensor: Tensor) -> Value:
        """The value that a tensor has now."""
        return cls(as_values(tensor), str(tensor.dtype).removeprefix("torch."))

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    def text(self, longest: int = 6) -> str:
        """One line: 3.36, [1, -2], or the statistics of what has more than `longest` elements."""
        if self.array is not None and (self.size <= longest or self.size == 1):
            return _nested(self.array)
        if self.size == 0:
            return "[]"
        facts = self.statistics or Value._facts(self.array)
        low, mean, high = (number(facts[k]) for k in ("min", "mean", "max"))
        return f"⟨{low} … {high}, mean {mean}⟩"

    def short(self) -> str:
        """The same in few characters, for pictures: ⟨-1.2 … 3⟩ for many elements."""
        if self.array is not None and (self.size <= 3 or self.size == 1):
            return _nested(self.array)
        if self.size == 0:
            return "[]"
        facts = self.statistics or Value._facts(self.array)
        return f"⟨{facts['min']:.3g} … {facts['max']:.3g}⟩"

    @staticmethod
    def _facts(array: Any) -> dict[str, float]:
        array = _measured(array)
        with np.errstate(all="ignore"):
            return {
                "min": float(array.min()),
                "mean": float(array.mean(dtype=np.float64)),
                "max": float(array.max()),
            }

    def as_dict(self) -> dict[str, Any]:
        """For JSON: NaN and infinities as text."""
        found: dict[str, Any] = {"shape": list(self.shape), "dtype": self.dtype}
        if self.array is not None:
            found["elements"] = _plain(self.array.tolist())
        else:
            found["statistics"] = {k: _plain(v) for k, v in self.statistics.items()}
        return found

    def __repr__(self) -> str:
        return self.text(SMALL)


def _nested(array: NDArray[Any]) -> str:
    if array.ndim == 0:
        return number(array.item())
    return "[" + ", ".join(_nested(row) for row in array) + "]"


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
