"""The order of samples: numbers one by one (Sampler), or in lists (BatchSampler).

The samplers here draw their numbers as PyTorch does, so that a seed gives the same order. They
hold them as tensors, and `parts` hands these to a DataLoader before they become Python's ints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ... import _core
from ..._core import Generator, Tensor

if TYPE_CHECKING:
    from typing import TypeAlias

    # Numbers in their order: a run, or a 1-d int64 tensor.
    Part: TypeAlias = range | Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "batches_of_parts",
]

T_co = TypeVar("T_co", covariant=True)


class Sampler(Generic[T_co]):
    """An order of samples: a subclass says `__iter__`, and `__len__` where it is known."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(
            f"[Sampler] {type(self).__name__} has no __iter__; define it in the subclass"
        )


class _Parted(Sampler[int]):
    """A sampler that draws a tensor of numbers at a time."""

    def parts(self) -> Iterator[Part]:
        """The order in pieces, each drawn when it is asked for."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        for part in self.parts():
            yield from part.tolist() if isinstance(part, Tensor) else part


class SequentialSampler(_Parted):
    """0, 1, ..., n - 1."""

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def parts(self) -> Iterator[Part]:
        """One run."""
        yield range(len(self.data_source))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(_Parted):
    """`num_samples` numbers below n in random order, each at most once unless `replacement`.

    Without replacement more than n samples are several permutations. Without a generator a new
    one is seeded by the default generator for each pass. Raises ValueError for num_samples below
    1, TypeError when replacement is no bool. Source: PyTorch's torch.utils.data.RandomSampler.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(f"[RandomSampler] replacement={replacement!r}; True or False is needed")
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _require_count("RandomSampler", self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many numbers one pass gives; all of the dataset's unless set."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def parts(self) -> Iterator[Part]:
        """Permutations, or with replacement 32 numbers at a time, as PyTorch draws them."""
        n, total, generator = len(self.data_source), self.num_samples, self.generator
        if generator is None:
            generator = Generator().manual_seed(_core._draw_seed())
        size = 32 if self.replacement else n
        for part in [size] * (total // size) + [total % size]:
            if self.replacement:
                yield _core.randint(n, (part,), generator=generator)
            else:
                yield _core.randperm(n, generator=generator)[:part]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given numbers in random order. Source: PyTorch's torch.utils.data.SubsetRandomSampler."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in _core.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(_Parted):
    """`num_samples` numbers, i with probability w_i / sum w.

    Raises ValueError for num_samples below 1, a replacement that is no bool, or weights that are
    no list. Source: PyTorch's torch.utils.data.WeightedRandomSampler.
    """

    weights: Any

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _require_count("WeightedRandomSampler", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"[WeightedRandomSampler] replacement={replacement!r}; True or False is needed"
            )
        self.weights = _core.as_tensor(weights, dtype=_core.float64)
        if self.weights.ndim != 1:
            raise ValueError(
                f"[WeightedRandomSampler] weights of shape {tuple(self.weights.shape)}; "
                "one dimension is needed, a weight for each sample"
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def parts(self) -> Iterator[Part]:
        """One draw of all."""
        yield self.weights.multinomial(self.num_samples, self.replacement, generator=self.generator)

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` numbers of another sampler; the last may be shorter, or is dropped.

    Raises ValueError for a batch_size below 1 and a drop_last that is no bool.
    Source: PyTorch's torch.utils.data.BatchSampler.
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(f"[BatchSampler] batch_size={batch_size!r}; an int above 0 is needed")
        if not isinstance(drop_last, bool):
            raise ValueError(f"[BatchSampler] drop_last={drop_last!r}; True or False is needed")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while batch := [*islice(numbers, self.batch_size)]:
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)


def batches_of_parts(batches: BatchSampler) -> Iterator[Part] | None:
    """The lists of a BatchSampler as runs and tensors, None where its sampler has no parts.

    Every part is drawn at the moment at which the lists would have drawn it.
    """
    sampler: Any = batches.sampler
    if type(batches).__iter__ is not BatchSampler.__iter__ or not isinstance(sampler, _Parted):
        return None
    if type(sampler).__iter__ is not _Parted.__iter__:
        return None
    return _cut(sampler.parts(), batches.batch_size, batches.drop_last)


def _cut(parts: Iterator[Part], size: int, drop_last: bool) -> Iterator[Part]:
    rest: Any = range(0)
    for part in parts:
        left: Any = part
        if len(rest):
            left = _core.cat([_as_tensor(rest), _as_tensor(part)])
        whole = len(left) - len(left) % size
        for start in range(0, whole, size):
            yield left[start : start + size]
        rest = left[whole:]
    if len(rest) and not drop_last:
        yield rest


def _as_tensor(part: Part) -> Tensor:
    return part if isinstance(part, Tensor) else _core.arange(part.start, part.stop)


def _require_count(op: str, number: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise ValueError(f"[{op}] num_samples={number!r}; an int above 0 is needed")
