"""A share of the samples for each of several processes."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

from ... import _core
from ..._core import Generator
from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """The samples rank, rank + num_replicas, ... of an order that all processes share.

    The order is shuffled by seed + epoch, and filled up from its front, or cut for drop_last, so
    that all shares are equal. num_replicas and rank are those of the group of all processes.
    Raises ValueError without one, and for a rank beyond num_replicas.
    Source: PyTorch's torch.utils.data.distributed.DistributedSampler.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            from ...distributed.distributed_c10d import the_group

            group = the_group("DistributedSampler")
            num_replicas = group.size() if num_replicas is None else num_replicas
            rank = group.rank() if rank is None else rank
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"[DistributedSampler] rank {rank}; expected 0 to {num_replicas - 1}")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0
        samples = len(dataset)
        self.num_samples = samples // num_replicas if drop_last else ceil(samples / num_replicas)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        order = list(range(len(self.dataset)))
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            order = _core.randperm(len(order), generator=generator).tolist()
        filled = order * ceil(self.total_size / max(1, len(order)))
        return iter(filled[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Shuffle anew: to be called before each epoch."""
        self.epoch = epoch
