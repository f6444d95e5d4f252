"""The seed of the default generator (Mersenne twister, the same stream as PyTorch's on the CPU)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._core import _default_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._core import Generator

__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]


def manual_seed(seed: int) -> Generator:
    """Start the default generator at `seed`, and return it."""
    return _default_generator().manual_seed(int(seed))


def seed() -> int:
    """Start the default generator at a random seed, and return that seed."""
    return _default_generator().seed()


def initial_seed() -> int:
    """The seed that the default generator was started with."""
    return _default_generator().initial_seed()


def get_rng_state() -> bytes:
    """The state of the default generator."""
    return _default_generator().get_state()


def set_rng_state(new_state: bytes) -> None:
    """Put the default generator back into a state taken with `get_rng_state`."""
    _default_generator().set_state(new_state)


@contextmanager
def fork_rng(devices: object = None, enabled: bool = True) -> Iterator[None]:
    """Within the context numbers may be drawn and seeds set; after it the state is as before."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
