"""DataLoader: batches of a dataset, in PyTorch's order for a seed.

A TensorDataset, or a Subset of one, is batched by one gather per tensor, in order by none
(docs/memory.md); all else is collated sample by sample.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from multiprocessing import get_context
from operator import index
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from ... import _core
from ..._core import Tensor
from ._utils.collate import default_collate, default_convert
from ._utils.worker import Workers
from .dataset import Dataset, IterableDataset, Subset, TensorDataset, _items
from .sampler import BatchSampler, RandomSampler, SequentialSampler, batches_of_parts

if TYPE_CHECKING:
    from ..._core import Generator

__all__ = ["DataLoader"]

T_co = TypeVar("T_co", covariant=True)
# Types that loaders of other packages name.
_collate_fn_t = Callable[[list[Any]], Any]
_worker_init_fn_t = Callable[[int], None]

_FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    `num_workers` threads load `prefetch_factor` batches each ahead (PyTorch has processes there);
    `pin_memory` warns that there is no GPU, `multiprocessing_context` changes nothing. Each pass
    draws a base seed from `generator`, and with `shuffle` another one, as PyTorch does. Raises
    ValueError for arguments that exclude one another, and what the dataset raises.
    Source: PyTorch's torch.utils.data.DataLoader.
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        streams = isinstance(dataset, IterableDataset)
        _check_numbers(num_workers, timeout, prefetch_factor, persistent_workers)
        if multiprocessing_context is not None and not num_workers:
            raise ValueError(
                f"[DataLoader] {multiprocessing_context=} and {num_workers=}; pass workers, or no "
                "context"
            )
        if isinstance(multiprocessing_context, str):
            get_context(multiprocessing_context)  # ValueError for one that does not exist
        _check_order(streams, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            if streams:
                sampler = repeat(None)
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)  # type: ignore[arg-type]
            else:
                sampler = SequentialSampler(dataset)  # type: ignore[arg-type]
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        default = default_convert if batch_sampler is None else default_collate
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.num_workers = num_workers
        self.collate_fn = default if collate_fn is None else collate_fn
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory_device = pin_memory_device
        self.in_order = in_order
        self._workers: Workers | None = None
        self._told_length: int | None = None
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "_ready" in self.__dict__:
            raise ValueError(
                f"[DataLoader] {name} cannot be set after the loader was made; make another loader"
            )
        super().__setattr__(name, value)

    # Under the names that subclasses override.
    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def _get_iterator(self) -> Iterator[Any]:
        several = self.num_workers > 0
        return (_MultiProcessingDataLoaderIter if several else _SingleProcessDataLoaderIter)(self)

    def __iter__(self) -> Iterator[Any]:
        return self._get_iterator()

    def __len__(self) -> int:
        """Batches of a pass. Raises TypeError where dataset or sampler have no length."""
        if not isinstance(self.dataset, IterableDataset):
            return len(self._index_sampler)
        length: int = len(self.dataset)  # type: ignore[arg-type]
        self._told_length = length
        if self.batch_size is None:
            return length
        full, rest = divmod(length, self.batch_size)
        return full + (rest > 0 and not self.drop_last)


class _BaseDataLoaderIter(Iterator[Any]):
    """One pass over a DataLoader."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader, self._told = loader, loader._told_length
        self._given = 0
        gather = _gather(loader)
        order, sampler = None, loader._index_sampler
        if gather and isinstance(sampler, BatchSampler):
            order = batches_of_parts(sampler)
        if order is None:
            order = iter(sampler)
        base_seed = 0 if loader._workers else _core._draw_seed(loader.generator)
        count = index(loader.num_workers) if loader.num_workers else 0
        if loader.timeout and not count:
            raise AssertionError(f"[DataLoader] {loader.timeout=} without workers; pass 0")
        if loader.pin_memory:
            warnings.warn(
                "[DataLoader] pin_memory=True, but no accelerator is found; leave it out",
                stacklevel=3,
            )
        if gather or not count:
            fetch = gather or _fetch_from(loader)(loader.dataset)
            self._batches: Iterator[Any] = _fetched(fetch, order)
            return
        workers = loader._workers or Workers(
            count,
            loader.dataset,
            _fetch_from(loader),
            loader.worker_init_fn,
            base_seed,
        )
        if loader.persistent_workers:
            workers.persistent, loader._workers = True, workers
        ahead = (loader.prefetch_factor or 1) * count
        self._batches = workers.run(order, ahead, loader.timeout or None, loader.in_order)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        batch = next(self._batches)
        self._given += 1
        told = self._told
        if told is not None and self._given > told:
            warnings.warn(
                f"[DataLoader] {type(self._loader.dataset).__name__} says that it has {told} "
                f"samples, {self._given} batches were taken from it; correct its __len__"
                + (", or its share of each worker" if self._loader.num_workers else ""),
                stacklevel=2,
            )
        return batch


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    """Without workers."""


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """With workers, which are threads here."""


def _fetched(fetch: Callable[[Any], Any], order: Iterator[Any]) -> Iterator[Any]:
    for numbers in order:
        try:
            batch = fetch(numbers)
        except StopIteration:
            return
        yield batch


def _fetch_from(loader: DataLoader[Any]) -> Callable[[Any], Callable[[Any], Any]]:
    """What makes, of a dataset (or a worker's copy of it), a function: numbers -> batch."""
    collate, batched, drop_last = loader.collate_fn, loader._auto_collation, loader.drop_last

    def from_map(dataset: Any) -> Callable[[Any], Any]:
        if batched:
            return lambda numbers: collate(_items(dataset, numbers))
        return lambda number: collate(dataset[number])

    def from_stream(dataset: Any) -> Callable[[Any], Any]:
        stream = iter(dataset)

        def fetch(numbers: Any) -> Any:
            if not batched:
                return collate(next(stream))
            samples = [sample for _, sample in zip(numbers, stream, strict=False)]
            if not samples or (drop_last and len(samples) < len(numbers)):
                raise StopIteration
            return collate(samples)

        return fetch

    return from_stream if isinstance(loader.dataset, IterableDataset) else from_map


def _gather(loader: DataLoader[Any]) -> Callable[[Any], Any] | None:
    """The function numbers -> batch that needs no samples, for what is made of whole tensors."""
    if loader.collate_fn is not default_collate or not loader._auto_collation:
        return None
    if loader.worker_init_fn is not None and loader.num_workers:
        return None
    found = _rows(loader.dataset)
    if found is None:
        return None
    tensors, rows = found

    def gather(numbers: Any) -> list[Tensor]:
        if isinstance(numbers, range) and rows is None:
            return [t[numbers.start : numbers.stop]._lazy_clone() for t in tensors]
        if isinstance(numbers, range):
            chosen: Any = slice(numbers.start, numbers.stop)
        else:
            chosen = numbers if isinstance(numbers, Tensor) else _places(numbers)
            if chosen.ndim == 0:
                raise TypeError(f"[DataLoader] a batch is {numbers!r}; a batch_sampler gives lists")
        places = chosen if rows is None else rows[chosen]
        return [t[places] for t in tensors]

    return gather


def _places(numbers: Any) -> Tensor:
    try:
        return _core.tensor(numbers)
    except ValueError as error:
        raise TypeError(f"[DataLoader] {numbers!r} are no numbers of samples: {error}") from None


def _rows(dataset: Any) -> tuple[tuple[Tensor, ...], Tensor | None] | None:
    """(tensors, rows) of a TensorDataset, rows being the numbers that Subsets of it select."""
    cls = type(dataset)
    if isinstance(dataset, TensorDataset):
        plain = cls.__getitem__ is TensorDataset.__getitem__ and not hasattr(cls, "__getitems__")
        # A batch of samples without dimensions is a batch of numbers; without tensors, of nothing.
        return (dataset.tensors, None) if plain and dataset.tensors else None
    if not isinstance(dataset, Subset) or cls.__getitems__ is not Subset.__getitems__:
        return None
    found = _rows(dataset.dataset)
    numbers = dataset.indices
    if found is None or not (isinstance(numbers, Tensor) or len(numbers)):
        return None
    try:
        rows = np.asarray(numbers)
    except (ValueError, TypeError):
        return None
    if rows.ndim != 1 or rows.dtype.kind != "i":
        return None
    own = _core.tensor(rows.astype(np.int64))
    return found[0], own if found[1] is None else found[1][own]


def _check_numbers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    for name, value in (("num_workers", num_workers), ("timeout", timeout)):
        if value < 0:
            raise ValueError(f"[DataLoader] {name}={value}; 0 or more is needed")
    if prefetch_factor is not None and num_workers == 0:
        raise ValueError(f"[DataLoader] {prefetch_factor=} without workers; set num_workers")
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError(f"[DataLoader] prefetch_factor={prefetch_factor}; 0 or more is needed")
    if persistent_workers and num_workers == 0:
        raise ValueError("[DataLoader] persistent_workers=True without workers; set num_workers")


def _check_order(
    streams: bool, batch_size: Any, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if streams:
        given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"[DataLoader] {name}={value} with an IterableDataset, which has an order of "
                    "its own; leave it out"
                )
    if sampler is not None and shuffle:
        raise ValueError("[DataLoader] sampler and shuffle exclude each other; pass one")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "[DataLoader] batch_sampler excludes batch_size, shuffle, sampler and drop_last; "
                "leave them out"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "[DataLoader] drop_last=True with batch_size=None, which makes no batches; pass one"
        )
