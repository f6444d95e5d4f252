"""What samples come from: by number (Dataset), or as a stream (IterableDataset)."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ... import _core

if TYPE_CHECKING:
    from ..._core import Generator, Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by number: a subclass says `__getitem__(i)`, and `__len__` for the samplers.

    `a + b` is their ConcatDataset. A method `__getitems__(list of i)` is asked for a whole batch
    of samples where there is one. Source: PyTorch's torch.utils.data.Dataset.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(
            f"[Dataset] {type(self).__name__} has no __getitem__; define it in the subclass"
        )

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Samples as a stream: a subclass says `__iter__`, which is abstract. a + b chains them.

    Each worker of a DataLoader iterates a copy of its own; `get_worker_info` tells it which part
    is its. Source: PyTorch's torch.utils.data.IterableDataset.
    """

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Sample i is (t_1[i], t_2[i], ...), of tensors of one length.

    A DataLoader takes a batch of it by one gather per tensor; one in order shares the memory until
    either side is written, and keeps it alive. Raises AssertionError for lengths that differ.
    Source: PyTorch's torch.utils.data.TensorDataset.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        lengths = [t.size(0) for t in tensors]
        if any(length != lengths[0] for length in lengths):
            raise AssertionError(
                f"[TensorDataset] the tensors have {lengths} samples; equal numbers are needed"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset[Any]):
    """Sample i is (a[i], b[i], ...), or {"x": a[i], ...} of datasets given by keyword.

    Raises ValueError for no dataset, both ways at once, or lengths that differ.
    Source: PyTorch's torch.utils.data.StackDataset.
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            given = "both" if args else "none"
            raise ValueError(
                "[StackDataset] datasets are given by position or by keyword, "
                f"{given} were given; choose one"
            )
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(
                f"[StackDataset] the datasets have {lengths} samples; equal numbers are needed"
            )
        self.datasets = args or kwargs
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {key: dataset[index] for key, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        named = isinstance(self.datasets, dict)
        parts = self.datasets.values() if isinstance(self.datasets, dict) else self.datasets
        columns = [_items(part, indices) for part in parts]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(
                    f"[StackDataset] a dataset gave {len(column)} samples for {len(indices)} "
                    "numbers; __getitems__ must return one for each"
                )
        rows = zip(*columns, strict=True)
        return [dict(zip(self.datasets, row, strict=True)) for row in rows] if named else [*rows]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """The samples of several datasets, one after another.

    Raises AssertionError for none at all, or an IterableDataset among them.
    Source: PyTorch's torch.utils.data.ConcatDataset.
    """

    datasets: list[Dataset[T_co]]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("[ConcatDataset] no datasets were given; pass at least one")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError(
                "[ConcatDataset] an IterableDataset has no numbered samples; use ChainDataset"
            )
        self.cumulative_sizes = self.cumsum(self.datasets)

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """Where each dataset ends."""
        return [*accumulate(len(dataset) for dataset in sequence)]

    def __getitem__(self, index: Any) -> T_co:
        if index < 0:
            if -index > len(self):
                raise ValueError(
                    f"[ConcatDataset] index {index} for {len(self)} samples; "
                    f"{-len(self)} to {len(self) - 1} can be taken"
                )
            index += len(self)
        part = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[part - 1] if part else 0
        return self.datasets[part][index - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """The samples of several IterableDatasets, one stream after another.

    Raises AssertionError, when iterated, for a dataset that is no stream.
    Source: PyTorch's torch.utils.data.ChainDataset.
    """

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"[ChainDataset] a {type(dataset).__name__} is no IterableDataset; "
                    "use ConcatDataset"
                )
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        for stream in self._streams():
            yield from stream

    def __len__(self) -> int:
        return sum(len(stream) for stream in self._streams())


class Subset(Dataset[T_co]):
    """Sample i is dataset[indices[i]].

    Raises NotImplementedError when a subclass changes `__getitem__` and not `__getitems__`: a
    DataLoader asks the latter. Source: PyTorch's torch.utils.data.Subset.
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        cls = type(self)
        own = cls.__getitem__ is not Subset.__getitem__
        if own and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"[Subset] {cls.__name__} overrides __getitem__ but not __getitems__, which a "
                "DataLoader asks; define __getitems__(indices) as "
                "[self.__getitem__(i) for i in indices]"
            )
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        items: list[T_co] = _items(self.dataset, [self.indices[i] for i in indices])
        return items

    def __len__(self) -> int:
        return len(self.indices)


def _items(dataset: Any, indices: Sequence[Any]) -> Any:
    """The samples of a batch: all at once where the dataset can."""
    if callable(getattr(dataset, "__getitems__", None)):
        return dataset.__getitems__(indices)
    return [dataset[index] for index in indices]


def random_split(
    dataset: Dataset[T_co],
    lengths: Sequence[int | float],
    generator: Generator | None = None,
) -> list[Subset[T_co]]:
    """Subsets of the given lengths, or fractions that sum to 1, drawn without replacement.

    A fraction f gives floor(f n) samples, and what remains goes to the first subsets, one each.
    Raises ValueError when the lengths do not sum to the dataset's, or a fraction is outside [0, 1].
    Source: PyTorch's torch.utils.data.random_split.
    """
    n = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _shares(n, lengths)
    if sum(lengths) != n:
        raise ValueError(
            f"[random_split] the lengths {lengths} sum to {sum(lengths)}, the dataset has {n} "
            "samples; they must be equal, or be fractions that sum to 1"
        )
    if not all(hasattr(length, "__index__") for length in lengths):
        raise TypeError(f"[random_split] lengths={list(lengths)}; pass ints, or fractions of 1")
    order = _core.randperm(n, generator=generator).tolist()
    stops = accumulate(int(length) for length in lengths)
    return [
        Subset(dataset, order[stop - int(length) : stop])
        for stop, length in zip(stops, lengths, strict=True)
    ]


def _shares(n: int, fractions: Sequence[float]) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"[random_split] fraction {i} is {fraction}; 0 to 1 is allowed")
    lengths = [math.floor(n * fraction) for fraction in fractions]
    for i in range(n - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"[random_split] split {i} has length 0: {fractions[i]} of {n} samples; "
                "use a larger fraction",
                stacklevel=3,
            )
    return lengths
