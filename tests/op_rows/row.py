"""What a row of the test table is made of: arguments to draw, cases, and the row itself."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, Any]

MARGIN = 0.05


@dataclass(frozen=True)
class Real:
    """A floating-point tensor argument: where its values lie, and which kinks they stay off."""

    shape: tuple[int, ...] = ()
    low: float = -2.0
    high: float = 2.0
    avoid: tuple[float, ...] = ()
    step: float | None = None  # round the values to multiples of it
    whole: tuple[int, int] | None = None  # bounds of the values where integers are tested

    def draw(self, rng: np.random.Generator) -> Array:
        """Values spread evenly over the range, in random order, so that none are close."""
        count = int(np.prod(self.shape))
        x = self.low + (self.high - self.low) * (np.arange(count) + rng.random(count) / 2) / max(
            1, count
        )
        for kink in self.avoid:
            near = np.abs(x - kink) < MARGIN
            x[near] = kink + MARGIN * np.where(x[near] < kink, -1.0, 1.0) * (1 + rng.random())
        if self.step is not None:
            x = np.round(x / self.step) * self.step
        rng.shuffle(x)
        return x.reshape(self.shape)

    def draw_whole(self, rng: np.random.Generator, dtype: str) -> Array:
        """Integers (or bools) of the range `whole`."""
        assert self.whole is not None
        if dtype == "bool":
            return np.asarray(rng.random(self.shape) < 0.5)
        return np.asarray(rng.integers(self.whole[0], self.whole[1] + 1, self.shape), dtype)


@dataclass(frozen=True)
class Whole:
    """An integer tensor argument, such as an index: never differentiated, never converted."""

    shape: tuple[int, ...] = ()
    low: int = 0
    high: int = 9
    dtype: str = "int64"

    def draw(self, rng: np.random.Generator) -> Array:
        return np.asarray(rng.integers(self.low, self.high + 1, self.shape), self.dtype)


@dataclass(frozen=True)
class Flags:
    """A bool tensor argument."""

    shape: tuple[int, ...] = ()

    def draw(self, rng: np.random.Generator) -> Array:
        return np.asarray(rng.random(self.shape) < 0.5)


Maker = Real | Whole | Flags


@dataclass(frozen=True)
class Case:
    """Arguments of one call: makers become tensors, lists of makers lists of tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)

    def draw(self, seed: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments as NumPy arrays, the same for the same seed."""
        rng = np.random.default_rng(zlib.crc32(seed.encode()))
        drawn = map_arrays(lambda maker: maker.draw(rng), (self.args, self.kwargs), Maker)
        return drawn[0], drawn[1]

    def draw_whole(self, seed: str, dtype: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same with integers where floats are."""
        rng = np.random.default_rng(zlib.crc32(seed.encode()))
        drawn = map_arrays(
            lambda m: m.draw_whole(rng, dtype) if isinstance(m, Real) else m.draw(rng),
            (self.args, self.kwargs),
            Maker,
        )
        return drawn[0], drawn[1]

    @property
    def reals(self) -> list[Real]:
        """The makers of floating-point arguments, in order."""
        found: list[Real] = []

        def note(maker: Any) -> Any:
            found.extend([maker] if isinstance(maker, Real) else [])
            return maker

        map_arrays(note, (self.args, self.kwargs), Maker)
        return found


def map_arrays(function: Callable[[Any], Any], value: Any, kind: Any) -> Any:
    """`function` of every instance of `kind` inside nested tuples, lists and dicts."""
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map_arrays(function, item, kind) for item in value)
    if isinstance(value, dict):
        return {key: map_arrays(function, item, kind) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Row:
    """A registered operation: how it is called, what it must return, how its slope is checked.

    `name` is the registry's, with "nn." before operations of nn.functional. `reference` takes the
    arguments as NumPy arrays and returns an array or several; None where only shape and type are
    known, which `size` then gives.
    """

    name: str
    cases: tuple[Case, ...]
    reference: Callable[..., Any] | None
    aliases: tuple[str, ...] = ()  # registered names that do the same
    inplace: bool = False  # name_ is registered too, and so for the aliases
    order: int = 2  # derivatives to check
    constants: tuple[str, ...] = ()  # keywords that have no derivative
    pointwise: bool = False
    whole_dtypes: tuple[str, ...] = ("int64", "int32", "uint8")
    whole_result: str = "same"  # or "float32", "int64", "bool": what integers give
    result: str = "same"  # what floats give
    rtol: float = 1e-6  # of float32; float64 gets a square of it
    torch: bool = True  # PyTorch has it too
    torch_rtol: float = 1e-11  # against PyTorch in float64
    checks: Callable[..., None] | None = None  # for results that are not a formula

    @property
    def names(self) -> list[str]:
        """Every registered name that this row answers for."""
        names = [self.name, *self.aliases]
        return names + [name + "_" for name in names if self.inplace]

    def takes_whole(self) -> bool:
        """Whether every floating-point argument may be an integer."""
        return all(r.whole is not None for case in self.cases for r in case.reals) and any(
            case.reals for case in self.cases
        )


UNARY_SHAPES: Sequence[tuple[tuple[int, ...], ...]] = (((3, 5),), ((),), ((0, 3),), ((2, 1, 7),))
BINARY_SHAPES: Sequence[tuple[tuple[int, ...], ...]] = (
    ((3, 4), (3, 4)),
    ((3, 4), (4,)),
    ((2, 1, 3), (4, 1)),
    ((), (3,)),
    ((2, 3), ()),
    ((), ()),
    ((0, 3), (1, 3)),
)
TERNARY_SHAPES: Sequence[tuple[tuple[int, ...], ...]] = (
    ((3, 4), (3, 4), (3, 4)),
    ((3, 4), (4,), (3, 1)),
    ((), (2,), ()),
    ((0, 2), (2,), (1, 1)),
)
SHAPES = {1: UNARY_SHAPES, 2: BINARY_SHAPES, 3: TERNARY_SHAPES}


def pointwise(name: str, reference: Any, *makers: Any, **options: Any) -> Row:
    """A row whose tensors broadcast: every maker in every combination of shapes."""
    kwargs = options.pop("kwargs", ({},))
    shapes = SHAPES[len(makers)]
    cases = [
        Case(tuple(replace(m, shape=s) for m, s in zip(makers, shape, strict=True)), extra)
        for extra in kwargs
        for shape in shapes
    ]
    return Row(name, tuple(cases), reference, pointwise=True, **options)


def row(name: str, reference: Any, *cases: Case, **options: Any) -> Row:
    """A row with its own cases."""
    return Row(name, cases, reference, **options)


def case(*args: Any, **kwargs: Any) -> Case:
    """Arguments of one call."""
    return Case(args, kwargs)
